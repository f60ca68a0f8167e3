"""The whole pipeline on one screen: request → extract → validate → build → publish → conclude.

Each step takes and gives plain JSON, so that Airflow can carry it and the CLI can print it.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from pipeline import (
    bounds,
    builds,
    checks,
    corrections,
    duck,
    feeds,
    land,
    ledger,
    load,
    operators,
    periods,
    rank,
    rejections,
    releases,
    resubmission,
    running,
    seeds,
    store,
    suites,
)
from pipeline import (
    extract as extracting,
)
from pipeline import (
    publish as publishing,
)
from pipeline import (
    validate as validating,
)
from pipeline.messages import Problem
from pipeline.outcome import conclude, noting
from pipeline.settings import airflow_connection, settings

Facts = dict[str, Any]
Lookup = Callable[[str], str | None]
IDLE = ("unchanged", "missing", "failed")  # states of a source that leave a run nothing to do


def run(request: Facts, tell: Callable[[str], Any] = print) -> Facts:
    """Every step, one after the other; the report of `conclude`. What the CLI does."""
    done: list[Facts] = []
    try:
        tell("1/4 extract")
        done.append(extract(request))
        tell("2/4 validate")
        done.append(validate(request, done[-1]))
        tell("3/4 build")
        done.append(build(request, done[-1]))
        tell("4/4 publish")
        done.append(publish(request, done[-1]))
    except Problem:  # its step has noted it; conclude tells it
        pass
    except Exception:  # a full disk, say: the ledger knows of the run all the same
        conclude(request, *done)
        raise
    return conclude(request, *done)


def request_nightly(
    run_after: datetime, months_back: int | None = None, newest: str | None = None, who: str = ""
) -> Facts:
    """What a nightly run pulls: the newest expected month and the ones before it, every feed."""
    back = settings().months_back if months_back is None else months_back
    months = periods.due_months(run_after, back, newest)
    return _request("nightly", months, None, who or "schedule", "nightly run", force=False)


def request_backfill(
    first: str,
    last: str,
    feed: str | None,
    reason: str,
    run_after: datetime,
    force: bool = False,
    who: str = "",
) -> Facts:
    """What a backfill pulls: a range of months as one build. Raises Problem on bad input."""
    if len(reason.strip()) < 3:
        raise Problem("no_reason")
    months = periods.checked_range(first, last, run_after)
    return _request("backfill", months, feed, who or "operator", reason.strip(), force)


def request_resubmit(file: Path, reason: str, who: str = "") -> Facts:
    """What takes a corrected return file in. Raises Problem `no_reason`."""
    if len(reason.strip()) < 3:
        raise Problem("no_reason")
    request = _request("resubmit", [], None, who or "operator", reason.strip(), force=False)
    return request | {"file": str(file.absolute())}


def _request(
    kind: str, months: list[periods.Month], feed: str | None, who: str, reason: str, force: bool
) -> Facts:
    return {
        "run_id": ledger.new_run_id(kind),
        "kind": kind,
        "who": who,
        "reason": reason,
        "months": [str(month) for month in months],
        "feeds": [chosen.name for chosen in feeds.chosen(feed)],
        "force": force,
        "started_at": store.now().isoformat(),
    }


def _due(request: Facts) -> list[tuple[feeds.Feed, feeds.Slice]]:
    months = [periods.Month.parse(month) for month in request["months"]]
    return [
        (feed, part)
        for name in request["feeds"]
        for feed in feeds.chosen(name)
        for part in feed.slices(months)
    ]


def _secrets(due: list[tuple[feeds.Feed, feeds.Slice]], lookup: Lookup) -> dict[str | None, Any]:
    """Each connection is asked for once a run, before the threads start; no repr shows it."""
    names = {feed.connection for feed, _ in due if feed.connection}
    found = {name: lookup(name) for name in sorted(names)}
    return {name: SecretStr(text) for name, text in found.items() if text}


def plan(request: Facts, lookup: Lookup = airflow_connection) -> Facts:
    """What a run would find at the sources, slice by slice; nothing is fetched or written."""
    rows = []
    secrets = _secrets(due := _due(request), lookup)
    for feed, part in due:
        known = store.landings(feed.name, part.code)
        try:
            secret = secrets.get(feed.connection)
            found = list(extracting.probe(feed, part, known, request["force"], secret))
        except Problem as problem:  # one office that can't be reached hides nobody else
            found = [("failed", problem.text("en"))]
        rows += [
            {"feed": feed.name, "slice": part.code, "state": state, "source": source}
            for state, source in found
        ]
    waiting = [one.delivery_id for one in _all_landings() if validating.verdict_of(one) is None]
    work = bool(waiting) or any(row["state"] not in IDLE for row in rows)
    return {"rows": rows, "waiting": waiting, "work": work}


def extract(request: Facts, lookup: Lookup = airflow_connection) -> Facts:
    """Fetch what is new at the sources and land it as it came. One failing office stops nobody.

    `lookup` gives a connection by name, as Airflow writes it. `missing`: slices with nothing at
    their source, days since their last month ended (None when open), when they last landed.
    """
    running.mark(request, "extract")
    if request["kind"] == "resubmit":
        with noting(request):
            return _resubmit(request)
    secrets = _secrets(due := _due(request), lookup)
    today = store.now().astimezone(seeds.time_zone()).date()

    def one(feed: feeds.Feed, part: feeds.Slice) -> Facts:
        known = store.landings(feed.name, part.code)
        try:
            secret = secrets.get(feed.connection)
            fetched = extracting.fetch(feed, part, known, request["force"], secret)
            landed = [land.land(feed, part, file, force=request["force"]) for file in fetched.files]
        except Problem as problem:
            return {"slice": part.code, "failed": problem.as_dict()}
        gone = {
            "slice": part.code,
            "age_days": (today - part.last_month.last_day).days if part.last_month else None,
            "last_landed_at": max(
                (one.manifest["landed_at"] for one in known if not one.manifest["resubmits"]),
                default=None,
            ),
        }
        is_due = not part.last_month or part.last_month.last_day < today
        return {
            "slice": part.code,
            "landed": [landing.delivery_id for landing in landed],
            "unchanged": fetched.unchanged,
            "missing": [gone] if fetched.missing and is_due else [],
        }

    with ThreadPoolExecutor(settings().fetch_threads) as pool:
        results = list(pool.map(lambda pair: one(*pair), due))
    return {
        "landed": [delivery for result in results for delivery in result.get("landed", [])],
        "unchanged": sum(result.get("unchanged", 0) for result in results),
        "missing": [gone for result in results for gone in result.get("missing", [])],
        "failed": [
            {"slice": result["slice"], **result["failed"]}
            for result in results
            if "failed" in result
        ],
    }


def _resubmit(request: Facts) -> Facts:
    """Land the corrected records of a return file, as one resubmission of each delivery."""
    landings = _all_landings()
    void = {
        one.delivery_id
        for one in landings
        if one.manifest["resubmits"]
        and (verdict := validating.verdict_of(one))
        and verdict["verdict"] == "refused"
    } | {*rejections.standing()}
    with resubmission.opened(Path(request["file"]), landings, request) as parts:
        landed = [land.resubmit(*part, void) for part in parts]
    return {
        "landed": [landing.delivery_id for landing in landed if landing],
        "unchanged": landed.count(None),
        "missing": [],
        "failed": [],
    }


def _all_landings() -> list[store.Landing]:
    return [landing for name in feeds.load_feeds() for landing in store.landings(name)]


def validate(request: Facts, extracted: Facts) -> Facts:
    """Give every landing a verdict under the present rules, those a killed run left behind too."""
    running.mark(request, "validate")
    landings = _all_landings()
    waiting = {one.delivery_id for one in landings if validating.verdict_of(one) is None}
    with noting(request):
        bounds.check_names({name: feed.offices for name, feed in feeds.load_feeds().items()})
        verdicts = validating.validate(landings)
    fresh = [verdict for verdict in verdicts if verdict["delivery_id"] in waiting]
    return {
        "validated": len(fresh),
        "records": sum(verdict["records"] for verdict in fresh),
        "refused": [v["delivery_id"] for v in fresh if v["verdict"] == "refused"],
        "quarantined_records": sum(verdict["quarantined_records"] for verdict in fresh),
        "corrections": corrections.troubles(verdicts),
    }


def build(request: Facts, validated: Facts) -> Facts:
    """Make one build of all deliveries, unless there is one made of the very same."""
    running.mark(request, "build")
    with noting(request):
        return _build(request)


def build_as_of(moment: datetime) -> Facts:
    """Make the build of what had landed by a moment, under the present rules.

    Raises Problem `code_differs` when those are older than this program and don't fit it.
    """
    known = [landing for landing in _all_landings() if landing.landed_at <= moment]
    try:
        return _build({"run_id": ledger.new_run_id("as-of")}, known, moment)
    except duck.Error as error:
        if isinstance(error, duck.FAULTS):
            raise
        raise Problem("code_differs", moment=moment.isoformat(), error=error) from error


def _build(
    request: Facts, landings: list[store.Landing] | None = None, moment: datetime | None = None
) -> Facts:
    verdicts = validating.validate(_all_landings() if landings is None else landings)
    verdicts = rejections.applied(verdicts, moment)
    if not verdicts:
        raise Problem("nothing_delivered")
    made_from = builds.fingerprint(verdicts)
    build_id = made_from["build_id"]
    if builds.exists(build_id):
        return {"build_id": build_id, "built": False}
    builds.keep_rules(made_from["rules_sha"])
    known = feeds.load_feeds()
    first_months = {name: str(feed.first_month) for name, feed in known.items()}
    limits = {name: (feed.covers, feed.fresh_days) for name, feed in known.items()}
    with store.new_directory(builds.folder_of(build_id)) as folder:
        database = folder / builds.DATABASE
        with duck.connect(database) as con:
            load.load(con, verdicts, first_months, limits)
            core = suites.run_suite("core", database)
            failed = [check.rule_name for check in core if check.stops]
            if failed:
                raise Problem("core_failed", rules=", ".join(failed))
            rank.rank(con)
            trouble = _trouble(con, verdicts)
            mart = suites.run_suite("mart", database)
            builds.write_check_results(con, [*core, *mart], verdicts)
            facts = {
                **made_from,
                "made_by": request["run_id"],
                "made_at": store.now().isoformat(),
                "newest_landed_at": max(verdict["landed_at"] for verdict in verdicts),
                "is_synthetic": any(verdict["is_synthetic"] for verdict in verdicts),
                "gate_failures": [check.rule_name for check in mart if check.stops],
                "trouble": trouble,
            }
            checks.write(con, folder, facts, [*core, *mart], verdicts)
            operators.write(con, folder, facts)
        store.write_json(folder / "build.json", facts)
    return {"build_id": build_id, "built": True}


def _trouble(con: duck.Connection, verdicts: list[Facts]) -> list[str]:
    """What is wrong with the deliveries, in a form that can be compared between builds: those
    refused (by a rule, not by an operator), and those of which anything stands in quarantine."""
    found = {*con.execute("SELECT DISTINCT delivery_id FROM core.quarantine_line").fetchall()}
    return sorted(
        f"{v['delivery_id']} {v['verdict']} {v['quarantined_records']}"
        for v in verdicts
        if (v["verdict"] == "refused" and "rejected_by" not in v) or (v["delivery_id"],) in found
    )


def publish(request: Facts, built: Facts) -> Facts:
    """Publish the build for the office. If a newer landing got there first, build once more."""
    running.mark(request, "publish")
    with noting(request):
        before = releases.current("internal")
        try:
            release = publishing.publish("internal", builds.find(built["build_id"]), request)
        except Problem as problem:
            if problem.code != "stale_build":
                raise
            release = publishing.publish(
                "internal", builds.find(_build(request)["build_id"]), request
            )
    known = before["trouble"] if before else []
    return {
        "release_id": release["release_id"],
        "build_id": release["build_id"],
        "published": release["published"],
        "left_quarantine": release["left_quarantine"] if release["published"] else [],
        "newly_wrong": [line for line in release["trouble"] if line not in known],
        "still_wrong": [line for line in release["trouble"] if line in known],
        "moved": release.get("moved", {}) if release["published"] else {},
    }
