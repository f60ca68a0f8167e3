"""Great Expectations really runs on DuckDB, and what it can't run is an error, never a result."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from pipeline import duck, settings, suites
from pipeline.messages import Problem

Config = dict[str, Any]


def expect(kind: str, rule: str, severity: str = "critical", **kwargs: Any) -> Config:
    meta = {"rule": rule, "table": kwargs.pop("table", "mart.thing")}
    meta |= {"note_en": f"note on {rule}", "note_id": f"catatan {rule}"}
    return {"type": f"expect_{kind}", "kwargs": kwargs, "severity": severity, "meta": meta}


def in_set(rule: str, **changes: Any) -> Config:
    return {
        **expect("column_values_to_be_in_set", rule, column="ok_even", value_set=[True]),
        **changes,
    }


def rows_query(rule: str, query: str, **more: Any) -> Config:
    made = expect("x", rule, unexpected_rows_query=query, **more)
    return {**made, "type": "unexpected_rows_expectation"}


@pytest.fixture
def database(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with mart.thing (100 rows, ok_even in every second) and mart.nothing (no rows)."""
    (data_root / "suites").mkdir()
    monkeypatch.setenv("IPSKA_EXPECTATIONS", str(data_root / "suites"))
    settings.settings.cache_clear()
    path = data_root / "things ü.duckdb"
    with duck.connect(path) as con:
        con.execute("CREATE SCHEMA mart")
        con.execute(
            "CREATE TABLE mart.thing AS SELECT i AS row_id, i % 2 = 0 AS ok_even, "
            "CASE WHEN i % 10 > 0 THEN i END AS tens, i * 1.5 AS fob_usd FROM range(100) AS t(i)"
        )
        con.execute("CREATE TABLE mart.nothing (row_id INTEGER, ok_even BOOLEAN)")
    return path


def write(name: str, *configs: Config, **meta: Any) -> None:
    content = {"name": name, "expectations": list(configs), "meta": meta}
    suites.suite_file(name).write_text(json.dumps(content), "utf-8")


def run(database: Path, *configs: Config, **meta: Any) -> list[suites.Check]:
    write("trial", *configs, **meta)
    return suites.run_suite("trial", database)


def test_what_passes_and_what_fails(database: Path) -> None:
    """Counts and queries of each kind, in the order of the file; our own connection stays open."""
    configs = [
        in_set("even"),
        expect("column_values_to_not_be_null", "tens", "warning", column="tens"),
        expect("column_values_to_be_between", "sound", column="fob_usd", min_value=0),
        expect("column_values_to_be_between", "dear", "info", column="fob_usd", max_value=120),
        rows_query("first", "SELECT row_id FROM {batch} WHERE row_id < 3"),
        rows_query("none", "SELECT row_id FROM {batch} WHERE row_id < 0"),
        expect("table_row_count_to_equal", "count", value=99),
    ]
    with duck.connect(database) as con:
        write("trial", *configs)
        checks = suites.run_suite("trial", database, columns=["row_id"])
        assert [(c.rule_name, c.severity, c.passed, c.unexpected, c.stops) for c in checks] == [
            ("even", "critical", False, 50, True),
            ("tens", "warning", False, 10, False),
            ("sound", "critical", True, 0, False),
            ("dear", "info", False, 19, False),
            ("first", "critical", False, 3, True),
            ("none", "critical", True, 0, False),
            ("count", "critical", False, 1, True),
        ]
        assert {c.evaluated for c in checks} == {100}
        assert checks[0].note_id == "catatan even"
        for check in checks[:6]:
            assert (check.unexpected_query is None) == check.passed
            if check.unexpected_query:
                found = con.execute(f"SELECT row_id FROM ({check.unexpected_query})").fetchall()
                assert len(found) == check.unexpected


def test_a_query_is_run_once(database: Path) -> None:
    """Great Expectations' own expectation would run it for the rows as well."""
    ran: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        ran.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        (check,) = run(database, rows_query("odd", "SELECT row_id FROM {batch} WHERE NOT ok_even"))
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert (check.passed, check.unexpected) == (False, 50)
    assert sum("NOT ok_even" in statement for statement in ran) == 1


def test_the_file_is_free_afterwards(database: Path) -> None:
    """Great Expectations lets go of it: it can be opened otherwise, and by other processes."""
    run(database, in_set("even"))
    with duck.connect(database, read_only=True) as con:
        assert con.execute("SELECT count(*) FROM mart.thing").fetchall() == [(100,)]


def test_an_expectation_takes_the_default_table(database: Path) -> None:
    config = in_set("even")
    del config["meta"]["table"]
    write("trial", config)
    (check,) = suites.run_suite("trial", database, "mart.thing")
    assert (check.table, check.unexpected) == ("mart.thing", 50)
    with pytest.raises(Problem, match="suite_error"):
        suites.run_suite("trial", database)


ERRORS: dict[str, list[Config]] = {
    "no expectations": [],
    "one rule twice": [in_set("even"), in_set("even")],
    "a column that is not there": [in_set("even", kwargs={"column": "gone", "value_set": [True]})],
    "a table that is not there": [in_set("even", meta={**in_set("even")["meta"],
                                                       "table": "mart.gone"})],
    "SQL that can't run": [rows_query("broken", "SELECT nonsense FROM {batch}")],
    "an unknown kind": [expect("column_values_to_be_nice", "nice", column="tens")],
    "an argument that it doesn't take": [
        in_set("even", kwargs={"column": "ok_even", "value_set": 7}), in_set("other")
    ],
    "an unknown severity": [in_set("even", severity="grave")],
    "no severity": [{k: v for k, v in in_set("even").items() if k != "severity"}],
    "no note in Indonesian": [in_set("even", meta={"rule": "even", "table": "mart.thing",
                                                   "note_en": "x", "note_id": ""})],
    "a table without rows": [in_set("even", meta={**in_set("even")["meta"],
                                                  "table": "mart.nothing"})],
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_is_neither_passed_nor_failed(name: str, database: Path) -> None:
    with pytest.raises(Problem, match="suite_error") as raised:
        run(database, *ERRORS[name])
    assert raised.value.facts["suite"] == "trial"


def test_an_expectation_that_would_be_left_out(database: Path) -> None:
    """Great Expectations only logs that it is not valid, and runs the others."""
    with pytest.raises(Problem, match="would be left out"):
        run(database, in_set("even"), *ERRORS["an unknown kind"])


@pytest.mark.parametrize("content", ["", "{}", '{"expectations": [{}], "meta": {}}'])
def test_a_file_that_is_no_suite(content: str, database: Path) -> None:
    suites.suite_file("trial").write_text(content, "utf-8")
    with pytest.raises(Problem, match="suite_error"):
        suites.run_suite("trial", database)
    with pytest.raises(Problem, match="suite_error"):
        suites.run_suite("missing", database)


def test_a_table_that_may_be_empty(database: Path) -> None:
    config = in_set("even", meta={**in_set("even")["meta"], "table": "mart.nothing"})
    (check,) = run(database, config, may_be_empty=["mart.nothing"])
    assert (check.passed, check.evaluated) == (True, 0)


# Rule of the delivery suite: column it looks at, values that are sound, values that are not.
DELIVERY: dict[str, tuple[str, list[Any], list[Any]]] = {
    "records_reconcile": ("lost_records", [0], [1, -1]),
    "rejected_share": ("quarantined_pct", [0.0, 20.0, None], [20.1, 100.0]),
    "office_matches": ("own_number_pct", [95.0, 100.0, None], [94.9, 0.0]),
    "period_share": ("other_month_pct", [0.0, 4.9, None], [5.0, 100.0]),
    "envelope_min": ("records_below", [0, -5, None], [1]),
    "envelope_max": ("records_above", [0, -5, None], [1]),
    "month_begun": ("days_early", [0, -5, None], [1]),
    "control_total_matches": ("total_difference", [0.0, None], [0.01]),
    "control_total_readable": ("unreadable_totals", [0, None], [1]),
    "total_fob_plausible": ("stated_fob", [0.0, 1e14, None], [1.1e14]),
    "total_weight_plausible": ("stated_kg", [0.0, 1e13, None], [1.1e13]),
}


def test_every_expectation_on_a_delivery(database: Path) -> None:
    shutil.copy(settings.ROOT / "expectations" / "delivery.json", suites.suite_file("delivery"))
    sound = {column: good[0] for column, good, _ in DELIVERY.values()}
    rows, expected = [], []
    for rule, (column, good, bad) in DELIVERY.items():
        rows += [{**sound, column: value} for value in good + bad]
        expected += [set()] * len(good) + [{rule}] * len(bad)
    with duck.connect(database) as con:
        con.execute(
            "CREATE TABLE delivery_stat (delivery_no INTEGER, lost_records BIGINT, "
            "quarantined_pct DOUBLE, own_number_pct DOUBLE, other_month_pct DOUBLE, "
            "records_below BIGINT, records_above BIGINT, days_early BIGINT, "
            "total_difference DOUBLE, unreadable_totals BIGINT, stated_fob DOUBLE, "
            "stated_kg DOUBLE)"
        )
        for number, row in enumerate(rows):
            duck.insert(con, "delivery_stat", [{"delivery_no": number, **row}])
        checks = suites.run_suite("delivery", database, "delivery_stat", ["delivery_no"])
        assert sorted(check.rule_name for check in checks) == sorted(DELIVERY)
        found: list[set[str]] = [set() for _ in rows]
        for check in checks:
            assert check.unexpected == len(DELIVERY[check.rule_name][2])
            for (number,) in con.execute(
                f"SELECT delivery_no FROM ({check.unexpected_query})"
            ).fetchall():
                found[number].add(check.rule_name)
    assert found == expected


@pytest.mark.parametrize("name", ["row", "aggregate", "delivery", "core", "mart", "movement"])
def test_notes_say_what_to_do_in_both_languages(name: str) -> None:
    suite = json.loads((settings.ROOT / "expectations" / f"{name}.json").read_text("utf-8"))
    assert suite["expectations"]
    for config in suite["expectations"]:
        meta = config["meta"]
        assert meta["note_en"] != meta["note_id"]
        assert all(len(meta[key]) > 20 for key in ("note_en", "note_id")), meta["rule"]
