"""Fixtures that every module may use: a data root of its own for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import layouts, settings


@pytest.fixture
def data_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty IPSKA_HOME (tmp_path/data) and IPSKA_DELIVERIES (tmp_path/deliveries)."""
    monkeypatch.setenv("IPSKA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("IPSKA_DELIVERIES", str(tmp_path / "deliveries"))
    settings.settings.cache_clear()
    layouts.load_layout.cache_clear()
    yield tmp_path
    settings.settings.cache_clear()
    layouts.load_layout.cache_clear()
