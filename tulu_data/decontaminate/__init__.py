"""Eval suites, the n-gram index, the scan, rules, evidence and report."""
