"""Measure the row suite through Great Expectations beside the same predicates as one query.

`python bench/bench.py --only rows --lines 10000000`. A conformed sample is copied until it has so
many rows. Measured: the suite alone beside one query that counts, and everything from the suite to
`finding` beside one query that notes the same findings; they must be as many.
"""

import json
import os
import statistics
import time
from pathlib import Path
from typing import Any

SAMPLE = 50_000


def measure(root: Path, lines: int, runs: int) -> None:
    from pipeline import duck, judging, settings, suites

    database = root / "batch.duckdb"
    start = time.perf_counter()
    with duck.connect(database) as con:
        con.execute("SET checkpoint_threshold = '1TB'")  # the file is thrown away
        made = make_batch(con, database, root, lines)
        print(f"batch: {made} rows, {time.perf_counter() - start:.1f} s", flush=True)
        start = time.perf_counter()
        import great_expectations  # noqa: F401

        print(f"import of Great Expectations: {time.perf_counter() - start:.1f} s", flush=True)
        Path("/proc/self/clear_refs").write_text("5")  # peak memory counts from here
        predicates = by_hand(suites.suite_file("row"))
        counts = ", ".join(f"count(*) FILTER ({one})" for one in predicates)
        rules = ", ".join(f"CASE WHEN {one} THEN {n} END" for n, one in enumerate(predicates))
        work = {
            "suite": lambda: suites.run_suite("row", str(database), "batch", ["row_id"]),
            "counted by hand": lambda: con.execute(f"SELECT {counts} FROM batch").fetchall(),
            "suite, noted": lambda: judging._judge_rows(con, str(database), "row", []),
            "noted by hand": lambda: con.execute(
                "CREATE OR REPLACE TABLE by_hand AS SELECT row_id, delivery_no, unnest(list_filter("
                f"[{rules}], lambda x: x IS NOT NULL)) AS rule FROM batch "
                f"WHERE {' OR '.join(predicates)}"
            ),
        }
        seconds: dict[str, list[float]] = {name: [] for name in work}
        for _ in range(runs):
            con.execute("DELETE FROM finding")
            for name, run in work.items():
                start = time.perf_counter()
                run()
                seconds[name].append(time.perf_counter() - start)
        noted = con.execute(
            "SELECT (SELECT count(*) FROM finding), (SELECT count(*) FROM by_hand)"
        ).fetchall()[0]
        if noted[0] != noted[1]:
            raise SystemExit(f"{noted[1]} noted by hand, {noted[0]} by the suite")
    median = {name: statistics.median(values) for name, values in seconds.items()}
    for name, values in seconds.items():
        print(f"{name:16}{median[name]:6.1f} s   {', '.join(f'{one:.1f}' for one in values)}")
    for ours, other in (("suite", "counted by hand"), ("suite, noted", "noted by hand")):
        print(f"{ours}: {median[ours] / median[other]:.1f} × {other}")
    print(f"{len(predicates)} rules, {noted[0]} findings")
    status = Path("/proc/self/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0]) / 1024
    print(f"peak memory of the process: {peak:.0f} MB, limit {settings.settings().memory_limit}")


def make_batch(con: Any, database: Path, root: Path, lines: int) -> int:
    """Conform a sample and copy its rows until there are `lines`; how many there are."""
    from pipeline import conform, flow, judging, layouts, reading, requests, store
    from pipeline.sample import write_sample

    write_sample(root / "deliveries", min(lines, SAMPLE))
    os.environ["IPSKA_HOME"] = str(root / "data")
    flow.extract(requests.backfill("2021-01", "2024-09", None, "bench", store.now()))
    layout = layouts.load_layout("eska_v2")
    conform.prepare(con)
    reading.check_layout(con, layout)
    cases = [
        judging.Case(number, landing, landing.payload, layout)
        for number, landing in enumerate(store.landings("eska"))
    ]
    for some in judging._together(cases, root):
        for case, taken in judging._take(con, some):
            judging._read(con, case, taken)
    conform.conform(con, [layout])
    con.execute("ALTER TABLE batch RENAME TO small")
    con.execute(
        "CREATE TABLE batch AS SELECT * REPLACE (row_id + n * 1000000 AS row_id) "
        "FROM range(CAST(? AS BIGINT)) AS copy (n) CROSS JOIN small LIMIT CAST(? AS BIGINT)",
        [lines // SAMPLE + 1, lines],
    )
    made: int = con.execute("SELECT count(*) FROM batch").fetchall()[0][0]
    return made


def by_hand(suite: Path) -> list[str]:
    """What each rule finds, as SQL predicates. An in-set expectation leaves NULLs out."""
    predicates = []
    for one in json.loads(suite.read_text("utf-8"))["expectations"]:
        column, values = one["kwargs"]["column"], one["kwargs"].get("value_set")
        if values == [True]:
            predicates.append(f"NOT {column}")
        elif values:
            predicates.append(f"{column} NOT IN ({', '.join(repr(value) for value in values)})")
        else:
            predicates.append(f"{column} IS NULL")
    return predicates
