"""The card of a version: a README that says what is in it, in the hub's dataset card form.

The one idea: a card follows from the manifest and the resolved spec alone, so it can be written anew at any
time; whatever it sums up, it sums up from the rows that it shows. It measures nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import yaml
from jinja2 import Environment, StrictUndefined

from tulu_data.mix.card_template import CARD
from tulu_data.schema import Kind
from tulu_data.specs.licences import UNKNOWN
from tulu_data.specs.mixture import Mixture
from tulu_data.store import Manifest, SourceEntry
from tulu_data.store.percent import Parts
from tulu_data.store.version import TRAIN

HUB_LICENCES = frozenset({
    "afl-3.0", "agpl-3.0", "apache-2.0", "apple-amlr", "apple-ascl", "artistic-2.0", "bigcode-openrail-m",
    "bigscience-bloom-rail-1.0", "bigscience-openrail-m", "bsd", "bsd-2-clause", "bsd-3-clause",
    "bsd-3-clause-clear", "bsl-1.0", "c-uda", "cc", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0",
    "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0",
    "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0", "cc-by-nd-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc0-1.0",
    "cdla-permissive-1.0", "cdla-permissive-2.0", "cdla-sharing-1.0", "creativeml-openrail-m",
    "deepfloyd-if-license", "ecl-2.0", "epl-1.0", "epl-2.0", "etalab-2.0", "eupl-1.1", "eupl-1.2",
    "fair-noncommercial-research-license", "gemma", "gfdl", "gpl", "gpl-2.0", "gpl-3.0", "grok2-community",
    "h-research", "intel-research", "isc", "lgpl", "lgpl-2.1", "lgpl-3.0", "lgpl-lr", "llama2", "llama3",
    "llama3.1", "llama3.2", "llama3.3", "llama4", "lppl-1.3c", "mit", "mpl-2.0", "ms-pl", "ncsa", "odbl",
    "odc-by", "ofl-1.1", "openmdw-1.0", "openmdw-1.1", "openrail", "openrail++", "osl-3.0", "pddl",
    "postgresql", "unlicense", "wtfpl", "zlib",
})  # fmt: skip
"""Licences that the hub knows by these names; others are `other` there, with a name.

From the hub's own list, https://huggingface.co/docs/hub/repositories-licenses; names younger than the copy of
it that was at hand (llama3 and later, grok2-community, openmdw) are those of validators that follow it.
"""
_SIZES = (
    ("n<1K", 3),
    ("1K<n<10K", 4),
    ("10K<n<100K", 5),
    ("100K<n<1M", 6),
    ("1M<n<10M", 7),
    ("10M<n<100M", 8),
)
DESCRIPTION = "A dataset version built from a mixture of sources."
COLUMNS: dict[Kind, str] = {
    "sft": "`messages` holds the turns of a record (`role`, `content`, and `tool_calls` as JSON), `tools` "
    "the tools that it may call, as JSON.",
    "preference": "`prompt`, `chosen` and `rejected` hold messages (`role`, `content`); the two answers do "
    "not repeat the prompt.",
    "rlvr": "`messages` holds the prompt, `ground_truth` what an answer is checked against, `verifier` how.",
}
"""What the columns of a kind are."""


class Left(NamedTuple):
    """What is left out of a version for one reason."""

    reason: str
    rows: int


def prose(mixture: Mixture) -> dict[str, Any]:
    """Return what a spec says for people alone, as the manifest keeps it."""
    said = {"description": mixture.description} if mixture.description else {}
    return said | (mixture.card.model_dump(mode="json", exclude_defaults=True) if mixture.card else {})


def render_card(manifest: Manifest, spec: Mapping[str, Any]) -> str:
    """Write the card of a version; `spec` is its resolved spec."""
    environment = Environment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)  # noqa: S701
    environment.filters |= {"cell": cell, "percent": "{:.2f}%".format, "number": "{:,}".format}
    sources = manifest.sources
    return environment.from_string(CARD).render(
        manifest=manifest, front=front_matter(manifest), ref=f"{manifest.name}@{manifest.content_id[:8]}",
        description=str(manifest.card.get("description") or DESCRIPTION).strip(),
        split_parts=Parts(manifest.splits), parts=Parts({s.name: s.rows for s in sources}),
        total=_total(sources), licences=_by_licence(sources),
        tags=_by_tag(sources, spec), left=list(_left(sources)), hits=_hits(manifest), clean=_clean(manifest),
        tokens=_tokens(sources), tokenizer=spec.get("tokenizer"), columns=COLUMNS[manifest.kind],
        licences_of=licences_of, attached=_attached(spec),
        whole=[s.name for s in sources if s.dropped.get("source_contaminated")],
    )  # fmt: skip


def front_matter(manifest: Manifest) -> str:
    """Return the YAML that the hub reads; any text is quoted where it has to be."""
    said = manifest.card
    found = sorted({one for source in manifest.sources for one in licences_of(source)})
    known = [one for one in found if one in HUB_LICENCES or one == UNKNOWN]
    others = [one for one in found if one not in known]
    licence = [*known, *(["other"] if others else [])]
    values: dict[str, Any] = {
        "license": licence[0] if len(licence) == 1 else licence,
        "license_name": "-and-".join(others) or None,
        "size_categories": [_size(manifest.rows)],
        "task_categories": ["text-generation"],
        "pretty_name": said.get("pretty_name"),
        "language": said.get("language"),
        "tags": list(dict.fromkeys(["tulu-data", manifest.kind, *said.get("tags", ())])),
        "configs": [{"config_name": "default", "data_files": _data_files(manifest)}],
    }
    kept = {key: value for key, value in values.items() if value not in (None, [], "")}
    return yaml.safe_dump(kept, sort_keys=False, allow_unicode=True, width=1000)


def _data_files(manifest: Manifest) -> list[dict[str, str]]:
    """Return where the hub finds each split."""
    splits = manifest.splits or {TRAIN: manifest.rows}
    folders = {split: f"{split}/" if manifest.splits else "" for split in splits}
    return [{"split": split, "path": f"{folder}data-*.arrow"} for split, folder in folders.items()]


def licences_of(source: SourceEntry) -> tuple[str, ...]:
    """Return the licences of a source, `unknown` where none is stated."""
    return source.licences or (UNKNOWN,)


def _size(rows: int) -> str:
    return next((name for name, digits in _SIZES if rows < 10**digits), "n>100M")


def cell(text: object) -> str:
    """Write a text so that it stays in its cell of a table."""
    return " ".join(str(text).split()).replace("|", "\\|")


def _total(sources: Sequence[SourceEntry]) -> dict[str, int]:
    """Add up the columns of the table of sources."""
    return {
        "read": sum(s.read for s in sources),
        "quarantined": sum(sum(s.quarantined.values()) for s in sources),
        "dropped": sum(sum(s.dropped.values()) for s in sources),
        "not_drawn": sum(s.not_drawn for s in sources), "kept": sum(s.kept for s in sources),
        "rows": sum(s.rows for s in sources),
    }  # fmt: skip


def _tokens(sources: Sequence[SourceEntry]) -> int | None:
    """Add up the tokens, where they were counted."""
    counts = [s.tokens for s in sources if s.tokens is not None]
    return sum(counts) if len(counts) == len(sources) and counts else None


def _by_licence(sources: Sequence[SourceEntry]) -> dict[str, int]:
    """Count rows by licence, the most first; those of several licences count as one of all of them."""
    found: dict[str, int] = {}
    for source in sources:
        counts = source.licence_rows or {" and ".join(licences_of(source)): source.rows}
        for said, rows in counts.items():
            found[said] = found.get(said, 0) + rows
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


class Tagged(NamedTuple):
    """The sources of a tag."""

    rows: int
    names: list[str]


def _by_tag(sources: Sequence[SourceEntry], spec: Mapping[str, Any]) -> dict[str, Tagged]:
    """Count rows by tag; a source may have several."""
    rows = {source.name: source.rows for source in sources}
    found: dict[str, list[str]] = {}
    for name, source in (spec.get("sources") or {}).items():
        for tag in source.get("tags") or ():
            found.setdefault(tag, []).extend([name] if name in rows else [])
    return {tag: Tagged(sum(rows[name] for name in names), names) for tag, names in found.items()}


def _attached(spec: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return what each source that is a query saw."""
    sources = (spec.get("sources") or {}).items()
    return {name: source["attach"] for name, source in sources if source.get("attach")}


def _left(sources: Sequence[SourceEntry]) -> Iterator[Left]:
    """Yield how many rows are left out, by reason, the most first."""
    found: dict[str, int] = {}
    for source in sources:
        counts = {f"quarantined: {reason}": count for reason, count in source.quarantined.items()}
        for reason, count in (counts | source.dropped | {"not drawn": source.not_drawn}).items():
            found[reason] = found.get(reason, 0) + count
    for reason, rows in sorted(found.items(), key=lambda item: (-item[1], item[0])):
        if rows:
            yield Left(reason, rows)


def _hits(manifest: Manifest) -> list[dict[str, Any]]:
    """Return the rows of the report that found something; those of an early build name no verdict."""
    rows = manifest.decontamination["table"] if manifest.decontamination else []
    return [
        {"verdict": "contaminated" if row["contaminated"] else "at most 2%", **row}
        for row in rows
        if row["instances_hit"]
    ]


def _clean(manifest: Manifest) -> list[str]:
    """Return the suites of which nothing was found."""
    suites = manifest.decontamination["suites"] if manifest.decontamination else []
    found = {row["suite"] for row in _hits(manifest)}
    return [suite["name"] for suite in suites if suite["name"] not in found]
