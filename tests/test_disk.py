"""A disk that is full or can't be written: said plainly, current intact, and the next run heals."""

import errno
import json
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import duckdb_engine  # noqa: F401  children shall not import it anew
import great_expectations  # noqa: F401
import pytest

import crash
import two_months
from pipeline import disk, duck, ledger, releases, settings, store, verify
from pipeline.messages import Problem

Facts = dict[str, Any]
WRITES = {"mkdir", "touch", "write_text", "fsync"}


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A root with a release, and new deliveries that have not landed."""
    root = tmp_path_factory.mktemp("disk") / "root"
    with pytest.MonkeyPatch.context() as patch:
        two_months.use(patch, root)
        crash.done(lambda: two_months.prepare(root), root.parent / "log")
        crash.done(two_months.run, root.parent / "log")
        two_months.change(root, "BGR", "BKS")
    settings.settings.cache_clear()
    yield root


def told(root: Path, tmp_path: Path, each: crash.Each = lambda *_: None, limit: int = 0) -> Facts:
    """What a run in a child says: its report, or the Problem that it ends with."""
    file, log = tmp_path / "told.json", tmp_path / "log"

    def work() -> None:
        most = resource.getrlimit(resource.RLIMIT_FSIZE)
        if limit:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, most[1]))
        try:
            found = two_months.run("on a bad disk")
        except Problem as problem:
            found = {"raised": True, "failed_at": "?", "problem": problem.as_dict()}
        resource.setrlimit(resource.RLIMIT_FSIZE, most)
        with open(file, "w") as sink:  # noqa: PTH123  no door
            json.dump(found, sink, default=str)

    status = crash._in_a_child(work, each, log)
    assert status == 0, log.read_text("utf-8")
    found: Facts = json.loads(file.read_text("utf-8"))
    return found


def check_intact(release_id: str) -> None:
    now = releases.current("internal")
    assert now and now["release_id"] == release_id
    assert releases.rot(releases.link("internal").resolve()) == []
    assert not list(store.hidden_under(store.home()))


def heals(release_id: str, tmp_path: Path) -> None:
    crash.done(two_months.run, tmp_path / "log")
    now = releases.current("internal")
    assert now and now["release_id"] != release_id
    assert verify.verify() == []


def current_id() -> str:
    now = releases.current("internal")
    assert now
    return str(now["release_id"])


@pytest.mark.parametrize("stage", ["extract", "validate", "build", "publish", "conclude"])
def test_full_from_some_moment_of_each_step_on(
    two: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    root = two_months.copy(two, tmp_path / "copy")
    two_months.use(monkeypatch, root)
    before, seen = current_id(), 0

    def full(now: str, what: str) -> None:
        nonlocal seen
        seen += now == stage
        if (
            seen > (3 if now == "conclude" else 20)
            and what.split()[0] in WRITES
            and what.endswith("before")
        ):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(store.home() / "x"))

    found = told(root, tmp_path, full)
    assert found["problem"]["code"] == "disk_full", found
    assert str(store.home()) in found["problem"]["en"] and "bytes free" in found["problem"]["en"]
    if stage != "conclude":  # by then it is published
        check_intact(before)
    if stage in ("extract", "publish"):
        heals(before, tmp_path)


def test_a_run_that_finds_room_for_its_entry_stands_in_the_ledger(
    two: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No file may grow beyond 1 MiB: DuckDB's own error, within a build."""
    root = two_months.copy(two, tmp_path / "copy")
    two_months.use(monkeypatch, root)
    before = current_id()
    found = told(root, tmp_path, limit=2**20)
    assert (found["failed_at"], found["problem"]["code"]) == ("build", "disk_full")
    entry = ledger.entries()[-1]
    assert entry["problem"] == found["problem"] and entry["exit_code"] == 1
    for text in (found["text_en"], found["text_id"]):
        assert "ipska prune" in text
    check_intact(before)
    heals(before, tmp_path)


@contextmanager
def mounted(folder: Path, size: str) -> Iterator[Path]:
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("room_kb", [8, 6000])
def test_a_disk_that_is_really_full(
    two: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room_kb: int
) -> None:
    with mounted(tmp_path / "disk", "200m") as place:
        shutil.copytree(two, root := place / "root", symlinks=True)
        two_months.use(monkeypatch, root)
        before = current_id()
        with (place / "ballast").open("wb") as ballast:
            left = shutil.disk_usage(place).free - room_kb * 1024
            ballast.write(bytes(left))
        found = told(root, tmp_path)
        problem = found["problem"]
        assert problem["code"] == "disk_full", found
        for language in ("en", "id"):
            assert str(place) in problem[language] and str(root / "data") in problem[language]
        check_intact(before)
        (place / "ballast").unlink()
        heals(before, tmp_path)


def test_a_disk_that_is_mounted_read_only(
    two: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mounted(tmp_path / "disk", "200m") as place:
        shutil.copytree(two, root := place / "root", symlinks=True)
        two_months.use(monkeypatch, root)
        before = current_id()
        subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
        found = told(root, tmp_path)
        assert found["problem"]["code"] == "disk_shut", found
        assert "read-write" in found["problem"]["en"]
        check_intact(before)
        with duck.connect(releases.database("internal"), read_only=True) as con:
            assert con.execute("SELECT count(*) > 0 FROM mart.region_month").fetchall() == [(True,)]
        subprocess.run(["mount", "-o", "remount,rw", str(place)], check=True)
        heals(before, tmp_path)


def test_which_errors_are_the_disks(data_root: Path) -> None:
    ours, theirs = data_root / "data" / "work" / "x", data_root / "deliveries" / "x"
    cases: list[tuple[BaseException, str | None]] = [
        (OSError(errno.ENOSPC, "full", str(ours)), "disk_full"),
        (OSError(errno.ENOSPC, "full"), "disk_full"),
        (OSError(errno.EDQUOT, "quota", str(ours)), "disk_full"),
        (OSError(errno.EROFS, "read-only", str(ours)), "disk_shut"),
        (PermissionError(errno.EACCES, "denied", str(ours)), "disk_shut"),
        (PermissionError(errno.EACCES, "denied", str(theirs)), None),
        (FileNotFoundError(errno.ENOENT, "gone", str(ours)), None),
        (ConnectionError("cut off"), None),
        (duckdb.IOException("Could not write file: No space left on device"), "disk_full"),
        (duckdb.OutOfMemoryException("limit was set by 'max_temp_directory_size'"), "disk_full"),
        (duckdb.OutOfMemoryException("could not allocate block"), None),
        (duckdb.IOException("Cannot open: Read-only file system"), "disk_shut"),
        (duckdb.BinderException("no such column"), None),
    ]
    for error, code in cases:
        found = disk.problem(error)
        assert (found.code if found else None) == code, error
        if found:
            assert found.text("en") and found.text("id")
