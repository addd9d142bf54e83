"""Eval suites, the n-gram index, the scan, rules, evidence and report."""

from tulu_data.decontaminate.index import Index, build_index
from tulu_data.decontaminate.report import Report, make_report
from tulu_data.decontaminate.rules import RULES, Rule, rule_named
from tulu_data.decontaminate.scan import HITS, MATCHES, Hits, Match, scan
from tulu_data.decontaminate.suites import Suite, find_suites, load_suites

__all__ = [
    "HITS",
    "MATCHES",
    "RULES",
    "Hits",
    "Index",
    "Match",
    "Report",
    "Rule",
    "Suite",
    "build_index",
    "find_suites",
    "load_suites",
    "make_report",
    "rule_named",
    "scan",
]
