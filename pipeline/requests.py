"""Requests: what a run, or any other act of an operator, is asked to do, by whom and why."""

from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline import feeds, ledger, periods, store
from pipeline.messages import Problem
from pipeline.settings import settings

Facts = dict[str, Any]


def made(kind: str, reason: str, who: str) -> Facts:
    """What every request says. Raises Problem `no_reason`."""
    if len(reason.strip()) < 3:
        raise Problem("no_reason")
    return {
        "run_id": ledger.new_run_id(kind),
        "kind": kind,
        "who": who,
        "reason": reason.strip(),
        "started_at": store.now().isoformat(),
    }


def nightly(
    run_after: datetime,
    months_back: int | None = None,
    newest: str | None = None,
    who: str = "",
    accept: str | None = None,
    reason: str | None = None,
) -> Facts:
    """What a nightly run pulls: the newest expected month and the ones before it, every feed.

    `accept` "movement" publishes what only that would stop, for a reason. Raises Problem.
    """
    back = settings().months_back if months_back is None else months_back
    # What the setting says may reach beyond a feed that is new; what a person says is meant.
    earliest = None if months_back is None else _earliest(None)
    months = periods.due_months(run_after, back, newest, earliest)
    why = reason or ("" if accept else "nightly run")
    return _of_run("nightly", months, None, who or "schedule", why, accept=accept)


def backfill(
    first: str,
    last: str,
    feed: str | None,
    reason: str,
    run_after: datetime,
    force: bool = False,
    who: str = "",
    accept: str | None = None,
) -> Facts:
    """What a backfill pulls: a range of months as one build. Raises Problem on bad input."""
    months = periods.checked_range(first, last, run_after)
    earliest = _earliest(feed)
    if months[0] < earliest:
        raise Problem("before_feed", value=str(months[0]), first=str(earliest))
    return _of_run("backfill", months, feed, who or "operator", reason, force, accept)


def _earliest(feed: str | None) -> periods.Month:
    return min(one.first_month for one in feeds.chosen(feed))


def resubmit(file: Path, reason: str, who: str = "") -> Facts:
    """What takes a corrected return file in. Raises Problem `no_reason`."""
    request = _of_run("resubmit", [], None, who or "operator", reason)
    return request | {"file": str(file.absolute())}


def _of_run(
    kind: str,
    months: list[periods.Month],
    feed: str | None,
    who: str,
    reason: str,
    force: bool = False,
    accept: str | None = None,
) -> Facts:
    return {
        **made(kind, reason, who),
        "months": [str(month) for month in months],
        "feeds": [chosen.name for chosen in feeds.chosen(feed)],
        "force": force,
        "accept": accept,
    }
