"""Rows set aside: which rule, how many, how much is at stake; and places nobody could resolve."""

from typing import Any

from pipeline import builds, duck, releases, store
from pipeline.messages import Problem

Row = dict[str, Any]


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
    with duck.connect(_current_build().database, read_only=True) as con:
        deliveries = con.execute(
            "SELECT delivery_id, rules_sha FROM core.delivery WHERE state = 'current'"
        ).fetchall()
    folder = store.home() / "quarantine"
    files = [folder / delivery / rules[:8] / "row.parquet" for delivery, rules in deliveries]
    present = [str(file) for file in files if file.exists()]
    if not present:
        return []
    with duck.connect() as con:
        return duck.rows(
            con,
            """
            WITH finding AS (
                SELECT delivery_id, line, line_fob, currency_code, unnest(findings) AS found
                FROM read_parquet(?)
            )
            SELECT split_part(split_part(delivery_id, '/', 2), '_', 1) AS office_code,
                split_part(split_part(delivery_id, '/', 2), '_', 2) AS month,
                found.rule_name AS rule_name,
                count(*) AS records,
                sum(line_fob) FILTER (currency_code = 'USD') AS stated_usd,
                arg_min(delivery_id || ' line ' || line
                    || coalesce(' ' || found.column_name, '')
                    || coalesce(' = ' || found.value, ''), line) AS first_line
            FROM finding
            GROUP BY ALL
            ORDER BY stated_usd DESC NULLS LAST, office_code, month, rule_name
            """,
            [present],
        )


def unplaced() -> list[Row]:
    """Spellings of places that were not resolved, with US$ at stake and an alias row to paste.

    Grain: spelling and province as written. Raises Problem `nothing_published`.
    """
    with duck.connect(_current_build().database, read_only=True) as con:
        return duck.rows(con, "FROM core.unplaced ORDER BY ALL")
