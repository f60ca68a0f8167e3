"""Plan: what a run would do. It is tried, by the steps of the run itself, in a data root of its
own that links to what the real one holds for good, and that is gone afterwards."""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from babel.numbers import format_decimal

from pipeline import builds, changes, duck, flow, log, rankings, releases, running, store, verdicts
from pipeline.messages import Problem, shown, texts
from pipeline.report import NUMBER
from pipeline.report import WORDS as REPORTED
from pipeline.settings import airflow_connection, settings, working_in

Facts = dict[str, Any]
IDLE = ("unchanged", "missing", "failed")  # states of a source that leave a run nothing to do
LINKED = {  # and how deep lies what never changes
    **{"landing": 3, "accepted": 4, "quarantine": 4, "verdicts": 4},
    **{"ledger": 1, "rules": 1, "builds": 1, "internal/releases": 1},
}
SHOWN = 20  # lines of each kind in the text; --json has all
OLD = ("delivery_id", "records", "accepted_usd", "quarantined_usd")
WORDS = texts("plan")


def made(request: Facts, lookup: flow.Lookup = airflow_connection) -> Facts:
    """What the run of a request would do; the data root stays as it is.

    `rows`: one per source file, and per landing that waits; `work`: whether there is any. Tried
    only then: `release`, `ranks`, `periods`, `seconds` by step, `stopped` (a Problem, or None).
    """
    with running.cancellable(lambda: None):
        if not (settings().home / "public" / "releases").is_dir():  # nor is it made
            with _trial():
                return _made(request, lookup)
        with store.in_use():  # prune leaves what the trial links to
            return _made(request, lookup)


def _made(request: Facts, lookup: flow.Lookup) -> Facts:
    rows = flow.found(request, lookup) + [_waiting(landing) for landing in flow.waiting()]
    current, known = releases.current("internal"), {one["delivery_id"] for one in _deliveries()}
    judged, rules_changed = flow.judged(), False
    if current and not any(row["state"] in ("waiting", "rule_changed") for row in rows):
        same = [verdict for verdict in judged if verdict["delivery_id"] in known]
        rules_changed = builds.fingerprint(same)["build_id"] != current["build_id"]
    names = [one["delivery_id"] for one in judged if one["delivery_id"] not in known]
    rows += [_landed("unpublished", store.landing(name)) for name in names]
    is_busy = any(row["state"] not in IDLE for row in rows)
    plan: Facts = {"rows": rows, "work": is_busy or rules_changed, "rules_changed": rules_changed}
    plan["replaces"] = current and current["release_id"]
    if not plan["work"]:
        return plan
    with _trial(), log.about(trial="yes"):  # what its lines name is gone afterwards
        return plan | _tried(request, rows, lookup)


def _waiting(landing: store.Landing) -> Facts:
    """A row of a landing that no run has judged, or none under the present rules."""
    judged = (store.home() / "verdicts" / landing.delivery_id).is_dir()
    return _landed("rule_changed" if judged else "waiting", landing)


def _landed(state: str, landing: store.Landing) -> Facts:
    return {
        **{"feed": landing.feed, "slice": landing.slice_code, "state": state},
        **{"source": landing.manifest["source"], "delivery_id": landing.delivery_id},
    }


@contextmanager
def _trial() -> Iterator[None]:
    """Work in a new data root with links to all that is in this one; it is gone afterwards."""
    real, place = settings().home.absolute(), Path(tempfile.gettempdir()).absolute()
    for left in place.glob(".ipska-plan.*"):  # with deliveries in it, by one that was killed
        with suppress(OSError), store.abandoned(left) as is_dead:  # another user's is left alone
            if is_dead:
                store.discard(left)
    beside = store.half_made(place / "ipska-plan", partial(Path.mkdir, mode=store.PRIVATE))
    with beside as folder, working_in(folder):
        store.home()
        for name, depth in LINKED.items():
            _link(real / name, folder / name, depth)
        if (current := real / "internal" / "current").is_symlink():
            (folder / "internal" / "current").symlink_to(current.readlink())
        yield


def _link(source: Path, target: Path, depth: int) -> None:
    target.mkdir(exist_ok=True)
    for one in os.scandir(source) if source.is_dir() else ():
        if one.name.startswith("."):  # half-made, by a run that is at it or was killed
            continue
        if depth > 1:
            _link(source / one.name, target / one.name, depth - 1)
        else:
            (target / one.name).symlink_to(source / one.name)


def _tried(request: Facts, rows: list[Facts], lookup: flow.Lookup) -> Facts:
    done: Facts = {}
    seconds: dict[str, float] = {}
    stopped = None
    before, old = releases.current("internal"), _deliveries()
    file = releases.database("internal") if before else None
    known = {
        (one.feed, one.slice_code, one.manifest["sha256"])
        for row in rows
        if row["state"] not in IDLE
        for one in store.landings(row["feed"], row["slice"])
    }
    try:
        for name, step, needs in (
            ("extract", partial(flow.extract, lookup=lookup), ()),
            ("validate", flow.validate, ("extract",)),
            ("build", flow.build, ("validate",)),
            ("publish", flow.publish, ("build",)),
        ):
            began = time.perf_counter()
            try:
                done[name] = step(request, *(done[need] for need in needs))
            finally:
                seconds[name] = round(time.perf_counter() - began, 1)
    except Problem as problem:
        if running.is_cancelled():
            raise KeyboardInterrupt from None
        stopped = problem.as_dict()
        if problem.code == "movement":  # its own advice names a build that will be gone
            months = f" --from {request['months'][0]} --to {request['months'][-1]}"
            command = "backfill" + months if request["kind"] == "backfill" else "run"
            facts = {**problem.facts, "command": f"ipska {command}"}
            stopped |= {language: WORDS[language]["movement"].format(**facts) for language in WORDS}
    extracted = done.get("extract", {"landed": [], "failed": []})
    _tell(rows, extracted, old, known)
    tried: Facts = {"stopped": stopped, "seconds": seconds, "ranks": [], "periods": []}
    tried["release"] = bool(done.get("publish", {}).get("published"))
    tried["moved"] = done.get("publish", {}).get("moved", {})
    if file and "build" in done:
        build = builds.find(done["build"]["build_id"]).database
        scope = vars(rankings.Question())
        scope = {name: scope[name] for name in ("scope_code", "basis", "league")}
        for name in ("rank", "period"):
            tried[f"{name}s"] = changes.between(name, build, file, scope)
    return tried


def _deliveries() -> list[Facts]:
    """All deliveries that the current release knows."""
    if not releases.current("internal"):
        return []
    with duck.connect(releases.database("internal"), read_only=True) as con:
        return duck.rows(con, "FROM meta.delivery")


def _tell(rows: list[Facts], extracted: Facts, old: list[Facts], known: set[Any]) -> None:
    """Put into each row what the trial found: the deliveries old and new, and the verdict."""
    landed = {}
    for delivery_id in extracted["landed"]:
        one = store.landing(delivery_id)
        landed[one.feed, one.slice_code, one.manifest["source"]] = one
    failed = {(one["feed"], one["slice"]): one["en"] for one in extracted["failed"]}
    by_id = {one["delivery_id"]: one for one in old if one["state"] == "current"}
    by_slice = {
        (one["feed"], one["slice_code"]): one for one in by_id.values() if not one["resubmits"]
    }
    new: store.Landing | None
    for row in rows:
        if row["state"] in IDLE:
            continue
        if "delivery_id" in row:
            new = store.landing(row["delivery_id"])
        else:
            new = landed.get((row["feed"], row["slice"], row["source"]))
            if new is None:
                told = failed.get((row["feed"], row["slice"]))
                row["state"], row["source"] = (
                    "failed" if told else "unchanged",
                    told or row["source"],
                )
                continue
            if (row["feed"], row["slice"], new.manifest["sha256"]) in known:
                row["state"] = "forced"
        was = by_id.get(new.delivery_id)
        replaces = new.manifest["mode"] == "snapshot" and not new.manifest["resubmits"]
        if replaces and row["state"] != "rule_changed":
            was = by_slice.get((row["feed"], row["slice"]))
        verdict = verdicts.of(new)
        row["old"] = was and _delivery({name: was[name] for name in OLD})
        row["new"] = _delivery({"delivery_id": new.delivery_id})
        if verdict:
            usd = sum(map(Decimal, verdict["stated_usd"].values()), Decimal(0))
            row["new"] |= {"records": verdict["records"], "usd": usd}
            row |= {
                "verdict": verdict["verdict"],
                "rules": [one["code"] for one in verdict["problems"]],
                "quarantined_records": verdict["quarantined_records"],
            }


def _delivery(facts: Facts) -> Facts:
    usd = [facts.pop(name) for name in OLD[2:] if name in facts]
    sha8 = facts["delivery_id"][-8:]
    return {**facts, "sha8": sha8, **({"usd": sum(usd, Decimal(0))} if usd else {})}


def text(plan: Facts, language: str) -> str:
    """A plan in words, for a terminal and for Airflow's log."""
    words = WORDS[language]
    states = sorted(row["state"] for row in plan["rows"])
    counts = [f"{words[state]} {len(list(some))}" for state, some in groupby(states)]
    lines = [words["counts"].format(counts=", ".join(counts) or "0")]
    busy = [row for row in plan["rows"] if row["state"] != "unchanged"]
    busy.sort(key=_gravity)
    lines += _some([_row(row, language) for row in busy], words)
    if not plan["work"]:
        return "\n".join([*lines, words["nothing"]])
    if plan["rules_changed"]:
        lines.append(words["rules"])
    if plan["stopped"]:
        lines.append(words["stopped"].format(text=plan["stopped"][language]))
        lines += _some([shown(line) for line in plan["stopped"].get("moved", [])], words)
    else:
        key = "release" if plan["release"] else "same"
        lines.append(words[key].format(replaces=plan["replaces"] or "–"))
    for rule, moved in plan["moved"].items():
        name = REPORTED[language].get(rule, rule)
        lines += [words["moved"].format(rule=name), *_some([shown(one) for one in moved], words)]
    if ranks := plan["ranks"]:
        question = rankings.Question()
        scope = f"{question.scope_code} {question.basis} {question.league}"
        lines.append(words["ranks"].format(count=len(ranks), scope=scope))
        lines += _some([
            f"{one['period_kind']} {one['period_end']} {one['baseline']}  "
            f"{shown(one['region_name'])}: {one['old_rank'] or '–'} → {one['new_rank'] or '–'}"
            for one in ranks
        ], words)  # fmt: skip
    if plan["periods"]:
        lines.append(words["periods"])
    for (kind, baseline), found in groupby(
        plan["periods"], lambda one: (one["period_kind"], one["baseline"])
    ):
        some = list(found)
        base, new = (sum(one[name] for one in some) for name in ("is_base", "is_new"))
        ends = f"{some[0]['period_end']} – {some[-1]['period_end']}"
        lines.append(f"  {kind} {baseline}: {len(some)} ({base}, {new}), {ends}")
    steps = ", ".join(f"{name} {value}" for name, value in plan["seconds"].items())
    total = round(sum(plan["seconds"].values()))
    return "\n".join([*lines, words["time"].format(seconds=total, steps=steps)])


def _gravity(row: Facts) -> Any:
    """What will be refused first, then the most records to be set aside, idle sources last."""
    good = row.get("verdict") != "refused"
    return row["state"] in IDLE, good, -row.get("quarantined_records", 0), row["feed"], row["slice"]


def _some(lines: list[str], words: dict[str, str]) -> list[str]:
    more = [words["more"].format(count=len(lines) - SHOWN)] * (len(lines) > SHOWN)
    return [f"  {line}" for line in [*lines[:SHOWN], *more]]


def _row(row: Facts, language: str) -> str:
    words = WORDS[language]
    head = shown(f"{row['feed']} {row['slice']}  {words[row['state']]}: ")
    if "new" not in row:
        return head + shown(row["source"], 1000)
    told = f"{_short(row['old'], language)} → {_short(row['new'], language)}"
    if "verdict" in row:
        verdict = words[row["verdict"]].format(rules=", ".join(row["rules"]))
        told += f"; {verdict}, {words['aside'].format(count=row['quarantined_records'])}"
    return head + told


def _short(delivery: Facts | None, language: str) -> str:
    if not delivery:
        return "–"
    if "records" not in delivery:
        return str(delivery["sha8"])
    usd = format_decimal(delivery["usd"], "#,##0.00", locale=NUMBER[language])
    records = format_decimal(delivery["records"], locale=NUMBER[language])
    return f"{delivery['sha8']} ({WORDS[language]['records'].format(records=records, usd=usd)})"
