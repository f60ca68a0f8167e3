"""Increment: a build on top of another one: what a night touches is made anew, the rest is kept.

A model's header says which of its rows a delivery can touch (`-- part:`). version: those of a
certificate, by what its own versions say. knot: those of a certificate, also by what it is tied to:
chains, shared declarations, its exporter's numbers. sum: sums over certificates, or of such sums:
what is touched is taken off as it was and added as it is. issuer_code: those of an issuer. span:
those of periods with a month of which a sum is another now; pair: those of such periods, or beside
one. Without one: all rows.

Touched rows come from the model's own SQL, run where its inputs hold nothing else, so that there is
no second wording of a rule. tests/test_increment.py holds the result against a build from nothing.
"""

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline import builds, duck, models, releases, staging, suites, touched
from pipeline.models import Model
from pipeline.settings import settings

SAME = ("rules_sha", "code_sha", "duckdb_version")
# Where more of the records is touched, a build from nothing is no slower.
LARGEST_PART = 1 / 3
# Its rules warn: they count whatever stands there, touched or not.
COUNTED_WHOLE = {"core.certificate_chain"}
Verdict = dict[str, Any]


def base(made_from: Mapping[str, str]) -> builds.Build | None:
    """The build to start from: the current release's, if it was made by the same rules and code,
    and isn't the last that `increments` allows on top of one another."""
    release = releases.current("internal")
    if not release or not builds.exists(release["build_id"]):
        return None
    found = builds.find(release["build_id"])
    same = all(found.facts[name] == made_from[name] for name in SAME)
    return found if same and found.facts["increments"] < settings().increments else None


def load_on(
    before: builds.Build,
    database: Path,
    verdicts: list[Verdict],
    first_months: Mapping[str, str],
    limits: Mapping[str, tuple[str, int]],
) -> list[suites.Check] | None:
    """Make `database`, a file that isn't there, with schemas seed and core, out of another build.

    What it gives are the checks of suite core on tables of certificates: of what was touched, the
    rest having passed before. None, and no file, when too much is touched.
    """
    place = f":memory:{database.parent.name}"
    with duck.connect(place) as con:
        con.execute("SET preserve_insertion_order = false")
        con.execute(f"ATTACH {duck.literal(str(before.database))} AS before (READ_ONLY)")
        con.execute("CREATE SCHEMA touched; CREATE SCHEMA difference")
        con.execute("CREATE SCHEMA seed; CREATE SCHEMA core")
        for table in _tables(con, "before", "seed"):
            con.execute(f"CREATE VIEW seed.{table} AS FROM before.seed.{table}")
        current = staging.deliveries(con, verdicts, first_months, limits)
        con.execute(touched.DELIVERIES)
        if con.execute(touched.SHARE).fetchall()[0][0] > LARGEST_PART:
            return None
        staging.cells(con, current)
        _copy(before.database, database)
        con.execute(f"ATTACH {duck.literal(str(database))} AS whole")
        made = _Increment(con, current)
        made.run()
        found = made.check(place)
        con.execute("DETACH whole")
    return found


class _Increment:
    """A build under way. Databases: `memory` holds what is touched, `before` the build as it was,
    `whole` the file as it will be, `now` and `past` what a sum is taken of, `sums` sums of it."""

    def __init__(self, con: duck.Connection, current: list[Verdict]) -> None:
        self.con, self.current = con, current
        self.models = {model.full_name: model for model in models.all_models()}
        self.core = [model for model in self.models.values() if model.schema == "core"]
        self.held = {f"core.{name}" for name in _tables(con, "memory", "core")}

    def run(self) -> None:
        con = self.con
        con.execute(
            "DROP SCHEMA IF EXISTS whole.mart CASCADE; DROP SCHEMA IF EXISTS whole.meta CASCADE"
        )
        con.execute("CREATE SCHEMA whole.stage")
        for table in _tables(con, "memory", "stage"):
            con.execute(f"CREATE VIEW whole.stage.{table} AS FROM memory.stage.{table}")
        for place in ("now", "past", "sums"):
            con.execute(f"ATTACH ':memory:' AS {place}; CREATE SCHEMA {place}.core")
        self._versions()
        late = self._of_knots()
        for model in self.core:
            if model.full_name not in late and model.part != "version":
                self._make(model)
        self._knots()
        for model in self.core:
            if model.full_name in late:
                self._make(model)
        con.execute("DROP SCHEMA whole.stage CASCADE")

    def check(self, place: str) -> list[suites.Check]:
        """Suite core on the tables of certificates, of what was touched."""
        con = self.con
        con.execute("USE memory")
        held = {
            model.full_name: _count(con, f"memory.{model.full_name}")
            for model in self.core
            if model.part in ("version", "knot") and model.full_name not in COUNTED_WHOLE
        }
        for model in self.core:
            if not model.part:
                self._shown(model.full_name)
        found = suites.run_suite("core", place, about=lambda table: bool(held.get(table)))
        return [replace(check, evaluated=_count(con, f"whole.{check.table}")) for check in found]

    def _of_knots(self) -> set[str]:
        """The models that can be made only when it is known which knots are touched."""
        late: set[str] = set()
        for model in self.core:
            if model.part == "knot" or model.inputs & late:
                late.add(model.full_name)
        return late

    def _make(self, model: Model) -> None:
        if model.part == "sum":
            self._sum(model)
        elif model.part in ("span", "pair") and self._has_same_periods:
            self._periods(model)
        elif model.part == "issuer_code":
            only = "WHERE issuer_code IN (FROM memory.touched.issuer)"
            self._made_in("now", "whole", model, self._of_certificates(model, only))
            self._put(model, "issuer_code", "memory.touched.issuer", f"now.{model.full_name}")
        elif model.part in ("version", "knot"):
            self._part(model)
        else:
            self.con.execute("USE whole")
            models.make(self.con, model)

    def _versions(self) -> None:
        """What the certificates of touched deliveries say, in all deliveries that hold them."""
        con = self.con
        self._staged("FROM touched.delivery")
        con.execute(
            "CREATE TABLE touched.certificate AS "
            "SELECT certificate_key FROM before.core.certificate_version "
            "SEMI JOIN touched.delivery USING (delivery_id) "
            "UNION SELECT certificate_key FROM stage.accepted_certificate "
            "UNION SELECT certificate_key FROM stage.quarantine_row"
        )
        self._staged(
            "FROM touched.delivery UNION "
            f"SELECT delivery_id FROM before.core.certificate_version {touched.ONLY}",
            only=True,
        )
        for model in self.core:
            if model.part == "version":
                self._part(model)
        con.execute(touched.ISSUERS)

    def _knots(self) -> None:
        """Whatever is tied to a touched certificate is touched, and so on; their versions."""
        con = self.con
        con.execute(f"USE memory; {touched.TIES}")
        _touch(con, touched.MOVED)
        _touch(con, touched.DRAWING)
        while _touch(con, touched.TIED):
            pass
        versions = {model.full_name: model for model in self.core if model.part == "version"}
        for name, model in versions.items():
            if model.inputs <= versions.keys():  # of what is here already
                models.make(con, model)
            else:
                con.execute(f"CREATE OR REPLACE TABLE {name} AS FROM whole.{name} {touched.ONLY}")
        self._staged("SELECT delivery_id FROM core.certificate_version", only=True)

    def _staged(self, deliveries: str, only: bool = False) -> None:
        """Make the records of these deliveries those of stage; `only` of touched certificates."""
        con = self.con
        wanted = {
            name for (name,) in con.execute(f"SELECT DISTINCT * FROM ({deliveries})").fetchall()
        }
        some = [verdict for verdict in self.current if verdict["delivery_id"] in wanted]
        staging.certificates(con, some, touched.ONLY if only else "")

    def _part(self, model: Model) -> None:
        """The rows of touched certificates, from tables that hold no others."""
        self.con.execute("USE memory")
        for name in sorted(model.inputs):
            if name in self.models and not self.models[name].part:
                self._shown(name)
        models.make(self.con, model)
        self.held.add(name := model.full_name)
        if model.is_kept:
            self._put(model, "certificate_key", "memory.touched.certificate", f"memory.{name}")

    def _shown(self, name: str) -> None:
        if name not in self.held:
            self.con.execute(f"CREATE VIEW memory.{name} AS FROM whole.{name}")
            self.held.add(name)

    def _put(self, model: Model, key: str, keys: str, rows: str) -> None:
        """Put rows in the place of those with a touched key."""
        name = f"whole.{model.full_name}"
        self.con.execute(f"DELETE FROM {name} WHERE {key} IN (FROM {keys})")
        self.con.execute(f"INSERT INTO {name} BY NAME FROM {rows}")

    @cached_property
    def _has_same_periods(self) -> bool:
        self.con.execute(f"USE memory; {touched.PERIODS}")
        return not any(
            self.con.execute(f"FROM {a}.core.{name} EXCEPT FROM {b}.core.{name} LIMIT 1").fetchall()
            for name in touched.CALENDAR
            for a, b in (("before", "whole"), ("whole", "before"))
        )

    def _periods(self, model: Model) -> None:
        """The rows of touched periods, or of pairs that hold one, from tables that hold no others
        that matter."""
        key, sides = ("span_no", "span") if model.part == "span" else (touched.PAIR, "side")
        of_sides = f"WHERE span_no IN (SELECT span_no FROM memory.touched.{sides})"
        only = dict.fromkeys(("core.span_month", "core.exporter_span"), of_sides)
        only["core.span_pair"] = f"WHERE ({touched.PAIR}) IN (FROM memory.touched.pair)"
        made = f"now.{model.full_name}"
        self._made_in("now", "whole", model, only)
        self._put(model, f"({key})", f"memory.touched.{model.part}", made)
        self.con.execute(f"DROP TABLE {made}")

    def _of_certificates(self, model: Model, only: str) -> dict[str, str]:
        """Of tables of certificates that a model reads `only` some rows."""
        return {name: only for name in model.inputs if "certificate_key" in self.models[name].grain}

    def _made_in(self, place: str, source: str, model: Model, only: Mapping[str, str]) -> None:
        """Make a model in a database of its own; of the tables it reads `only` some rows."""
        self.con.execute(f"USE {place}")
        for name in sorted(model.inputs):
            some = only.get(name, "")
            self.con.execute(f"CREATE OR REPLACE VIEW {name} AS FROM {source}.{name} {some}")
        models.make(self.con, model)
        self.con.execute("USE memory")

    def _sum(self, model: Model) -> None:
        """Take off what the touched certificates gave before, add what they give now. What sums a
        sum further is made of that one's difference."""
        con, name, grain = self.con, model.full_name, ", ".join(model.grain)
        con.execute("USE memory")
        of_sums = [one for one in model.inputs if self.models[one].part == "sum"]
        for one in of_sums:
            con.execute(f"CREATE OR REPLACE VIEW sums.{one} AS FROM memory.difference.{one[5:]}")
        if of_sums:
            con.execute("USE sums")
            models.make(con, model)
            con.execute("USE memory")
        else:
            con.execute("CREATE OR REPLACE TABLE touched.summed AS FROM touched.certificate")
            source = "memory"
            has_flags = "core.certificate_flag" in model.inputs
            if has_flags and _touch(con, touched.FLAGGED, "touched.summed"):
                source = "whole"  # an old certificate is an outlier now, or none any more
            for one in model.inputs:
                self._shown(one)
            only = self._of_certificates(
                model, "SEMI JOIN memory.touched.summed USING (certificate_key)"
            )
            self._made_in("now", source, model, only)
            self._made_in("past", "before", model, only)
        made = f"sums.{name}" if of_sums else f"now.{name}"
        columns = [name for name, *_ in con.execute(f"DESCRIBE {made}").fetchall()]
        sums = [column for column in columns if column not in model.grain]
        added = ", ".join(f"sum({column}) AS {column}" for column in sums)
        taken = ", ".join(f"-{column} AS {column}" for column in sums)
        stays = " OR ".join(f"sum({column}) <> 0" for column in sums)
        same = " AND ".join(f"w.{column} IS NOT DISTINCT FROM d.{column}" for column in model.grain)
        before = "" if of_sums else f"UNION ALL BY NAME SELECT {grain}, {taken} FROM past.{name}"
        difference = f"memory.difference.{model.name}"
        con.execute(
            f"CREATE TABLE {difference} AS SELECT {grain}, {added} FROM ("
            f"SELECT {grain}, {', '.join(sums)} FROM {made} {before}) "
            f"GROUP BY {grain} HAVING {stays}"
        )
        con.execute(
            f"CREATE OR REPLACE TABLE touched.sum AS SELECT {grain}, {added} FROM ("
            f"SELECT * FROM whole.{name} AS w SEMI JOIN {difference} AS d ON {same} "
            f"UNION ALL BY NAME FROM {difference}) GROUP BY {grain} HAVING {stays}"
        )
        con.execute(f"DELETE FROM whole.{name} AS w USING {difference} AS d WHERE {same}")
        con.execute(f"INSERT INTO whole.{name} BY NAME FROM touched.sum")


def _copy(source: Path, target: Path) -> None:
    """Copy a file; where the file system can (XFS, Btrfs), it shares the blocks."""
    with source.open("rb") as one, target.open("wb") as other:
        left = source.stat().st_size
        while left:
            left -= os.copy_file_range(one.fileno(), other.fileno(), left)


def _touch(con: duck.Connection, found: str, table: str = "touched.certificate") -> int:
    """Add certificates to the touched; how many weren't yet."""
    query = f"INSERT INTO {table} ({found}) EXCEPT FROM {table}"
    return int(con.execute(query).fetchall()[0][0])


def _tables(con: duck.Connection, database: str, schema: str) -> list[str]:
    found = con.execute(
        "SELECT table_name FROM information_schema.tables "
        "WHERE table_catalog = ? AND table_schema = ?",
        [database, schema],
    ).fetchall()
    return [name for (name,) in found]


def _count(con: duck.Connection, table: str) -> int:
    return int(con.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])
