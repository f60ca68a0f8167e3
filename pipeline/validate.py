"""Validate: every delivery gets one verdict under the present rules, every record one fate."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from pipeline import conform, duck, judging, layouts, running, store, verdicts
from pipeline.judging import Case
from pipeline.messages import Problem
from pipeline.store import Landing
from pipeline.verdicts import Rules, Verdict

WRITERS = 6  # of Parquet files, at a time: they wait for the disk
# Of deliveries judged together. In memory they take four to ten times that (the fewer columns are
# filled, the more); beyond its limit DuckDB spills.
PORTION_BYTES = 128 << 20


def validate(landings: list[Landing]) -> list[Verdict]:
    """The verdict on each landing, in the order given. What has one already is not looked at again.

    The others of one grain are judged together, PORTION_BYTES of them at a time: one pass and one
    run of each suite. A delivery that can't be read or fails as a whole is refused and stops no
    other. Raises Problem `bad_layout`, `suite_error`, `rule_undecided`, `findings_differ` or
    `records_lost`; nothing that already has a verdict is touched then, and the next call does the
    rest.
    """
    rules, known = Rules(), verdicts.known(landings)
    waiting = [landing for landing in landings if landing.delivery_id not in known]
    by_grain: dict[str, list[Landing]] = {}
    for landing in waiting:
        grain = layouts.load_layout(landing.manifest["layout"]).grain
        by_grain.setdefault(grain, []).append(landing)
    for some in by_grain.values():
        known |= _judge(some, rules)
    return [known[landing.delivery_id] for landing in landings]


def _judge(waiting: list[Landing], rules: Rules) -> dict[str, Verdict]:
    """Verdicts of landings of one grain that have none, by delivery_id."""
    cases = [
        Case(
            number,
            landing,
            landing.payload,
            layouts.load_layout(landing.manifest["layout"]),
            verdicts.rules_of(landing, rules),
        )
        for number, landing in enumerate(waiting)
    ]
    work = store.half_made(store.home() / "work" / "validate")
    with work as folder:
        judged = [
            verdict
            for number, some in enumerate(_portions(cases))
            for verdict in _judge_some(folder, f":memory:{folder.name}{number}", some)
        ]
    return {verdict["delivery_id"]: verdict for verdict in judged}


def _portions(cases: list[Case]) -> Iterator[list[Case]]:
    """The cases in their order, as many at a time as hold PORTION_BYTES together."""
    some: list[Case] = []
    held = 0
    for case in cases:
        size = case.landing.manifest["size"]
        if some and held + size > PORTION_BYTES:
            yield some
            some, held = [], 0
        some.append(case)
        held += size
    if some:
        yield some


def _judge_some(folder: Path, database: str, cases: list[Case]) -> list[Verdict]:
    with duck.connect(database) as con:
        stats = judging.judge(con, database, folder, cases)
        refused = [_refuse(case) for case in cases if case.number not in stats]
        sound = [case for case in cases if case.number in stats]
        cursors = [con.cursor() for _ in sound]
        given = [stats[case.number] for case in sound]
        return refused + running.in_threads(WRITERS, _conclude, cursors, sound, given)


def _conclude(con: duck.Connection, case: Case, stat: dict[str, Any]) -> Verdict:
    """Write what is accepted and what is set aside, then the verdict: it is what counts."""
    case.records = stat["records"] + sum(case.excluded.values())
    if case.problems:
        return _refuse(case)
    written: dict[str, int] = {}
    with con:  # a cursor of this case's own
        if stat["accepted_records"]:
            written |= _write(con, case, "accepted")
        if stat["quarantined_records"] or case.excluded:
            written |= _write(con, case, "quarantine")
    fates = {name: written.get(name, 0) for name in ("line", "row", "excluded")}
    if sum(fates.values()) != case.records or fates["excluded"] != sum(case.excluded.values()):
        raise Problem(
            "records_lost",
            delivery_id=case.landing.delivery_id,
            records=case.records,
            accepted=fates["line"],
            quarantined=fates["row"],
            excluded=fates["excluded"],
        )
    return _commit(case, "accepted", stat)


def _write(con: duck.Connection, case: Case, folder: str) -> dict[str, int]:
    """Write what is accepted or set aside of the delivery, <name>.parquet each; the rows of each.
    One COPY each: 5 ms.
    """
    with store.new_directory(verdicts.place(folder, case.landing, case.rules)) as target:
        return {
            name: con.execute(
                f"COPY (SELECT * EXCLUDE (delivery_no) FROM {table} "
                f"WHERE delivery_no = {case.number}) "
                f"TO {duck.literal(f'{target}/{name}.parquet')} (FORMAT parquet, COMPRESSION zstd)",
            ).fetchall()[0][0]
            for name, table in conform.WRITTEN[case.layout.grain][folder].items()
        }


def _refuse(case: Case) -> Verdict:
    synthetic = case.landing.manifest["file_name"].startswith(judging.SYNTHETIC)
    return _commit(case, "refused", {"is_synthetic": synthetic})


def _commit(case: Case, verdict: str, stat: dict[str, Any]) -> Verdict:
    landing, layout, zero = case.landing, case.layout, Decimal("0.00")
    fates = ("accepted", "quarantined")
    content = {
        "delivery_id": landing.delivery_id,
        "feed": landing.feed,
        "slice_code": landing.slice_code,
        "office_code": landing.manifest["office"],
        "month": landing.manifest["month"],
        "last_month": landing.manifest["last_month"],
        "mode": landing.manifest["mode"],
        "resubmits": landing.manifest["resubmits"],
        "layout": layout.name,
        "grain": layout.grain,
        "region_set": layout.constants.get("region_set"),
        "landed_at": landing.manifest["landed_at"],
        "extracted_at": case.extracted_at or landing.manifest["extracted_at"],
        "forced": landing.manifest["forced"],
        "rules_sha": case.rules,
        "verdict": verdict,
        "problems": case.problems,
        "warnings": case.warnings,
        "records": case.records,
        "accepted_records": stat.get("accepted_records", 0),
        "quarantined_records": stat.get("quarantined_records", 0),
        "excluded_records": sum(case.excluded.values()),
        "excluded": case.excluded,
        "corrections": case.corrections,
        "control_totals": case.control_totals,
        "stated_usd": {fate: f"{stat.get(f'{fate}_usd', zero):.2f}" for fate in fates},
        "unreadable_records": {fate: stat.get(f"{fate}_unreadable", 0) for fate in fates},
        "is_synthetic": bool(stat["is_synthetic"]),
        "checks": case.checks,
    }
    store.write_json(verdicts.file_of(landing, case.rules), content)
    return content
