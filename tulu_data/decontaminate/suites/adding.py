"""Add a suite to a spec: read it first, write it down only when it gives instances."""

from dataclasses import dataclass
from pathlib import Path

from tulu_data.decontaminate.suites.fetching import fetch_suites, keep_pins
from tulu_data.decontaminate.suites.loading import read_named
from tulu_data.decontaminate.suites.maps import told_layout
from tulu_data.decontaminate.suites.places import NamedSuite, named_suite, shown_from
from tulu_data.decontaminate.suites.reading import columns_of
from tulu_data.decontaminate.suites.suite import Suite
from tulu_data.errors import SuiteError
from tulu_data.specs.suite import Fields, SuiteSource
from tulu_data.specs.suite_text import Entry, with_suite


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """A suite that was added to a spec."""

    suite: Suite
    layout: str | None
    """Layout that the spec says now."""
    empty: tuple[str, ...]
    """Fields that the map names and no instance has."""


def add_suite(path: Path, name: str, entry: Entry, base: Path, cache: Path | None) -> Added:
    """Add a suite to a spec, which need not exist; raise SuiteError when it gives no instance.

    A hub suite is fetched and pinned. Where the columns tell the layout, its name is written down.
    """
    shown = shown_from(path, base)
    file, text = with_suite(path, shown, name, entry)
    fetched = fetch_suites(file, only={name})
    if fetched.failed:
        raise SuiteError(f"{name}: {fetched.failed[name]}")
    found = named_suite(file, name, fetched, base)
    if found.reading.fields is None:
        layout = told_layout(found.files[0], columns_of(found.files[0], found.reading.header))
        file, text = with_suite(path, shown, name, _ordered({**entry, "layout": layout}))
        found = named_suite(file, name, fetched, base)
    suite = read_named(found, cache)
    _write(path, text)
    keep_pins(file, fetched)
    return Added(suite=suite, layout=file.spec.suites[name].layout, empty=_empty(found, suite))


def _ordered(entry: Entry) -> Entry:
    """Return the keys of a suite in the order in which they are explained."""
    return {key: entry[key] for key in SuiteSource.model_fields if key in entry}


def _write(path: Path, text: str) -> None:
    """Write a spec whole or not at all."""
    new = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new.write_text(text, "utf-8", newline="")
        new.replace(path)
    except OSError as error:
        raise SuiteError(f"{path}: cannot be written ({error.strerror}); choose another with --to") from None


def _empty(found: NamedSuite, suite: Suite) -> tuple[str, ...]:
    """Return the fields that a map names and no instance has."""
    fields = found.reading.fields or Fields()
    named = [name for name in Fields.model_fields if getattr(fields, name) is not None]
    return tuple(name for name in named if suite.instances[name].null_count == suite.instances.num_rows)
