"""What was known when: which release readers saw at a moment, its rules, and its content's hash."""

import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline import duck, ledger, models, releases, store
from pipeline.messages import Problem


def release_at(moment: datetime) -> dict[str, Any]:
    """release.json of the internal release that was current at a moment, rollbacks included.

    Raises Problem `nothing_then`, also when that release is no longer kept.
    """
    if (found := releases_at([moment])[0]) is None:
        raise Problem("nothing_then", moment=moment.isoformat())
    return found


def releases_at(moments: list[datetime]) -> list[dict[str, Any] | None]:
    """As release_at, for many moments at once; None where there is nothing to read."""
    kept = {release["release_id"]: release for release in releases.every("internal")}
    switched = {(store.parse_stamp(name), name) for name in kept}
    for entry in ledger.entries():
        done = entry.get("publish") or entry
        if entry["kind"] == "rollback" and entry.get("audience") != "public":
            switched.add((store.parse_stamp(entry["run_id"]), entry["release_id"]))
        elif entry["kind"] != "public" and done.get("published"):
            # Of a release that is no longer kept, the ledger still knows.
            switched.add((store.parse_stamp(done["release_id"]), done["release_id"]))
    seen = [max((pair for pair in switched if pair[0] <= one), default=None) for one in moments]
    return [kept.get(pair[1]) if pair else None for pair in seen]


def rules_at(moment: datetime) -> Path:
    """rules/<sha> with the seeds, suites and SQL of the release that was current at a moment.

    Raises Problem `nothing_then`.
    """
    return store.home() / "rules" / str(release_at(moment)["rules_sha"])


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
