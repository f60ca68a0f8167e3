"""How far a build moves from the release that readers see: expectations/movement.json."""

from importlib.resources import files
from pathlib import Path

from pipeline import duck, store, suites

TABLES = ("size", "total", "rank", "winner")
KEPT = 100  # lines that release.json and the ledger keep of each rule
Moved = dict[str, list[str]]


def found(build: Path, release: Path) -> tuple[Moved, Moved]:
    """What stops a build's file against a release's ekspor.duckdb, and what only warns.

    By rule, a line each: what moved, from what to what, and where. Not part of the build: it is
    named by what it is made from, and must not depend on which release is current. Raises Problem
    `suite_error`.
    """
    stops: Moved = {}
    warns: Moved = {}
    with store.half_made(store.home() / "work" / "movement") as folder:
        database = folder / "both.duckdb"  # its name must not be that of the schema
        with duck.connect(database) as con:
            for name, file in (("build", build), ("release", release)):
                con.execute(f"ATTACH {duck.literal(str(file))} AS {name} (READ_ONLY)")
            con.execute("CREATE SCHEMA movement")
            for name in TABLES:
                sql = (files("pipeline") / "movement" / f"{name}.sql").read_text("utf-8")
                con.execute(f"CREATE TABLE movement.{name} AS {sql}")
            for check in suites.run_suite("movement", database):
                if not check.passed:
                    rows = duck.rows(con, f"{check.unexpected_query} LIMIT {KEPT}")
                    more = check.unexpected - len(rows)
                    lines = [_line(row) for row in rows] + [f"… {more}"] * bool(more)
                    (stops if check.stops else warns)[check.rule_name] = lines
    return stops, warns


def _line(row: dict[str, object]) -> str:
    return f"{row['region']}: {row['before']} → {row['now']} ({row['place']})"
