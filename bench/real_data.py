"""Lay out a workspace over a folder of real data, for `bench/real_mixture.yaml` and benchmarks.

Usage: python bench/real_data.py DATA_FOLDER OUT_FOLDER

Training files are linked, not copied; raw benchmark files become suites in OUT_FOLDER/evals.
"""

import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from real_suites import write_suites


def write_workspace(data: Path, out: Path) -> Path:
    """Write the workspace and return its mixture spec."""
    out.mkdir(parents=True, exist_ok=True)
    if not (out / "train").exists():
        (out / "train").symlink_to((data / "train").resolve())
    write_suites(data, out / "evals")
    (out / "tulu-data.yaml").write_text("version: 1\nstore: store\n", "utf-8")
    (out / "mixtures").mkdir(exist_ok=True)
    return Path(shutil.copy(Path(__file__).with_name("real_mixture.yaml"), out / "mixtures"))


if __name__ == "__main__":
    print(write_workspace(Path(sys.argv[1]), Path(sys.argv[2])))
