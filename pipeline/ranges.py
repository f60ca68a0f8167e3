"""A ranking of any two closed ranges of months of equal length, by the SQL of the stored ones."""

from collections.abc import Iterator
from contextlib import contextmanager

from pipeline import duck, models, rank_sets
from pipeline.builds import Build
from pipeline.messages import Problem
from pipeline.periods import Month

KIND = BASELINE = "range"
# What a pair of periods decides; all else is taken from the build as it is.
MADE = (
    *("span", "span_month", "span_pair", "exporter_span", "region_span"),
    *("region_gap", "region_pair", "growth", "ranking"),
)


@contextmanager
def ranked(
    build: Build, first: Month, last: Month, base_first: Month, base_last: Month
) -> Iterator[duck.Connection]:
    """A database in memory whose mart.growth_ranking holds this one pair, of period_kind `range`.

    growth_pct_yearly stands where the ranges begin whole years apart. Raises Problem `bad_ranges`
    when they differ in length, overlap or run backwards.
    """
    months, apart = last - first + 1, first - base_first
    if months < 1 or apart < months or base_last - base_first + 1 != months:
        given = {"first": first, "last": last, "base_first": base_first, "base_last": base_last}
        raise Problem("bad_ranges", **given)
    with duck.connect() as con:
        con.execute(f"ATTACH {duck.literal(str(build.database))} AS whole (READ_ONLY)")
        con.execute(
            "CREATE SCHEMA core; CREATE SCHEMA mart; CREATE SCHEMA stage; CREATE SCHEMA seed"
        )
        tables = con.execute(
            "SELECT schema_name, table_name FROM duckdb_tables() "
            "WHERE database_name = 'whole' AND schema_name IN ('core', 'seed')"
        ).fetchall()
        for schema, name in tables:
            if schema != "core" or name not in MADE:
                con.execute(f"CREATE VIEW {schema}.{name} AS FROM whole.{schema}.{name}")
        spans = (
            "SELECT basis, region_set, min(month) AS first FROM core.calendar_month GROUP BY ALL"
        )
        con.execute(
            "CREATE TABLE core.span AS SELECT c.basis, c.region_set, "
            "dense_rank() OVER (ORDER BY p.period_end)::INTEGER AS span_no, ? AS period_kind, "
            "p.period_end, p.period_start, ?::INTEGER AS months "
            f"FROM ({spans}) AS c CROSS JOIN (VALUES (?::DATE, ?::DATE), (?::DATE, ?::DATE)) "
            "AS p (period_start, period_end) WHERE p.period_start >= c.first",
            [
                *(KIND, months, first.first_day, last.last_day),
                *(base_first.first_day, base_last.last_day),
            ],
        )
        con.execute(
            "CREATE TABLE core.span_pair AS SELECT s.basis, s.region_set, s.period_kind, "
            "s.period_end, ? AS baseline, s.span_no, b.span_no AS base_no, s.period_start, "
            "s.months, ?::INTEGER AS years, "
            "b.period_start AS base_start, b.period_end AS base_end, NULL::DATE AS previous_end "
            "FROM core.span AS s LEFT JOIN core.span AS b ON b.basis = s.basis "
            "AND b.region_set = s.region_set AND b.period_end = ? WHERE s.period_end = ?",
            [
                *(BASELINE, None if apart % 12 else apart // 12),
                *(base_last.last_day, last.last_day),
            ],
        )
        wanted = tuple(f"core.{name}" for name in MADE if name not in ("span", "span_pair"))
        models.materialise(con, "core", only=wanted)
        con.execute(f"CREATE TABLE stage.rank_set ({rank_sets.TABLE})")
        models.materialise(con, "mart", "meta", only=("mart.growth_ranking", "meta.method"))
        yield con
