"""A writer killed at any moment: the store reads whole, and the next build is that of an undisturbed one."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from store_fixtures import tree, written

from tulu_data.store import Store

TEXTS = [f"question {i}" for i in range(45)]
SCRIPT = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from store_fixtures import written
from tulu_data.store import Store, refs, writer

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

def dies_at(owner, name, fits=lambda *a: True, after=False):
    real = getattr(owner, name)
    def hooked(*a, **k):
        if fits(*a) and not after:
            die()
        result = real(*a, **k)
        if fits(*a):
            die()
        return result
    setattr(owner, name, hooked)

writer.SHARD_BYTES = 1
{hook}
written(Store(Path(sys.argv[1])), [f"question {{i}}" for i in range(45)], time="2030-01-02")
"""
HOOKS = {
    "in the middle of a shard": "dies_at(writer._Sink, 'write', lambda f, data: f.file.size > 2000)",
    "after a shard": "dies_at(writer.os, 'fsync', after=True)",
    "before the manifest": "dies_at(writer, '_write_synced', lambda p, d: p.name == 'manifest.json')",
    "in the middle of the manifest": (
        "def half(p, d):\n"
        "    p.write_bytes(d[:50])\n"
        "    p.name == 'manifest.json' and die()\n"
        "writer._write_synced = half"
    ),
    "before the rename": "dies_at(Path, 'rename', lambda p, to: p.name.startswith('.building'))",
    "between the rename and the log": "dies_at(writer, 'append_ref')",
    "while the log is written": (
        "dies_at(refs.os, 'fsync', lambda f: '/refs/' in os.readlink(f'/proc/self/fd/{f}'))"
    ),
    "before the log is renamed": "dies_at(Path, 'replace', lambda p, to: p.parent.name == 'refs')",
    "after everything": "dies_at(Path, 'replace', lambda p, to: p.parent.name == 'refs', after=True)",
}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> str:
    return written(Store(tmp_path_factory.mktemp("undisturbed")), TEXTS).content_id


@pytest.mark.parametrize("moment", HOOKS)
def test_a_kill_leaves_the_store_whole(tmp_path: Path, moment: str, undisturbed: str) -> None:
    store = Store(tmp_path / "store")
    before = written(store, ["old"], time="2030-01-01")
    kept = {name: data for name, data in tree(store).items() if not name.startswith("refs/")}
    script = SCRIPT.format(tests=str(Path(__file__).parent), hook=HOOKS[moment])
    done = subprocess.run([sys.executable, "-c", script, str(store.root)], check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()

    assert before.content_id in store.ids("d")
    assert all(version.table().num_rows == version.num_rows for version in store.versions("d"))
    assert (undisturbed in store.ids("d")) == (moment == "after everything")
    assert {name: tree(store)[name] for name in kept} == kept

    version = written(store, TEXTS, time="2030-01-03")
    assert version.content_id == undisturbed == store.resolve("d").content_id
    assert [turns[0]["content"] for turns in version.table()["messages"].to_pylist()] == TEXTS
    left = [p.name for p in (store.root / "d").iterdir() if p.name.startswith(".building")]
    assert left == []
    assert store.names() == ["d"]
