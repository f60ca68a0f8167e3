"""Fixtures that every module may use: an empty data root, and one after a night, for each test."""

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import nights
from pipeline import builds, flow, layouts, publish, releases, settings
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


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that one of pytest's workers makes while those that need it too wait for it."""
    base = factory.getbasetemp()
    base = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    root, ready = base / name, base / f"{name}.ready"
    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists():
            shutil.rmtree(root, ignore_errors=True)
            root.mkdir()
            make(root)
            ready.touch()
        fcntl.flock(lock, fcntl.LOCK_UN)
    settings.settings.cache_clear()
    layouts.load_layout.cache_clear()
    return root


@pytest.fixture(scope="session")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sample with 1 % dirt, and the data root after one run over it. Read only: see `root`."""

    def make(root: Path) -> None:
        months = {"first": nights.FIRST, "last": nights.LAST}
        write_sample(root / "deliveries", nights.LINES, seed=5, dirt=0.01, **months)
        with pytest.MonkeyPatch.context() as patch:
            nights.use(patch, root)
            report = flow.run(nights.backfill("the first night"))
            (root / "report.json").write_text(json.dumps(report, default=str))

    return made_once(tmp_path_factory, "night", make)


@pytest.fixture(scope="session")
def public_night(night: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That night made public: hiding takes more than a minute. Read only."""

    def make(root: Path) -> None:
        shutil.copytree(night, root, symlinks=True, dirs_exist_ok=True)
        with pytest.MonkeyPatch.context() as patch:
            nights.use(patch, root)
            now = releases.current("internal")
            assert now
            publish.publish("public", builds.find(now["build_id"]), nights.backfill("public"))

    return made_once(tmp_path_factory, "public-night", make)


@pytest.fixture
def root(night: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that night for one test to spoil."""
    shutil.copytree(night, tmp_path / "copy", symlinks=True)
    nights.use(monkeypatch, tmp_path / "copy")
    return tmp_path / "copy"
