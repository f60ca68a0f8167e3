"""Measure the row suite through Great Expectations beside the same predicates as one query.

`python bench/bench.py --only rows --lines 10000000`. A conformed sample is copied until it has so
many rows; what is measured is everything from the suite to `finding`, counts compared.
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
        made = make_batch(con, database, root, lines)
        print(f"batch: {made} rows, {time.perf_counter() - start:.1f} s", flush=True)
        start = time.perf_counter()
        import great_expectations  # noqa: F401

        print(f"import of Great Expectations: {time.perf_counter() - start:.1f} s", flush=True)
        Path("/proc/self/clear_refs").write_text("5")  # peak memory counts from here
        query = by_hand(suites.suite_file("row"))
        seconds: dict[str, list[float]] = {"suite": [], "by hand": []}
        for _ in range(runs):
            con.execute("DELETE FROM finding")
            start = time.perf_counter()
            judging._judge_rows(con, database, "row", [])
            seconds["suite"].append(time.perf_counter() - start)
            start = time.perf_counter()
            counted = con.execute(query).fetchall()[0]
            seconds["by hand"].append(time.perf_counter() - start)
        (noted,) = con.execute("SELECT count(*) FROM finding").fetchall()[0]
        if sum(counted) != noted:
            raise SystemExit(f"{sum(counted)} counted by hand, {noted} noted by the suite")
    median = {name: statistics.median(values) for name, values in seconds.items()}
    for name, values in seconds.items():
        print(f"{name:10}{median[name]:8.1f} s   {', '.join(f'{one:.1f}' for one in values)}")
    print(f"{len(counted)} rules, {noted} findings: {median['suite'] / median['by hand']:.1f} ×")
    status = Path("/proc/self/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0]) / 1024
    print(f"peak memory of the process: {peak:.0f} MB, limit {settings.settings().memory_limit}")


def make_batch(con: Any, database: Path, root: Path, lines: int) -> int:
    """Conform a sample and copy its rows until there are `lines`; how many there are."""
    from pipeline import conform, flow, judging, layouts, reading, store
    from pipeline.sample import write_sample

    write_sample(root / "deliveries", min(lines, SAMPLE))
    os.environ["IPSKA_HOME"] = str(root / "data")
    flow.extract(flow.request_backfill("2021-01", "2024-09", None, "bench", store.now()))
    layout = layouts.load_layout("eska_v2")
    conform.prepare(con)
    reading.check_layout(con, layout)
    for number, landing in enumerate(store.landings("eska")):
        case = judging.Case(number, landing, landing.payload, layout)
        judging._read(con, case, root / str(number))
    conform.conform(con, [layout])
    con.execute("ALTER TABLE batch RENAME TO small")
    con.execute(
        "CREATE TABLE batch AS SELECT * REPLACE (row_id + n * 1000000 AS row_id) "
        "FROM range(CAST(? AS BIGINT)) AS copy (n) CROSS JOIN small LIMIT CAST(? AS BIGINT)",
        [lines // SAMPLE + 1, lines],
    )
    made: int = con.execute("SELECT count(*) FROM batch").fetchall()[0][0]
    return made


def by_hand(suite: Path) -> str:
    """One query that counts what each rule finds. An in-set expectation leaves NULLs out."""
    counts = []
    for one in json.loads(suite.read_text("utf-8"))["expectations"]:
        column, values = one["kwargs"]["column"], one["kwargs"].get("value_set")
        if values == [True]:
            predicate = f"NOT {column}"
        elif values:
            predicate = f"{column} NOT IN ({', '.join(repr(value) for value in values)})"
        else:
            predicate = f"{column} IS NULL"
        counts.append(f"count(*) FILTER ({predicate})")
    return f"SELECT {', '.join(counts)} FROM batch"
