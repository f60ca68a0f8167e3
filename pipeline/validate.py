"""Validate: every delivery gets one verdict under the present rules, every record one fate."""

import hashlib
import shutil
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pipeline import conform, countries, duck, layouts, reading, records, store, suites
from pipeline.feeds import Slice
from pipeline.messages import Problem
from pipeline.periods import JAKARTA
from pipeline.settings import settings
from pipeline.store import Landing

Verdict = dict[str, Any]
SYNTHETIC = "SINTETIS_"


def validate(landings: list[Landing]) -> list[Verdict]:
    """The verdict on each landing, in the order given. What has one already is not looked at again.

    All others are judged together, one pass and one run of each suite. A delivery that can't be
    read or fails as a whole is refused and stops no other. Raises Problem `bad_layout`,
    `suite_error`, `rule_undecided`, `findings_differ` or `records_lost`; nothing that already has
    a verdict is touched then, and the next call does the rest.
    """
    verdicts = {one.delivery_id: found for one in landings if (found := verdict_of(one))}
    waiting = [landing for landing in landings if landing.delivery_id not in verdicts]
    if waiting:
        verdicts |= _judge(waiting)
    return [verdicts[landing.delivery_id] for landing in landings]


def verdict_of(landing: Landing) -> Verdict | None:
    """The verdict under the present rules, if there is one: its file is what commits it."""
    path = _verdict_file(landing, rules_sha(landing.manifest["layout"]))
    verdict: Verdict | None = store.read_json(path) if path.exists() else None
    return verdict


def rules_sha(layout_name: str) -> str:
    """SHA-256 of all that decides a verdict: layout, suites, reference lists and our own code.

    Seeds that are looked up in load (places, issuers, scopes) are no part: a new alias there
    re-validates nothing.
    """
    modules = (conform, countries, layouts, reading, records, suites)
    files = [
        layouts.layout_file(layout_name),
        suites.suite_file("row"),
        suites.suite_file("delivery"),
        *conform.reference_files(),
        *sorted(conform.FOLDER.glob("*.sql")),
        *(Path(str(module.__file__)) for module in modules),
        Path(__file__),
    ]
    return _sha_of(tuple((file, file.stat().st_mtime_ns, file.stat().st_size) for file in files))


@cache
def _sha_of(files: tuple[tuple[Path, int, int], ...]) -> str:
    names_of_countries = f"pycountry {version('pycountry')}"
    content = store.sha256_of_trees(*(file for file, *_ in files))
    return hashlib.sha256(f"{content} {names_of_countries}".encode()).hexdigest()


def _place(folder: str, landing: Landing, rules: str) -> Path:
    return store.home() / folder / landing.delivery_id / rules[:8]


def _verdict_file(landing: Landing, rules: str) -> Path:
    return _place("verdicts", landing, rules).with_suffix(".json")


@dataclass
class _Case:
    """A delivery under judgement; `number` is its delivery_no in the work file."""

    number: int
    landing: Landing
    rules: str
    warnings: list[dict[str, str]] = field(default_factory=list)
    problems: list[dict[str, str]] = field(default_factory=list)
    checks: list[dict[str, Any]] = field(default_factory=list)
    records: int = 0


def _judge(waiting: list[Landing]) -> dict[str, Verdict]:
    """Verdicts of landings that have none, by delivery_id."""
    names = sorted({landing.manifest["layout"] for landing in waiting})
    used = {name: layouts.load_layout(name) for name in names}
    verdicts: dict[str, Verdict] = {}
    with _work_folder() as folder, duck.connect(folder / "batch.duckdb") as con:
        con.execute("PRAGMA disable_checkpoint_on_shutdown")  # the file is thrown away
        conform.prepare(con)
        for layout in used.values():
            reading.check_layout(con, layout)
        # With two threads DuckDB gathers what it inserts twice: double the time, measured.
        con.execute("SET threads = 1")
        cases = []
        for number, landing in enumerate(waiting):
            case = _Case(number, landing, rules_sha(landing.manifest["layout"]))
            if _read(con, case, used[landing.manifest["layout"]], folder):
                cases.append(case)
            else:
                verdicts[landing.delivery_id] = _refuse(case)
        threads = settings().threads
        con.execute(f"SET threads = {threads}" if threads else "RESET threads")
        if cases:
            conform.conform(con, list(used.values()))
            _judge_rows(con, folder / "batch.duckdb", cases)
            conform.settle(con, list(used.values()))
            _judge_deliveries(con, folder / "batch.duckdb", cases)
            cursors, stats = [con.cursor() for _ in cases], _stats(con)
            with ThreadPoolExecutor() as pool:
                done = pool.map(_conclude, cursors, cases, [stats[c.number] for c in cases])
                verdicts |= {verdict["delivery_id"]: verdict for verdict in done}
    return verdicts


@contextmanager
def _work_folder() -> Iterator[Path]:
    """A folder that is gone afterwards; what a killed call left behind goes after a day."""
    root = store.home() / "work"
    for old in root.glob("validate-*"):
        if time.time() - old.stat().st_mtime > 86_400:
            shutil.rmtree(old, ignore_errors=True)
    folder = root / f"validate-{uuid.uuid4().hex}"
    folder.mkdir(mode=store.PRIVATE)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _read(con: duck.Connection, case: _Case, layout: layouts.Layout, folder: Path) -> bool:
    """Read a delivery into `raw` and `delivery`; False when it is to be refused."""
    landing = case.landing
    if landing.manifest["refusal"]:
        case.problems.append(landing.manifest["refusal"])
        return False
    try:
        first_row, count, warnings = reading.read(con, case.number, landing.payload, layout, folder)
    except Problem as problem:
        case.problems.append(problem.as_dict())
        case.records = reading.count(landing.payload, layout)
        return False
    case.warnings += [warning.as_dict() for warning in warnings]
    known_at = landing.landed_at
    if landing.manifest["extracted_at"]:
        known_at = datetime.fromisoformat(landing.manifest["extracted_at"])
    part = Slice.parse(landing.slice_code)
    con.execute(
        "INSERT INTO delivery VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            case.number,
            landing.delivery_id,
            layout.name,
            part.office,
            part.month.first_day,
            known_at.astimezone(JAKARTA).date(),
            first_row,
            count,
            landing.manifest["file_name"].startswith(SYNTHETIC),
        ],
    )
    return True


def _judge_rows(con: duck.Connection, database: Path, cases: list[_Case]) -> None:
    """Run the row suite on `batch` and note in `finding` what it finds, record by record.

    Raises Problem `findings_differ` unless exactly as many records are noted as it counts.
    """
    if not _numbers(con, "SELECT count(*) FROM batch")[0]:
        return  # every delivery is a nil return: nothing to judge, and that is no failure
    columns = {name for name, *_ in con.execute("DESCRIBE batch").fetchall()}
    evaluated = _by_delivery(con, "SELECT delivery_no, count(*) FROM batch GROUP BY ALL")
    for check in suites.run_suite("row", database, "batch"):
        unexpected: dict[int, int] = {}
        if not check.passed:
            at = f"at_{check.rule_name}"
            place = f"coalesce(b.{at}, ?)" if at in columns else "?"
            (noted,) = _numbers(
                con,
                f"INSERT INTO finding SELECT b.row_id, ?, ?, {place} FROM batch AS b "
                f"SEMI JOIN ({check.unexpected_query}) AS u USING (row_id)",
                [check.rule_name, check.severity, check.column],
            )
            if noted != check.unexpected:
                raise Problem(
                    "findings_differ", rule=check.rule_name, noted=noted, counted=check.unexpected
                )
            unexpected = _by_delivery(
                con,
                "SELECT b.delivery_no, count(*) FROM finding AS f JOIN batch AS b USING (row_id) "
                "WHERE f.rule_name = ? GROUP BY ALL",
                [check.rule_name],
            )
        for case in cases:
            if case.number in evaluated:
                counts = evaluated[case.number], unexpected.get(case.number, 0)
                case.checks.append(_entry(check, *counts))


def _judge_deliveries(con: duck.Connection, database: Path, cases: list[_Case]) -> None:
    """Run the delivery suite on `delivery_stat`; what is critical refuses a delivery."""
    for check in suites.run_suite("delivery", database, "delivery_stat"):
        failed: dict[int, Any] = {}
        if not check.passed:
            column = duck.identifier(str(check.column))
            failed = _by_delivery(
                con,
                f"SELECT delivery_no, {column} FROM delivery_stat "
                f"SEMI JOIN ({check.unexpected_query}) AS u USING (delivery_no)",
            )
        for case in cases:
            case.checks.append(_entry(check, 1, int(case.number in failed)))
            if case.number in failed:
                problem = Problem(
                    "delivery_not_as_expected",
                    rule=check.rule_name,
                    column=check.column,
                    value=f"{failed[case.number]:.2f}",
                    note_en=check.note_en,
                    note_id=check.note_id,
                )
                to = case.problems if check.severity == "critical" else case.warnings
                to.append(problem.as_dict())


def _entry(check: suites.Check, evaluated: int, unexpected: int) -> dict[str, Any]:
    kept = ("suite", "rule_name", "severity", "note_en", "note_id")
    facts = {name: value for name, value in asdict(check).items() if name in kept}
    return facts | {"evaluated": evaluated, "unexpected": unexpected}


def _conclude(con: duck.Connection, case: _Case, stat: dict[str, Any]) -> Verdict:
    """Write what is accepted and what is set aside, then the verdict: it is what counts."""
    case.records = stat["records"]
    if case.problems:
        return _refuse(case)
    accepted = quarantined = 0
    with con:  # a cursor of this case's own
        if stat["accepted_records"]:
            accepted = _write(con, case, "accepted", "line.parquet")
        if stat["quarantined_records"]:
            quarantined = _write(con, case, "quarantine", "row.parquet")
    if accepted + quarantined != case.records:
        raise Problem(
            "records_lost",
            delivery_id=case.landing.delivery_id,
            records=case.records,
            accepted=accepted,
            quarantined=quarantined,
        )
    return _commit(case, "accepted", stat)


def _write(con: duck.Connection, case: _Case, folder: str, file: str) -> int:
    """Write the delivery's rows of `<folder>_row`; how many they were. One COPY each: 5 ms."""
    with store.new_directory(_place(folder, case.landing, case.rules)) as target:
        (written,) = _numbers(
            con,
            f"COPY (SELECT * EXCLUDE (delivery_no) FROM {folder}_row "
            f"WHERE delivery_no = {case.number} ORDER BY line) "
            f"TO {duck.literal(str(target / file))} (FORMAT parquet, COMPRESSION zstd)",
        )
    return int(written)


def _refuse(case: _Case) -> Verdict:
    synthetic = case.landing.manifest["file_name"].startswith(SYNTHETIC)
    return _commit(case, "refused", {"is_synthetic": synthetic})


def _commit(case: _Case, verdict: str, stat: dict[str, Any]) -> Verdict:
    landing, zero = case.landing, Decimal("0.00")
    part = Slice.parse(landing.slice_code)
    fates = ("accepted", "quarantined")
    content = {
        "delivery_id": landing.delivery_id,
        "feed": landing.feed,
        "slice_code": landing.slice_code,
        "office_code": part.office,
        "month": str(part.month),
        "layout": landing.manifest["layout"],
        "landed_at": landing.manifest["landed_at"],
        "extracted_at": landing.manifest["extracted_at"],
        "forced": landing.manifest["forced"],
        "rules_sha": case.rules,
        "verdict": verdict,
        "problems": case.problems,
        "warnings": case.warnings,
        "records": case.records,
        "accepted_records": stat.get("accepted_records", 0),
        "quarantined_records": stat.get("quarantined_records", 0),
        "stated_usd": {fate: f"{stat.get(f'{fate}_usd', zero):.2f}" for fate in fates},
        "unreadable_records": {fate: stat.get(f"{fate}_unreadable", 0) for fate in fates},
        "is_synthetic": bool(stat["is_synthetic"]),
        "checks": case.checks,
    }
    store.write_json(_verdict_file(landing, case.rules), content)
    return content


def _stats(con: duck.Connection) -> dict[int, dict[str, Any]]:
    """The rows of delivery_stat by delivery_no."""
    return {row["delivery_no"]: row for row in duck.rows(con, "FROM delivery_stat")}


def _numbers(con: duck.Connection, query: str, parameters: list[Any] | None = None) -> Any:
    """The first row of a query, or what a statement counts."""
    return con.execute(query, parameters or []).fetchall()[0]


def _by_delivery(
    con: duck.Connection, query: str, parameters: list[Any] | None = None
) -> dict[int, Any]:
    return dict(con.execute(query, parameters or []).fetchall())
