"""What was known when: which release readers saw at a moment, its rules, and its content's hash."""

import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline import duck, ledger, models, releases, store
from pipeline.messages import Problem


def release_at(moment: datetime) -> dict[str, Any]:
    """release.json of the internal release that was current at a moment, rollbacks included.

    Raises Problem `nothing_then`.
    """
    every = {release["release_id"]: release for release in releases.every("internal")}
    switched = [(release["published_at"], name) for name, release in every.items()]
    switched += [
        (entry["started_at"], entry["release_id"])
        for entry in ledger.entries()
        if entry["kind"] == "rollback" and entry["release_id"] in every
    ]
    seen = [pair for pair in switched if datetime.fromisoformat(pair[0]) <= moment]
    if not seen:
        raise Problem("nothing_then", moment=moment.isoformat())
    return every[max(seen)[1]]


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
