"""Rows set aside: which rule, how many, how much is at stake; and places nobody could resolve."""

import glob
from typing import Any

from rapidfuzz import fuzz, process, utils

from pipeline import builds, duck, releases, store
from pipeline.messages import Problem

Row = dict[str, Any]
LEAST_LIKENESS = 80  # "Kab. Bgor" is 95 like its region, "Cikarang" 75 like Karawang


def _current_build() -> builds.Build:
    release = releases.current("internal")
    if release is None:
        raise Problem("nothing_published", audience="internal")
    return builds.find(release["build_id"])


def listed() -> list[Row]:
    """Quarantined records of the current release.

    Grain: office, month, rule. `stated_usd` is what can be read on the lines themselves;
    `first_line` says where to look: delivery, physical line, column and value.
    Raises Problem `nothing_published`.
    """
    if not (present := _files("row.parquet")):
        return []
    with duck.connect() as con:
        return duck.rows(
            con,
            """
            WITH row AS (
                -- Certificates have a line FOB, aggregates an amount in US$.
                SELECT NULL::DECIMAL(18, 2) AS line_fob, '' AS currency_code,
                    NULL::DECIMAL(18, 2) AS fob_usd
                WHERE false
                UNION ALL BY NAME
                FROM read_parquet(?, union_by_name = true)
            ),
            finding AS (
                SELECT delivery_id, line, unnest(findings) AS found,
                    coalesce(fob_usd, CASE currency_code WHEN 'USD' THEN line_fob END) AS usd
                FROM row
            )
            SELECT split_part(split_part(delivery_id, '/', 2), '_', 1) AS office_code,
                split_part(split_part(delivery_id, '/', 2), '_', 2) AS month,
                found.rule_name AS rule_name,
                count(*) AS records,
                sum(usd) AS stated_usd,
                arg_min(delivery_id || ' line ' || line
                    || coalesce(' ' || found.column_name, '')
                    || coalesce(' = ' || found.value, ''), line) AS first_line
            FROM finding
            GROUP BY ALL
            ORDER BY stated_usd DESC NULLS LAST, office_code, month, rule_name
            """,
            [present],
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
    with duck.connect(_current_build().database, read_only=True) as con:
        deliveries = con.execute(
            "SELECT delivery_id, rules_sha FROM core.delivery WHERE state = 'current'"
        ).fetchall()
    folder = store.home() / "quarantine"
    files = [folder / delivery / rules[:8] / name for delivery, rules in deliveries]
    return [glob.escape(str(file)) for file in files if file.exists()]


def unplaced() -> list[Row]:
    """What the current release could not resolve; see `suggested`. Raises `nothing_published`."""
    with duck.connect(_current_build().database, read_only=True) as con:
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
