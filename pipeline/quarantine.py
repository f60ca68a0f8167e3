"""Rows set aside: which rule, how many, how much is at stake; and places nobody could resolve."""

import glob
from dataclasses import asdict, dataclass
from typing import Any

from rapidfuzz import fuzz, process, utils

from pipeline import builds, duck, releases, store
from pipeline.messages import Problem

Row = dict[str, Any]
LEAST_LIKENESS = 80  # "Kab. Bgor" is 95 like its region, "Cikarang" 75 like Karawang
WANTED = """
    ($office IS NULL OR office_code = $office) AND ($month IS NULL OR period = $month)
    AND ($delivery IS NULL OR $delivery IN (delivery_id, slice_code))
    AND ($certificate IS NULL OR record_key = $certificate)
    AND ($rule IS NULL OR list_contains([f.rule_name FOR f IN findings], $rule))
"""


@dataclass(frozen=True)
class Wanted:
    """Which quarantined records are meant; None leaves a thing open, `delivery` may be a slice."""

    office: str | None = None
    month: str | None = None
    rule: str | None = None
    delivery: str | None = None
    certificate: str | None = None


EVERYTHING = Wanted()
SIBLING = {
    "sibling_id": "Baris ini sendiri baik; baris lain dari SKA yang sama keliru.",
    "sibling_en": "This row is sound; another row of the same certificate is not.",
}


def current_build() -> builds.Build:
    """The build that the office's current release was made from. Raises `nothing_published`."""
    release = releases.current("internal")
    if release is None:
        raise Problem("nothing_published", audience="internal")
    return builds.find(release["build_id"])


def listed(wanted: Wanted = EVERYTHING) -> list[Row]:
    """Quarantined records of the current release.

    Grain: office, month, rule. `stated_usd` is what can be read on the lines themselves;
    `first_line` says where to look: delivery, physical line, column and value.
    Raises Problem `nothing_published`.
    """
    with duck.connect(current_build().database, read_only=True) as con:
        return duck.rows(
            con,
            f"""
            WITH finding AS (
                SELECT *, unnest(findings) AS found FROM core.quarantine_line WHERE {WANTED}
            )
            SELECT office_code, period AS month, found.rule_name AS rule_name,
                count(DISTINCT (delivery_id, line, record_key)) AS records,
                sum(stated_usd) AS stated_usd,
                arg_min(delivery_id || ' line ' || line
                    || coalesce(' ' || found.column_name, '')
                    || coalesce(' = ' || found.value, ''), line) AS first_line
            FROM finding
            WHERE $rule IS NULL OR found.rule_name = $rule
            GROUP BY ALL
            ORDER BY stated_usd DESC NULLS LAST, office_code, month, rule_name
            """,
            asdict(wanted),
        )


def by_office(con: duck.Connection) -> list[Row]:
    """What stands in quarantine in a build. Grain: office; most US$ at stake first.

    `stated_usd`: what can be read; `unreadable_records`: of how many it can't.
    """
    return duck.rows(
        con,
        """
        SELECT office_code, min(period) AS first_month, max(period) AS last_month,
            count(DISTINCT (delivery_id, line, record_key)) AS records,
            sum(stated_usd)::DECIMAL(18, 2) AS stated_usd,
            count(*) FILTER (stated_usd IS NULL) AS unreadable_records,
            list_sort(list_distinct(flatten(list([f.rule_name FOR f IN findings]))))
                AS rule_names
        FROM core.quarantine_line
        GROUP BY ALL
        ORDER BY stated_usd DESC NULLS LAST, office_code
        """,
    )


def commonest(most: int) -> list[tuple[str, int]]:
    """Rules with the most records in quarantine now, the first `most`, with how many.

    Raises Problem `nothing_published`.
    """
    with duck.connect(current_build().database, read_only=True) as con:
        return con.execute(
            "SELECT rule_name, count(*) FROM (SELECT unnest(findings).rule_name AS rule_name "
            "FROM core.quarantine_line) WHERE rule_name <> 'sibling' "
            "GROUP BY rule_name ORDER BY count(*) DESC, rule_name"
        ).fetchmany(most)


def records(wanted: Wanted) -> list[Row]:
    """Quarantined records of the current release, one by one, each with all its findings.

    Of each finding: rule, source column, value, and what to do (note_id, note_en); `raw` is the
    record as it was delivered, JSON. Raises Problem `nothing_published`.
    """
    with duck.connect(current_build().database, read_only=True) as con:
        return duck.rows(
            con,
            f"""
            SELECT q.* EXCLUDE (findings), d.feed, d.month AS first_month, d.is_synthetic,
                coalesce(d.extracted_at, d.landed_at) AS known_at,
                [{{
                    rule_name: f.rule_name, column_name: f.column_name, value: f.value,
                    note_id: n.note_id[suite || f.rule_name],
                    note_en: n.note_en[suite || f.rule_name]
                }} FOR f IN findings] AS findings
            FROM core.quarantine_line AS q
            JOIN (
                SELECT *, CASE grain WHEN 'aggregate' THEN 'aggregate ' ELSE 'row ' END AS suite
                FROM core.delivery
            ) AS d USING (delivery_id, office_code, slice_code)
            CROSS JOIN (
                SELECT map(list(rule), list(note_id)) AS note_id,
                    map(list(rule), list(note_en)) AS note_en
                FROM (
                    SELECT suite_name || ' ' || rule_name AS rule, note_id, note_en
                    FROM meta.check_result
                    UNION ALL SELECT 'row sibling', $sibling_id, $sibling_en
                )
            ) AS n
            WHERE {WANTED}
            ORDER BY q.delivery_id, q.line, q.record_key
            """,
            asdict(wanted) | SIBLING,
        )


def excluded() -> list[Row]:
    """Records that a [[drop]] rule of a layout or a correction leaves out of the current release.

    Grain: slice, rule; `first_record` is one of them as it was delivered.
    Raises Problem `nothing_published`.
    """
    if not (present := _files("excluded.parquet")):
        return []
    with duck.connect() as con:
        return duck.rows(
            con,
            """
            SELECT split_part(filename, '/', -5) || '/' || split_part(filename, '/', -4) AS slice,
                rule_name,
                count(*) AS records,
                arg_min('line ' || line || ' ' || raw, line) AS first_record
            FROM read_parquet(?, filename = true)
            GROUP BY ALL
            ORDER BY ALL
            """,
            [present],
        )


def _files(name: str) -> list[str]:
    """The files of that name that the current deliveries have in quarantine/."""
    with duck.connect(current_build().database, read_only=True) as con:
        deliveries = con.execute(
            "SELECT delivery_id, rules_sha FROM core.delivery WHERE state = 'current'"
        ).fetchall()
    folder = store.home() / "quarantine"
    files = [folder / delivery / rules[:8] / name for delivery, rules in deliveries]
    return [glob.escape(str(file)) for file in files if file.exists()]


def unplaced() -> list[Row]:
    """What the current release could not resolve; see `suggested`. Raises `nothing_published`."""
    with duck.connect(current_build().database, read_only=True) as con:
        return suggested(con)


def suggested(con: duck.Connection) -> list[Row]:
    """core.unplaced of a build, most US$ first, with what a place or port looks like.

    `suggestion` is only likeness (RapidFuzz, 0 to 100), within the province where that is certain.
    The best one stands in seed_row, and places nothing until a person pastes that.
    """
    known = duck.rows(con, "FROM core.region WHERE region_kind IN ('kota', 'kabupaten', 'port')")
    provinces = dict(con.execute("SELECT region_code, province_code FROM core.region").fetchall())
    found = duck.rows(
        con, "FROM core.unplaced ORDER BY fob_usd DESC, kind, spelling, province, seed_row"
    )
    for row in found:
        province = provinces.get(row["region_code"])
        names = {
            (one["region_code"], name): name
            for one in known
            if (one["region_kind"] == "port") == (row["kind"] == "port")
            and province in (None, one["province_code"])
            for name in {one["region_name"], one["region_name"].partition(" ")[2]}
        }
        like: dict[str, str] = {}
        if row["kind"] in ("place", "port") and not row["candidates"]:
            for _, score, (code, name) in process.extract(
                row["spelling"],
                names,
                scorer=fuzz.ratio,
                processor=utils.default_process,
                score_cutoff=LEAST_LIKENESS,
                limit=3,
            ):
                like.setdefault(code, f"{code} {name} ({score:.0f})")
        row["suggestion"] = ", ".join(like.values())
        if like and row["seed_row"]:
            code = next(iter(like))
            blanks = {"region_code": code, "port_code": code, "province_code": provinces[code]}
            for name, text in blanks.items():
                row["seed_row"] = row["seed_row"].replace(f"<{name}>", text or "")
    return found


def left(before: builds.Build, after: builds.Build) -> list[Row]:
    """The records that stand in quarantine in one build and no more in another, and why.

    Grain: delivery, why: `newer_delivery`, `resubmitted`, `newer_version` (of the certificate, in
    another delivery), `rules_changed`, `feed_removed`. Nothing is known of a build made before
    builds told.
    """
    with duck.connect() as con:
        for name, build in (("old", before), ("new", after)):
            con.execute(f"ATTACH {duck.literal(str(build.database))} AS {name} (READ_ONLY)")
        told = con.execute(
            "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'quarantine_line'"
        ).fetchall()[0][0]
        if told < 2:
            return []
        return duck.rows(
            con,
            """
            WITH gone AS (
                SELECT q.*, CASE
                    WHEN d.delivery_id IS NULL THEN 'feed_removed'
                    WHEN d.state = 'superseded' THEN 'newer_delivery'
                    WHEN r.line IS NOT NULL THEN 'resubmitted'
                    WHEN EXISTS (
                        FROM new.core.certificate_version AS v
                        WHERE v.delivery_id = q.delivery_id AND v.certificate_key = q.record_key
                            AND v.state = 'superseded'
                    ) OR EXISTS (
                        FROM new.core.aggregate_cell AS a
                        WHERE a.delivery_id = q.delivery_id AND a.line = q.line
                            AND a.cell_key = q.record_key AND a.state = 'superseded'
                    ) THEN 'newer_version'
                    ELSE 'rules_changed'
                END AS why
                FROM old.core.quarantine_line AS q
                ANTI JOIN new.core.quarantine_line AS n
                    ON n.delivery_id = q.delivery_id AND n.line = q.line
                    AND n.record_key = q.record_key
                LEFT JOIN new.core.delivery AS d ON d.delivery_id = q.delivery_id
                LEFT JOIN new.core.resubmitted_line AS r
                    ON r.delivery_id = q.delivery_id AND r.line = q.line
            )
            SELECT delivery_id, why, count(*) AS records,
                coalesce(sum(stated_usd), 0)::DECIMAL(18, 2)::VARCHAR AS stated_usd,
                list_sort(list_distinct(flatten(list([f.rule_name FOR f IN findings]))))
                    AS rule_names
            FROM gone
            GROUP BY ALL
            ORDER BY ALL
            """,
        )
