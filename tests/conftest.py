"""What every test shares: Hypothesis without deadlines (nothing here measures time), and a workspace."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from mixture_fixtures import Place

settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Place":
    """Make a workspace, in which commands are typed."""
    from mixture_fixtures import Place

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TULU_DATA_STORE", raising=False)
    (tmp_path / "tulu-data.yaml").write_text("version: 1\n")
    return Place(tmp_path)
