"""Releases: what readers see; folders that never change, and the link to the current one."""

from pathlib import Path
from typing import Any

from pipeline import store
from pipeline.messages import Problem

DATABASE = "ekspor.duckdb"
AUDIENCES = ("internal", "public")


def link(audience: str) -> Path:
    return store.home() / audience / "current"


def folder_of(audience: str, release_id: str) -> Path:
    """The folder of a release. Raises Problem `no_release`."""
    folder = store.home() / audience / "releases" / store.safe_name(release_id)
    if not (folder / "release.json").exists():
        raise Problem("no_release", release_id=release_id)
    return folder


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
    return database_of(audience, now["previous_release_id"]) if now else None


def database_of(audience: str, release_id: str | None) -> Path | None:
    """ekspor.duckdb of a release; None when it is gone."""
    file = store.home() / audience / "releases" / str(release_id) / DATABASE
    return file if release_id and file.exists() else None


def every(audience: str) -> list[dict[str, Any]]:
    """release.json of all releases that are kept, oldest first."""
    root = store.home() / audience / "releases"
    return [store.read_json(path) for path in sorted(root.glob("2*/release.json"))]


def rot(folder: Path) -> list[Path]:
    """Files of a release that are missing or don't hash to what its SHA256SUMS says."""
    wrong = []
    for line in (folder / "SHA256SUMS").read_text("utf-8").splitlines():
        expected, name = line.split("  ", 1)
        file = folder / name
        if not file.exists() or store.sha256_of(file) != expected:
            wrong.append(file)
    return wrong
