"""Compiled kernels: kept on disk for these very sources, and usable where no disk can be written."""

import os
import pickle
import subprocess
import sys

import numba

from tulu_data.kernels import jit


def double(x):
    return 2 * x


def test_a_kernel_works_where_no_cache_folder_can_be_written(monkeypatch):
    def nowhere(function):
        raise RuntimeError(f"cannot cache function {function.__name__!r}: no locator available")

    monkeypatch.setattr(jit, "_Cache", nowhere)
    assert jit.kernel(double)(21) == 42


def test_machine_code_is_kept_for_these_sources_only(monkeypatch, tmp_path):
    monkeypatch.setattr("numba.config.CACHE_DIR", str(tmp_path))
    first = jit.kernel(double)
    assert first(21) == 42
    again = jit.kernel(double)
    assert again(21) == 42
    assert sum(again.stats.cache_hits.values()) == 1
    monkeypatch.setattr(jit, "SOURCES", "edited")
    edited = jit.kernel(double)
    assert edited(21) == 42
    assert sum(edited.stats.cache_hits.values()) == 0


def test_a_kernel_is_known_to_be_compiled_without_being_loaded(monkeypatch, tmp_path):
    monkeypatch.setattr("numba.config.CACHE_DIR", str(tmp_path))
    first = jit.kernel(double)
    assert not jit.is_compiled(first)
    assert first(21) == 42
    assert jit.is_compiled(first)
    again = jit.kernel(double)
    assert jit.is_compiled(again)
    assert not again.signatures
    monkeypatch.setattr(jit, "SOURCES", "edited")
    assert not jit.is_compiled(jit.kernel(double))


def test_what_other_sources_left_is_not_even_read(monkeypatch, tmp_path):
    monkeypatch.setattr("numba.config.CACHE_DIR", str(tmp_path))
    assert jit.kernel(double)(21) == 42
    (index,) = tmp_path.rglob("*.nbi")
    mark = pickle.dumps(f"{numba.__version__} of other sources")
    index.write_bytes(mark + b"names a type that is no more")
    assert not jit.is_compiled(jit.kernel(double))
    assert jit.kernel(double)(21) == 42


PROGRAM = """
import sys
import numpy as np
from tulu_data.kernels.jit import kernel

@kernel
def doubled(numbers):
    for i in range(len(numbers)):
        numbers[i] *= 2

@kernel
def twice(numbers):
    doubled(numbers)
    doubled(numbers)

numbers = np.arange(4)
doubled(numbers)
alone = "numba.np.arraymath" not in sys.modules
if "twice" in sys.argv:
    twice(numbers)
print(numbers.tolist(), alone)
"""


def test_kept_machine_code_runs_without_all_that_numba_compiles_with(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)

    def told(*words):
        program = [sys.executable, str(tmp_path / "program.py"), *words]
        env = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
        return subprocess.run(program, capture_output=True, text=True, check=True, env=env).stdout.strip()

    assert told() == "[0, 2, 4, 6] False"
    assert told() == "[0, 2, 4, 6] True"
    # What is loaded so can be called by what is compiled then.
    assert told("twice") == "[0, 8, 16, 24] True"
