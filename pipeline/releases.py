"""Releases: what readers see; folders that never change, and the link to the current one."""

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipeline import ledger, store
from pipeline.messages import Problem

DATABASE = "ekspor.duckdb"
AUDIENCES = ("internal", "public")


def link(audience: str) -> Path:
    return store.home() / audience / "current"


def folder_of(audience: str, release_id: str) -> Path:
    """The folder of a release. Raises Problem `no_release`, `release_pruned`."""
    folder = store.home() / audience / "releases" / store.safe_name(release_id)
    if (folder / "release.json").exists():
        return folder
    for entry in ledger.entries():
        if entry["kind"] == "prune" and f"{audience}/{release_id}" in entry["releases"]:
            when = {"run_id": entry["run_id"], "moment": store.parse_stamp(release_id)}
            raise Problem("release_pruned", release_id=release_id, **when)
    raise Problem("no_release", release_id=release_id)


def current(audience: str) -> dict[str, Any] | None:
    """release.json of the release that readers see, or None before the first."""
    path = link(audience) / "release.json"
    return store.read_json(path) if path.exists() else None


def database(audience: str) -> Path:
    """ekspor.duckdb of the current release. Raises Problem `nothing_published` before the first.

    The link is resolved once: a reader that holds the path keeps one release, not a mixture.
    """
    if not link(audience).exists():
        raise Problem("nothing_published", audience=audience)
    return link(audience).resolve() / DATABASE


def before(audience: str) -> Path | None:
    """ekspor.duckdb of the release that the current one followed; None when it is gone."""
    now = current(audience)
    return database_of(audience, now["previous_release_id"] if now else None)


def database_of(audience: str, release_id: str | None) -> Path | None:
    """ekspor.duckdb of a release; None when it is gone."""
    file = store.home() / audience / "releases" / str(release_id) / DATABASE
    return file if release_id and file.exists() else None


def every(audience: str) -> list[dict[str, Any]]:
    """release.json of all releases that are kept, oldest first."""
    found = []
    for path in sorted((store.home() / audience / "releases").glob("2*/release.json")):
        with suppress(FileNotFoundError):  # prune has just taken it
            found.append(store.read_json(path))
    return found


def seal(folder: Path) -> None:
    """Sum every file of a finished release into SHA256SUMS, and make all read-only."""
    sums = "".join(
        f"{store.sha256_of(file)}  {file.relative_to(folder).as_posix()}\n"
        for file in _files(folder)
    )
    store.write_atomic(folder / "SHA256SUMS", sums.encode())
    for path in folder.rglob("*"):
        path.chmod(store.PUBLISHED_FOLDER if path.is_dir() else store.PUBLISHED_FILE)


def switch(audience: str, folder: Path) -> None:
    """Make a release current; call it under the lock.

    Caches of BI tools look at times: the files' move forward first, past those of the release that
    readers see now, also when that is the younger one. Contents and sums stay.
    """
    now = time.time_ns()
    if link(audience).exists():
        seen = max(file.stat().st_mtime_ns for file in _files(link(audience).resolve()))
        now = max(now, seen + 1_000_000_000)  # a clock may have gone back; some look at seconds
    for file in _files(folder):
        os.utime(file, ns=(now, now))
    store.switch_link(link(audience), folder)


def unlisted(folder: Path) -> list[Path]:
    """Files of a release that its SHA256SUMS doesn't know."""
    lines = (folder / "SHA256SUMS").read_text("utf-8").splitlines()
    known = {folder / line.split("  ", 1)[1] for line in lines}
    return [file for file in _files(folder) if file not in {*known, folder / "SHA256SUMS"}]


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def rot(folder: Path) -> list[Path]:
    """Files of a release that are missing or don't hash to what its SHA256SUMS says."""
    wrong = []
    for line in (folder / "SHA256SUMS").read_text("utf-8").splitlines():
        expected, name = line.split("  ", 1)
        file = folder / name
        if not file.exists() or store.sha256_of(file) != expected:
            wrong.append(file)
    return wrong
