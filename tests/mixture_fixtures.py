"""A workspace of tiny sources for tests: write files, mix a spec, look at what came out."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner, Result

from tulu_data.cli.decontaminate import command
from tulu_data.mix import Plan, Settings, mix, prepare, resolve_inputs
from tulu_data.specs.mixture import MixtureFile, read_mixture
from tulu_data.store import Store, Version

Row = dict[str, Any]


def chat(prompt: str, answer: str = "Yes.") -> Row:
    return {"messages": [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]}


def chats(count: int, name: str = "q") -> list[Row]:
    return [chat(f"{name} {i}") for i in range(count)]


def key(row: Mapping[str, Any]) -> tuple[str, str]:
    """Tell a stored record by its first turn and its source."""
    return row["messages"][0]["content"], row["source"]


@dataclass
class Place:
    """A workspace in a temporary folder."""

    root: Path
    said: list[str] = field(default_factory=list)

    @property
    def store(self) -> Store:
        return Store(self.root / "store")

    def write(self, name: str, rows: Iterable[Row]) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
        return path

    def spec(self, sources: Mapping[str, Any], name: str = "m", **more: Any) -> MixtureFile:
        data = {"version": 1, "name": name, "kind": "sft", **more, "sources": dict(sources)}
        steps: Sequence[Row] = data.get("steps", ())
        if not any(step["step"] == "decontaminate" for step in steps):
            data["decontaminate"] = "none"
        path = self.root / "mixtures" / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(data, sort_keys=False), "utf-8")
        return read_mixture(path)

    def settings(self, **more: Any) -> Settings:
        return Settings(
            **{"base": self.root, "store": self.store, "workers": 1, "say": self.said.append} | more
        )

    def mix(self, sources: Mapping[str, Any], **more: Any) -> Version:
        return mix(self.spec(sources, **more), self.settings()).version

    def plan(self, sources: Mapping[str, Any], **more: Any) -> Plan:
        file = self.spec(sources, **more)
        return prepare(file, resolve_inputs(file, self.root, self.store), self.settings()).plan


def decontaminate(*arguments: str) -> Result:
    """Run the command in the workspace that one works in, against its own suites."""
    return CliRunner().invoke(command, ["--against", "evals/", *arguments])


def account(version: Version | Plan, source: str) -> Row:
    """Return the account of one source: its counts alone."""
    entries = version.manifest.sources if isinstance(version, Version) else version.sources
    entry = next(entry for entry in entries if entry.name == source)
    return entry.model_dump(include={"read", "quarantined", "dropped", "not_drawn", "kept", "rows"})


def assert_adds_up(version: Version | Plan) -> None:
    """Hold every source to: read = quarantined + dropped + not drawn + kept."""
    entries = version.manifest.sources if isinstance(version, Version) else version.sources
    for s in entries:
        out = sum(s.quarantined.values()) + sum(s.dropped.values()) + s.not_drawn
        assert s.read == out + s.kept, s
