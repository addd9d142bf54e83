"""The licence gate: what sources carry, held against what a mixture allows.

The one idea: a licence goes wherever records go. A stored version that is a source carries the licences of
all that it was built of, and a spec can add to these but not wave one away. Every offending source is told at
once, before anything is read or written.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from tulu_data.errors import PlanError
from tulu_data.sources.location import ResolvedSource
from tulu_data.specs.document import KeyPath
from tulu_data.specs.licences import UNKNOWN, Licences, licence_ids
from tulu_data.specs.mixture import MixtureFile

_GATES: tuple[KeyPath, ...] = (("licences", "allow"), ("licences", "deny"), ("licences",))
"""What lets a licence in or not."""


def check_licences(file: MixtureFile, sources: Sequence[ResolvedSource]) -> None:
    """Raise PlanError with every source that the mixture's `licences` do not let in."""
    gate = file.mixture.licences
    if gate is not None:
        problems = [text for source in sources for text in _refused(file, gate, source)]
        if problems:
            raise PlanError("\n".join(problems))


def licence_warnings(file: MixtureFile, sources: Sequence[ResolvedSource]) -> Iterator[str]:
    """Yield what somebody should know about licences, and nothing forbids."""
    gate = file.mixture.licences
    if gate is not None and gate.unknown == "warn":
        names = [repr(source.name) for source in sources if UNKNOWN in source.licences]
        if names:
            yield f"no licence is known of source{'s' * (len(names) > 1)} {', '.join(names)}"
    yield from _contradictions(file, sources)


def _refused(file: MixtureFile, gate: Licences, source: ResolvedSource) -> Iterator[str]:
    """Yield why a source may not stand in the version, each licence at its place."""
    for licence in source.licences:
        place = _place(file, source, licence)
        if licence == UNKNOWN:
            if gate.unknown == "error":
                said = f"{source.version_ref} carries records whose licence nobody stated" * bool(
                    source.version_ref
                )
                text = said or "no licence is known"
                advice = "state it as `licence:` of the source, or say licences: {unknown: warn}"
                unknown = [("sources", source.name, "licence"), ("licences", "unknown"), ("licences",)]
                yield file.document.problem(place, f"{text}; {advice}", against=unknown)
            continue
        why = gate.refuses(licence)
        if why is not None:
            stated = place[-1] != "uri"
            whose = "" if stated else f", which {source.version_ref or 'its card'} carries,"
            text = f"{licence}{whose} {why}; remove the source, or allow it"
            yield file.document.problem(place, text, against=[*_GATES])


def _place(file: MixtureFile, source: ResolvedSource, licence: str) -> KeyPath:
    """Return where a licence is stated; of one that is not stated, where the source is named."""
    for i, said in enumerate(file.mixture.sources[source.name].licence or ()):
        if licence in licence_ids(said):
            entry = ("sources", source.name, "licence", i)
            return entry if entry in file.document.values else entry[:-1]
    return ("sources", source.name, "uri")


def _contradictions(file: MixtureFile, sources: Sequence[ResolvedSource]) -> Iterator[str]:
    """Yield one line for every dataset whose card names other licences than the spec states for its parts."""
    stated: dict[tuple[str, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for source in sources:
        said = licence_ids(file.mixture.sources[source.name].licence)
        card = licence_ids(source.pin.licence if source.pin else None)
        if said and card and set(said) != set(card):
            stated[source.uri, ", ".join(card)][", ".join(said)].append(source.name)
    for (uri, named), said_by in stated.items():
        parts = "; ".join(f"{licence} ({', '.join(names)})" for licence, names in sorted(said_by.items()))
        yield f"{uri}: its card names {named}, the spec states {parts}; what the spec states is recorded"
