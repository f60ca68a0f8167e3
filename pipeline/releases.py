"""Releases: what readers see; folders that never change, and the link to the current one."""

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
    name = now and now["previous_release_id"]
    file = store.home() / audience / "releases" / str(name) / DATABASE
    return file if name and file.exists() else None


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
