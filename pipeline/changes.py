"""What changed since the release before, and by which deliveries: mart.release_change.

Not part of a build, which is named by what it is made from: made when a release is written.
"""

from importlib.resources import files
from pathlib import Path
from typing import Any

from pipeline import builds, duck, releases, store

MADE = ("moved", "held", "direct", "related")
COLUMNS = """
    basis VARCHAR, region_code VARCHAR, region_name VARCHAR, month DATE, change_cause VARCHAR,
    delivery_id VARCHAR, previous_fob_usd DECIMAL(18, 2), fob_usd DECIMAL(18, 2),
    change_usd DECIMAL(18, 2), changed_items BIGINT
"""
EXPLAINED = """
    basis VARCHAR, region_code VARCHAR, month DATE, change_cause VARCHAR, delivery_id VARCHAR,
    change_usd DECIMAL(18, 2), changed_items BIGINT
"""


def write(con: duck.Connection, release: dict[str, Any]) -> None:
    """Make out.mart.release_change beside the open build; empty on a first release.

    `release` is the release.json that is being written.
    """
    con.execute(f"CREATE TABLE out.mart.release_change ({COLUMNS})")
    if not (name := release["previous_release_id"]):
        return
    folder = releases.folder_of("internal", name)
    _attach(con, "release", folder / releases.DATABASE)
    con.execute(f"CREATE TEMP TABLE change_explained ({EXPLAINED})")
    _explain(con, release, store.read_json(folder / "release.json")["build_id"])
    con.execute(f"INSERT INTO out.mart.release_change {_sql('release_change')}")
    con.execute("DETACH release")


def _explain(con: duck.Connection, release: dict[str, Any], build_id: str) -> None:
    """change_explained, from the build of the release before; empty where that can't be read."""
    if not builds.exists(build_id):
        return
    before = builds.find(build_id)
    _attach(con, "before", before.database)
    try:
        _compare(con)
    except duck.Error as error:
        # Another program's build may have other tables; our own must be as we think.
        if isinstance(error, duck.FAULTS) or before.facts["code_sha"] == release["code_sha"]:
            raise
    con.execute("DETACH before")


def _compare(con: duck.Connection) -> None:
    """Fill change_explained from the open build and the one attached as `before`."""
    for name in MADE:
        con.execute(f"CREATE TEMP TABLE change_{name} AS {_sql(name)}")
    con.execute(f"INSERT INTO change_explained {_sql('explained')}")


def between(
    name: str, build: Path, release: Path, facts: dict[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Rows of change/<name>.sql: `slice`, `rank` or `period`, in which a build differs from the
    ekspor.duckdb of a release."""
    with duck.connect() as con:
        _attach(con, "build", build)
        _attach(con, "release", release)
        return duck.rows(con, _sql(name), facts)


def _sql(name: str) -> str:
    return (files("pipeline") / "change" / f"{name}.sql").read_text("utf-8")


def _attach(con: duck.Connection, name: str, file: Path) -> None:
    con.execute(f"ATTACH {duck.literal(str(file))} AS {name} (READ_ONLY)")
