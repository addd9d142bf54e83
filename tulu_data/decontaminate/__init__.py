"""Eval suites, the n-gram index, the scan, rules, evidence and report.

The public names are exported lazily: who only lists suites does not load the kernels' compiler. The scan
itself is `tulu_data.decontaminate.scan.scan`, since a module has that name here.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tulu_data.decontaminate.hits import HITS
    from tulu_data.decontaminate.index import Index, build_index, open_index
    from tulu_data.decontaminate.report import Report, make_report
    from tulu_data.decontaminate.scan import Hits, Scanner
    from tulu_data.decontaminate.settling import MATCHES, Match
    from tulu_data.decontaminate.suites import Suite, find_suites, load_suites
    from tulu_data.specs.rules import RULES, GramRule, Rules, rules_named

_EXPORTS = {
    "tulu_data.decontaminate.hits": ("HITS",),
    "tulu_data.decontaminate.index": ("Index", "build_index", "open_index"),
    "tulu_data.decontaminate.report": ("Report", "make_report"),
    "tulu_data.decontaminate.scan": ("Hits", "Scanner"),
    "tulu_data.decontaminate.settling": ("MATCHES", "Match"),
    "tulu_data.decontaminate.suites": ("Suite", "find_suites", "load_suites"),
    "tulu_data.specs.rules": ("RULES", "GramRule", "Rules", "rules_named"),
}
"""Names by the module that defines them."""

__all__ = [
    "HITS",
    "MATCHES",
    "RULES",
    "GramRule",
    "Hits",
    "Index",
    "Match",
    "Report",
    "Rules",
    "Scanner",
    "Suite",
    "build_index",
    "find_suites",
    "load_suites",
    "make_report",
    "open_index",
    "rules_named",
]


def __getattr__(name: str) -> object:
    """Import a public name on first use (PEP 562)."""
    for module, names in _EXPORTS.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
