"""Fixtures that every module may use: an empty data root, and one after a night, for each test."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import nights
from pipeline import flow, layouts, settings
from pipeline.sample import write_sample


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


@pytest.fixture(scope="session")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A sample with 1 % dirt, and the data root after one run over it. Read only: see `root`."""
    root = tmp_path_factory.mktemp("night")
    months = {"first": nights.FIRST, "last": nights.LAST}
    write_sample(root / "deliveries", nights.LINES, seed=5, dirt=0.01, **months)
    with pytest.MonkeyPatch.context() as patch:
        nights.use(patch, root)
        report = flow.run(nights.backfill("the first night"))
        (root / "report.json").write_text(json.dumps(report, default=str))
    settings.settings.cache_clear()
    yield root


@pytest.fixture
def root(night: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that night for one test to spoil."""
    shutil.copytree(night, tmp_path / "copy", symlinks=True)
    nights.use(monkeypatch, tmp_path / "copy")
    return tmp_path / "copy"
