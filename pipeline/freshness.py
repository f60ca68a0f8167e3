"""Freshness: what readers have of each office's months, what is late, and the night's deadline."""

from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any

from pipeline import duck, feeds, ledger, periods, releases, seeds
from pipeline.messages import Problem
from pipeline.settings import settings

STATES = ("fresh", "stale", "incomplete", "refused", "missing")
MONTHS = 6  # that a grid shows
NIGHT = timedelta(hours=12)  # what ended earlier belongs to the night before
Row = dict[str, Any]


def slices(now: datetime) -> list[Row]:
    """Every month that has ended, of every office of feeds.toml, as the current internal release
    has it. Grain: feed, office_code, month.

    `days_late`: since the feed's limit, of what has not come whole; `age_days`: since what stands
    in for a refused delivery came; else None. Raises Problem `nothing_published`.
    """
    known, today = _published(), now.astimezone(seeds.time_zone()).date()
    rows = []
    for feed in feeds.load_feeds().values():
        for month in periods.month_range(feed.first_month, periods.newest_expected(now)):
            for part in feed.slices([month]):
                has = known.get((feed.name, part.office, str(month)), {})
                state, landed_at = has.get("freshness", "missing"), has.get("landed_at")
                due_on = (part.last_month or month).last_day + timedelta(feed.fresh_days)
                is_owed = state in ("incomplete", "refused", "missing")
                age = now - landed_at.replace(tzinfo=UTC) if landed_at else timedelta()
                rows.append({
                    "feed": feed.name, "office_code": part.office, "slice": part.code,
                    "month": str(month), "freshness": state,
                    "records": has.get("records", 0),
                    "quarantined_records": has.get("quarantined_records", 0),
                    "days_late": (today - due_on).days if is_owed and today > due_on else None,
                    "age_days": age.days if state == "stale" else None,
                })  # fmt: skip
    return rows


def _published() -> dict[tuple[str, str, str], Row]:
    """meta.freshness of the current internal release; empty in one made before there was any."""
    with duck.connect(releases.database("internal"), read_only=True) as con:
        told = "SELECT 1 FROM duckdb_tables() WHERE table_name = 'freshness'"
        if not con.execute(told).fetchall():
            return {}
        return {
            (row["feed"], row["office_code"], f"{row['month']:%Y-%m}"): row
            for row in duck.rows(con, "FROM meta.freshness")
        }


def troubles(now: datetime) -> dict[str, list[Row]]:
    """The slices that are late and those that are stale, longest first; none before a release."""
    try:
        rows = slices(now)
    except Problem:  # the run tells of feeds.toml itself
        rows = []
    found = {}
    for kind, days in (("late", "days_late"), ("stale", "age_days")):
        names = ("feed", "slice", "month", "freshness")
        some = [row for row in rows if row[days] is not None]
        some.sort(key=itemgetter(days), reverse=True)
        found[kind] = [{name: row[name] for name in names} | {"days": row[days]} for row in some]
    return found


def grid(rows: list[Row], months: int = MONTHS) -> list[Row]:
    """How many offices are in which state. Grain: feed, month; the newest months, newest first."""
    table = []
    ordered = sorted(rows, key=lambda row: (row["feed"], str(row["month"])))
    for feed, of_feed in groupby(ordered, key=itemgetter("feed")):
        by_month = [(month, list(some)) for month, some in groupby(of_feed, itemgetter("month"))]
        for month, some in by_month[: -months - 1 : -1]:
            records = sum(row["records"] for row in some)
            aside = sum(row["quarantined_records"] for row in some)
            table.append({
                "feed": feed, "month": str(month)[:7],
                **{state: sum(row["freshness"] == state for row in some) for state in STATES},
                "late": sum(row.get("days_late") is not None for row in some),
                "quarantined_pct": round(100 * aside / records, 2) if records else None,
                "not_fresh": [r["office_code"] for r in some if r["freshness"] != "fresh"],
            })  # fmt: skip
    return table


def missed_deadline(now: datetime) -> datetime | None:
    """The newest deadline, when no nightly run has ended well since the evening before it.

    None when one has, or when there has never been one.
    """
    local = now.astimezone(seeds.time_zone())
    due = datetime.combine(local.date(), settings().deadline, local.tzinfo)
    if due > local:
        due -= timedelta(days=1)
    well = (0, 3)
    ever = any(e["kind"] == "nightly" and e["exit_code"] in well for e in ledger.entries())
    return due if ever and not {*well} & {*nights_since(due)} else None


def nights_since(due: datetime) -> list[int]:
    """The exit codes of the nightly runs that have ended since the evening before a deadline."""
    return [
        entry["exit_code"]
        for entry in ledger.entries()
        if entry["kind"] == "nightly" and datetime.fromisoformat(entry["finished_at"]) > due - NIGHT
    ]
