"""Eval suites: what must not be inside training data.

The one idea: a suite is named by a spec, by its rows (`suite` or `eval_key`) or by its file, never by a
base name that two files share; an instance is one question, however many rows repeat it. Files that no
spec names are in one of two layouts: ours (suite, id, split, question, passage, answer, choices; only
question is required) and the common {eval_key, eval_instance_index, split, question, answer, passage}.
A spec maps all others. A row that cannot be read is counted, never a crash.
"""

from tulu_data.decontaminate.suites.adding import add_suite
from tulu_data.decontaminate.suites.again import load_again
from tulu_data.decontaminate.suites.fields import INSTANCES
from tulu_data.decontaminate.suites.loading import load_suites
from tulu_data.decontaminate.suites.places import MissingSuite, find_suites
from tulu_data.decontaminate.suites.suite import BadRows, Suite, bad_counts
from tulu_data.decontaminate.suites.survey import fetch_spec, pin_suites, survey_suites

__all__ = [
    "INSTANCES",
    "BadRows",
    "MissingSuite",
    "Suite",
    "add_suite",
    "bad_counts",
    "fetch_spec",
    "find_suites",
    "load_again",
    "load_suites",
    "pin_suites",
    "survey_suites",
]
