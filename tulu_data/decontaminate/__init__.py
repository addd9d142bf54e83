"""Eval suites, the n-gram index, the scan, rules, evidence and report."""

from tulu_data.decontaminate.hits import HITS
from tulu_data.decontaminate.index import Index, build_index, open_index
from tulu_data.decontaminate.report import Report, make_report
from tulu_data.decontaminate.scan import Hits, Scanner, scan
from tulu_data.decontaminate.settling import MATCHES, Match
from tulu_data.decontaminate.suites import Suite, find_suites, load_suites
from tulu_data.specs.rules import RULES, GramRule, Rules, rules_named

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
    "scan",
]
