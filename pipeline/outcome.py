"""How a run ends: one entry of the ledger, one message, one exit code."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline import (
    disk,
    feeds,
    freshness,
    ledger,
    log,
    notify,
    prune,
    report,
    running,
    seeds,
    store,
)
from pipeline.messages import Problem
from pipeline.settings import airflow_connection

Facts = dict[str, Any]
Lookup = Callable[[str], str | None]
STEPS = ("extract", "validate", "build", "publish")


@contextmanager
def step(request: Facts, name: str) -> Iterator[None]:
    """A step of a run: what it uses stays; a Problem, also of the disk, is left where `conclude`
    finds it: under Airflow that is another process."""
    known = log.about(run=request["run_id"], step=name)
    with known, noting(request), store.in_use():
        began = time.monotonic()
        running.mark(request, name)
        log.event("begun")
        yield
        log.event("done", seconds=round(time.monotonic() - began, 2))


@contextmanager
def noting(request: Facts) -> Iterator[None]:
    """Leave a Problem where `conclude` finds it: under Airflow that is another process.

    What says that the disk is full or shut becomes a Problem, and a signal does: `cancelled`. That
    one is noted at once: Airflow concludes the run while slices in flight still end.
    """

    def note(problem: Problem) -> None:
        if _note(request).exists():  # by a step within the run
            return
        log.event("failed", logging.ERROR, code=problem.code, text=problem.text("en"))
        with suppress(OSError):  # on a full disk
            store.write_json(_note(request), problem.as_dict())

    cancelled = Problem("cancelled")
    try:
        with running.cancellable(lambda: note(cancelled)):
            yield
    except BaseException as error:
        if running.is_cancelled():
            raise cancelled from error
        problem = error if isinstance(error, Problem) else disk.problem(error)
        if problem:
            note(problem)
        if problem in (None, error):
            raise
        raise problem from error
    if running.is_cancelled():
        raise cancelled


def _note(request: Facts) -> Path:
    return store.home() / "work" / f"{store.safe_name(request['run_id'])}.problem.json"


def conclude(
    request: Facts, *done: Facts | None, lookup: Lookup = airflow_connection, failed_at: str = ""
) -> Facts:
    """Write the run into the ledger and tell what came of it. `done`: what extract, validate, build
    and publish gave, in that order; what is missing has failed.

    exit_code: 0 done or nothing to do · 1 nothing published · 3 published, something newly wrong.
    Raises OSError, once all is told, when the disk takes no entry.
    """
    note = _note(request)
    problem = store.read_json(note) if note.exists() else None
    steps = dict.fromkeys(STEPS) | dict(zip(STEPS, done, strict=False))
    missing = [name for name, facts in steps.items() if facts is None]
    newly_wrong = (
        (steps["publish"] or {}).get("newly_wrong")
        or _newly_failed(request, (steps["extract"] or {}).get("failed", []))
        or any(one["is_overdue"] for one in (steps["validate"] or {}).get("corrections", []))
    )
    now = store.now()
    missed = _missed(request, now)
    entry = {
        **request,
        **steps,
        "exit_code": 1 if missing else 3 if newly_wrong or missed else 0,
        "failed_at": failed_at or (missing[0] if missing else None),
        "problem": problem,
        "deadline_missed": missed,
        **freshness.troubles(now),
        "finished_at": now.isoformat(),
    }
    unbooked = _unbooked(entry)
    log.event("concluded", run=request["run_id"], exit_code=entry["exit_code"])
    running.clear(request)
    note.unlink(missing_ok=True)
    told = {**entry, **report.both(entry)}
    for failure in notify.tell(told, lookup):
        told["text_en"] += f"\n{failure['en']}"
        told["text_id"] += f"\n{failure['id']}"
    if unbooked:
        raise unbooked
    for line in prune.after(request) if request["kind"] == "nightly" else ():
        told["text_en"] += f"\n{line['en']}"
        told["text_id"] += f"\n{line['id']}"
    return told


def _unbooked(entry: Facts) -> OSError | None:
    """Record an entry. What a full disk says instead goes into it: somebody must be told."""
    try:
        ledger.record(entry)
    except OSError as error:
        known = disk.problem(error)
        entry["problem"] = entry.get("problem") or (known and known.as_dict())
        entry |= {"failed_at": entry.get("failed_at") or "ledger", "exit_code": 1}
        return error
    return None


def _newly_failed(request: Facts, failed: list[Facts]) -> list[Facts]:
    """Those that were fetched, or failed otherwise, when a run asked for their slice before.

    Of 94 offices one is always out of reach: red every night, nobody would look any more.
    """
    others = [one for one in reversed(ledger.entries()) if one["run_id"] != request["run_id"]]
    names = ("feed", "slice", "code")

    def is_known(failure: Facts) -> bool:
        period = failure["slice"].rpartition("_")[2]  # a month, a year, or all
        for entry in others:
            months = entry["months"] if entry.get("extract") else []
            is_due = any(period == "all" or month.startswith(period) for month in months)
            if is_due and failure["feed"] in entry["feeds"]:
                told = entry["extract"]["failed"]
                return any(all(one.get(n) == failure[n] for n in names) for one in told)
        return False

    return [one for one in failed if not is_known(one)]


def _missed(request: Facts, now: datetime) -> str | None:
    """Today's deadline, when a night that was scheduled ends after it and none had before."""
    if (request["kind"], request["who"]) != ("nightly", "schedule"):
        return None
    due = freshness.missed_deadline(now)
    is_todays = due and due.date() == now.astimezone(seeds.time_zone()).date()
    return str(due) if is_todays else None


def unstarted(kind: str, lookup: Lookup = airflow_connection) -> Facts:
    """Conclude a run of Airflow whose request has failed: at night nobody reads that log."""
    request = {
        **{"run_id": ledger.new_run_id(kind), "kind": kind, "who": "schedule", "reason": ""},
        **{"months": [], "file": "–", "started_at": store.now().isoformat()},
    }
    with suppress(Problem), noting(request):
        feeds.load_feeds()
    return conclude(request, failed_at="request", lookup=lookup)


def deadline(lookup: Lookup = airflow_connection) -> Facts | None:
    """Tell, once, that no night ended well by the newest deadline; None when one did.

    A night that failed has told so itself, and no message is sent then.
    """
    now = store.now()
    if not (due := freshness.missed_deadline(now)):
        return None
    entry: Facts = {
        **{"run_id": ledger.new_run_id("deadline"), "kind": "deadline", "who": "schedule"},
        **{"reason": "", "months": [], "file": "–", "started_at": now.isoformat()},
        **{"exit_code": 1, "deadline_missed": str(due), "running": running.found()},
    }
    unbooked = _unbooked(entry)
    told = {**dict.fromkeys(STEPS), "failed_at": None, "problem": None, **entry}
    told |= report.both(told)
    if not freshness.nights_since(due):
        for failure in notify.tell(told, lookup):
            told["text_en"] += f"\n{failure['en']}"
            told["text_id"] += f"\n{failure['id']}"
    if unbooked:
        raise unbooked
    return told
