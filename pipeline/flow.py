"""The whole pipeline on one screen: request → extract → validate → build → publish → conclude.

Each step takes and gives plain JSON, so that Airflow can carry it and the CLI can print it.
"""

import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from pipeline import (
    bounds,
    builds,
    corrections,
    disk,
    duck,
    feeds,
    folders,
    land,
    ledger,
    log,
    periods,
    rejections,
    releases,
    running,
    seeds,
    store,
    suites,
    verdicts,
)
from pipeline import (
    extract as extracting,
)
from pipeline import (
    publish as publishing,
)
from pipeline.messages import Problem
from pipeline.outcome import conclude, noting, step
from pipeline.settings import airflow_connection, settings

Facts = dict[str, Any]
Lookup = Callable[[str], str | None]
OVERTAKEN = ("stale_build", "no_build", "release_pruned")  # newer ones came, or prune did


def run(request: Facts, tell: Callable[[str], Any] = print) -> Facts:
    """Every step, one after the other; the report of `conclude`. What the CLI does."""
    done: list[Facts] = []
    problem: Problem | None = None
    try:
        with noting(request):
            tell("1/4 extract")
            done.append(extract(request))
            tell("2/4 validate")
            done.append(validate(request, done[-1]))
            tell("3/4 build")
            done.append(build(request, done[-1]))
            tell("4/4 publish")
            done.append(publish(request, done[-1]))
    except Problem as known:  # its step has noted it; conclude tells it
        problem = known
    except Exception:  # the ledger knows of the run all the same
        conclude(request, *done)
        raise
    try:
        return conclude(request, *done)
    except OSError as error:  # the disk takes no entry either
        raise problem or disk.problem(error) or error from None


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


def found(request: Facts, lookup: Lookup = airflow_connection) -> list[Facts]:
    """What a run would find at the sources, slice by slice; nothing is fetched or written."""
    rows: list[Facts] = []
    secrets, listed = _secrets(due := _due(request), lookup), folders.Listed()
    for feed, part in due:
        known = store.landings(feed.name, part.code)
        try:
            secret = secrets.get(feed.connection)
            offers = list(extracting.probe(feed, part, known, request["force"], secret, listed))
        except Problem as problem:  # one office that can't be reached hides nobody else
            offers = [("failed", problem.text("en"))]
        rows += [
            {"feed": feed.name, "slice": part.code, "state": state, "source": source}
            for state, source in offers
        ]
    return rows


def extract(request: Facts, lookup: Lookup = airflow_connection) -> Facts:
    """Fetch what is new at the sources and land it as it came. One failing office stops nobody.

    `lookup` gives a connection by name, as Airflow writes it. `missing`: slices with nothing at
    their source, days since their last month ended (None when open), when they last landed.
    """
    with step(request, "extract"):
        return _resubmit(request) if request["kind"] == "resubmit" else _extract(request, lookup)


def _extract(request: Facts, lookup: Lookup) -> Facts:
    secrets = _secrets(due := _due(request), lookup)
    today, listed = store.now().astimezone(seeds.time_zone()).date(), folders.Listed()

    def one(feed: feeds.Feed, part: feeds.Slice) -> Facts:
        known = store.landings(feed.name, part.code)
        try:
            secret = secrets.get(feed.connection)
            fetched = extracting.fetch(feed, part, known, request["force"], secret, listed)
            landed = [land.land(feed, part, file, force=request["force"]) for file in fetched.files]
        except Problem as problem:
            log.event("not_fetched", logging.WARNING, code=problem.code, text=problem.text("en"))
            return {"failed": {"feed": feed.name, "slice": part.code, **problem.as_dict()}}
        for new in landed:
            refused = (new.manifest["refusal"] or {}).get("code", "no")
            size = new.manifest["size"]
            log.event("landed", delivery=new.delivery_id, bytes=size, refused=refused)
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
            "landed": [landing.delivery_id for landing in landed],
            "unchanged": fetched.unchanged,
            "missing": [gone] if fetched.missing and is_due else [],
        }

    # Cancelled, it starts no other slice, and those in flight land whole.
    contexts = [log.context(feed=feed.name, slice=part.code) for feed, part in due]
    results = running.in_threads(
        settings().fetch_threads, lambda context, pair: context.run(one, *pair), contexts, due
    )
    return {
        "landed": [delivery for result in results for delivery in result.get("landed", [])],
        "unchanged": sum(result.get("unchanged", 0) for result in results),
        "missing": [gone for result in results for gone in result.get("missing", [])],
        "failed": [result["failed"] for result in results if "failed" in result],
    }


def _resubmit(request: Facts) -> Facts:
    """Land the corrected records of a return file, as one resubmission of each delivery."""
    from pipeline import resubmission  # with a library for workbooks

    landings = _all_landings()
    void = {
        one.delivery_id
        for one in landings
        if one.manifest["resubmits"]
        and (verdict := verdicts.of(one))
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


def waiting() -> list[store.Landing]:
    """Landings without a verdict under the present rules."""
    rules = verdicts.Rules()
    return [one for one in _all_landings() if not verdicts.is_judged(one, rules)]


def judged() -> list[Facts]:
    """The verdicts under the present rules and rejections, of landings that have one."""
    return rejections.applied([*verdicts.known(_all_landings()).values()])


def _settled(landings: list[store.Landing]) -> tuple[list[Facts], list[Facts]]:
    """The verdict on each landing, in their order, and those that there were not before."""
    known = verdicts.known(landings)
    fresh: list[Facts] = []
    if left := [one for one in landings if one.delivery_id not in known]:
        suites.begin()
        from pipeline import validate as validating  # NumPy; a run without news has no use for it

        fresh = validating.validate(left)
    known |= {verdict["delivery_id"]: verdict for verdict in fresh}
    return [known[landing.delivery_id] for landing in landings], fresh


def validate(request: Facts, extracted: Facts) -> Facts:
    """Give every landing a verdict under the present rules, those a killed run left behind too."""
    with step(request, "validate"):
        bounds.check_names({name: feed.offices for name, feed in feeds.load_feeds().items()})
        judged, fresh = _settled(_all_landings())
        for verdict in fresh:
            level = logging.WARNING if verdict["verdict"] == "refused" else logging.INFO
            counts = {key: verdict[key] for key in ("verdict", "records", "quarantined_records")}
            about = {"feed": verdict["feed"], "slice": verdict["slice_code"]}
            log.event("judged", level, delivery=verdict["delivery_id"], **about, **counts)
    return {
        "validated": len(fresh),
        "records": sum(verdict["records"] for verdict in fresh),
        "refused": [_refusal(v) for v in fresh if v["verdict"] == "refused"],
        "quarantined_records": sum(verdict["quarantined_records"] for verdict in fresh),
        "corrections": corrections.troubles(judged),
    }


def _refusal(verdict: Facts) -> Facts:
    told = [{key: one[key] for key in ("code", "en", "id")} for one in verdict["problems"]]
    return {"delivery_id": verdict["delivery_id"], "problems": told}


def refused() -> list[Facts]:
    """Deliveries that stand refused, by a rule or an operator, and why: since then no other of
    their slice was accepted."""
    standing: dict[tuple[str, str], list[Facts]] = {}
    for verdict in judged():
        part = verdict["feed"], verdict["slice_code"]
        if verdict["verdict"] == "refused":
            standing.setdefault(part, []).append(_refusal(verdict))
        elif not verdict["resubmits"]:
            standing.pop(part, None)
    return [one for some in standing.values() for one in some]


def build(request: Facts, validated: Facts) -> Facts:
    """Make one build of all deliveries, unless there is one made of the very same."""
    with step(request, "build"):
        done = _build(request)
        log.event("built" if done["built"] else "built_before", build=done["build_id"])
        return done


def build_as_of(moment: datetime) -> Facts:
    """Make the build of what had landed by a moment, under the present rules.

    Raises Problem `code_differs` when those are older than this program and don't fit it.
    """
    known = [landing for landing in _all_landings() if landing.landed_at <= moment]
    try:
        with store.in_use():
            return _build({"run_id": ledger.new_run_id("as-of")}, known, moment)
    except duck.Error as error:
        if isinstance(error, duck.FAULTS):
            raise
        raise Problem("code_differs", moment=moment.isoformat(), error=error) from error


def _build(
    request: Facts, landings: list[store.Landing] | None = None, moment: datetime | None = None
) -> Facts:
    judged, _ = _settled(_all_landings() if landings is None else landings)
    judged = rejections.applied(judged, moment)
    if not judged:
        raise Problem("nothing_delivered")
    made_from = builds.fingerprint(judged)
    build_id = made_from["build_id"]
    if builds.exists(build_id):
        return {"build_id": build_id, "built": False}
    suites.begin()
    # A run without news has no use for these, nor for the half second that they take to import.
    from pipeline import checks, increment, load, operators, rank

    builds.keep_rules(made_from["rules_sha"])
    known = feeds.load_feeds()
    first_months = {name: str(feed.first_month) for name, feed in known.items()}
    limits = {name: (feed.covers, feed.fresh_days) for name, feed in known.items()}
    with store.new_directory(builds.folder_of(build_id)) as folder:
        database = folder / builds.DATABASE
        before, core = increment.base(made_from), None
        if before:
            core = increment.load_on(before, database, judged, first_months, limits)
        increments = before.facts["increments"] + 1 if before and core is not None else 0
        if core is None:
            duck.make(database, builds.STORAGE_VERSION)
        with duck.connect(database) as con:
            if core is None:
                core = []
                load.load(con, judged, first_months, limits)
            seen = {check.table for check in core}
            core += suites.run_suite("core", database, about=lambda table: table not in seen)
            failed = [check.rule_name for check in core if check.stops]
            if failed:
                raise Problem("core_failed", rules=", ".join(failed))
            rank.rank(con)
            trouble = _trouble(con, judged)
            mart = suites.run_suite("mart", database)
            builds.write_check_results(con, [*core, *mart], judged)
            facts = {
                **made_from,
                "increments": increments,
                "made_by": request["run_id"],
                "made_at": store.now().isoformat(),
                "newest_landed_at": max(verdict["landed_at"] for verdict in judged),
                "is_synthetic": any(verdict["is_synthetic"] for verdict in judged),
                "gate_failures": [check.rule_name for check in mart if check.stops],
                "trouble": trouble,
            }
            checks.write(con, folder, facts, [*core, *mart], judged)
            operators.write(con, folder, facts)
        store.write_json(folder / "build.json", facts)
    return {"build_id": build_id, "built": True}


def _trouble(con: duck.Connection, judged: list[Facts]) -> list[str]:
    """What is wrong with the deliveries, in a form that can be compared between builds: those
    refused (by a rule, not by an operator), and those of which anything stands in quarantine."""
    found = {*con.execute("SELECT DISTINCT delivery_id FROM core.quarantine_line").fetchall()}
    return sorted(
        f"{v['delivery_id']} {v['verdict']} {v['quarantined_records']}"
        for v in judged
        if (v["verdict"] == "refused" and "rejected_by" not in v) or (v["delivery_id"],) in found
    )


def publish(request: Facts, built: Facts) -> Facts:
    """Publish the build for the office. If a newer landing got there first, build once more."""
    with step(request, "publish"):
        before, build_id = releases.current("internal"), built["build_id"]
        try:
            release = _publish(request, build_id)
        except Problem as problem:
            if problem.code not in OVERTAKEN:
                raise
            release = _publish(request, _build(request)["build_id"])
        state = "published" if release["published"] else "published_before"
        log.event(state, release=release["release_id"], build=release["build_id"])
    known = before["trouble"] if before else []
    newly_wrong = [line for line in release["trouble"] if line not in known]
    # One may have been judged by a night that stopped before this one.
    names = [line.split(" ")[0] for line in newly_wrong if line.split(" ")[1] == "refused"]
    judged = [verdicts.of(store.landing(name)) for name in names]
    return {
        # With both hashes: --as-of asks for them when the release is long gone.
        **{
            name: release[name]
            for name in ("release_id", "build_id", "rules_sha", "code_sha", "published")
        },
        "left_quarantine": release["left_quarantine"] if release["published"] else [],
        "newly_wrong": newly_wrong,
        "refused": [_refusal(verdict) for verdict in judged if verdict],
        "still_wrong": [line for line in release["trouble"] if line in known],
        "moved": release.get("moved", {}) if release["published"] else {},
        "accepted": release.get("accepted", {}) if release["published"] else {},
        "is_synthetic": release["is_synthetic"],
    }


def _publish(request: Facts, build_id: str) -> Facts:
    return publishing.publish("internal", builds.find(build_id), request, request["accept"])
