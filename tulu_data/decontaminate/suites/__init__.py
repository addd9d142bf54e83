"""Eval suites: what must not be inside training data.

The one idea: a suite is named by a spec, by its rows (`suite` or `eval_key`) or by its file, never by a
base name that two files share; an instance is one question, however many rows repeat it. Files that no
spec names are in one of two layouts: ours (suite, id, split, question, passage, answer, choices; only
question is required) and the common {eval_key, eval_instance_index, split, question, answer, passage}.
A spec maps all others. A row that cannot be read is counted, never a crash.
"""

from tulu_data.decontaminate.suites.fields import INSTANCES
from tulu_data.decontaminate.suites.loading import load_suites, read_named
from tulu_data.decontaminate.suites.places import find_suites
from tulu_data.decontaminate.suites.suite import BadRows, Suite, bad_counts

__all__ = ["INSTANCES", "BadRows", "Suite", "bad_counts", "find_suites", "load_suites", "read_named"]
