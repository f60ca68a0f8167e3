"""What was known when: which release readers saw at a moment, its rules, and its content's hash."""

import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline import duck, ledger, models, releases, store
from pipeline.builds import Build
from pipeline.messages import Problem

Facts = dict[str, Any]


def release_at(moment: datetime) -> Facts:
    """release_id, rules_sha and code_sha of the internal release that was current at a moment,
    rollbacks included. The ledger knows them of releases that are no longer kept, too.

    Raises Problem `nothing_then`; also of a release that is gone if an older program published it.
    """
    told, found = _at([moment])
    release = told.get(str(found[0]), {})
    if "rules_sha" not in release:
        raise Problem("nothing_then", moment=moment.isoformat())
    return release


def releases_at(moments: list[datetime]) -> list[Facts | None]:
    """release.json of the one current at each moment; None where there is nothing to read."""
    told, found = _at(moments)
    return [
        told[name] if name and releases.database_of("internal", name) else None for name in found
    ]


def _at(moments: list[datetime]) -> tuple[dict[str, Facts], list[str | None]]:
    """What is known of each release, and the one that was current at each moment."""
    told = {release["release_id"]: release for release in releases.every("internal")}
    switched = {(store.parse_stamp(name), name) for name in told}
    for entry in ledger.entries():
        done = entry.get("publish") or entry
        if entry["kind"] == "rollback" and entry.get("audience") != "public":
            switched.add((store.parse_stamp(entry["run_id"]), entry["release_id"]))
        elif entry["kind"] != "public" and done.get("published"):
            switched.add((store.parse_stamp(done["release_id"]), done["release_id"]))
            told.setdefault(done["release_id"], done)
    seen = [max((pair for pair in switched if pair[0] <= one), default=None) for one in moments]
    return told, [pair and pair[1] for pair in seen]


def rules_at(moment: datetime) -> Path:
    """rules/<sha> with the seeds, suites and SQL of the release that was current at a moment.

    Raises Problem `nothing_then`.
    """
    return store.home() / "rules" / str(release_at(moment)["rules_sha"])


def compared(moment: datetime, build: Build) -> Facts:
    """How a build of what was known at a moment differs from the release that was current then.

    `code_differs`: another program made that release. `differing_tables`: of the mart, then; None
    where they can't be compared, as the release is no longer kept or the rules are others.
    """
    told, (name,) = _at([moment])
    release = told.get(str(name), {})
    code_differs = release.get("code_sha", build.facts["code_sha"]) != build.facts["code_sha"]
    file, differing = releases.database_of("internal", name), None
    if code_differs and file and release["rules_sha"] == build.facts["rules_sha"]:
        then, now = fingerprints(file), fingerprints(build.database)
        differing = sorted(table for table in then if then[table] != now[table])
    return {"code_differs": code_differs, "differing_tables": differing}


def fingerprints(file: Path) -> dict[str, str]:
    """SHA-256 of each mart table of a release or build, as CSV sorted by its grain (METHOD.md).

    Without release_id and what ends in _at; DOUBLEs to nine significant digits.
    """
    found = {}
    with duck.connect(file, read_only=True) as con, tempfile.TemporaryDirectory() as folder:
        for model in models.published("internal"):
            if model.schema != "mart":
                continue
            columns = con.execute(f"DESCRIBE {model.full_name}").fetchall()
            wanted = ", ".join(
                f"printf('%.9g', {duck.identifier(name)})" if kind == "DOUBLE" else
                duck.identifier(name)
                for name, kind, *_ in columns
                if name != "release_id" and not name.endswith("_at")
            )  # fmt: skip
            order = ", ".join(duck.identifier(name) for name in model.grain)
            target = Path(folder) / f"{model.name}.csv"
            con.execute(
                f"COPY (SELECT {wanted} FROM {model.full_name} ORDER BY {order}) "
                f"TO {duck.literal(str(target))} (FORMAT csv)"
            )
            found[model.name] = store.sha256_of(target)
            target.unlink()
    return found
