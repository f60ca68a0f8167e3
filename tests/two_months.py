"""The smallest data root that goes through the whole flow, and copies of it to spoil."""

import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from pipeline import flow, layouts, requests, settings, store
from pipeline.periods import Month
from pipeline.sample import write_sample

FIRST, LAST = Month(2024, 8), Month(2024, 9)
Facts = dict[str, Any]


def use(patch: pytest.MonkeyPatch, root: Path) -> None:
    """Point the pipeline at a root, in this process and its children."""
    patch.setenv("IPSKA_HOME", str(root / "data"))
    patch.setenv("IPSKA_DELIVERIES", str(root / "deliveries"))
    patch.setenv("IPSKA_FEEDS", str(root / "feeds.toml"))
    patch.setenv("IPSKA_THREADS", "1")
    settings.settings.cache_clear()
    layouts.load_layout.cache_clear()


def prepare(root: Path) -> None:
    """Deliveries of two months, and a feed that owes no others: a build in seconds."""
    feeds = (settings.ROOT / "seeds" / "feeds.toml").read_text("utf-8")
    text = re.sub(r'first_month = "[^"]+"', f'first_month = "{FIRST}"', feeds)
    assert text != feeds
    root.mkdir(parents=True, exist_ok=True)
    (root / "feeds.toml").write_text(text, "utf-8")
    write_sample(root / "deliveries", 1000, seed=5, first=FIRST, last=LAST, dirt=0.01)


def request(reason: str) -> Facts:
    return requests.backfill(str(FIRST), str(LAST), None, reason, store.now())


def run(reason: str = "a night") -> Facts:
    return flow.run(request(reason), tell=lambda _: None)


def change(root: Path, *offices: str) -> None:
    """The newest delivery of each of these offices comes again with a row less."""
    for office in offices:
        victim = sorted((root / "deliveries" / office).glob(f"*_{LAST}_*.csv"))[-1]
        lines = victim.read_bytes().splitlines(keepends=True)
        assert len(lines) > 2
        rewrite(victim, b"".join(lines[:-1]))


def rewrite(file: Path, data: bytes) -> None:
    """Write a delivery anew; copies share their files."""
    file.unlink()
    file.write_bytes(data)


def copy(root: Path, to: Path) -> Path:
    """A copy that shares every file: nothing is updated in place, so none can spoil the other.
    What is (locks, notes) lies in work/ and is copied.
    """

    def shared(source: str, target: str) -> None:
        if f"{os.sep}work{os.sep}" in source or source.endswith(".lock"):
            shutil.copy2(source, target)
        else:
            os.link(source, target)

    shutil.copytree(root, to, symlinks=True, copy_function=shared)
    return to
