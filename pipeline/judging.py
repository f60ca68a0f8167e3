"""What becomes of deliveries: read, conformed and held against the suites; nothing is written."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline import bounds, conform, corrections, duck, opening, reading, seeds, suites
from pipeline.layouts import Layout
from pipeline.messages import Problem, is_ours
from pipeline.settings import settings
from pipeline.store import Landing

SYNTHETIC = "SINTETIS_"
TOGETHER = 100  # deliveries read in one transaction; each keeps its file open until then
# The other delivery rules are shares of a whole export.
OF_ANY = {"records_reconcile", "total_fob_plausible", "total_weight_plausible"}


@dataclass
class Case:
    """A delivery under judgement; `number` is its delivery_no in the work file."""

    number: int
    landing: Landing
    payload: Path
    layout: Layout
    rules: str = ""
    extracted_at: str | None = None  # UTC, as the manifest or the delivery itself states it
    warnings: list[dict[str, str]] = field(default_factory=list)
    problems: list[dict[str, str]] = field(default_factory=list)
    checks: list[dict[str, Any]] = field(default_factory=list)
    records: int = 0
    excluded: dict[str, int] = field(default_factory=dict)  # rule of the layout → records
    corrections: list[dict[str, Any]] = field(default_factory=list)
    control_totals: list[dict[str, Any]] = field(default_factory=list)


# A delivery, what its work files begin like, and the delivery opened; None when it is refused.
Waiting = tuple[Case, Path, opening.Opened | None]


def judge(
    con: duck.Connection, database: str, folder: Path, cases: list[Case]
) -> dict[int, dict[str, Any]]:
    """Judge deliveries of one grain in an empty database in memory, to which `con` is open; what
    has to be unpacked goes into `folder`.

    What refuses a delivery is in its `problems`. Returns the rows of delivery_stat by number, of
    those that could be read. Raises Problem `bad_layout`, `suite_error`, `rule_undecided` or
    `findings_differ`.
    """
    conform.prepare(con)
    used = {case.layout.name: case.layout for case in cases}
    for layout in used.values():
        reading.check_layout(con, layout)
    # With two threads DuckDB gathers what it inserts twice: double the time, measured.
    con.execute("SET threads = 1")
    readable = [
        case
        for some in _together(cases, folder)
        for case, taken in _take(con, some)
        if _read(con, case, taken)
    ]
    threads = settings().threads
    con.execute(f"SET threads = {threads}" if threads else "RESET threads")
    if not readable:
        return {}
    conform.conform(con, list(used.values()))
    _judge_rows(con, database, conform.SUITES[cases[0].layout.grain], readable)
    conform.settle(con, list(used.values()))
    _judge_deliveries(con, database, readable)
    return {row["delivery_no"]: row for row in duck.rows(con, "FROM delivery_stat")}


def _together(cases: list[Case], folder: Path) -> Iterator[list[Waiting]]:
    """Deliveries to be read in one transaction. One that had to be unpacked or rewritten ends them:
    what it takes on disk may be many times its size, so no two lie there at a time."""
    some: list[Waiting] = []
    for case in cases:
        work = folder / str(case.number)
        some.append((case, work, opened := _opened(case, work)))
        if len(some) == TOGETHER or not opened or opened.path != case.payload:
            yield some
            some = []
    yield some


def _take(con: duck.Connection, some: list[Waiting]) -> list[tuple[Case, reading.Taken]]:
    """Read deliveries into their raw tables; what can't be read is refused.

    In one transaction: of what each took alone, four fifths were its commit.
    """
    try:
        while (taken := _taken(con, some)) is None:
            pass  # one broke the transaction and is refused: the others once more
    finally:
        for _, work, _ in some:
            for suffix in opening.WORK_FILES:
                work.with_suffix(suffix).unlink(missing_ok=True)
    return taken


def _opened(case: Case, work: Path) -> opening.Opened | None:
    facts = case.landing.manifest
    if facts["refusal"]:
        case.problems.append(facts["refusal"])
        return None
    try:
        opened = opening.opened(case.payload, facts, case.layout, work)
    except Exception as error:
        _refuse(case, error)
        return None
    case.records = opened.records
    return opened


def _taken(con: duck.Connection, some: list[Waiting]) -> list[tuple[Case, reading.Taken]] | None:
    """Those that aren't refused, in one transaction; None when an error of DuckDB ended it."""
    taken = []
    con.begin()
    for case, work, opened in some:
        if not opened or case.problems:
            continue
        try:
            taken.append((case, reading.take(con, case.number, opened, work)))
        except Exception as error:
            _refuse(case, error)
            if isinstance(error, duck.Error):
                con.rollback()
                return None
    con.commit()
    return taken


def _refuse(case: Case, error: Exception) -> None:
    """Whatever a library makes of hostile bytes is this delivery's trouble and nobody else's; a
    fault of our own is raised again."""
    if isinstance(error, Problem):
        case.problems.append(error.as_dict())
        return
    if isinstance(error, (*duck.FAULTS, MemoryError)) or is_ours(error):
        raise error
    file, told = case.landing.manifest["file_name"], f"{type(error).__name__}: {error}"
    case.problems.append(Problem("unreadable", file=file, error=told).as_dict())


def _read(con: duck.Connection, case: Case, taken: reading.Taken) -> bool:
    """Give what was taken its row of `delivery`; False when it is to be refused."""
    facts = case.landing.manifest
    try:
        done = reading.read(con, case.number, taken, facts)
    except Exception as error:
        _refuse(case, error)
        return False
    case.warnings += [warning.as_dict() for warning in done.warnings]
    case.excluded = done.excluded
    case.control_totals = duck.rows(
        con,
        "SELECT rule_name, column_name, told_total(stated, column_name) AS stated, "
        "told_total(ours, column_name) AS ours FROM control_total WHERE delivery_no = ? "
        "ORDER BY ALL",
        [case.number],
    )
    case.corrections = corrections.apply(
        con, case.landing, case.layout, case.number, done.first_row
    )
    gone = sum(one["applied"] for one in case.corrections if one["action"] == "exclude")
    if gone:
        case.excluded["correction"] = gone
    case.extracted_at = facts["extracted_at"]
    if done.extracted_at:
        case.extracted_at = done.extracted_at.isoformat()
    known_at = case.landing.landed_at
    if case.extracted_at:
        known_at = datetime.fromisoformat(case.extracted_at)
    if bound := bounds.of(case.landing.feed, facts["office"]):
        limits = [case.number, bound.min_records, bound.max_records]
        con.execute("INSERT INTO bound VALUES (?, ?, ?)", limits)
    con.execute(
        "INSERT INTO delivery VALUES (?, ?, ?, ?, ?::DATE, ?::DATE, ?, ?, ?, ?, ?)",
        [
            case.number,
            case.landing.delivery_id,
            case.layout.name,
            facts["office"],
            facts["month"] and f"{facts['month']}-01",
            facts["last_month"] and f"{facts['last_month']}-01",
            known_at.astimezone(seeds.time_zone()).date(),
            done.first_row,
            case.records - sum(case.excluded.values()),
            facts["file_name"].startswith(SYNTHETIC),
            done.absent,
        ],
    )
    return True


def _judge_rows(con: duck.Connection, database: str, suite: str, cases: list[Case]) -> None:
    """Run the grain's row suite on `batch` and note in `finding` what it finds, record by record.

    Raises Problem `findings_differ` unless exactly as many records are noted as it counts.
    """
    if not _numbers(con, "SELECT count(*) FROM batch")[0]:
        return  # every delivery is a nil return: nothing to judge, and that is no failure
    evaluated = _by_delivery(con, "SELECT delivery_no, count(*) FROM batch GROUP BY ALL")
    places = [name for name in _columns(con, "batch") if name.startswith("at_")]
    columns = ["row_id", "delivery_no", *places]
    checks = suites.run_suite(suite, database, "batch", columns)
    noted = _note(con, [check for check in checks if not check.passed], places)
    for check in checks:
        unexpected = noted.get(check.rule_name, {})
        if not check.passed and sum(unexpected.values()) != check.unexpected:
            raise Problem(
                "findings_differ",
                rule=check.rule_name,
                noted=sum(unexpected.values()),
                counted=check.unexpected,
            )
        for case in cases:
            if case.number in evaluated:
                counts = evaluated[case.number], unexpected.get(case.number, 0)
                case.checks.append(_entry(check, *counts))


def _note(
    con: duck.Connection, failed: list[suites.Check], places: list[str]
) -> dict[str, dict[int, int]]:
    """Note in `finding` what these checks find; per rule the records of each delivery.

    One statement for all rules, which reads of the batch what their queries give and joins nothing.
    `places` are its columns that name the source column at fault, record by record.
    """
    if not failed:
        return {}
    queries, parameters = [], []
    for check in failed:
        place = f"at_{check.rule_name}"
        queries.append(
            "SELECT row_id, delivery_no, ? AS rule_name, ? AS severity, "
            f"{f'coalesce({place}, ?)' if place in places else '?'} AS column_name "
            f"FROM ({check.unexpected_query})"
        )
        parameters += [check.rule_name, check.severity, check.column]
    con.execute("CREATE TABLE found AS " + " UNION ALL ".join(queries), parameters)
    con.execute("INSERT INTO finding SELECT * EXCLUDE (delivery_no) FROM found")
    counted = con.execute("SELECT rule_name, delivery_no, count(*) FROM found GROUP BY ALL")
    noted: dict[str, dict[int, int]] = {}
    for rule, number, records in counted.fetchall():
        noted.setdefault(rule, {})[number] = records
    con.execute("DROP TABLE found")
    return noted


def _judge_deliveries(con: duck.Connection, database: str, cases: list[Case]) -> None:
    """Run the delivery suite on `delivery_stat`; what is critical refuses a delivery."""
    columns = _columns(con, "delivery_stat")
    for check in suites.run_suite("delivery", database, "delivery_stat", ["delivery_no"]):
        failed: dict[int, str] = {}
        if not check.passed:
            column = duck.identifier(str(check.column))
            told = f"told_{check.rule_name}"
            text = told if told in columns else f"{column}::DECIMAL(38, 2)::VARCHAR"
            failed = _by_delivery(
                con,
                f"SELECT delivery_no, {text} FROM delivery_stat "
                f"SEMI JOIN ({check.unexpected_query}) AS u USING (delivery_no)",
            )
        for case in cases:
            if case.landing.manifest["resubmits"] and check.rule_name not in OF_ANY:
                continue
            case.checks.append(_entry(check, 1, int(case.number in failed)))
            if case.number in failed:
                problem = Problem(
                    "delivery_not_as_expected",
                    rule=check.rule_name,
                    column=check.column,
                    value=failed[case.number],
                    note_en=check.note_en,
                    note_id=check.note_id,
                )
                to = case.problems if check.severity == "critical" else case.warnings
                to.append(problem.as_dict())


def _entry(check: suites.Check, evaluated: int, unexpected: int) -> dict[str, Any]:
    kept = ("suite", "rule_name", "severity", "note_en", "note_id")
    facts = {name: value for name, value in asdict(check).items() if name in kept}
    return facts | {"evaluated": evaluated, "unexpected": unexpected}


def _columns(con: duck.Connection, table: str) -> list[str]:
    return [name for name, *_ in con.execute(f"DESCRIBE {table}").fetchall()]


def _numbers(con: duck.Connection, query: str, parameters: list[Any] | None = None) -> Any:
    """The first row of a query, or what a statement counts."""
    return con.execute(query, parameters or []).fetchall()[0]


def _by_delivery(
    con: duck.Connection, query: str, parameters: list[Any] | None = None
) -> dict[int, Any]:
    return dict(con.execute(query, parameters or []).fetchall())
