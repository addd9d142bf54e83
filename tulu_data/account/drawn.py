"""A lineage as lines of text, as a mermaid flowchart, and as plain data for JSON.

The one idea: all three are walks over the same value, and a version that comes up twice is told once. Names
come from specs and may hold anything, so the chart escapes what mermaid would read as its own.
"""

from collections.abc import Iterator
from typing import Any

from tulu_data.account.lineage import Line, Lineage, Made, Model, Origin, StepLine

_SHA = 12
_ENTITIES = {ord(sign): f"#{ord(sign)};" for sign in '#"<>&`\\'}
"""Signs that mermaid or the page around it would read as their own; it takes them as entities."""


def as_lines(found: Lineage) -> list[str]:
    """Return the lineage as indented lines."""
    lines = list(_line_text(found.line, 0, set()))
    if found.made or found.models:
        lines.append("made of it")
        lines += [text for one in found.made for text in _made_text(one, 1)]
        lines += [_model_text(model, 1) for model in found.models]
    return lines


def _line_text(line: Line, depth: int, told: set[str]) -> Iterator[str]:
    """Yield a version and what it was made of."""
    if line.version is None:
        yield _at(depth, f"{line.ref}  not in this store")
        return
    m = line.version.manifest
    if line.ref in told:
        yield _at(depth, f"{line.ref}  (above)")
        return
    told.add(line.ref)
    yield _at(depth, f"{line.ref}  {m.rows:,} rows  {m.kind}  built {m.created[:19]} UTC")
    for origin in line.origins:
        yield from _origin_text(origin, depth + 1, told)
    for number, step in enumerate(line.steps, 1):
        yield from _step_text(step, number, depth + 1, told)


def _origin_text(origin: Origin, depth: int, told: set[str]) -> Iterator[str]:
    """Yield a source with its files, or with the version that it is."""
    e = origin.entry
    where = f"{e.uri} at {e.revision[:_SHA]}" if e.revision else e.uri
    licences = f"  {', '.join(e.licences)}" if e.licences else ""
    yield _at(depth, f"source {e.name}  {e.rows:,} rows ({e.kept:,} of {e.read:,} read)  {where}{licences}")
    if origin.version is not None:
        yield from _line_text(origin.version, depth + 1, told)
        return
    for name, what in origin.attached.items():
        yield _at(depth + 1, f"sees {name} = {what}")
    for file in e.files:
        yield _at(depth + 1, f"{file.origin}  sha256 {file.sha256[:_SHA]}  {file.rows:,} rows")


def _step_text(step: StepLine, number: int, depth: int, told: set[str]) -> Iterator[str]:
    """Yield a step with what it compared records with."""
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in step.dropped.items())
    yield _at(depth, f"step {number} {step.name}  dropped {reasons or 'nothing'}")
    for suite in step.suites:
        yield _at(
            depth + 1,
            f"suite {suite['name']}  {suite['path']}  sha256 {suite['sha256'][:_SHA]}  "
            f"{suite['instances']:,} instances",
        )
    for line in step.against:
        yield from _line_text(line, depth + 1, told)


def _made_text(made: Made, depth: int) -> Iterator[str]:
    yield _at(depth, f"{made.version.ref}  {made.version.num_rows:,} rows  ({', '.join(made.of)})")
    for one in made.made:
        yield from _made_text(one, depth + 1)
    for model in made.models:
        yield _model_text(model, depth + 1)


def _model_text(model: Model, depth: int) -> str:
    state = f"{model.steps:,} steps" if model.is_done else f"not finished, {model.steps:,} steps"
    return _at(depth, f"model {model.run}  from {model.base}  {state}")


def _at(depth: int, text: str) -> str:
    # A name of a file may hold a line break.
    return "  " * depth + " ".join(text.split("\n"))


def as_mermaid(found: Lineage) -> list[str]:
    """Return the lineage as a mermaid flowchart, sources to the left."""
    chart = _Chart()
    end = chart.line(found.line)
    for one in found.made:
        chart.made(one, end)
    for model in found.models:
        chart.model(model, end)
    return ["flowchart LR", *(f"  {text}" for text in chart.lines)]


class _Chart:
    """Nodes and edges of a flowchart; a node is named by a number, whatever its label says."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._nodes: dict[str, str] = {}

    def node(self, key: str, shape: str, *label: str) -> str:
        """Return the name of the node of a key; `shape` has what stands before and after its label."""
        if key not in self._nodes:
            name = self._nodes[key] = f"n{len(self._nodes)}"
            left, right = shape.split()
            text = "<br/>".join(escaped(part) for part in label)
            self.lines.append(f'{name}{left}"{text}"{right}')
        return self._nodes[key]

    def edge(self, start: str, end: str, label: str = "", arrow: str = "-->") -> None:
        """Add an edge, once."""
        text = f'{start} {arrow}|"{escaped(label)}"| {end}' if label else f"{start} {arrow} {end}"
        if text not in self.lines:
            self.lines.append(text)

    def line(self, line: Line) -> str:
        """Add a version and what it was made of; return its node."""
        is_new = line.ref not in self._nodes
        rows = f"{line.version.num_rows:,} rows" if line.version else "not in this store"
        end = self.node(line.ref, "[ ]", line.ref, rows)
        if not is_new or line.version is None:
            return end
        steps = [self._step(line, number, step) for number, step in enumerate(line.steps)]
        for before, after in zip(steps, [*steps[1:], end], strict=False):
            self.edge(before, after)
        for origin in line.origins:
            self._origin(origin, steps[0] if steps else end)
        return end

    def _origin(self, origin: Origin, end: str) -> None:
        e = origin.entry
        if origin.version is not None:
            start = self.line(origin.version)
        else:
            files = f"{len(e.files):,} file{'' if len(e.files) == 1 else 's'}"
            revision = [e.revision[:_SHA]] if e.revision else []
            read = " ".join(file.sha256 for file in e.files)
            seen = [f"{name} = {what}" for name, what in origin.attached.items()]
            start = self.node(f"files {e.uri} {read}", "[( )]", e.uri, *seen, *revision, files)
        self.edge(start, end, f"{e.name}: {e.rows:,} rows")

    def _step(self, line: Line, number: int, step: StepLine) -> str:
        reasons = [f"{count:,} {reason}" for reason, count in step.dropped.items()]
        node = self.node(f"{line.ref} step {number}", "( )", step.name, *reasons)
        for suite in step.suites:
            start = self.node(f"suite {suite['sha256']} {suite['name']}", "{{ }}", suite["name"])
            self.edge(start, node, arrow="-.->")
        for other in step.against:
            self.edge(self.line(other), node, arrow="-.->")
        return node

    def made(self, made: Made, start: str) -> None:
        """Add a version that was made of another."""
        ref = made.version.ref
        end = self.node(ref, "[ ]", ref, f"{made.version.num_rows:,} rows")
        self.edge(start, end, ", ".join(made.of))
        for one in made.made:
            self.made(one, end)
        for model in made.models:
            self.model(model, end)

    def model(self, model: Model, start: str) -> None:
        """Add a model that was trained on a version."""
        state = f"{model.steps:,} steps" if model.is_done else f"not finished, {model.steps:,} steps"
        self.edge(start, self.node(f"run {model.run}", "([ ])", model.run, state), arrow="==>")


def escaped(text: str) -> str:
    """Return text as a quoted label of mermaid takes it."""
    return " ".join(text.split()).translate(_ENTITIES)


def as_data(found: Lineage) -> dict[str, Any]:
    """Return the lineage as JSON values."""
    return {
        **_line_data(found.line),
        "made": [_made_data(one) for one in found.made],
        "models": [_model_data(model) for model in found.models],
    }


def _line_data(line: Line) -> dict[str, Any]:
    told: dict[str, Any] = {
        "version": line.ref,
        "content_id": line.content_id,
        "found": line.version is not None,
    }
    if line.version is None:
        return told
    m = line.version.manifest
    return {
        **told, "kind": m.kind, "rows": m.rows, "created": m.created, "recipe_id": m.recipe_id,
        "sources": [
            {
                **origin.entry.model_dump(mode="json"), "attach": dict(origin.attached),
                "version": _line_data(origin.version) if origin.version else None,
            }
            for origin in line.origins
        ],
        "steps": [
            {
                "step": step.name, "dropped": dict(step.dropped), "suites": [dict(s) for s in step.suites],
                "against": [_line_data(one) for one in step.against],
            }
            for step in line.steps
        ],
    }  # fmt: skip


def _made_data(made: Made) -> dict[str, Any]:
    return {
        "version": made.version.ref, "content_id": made.version.content_id, "rows": made.version.num_rows,
        "of": list(made.of), "made": [_made_data(one) for one in made.made],
        "models": [_model_data(model) for model in made.models],
    }  # fmt: skip


def _model_data(model: Model) -> dict[str, Any]:
    return {"run": model.run, "base": model.base, "steps": model.steps, "done": model.is_done}
