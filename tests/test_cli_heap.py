"""Freed memory that a command keeps: the system is asked for it once."""

import ctypes
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
from tulu_data.cli.heap import keep_freed

if "keep" in sys.argv:
    keep_freed()

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    pieces = [b"x" * (15 << 20) for _ in range(3)]
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

print([faults() for _ in range(4)][-1])
"""


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"), reason="only glibc is told"
)
def test_pages_that_were_freed_are_there_when_they_are_needed_again():
    def told(*words):
        program = [sys.executable, "-c", PROGRAM, *words]
        return int(subprocess.run(program, capture_output=True, text=True, check=True).stdout)

    assert told("keep") < 100
    assert told() > 1000
