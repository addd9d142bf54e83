"""A session of commands, killed at fifty moments: the store is whole, and the next ends as it should."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import killed_build

MOMENTS = 50


def test_a_session_killed_at_fifty_moments_leaves_a_whole_store_and_is_made_good_by_the_next(
    tmp_path: Path,
) -> None:
    """Build with every step and splits, from torn caches too; tag; gc. A moment is a change of the disk."""
    script = [sys.executable, killed_build.__file__, str(tmp_path), "1", str(MOMENTS)]
    done = subprocess.run(script, check=False, capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stderr
    undisturbed, *moments = (json.loads(line) for line in done.stdout.splitlines())
    assert undisturbed["status"] == 0, undisturbed
    assert len(moments) == MOMENTS
    assert {one["ended"] for one in moments} == {-signal.SIGKILL}
    faults = [one for one in moments if (one["status"], one["found"]) != (0, undisturbed["found"])]
    assert faults == []
