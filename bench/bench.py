"""Measure in one run: what DuckDB alone needs to read and rank the same files, and what we need.

`make bench`, or `python bench/bench.py --lines N --runs R`. Figures are medians over runs, floor
and flow alternating; only the ratios can be compared between machines.
`--only rows` measures the row suite instead, `--only ranks` the rank sets.
"""

import argparse
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import row_suite

STAGES = ("floor", "extract", "validate", "build", "publish")
FLOOR = """
    CREATE OR REPLACE TABLE line AS
    SELECT no_ska,
        replace(replace(fob_dokumen, '.', ''), ',', '.')::DECIMAL(18, 2) AS fob_document,
        replace(replace(fob_barang, '.', ''), ',', '.')::DECIMAL(18, 2) AS line_fob,
        upper(kota_eksportir) AS place, status_pengajuan AS status, kode_hs AS hs_code,
        make_date(
            regexp_extract(tgl_terbit, '(\\d{4})', 1)::INTEGER,
            list_position(
                ['Januari', 'Februari', 'Maret', 'April', 'Mei', 'Juni', 'Juli', 'Agustus',
                 'September', 'Oktober', 'November', 'Desember'],
                regexp_extract(tgl_terbit, '([A-Z][a-z]+)', 1)
            ),
            regexp_extract(tgl_terbit, '^(\\d+)', 1)::INTEGER
        ) AS issued_on
    FROM read_csv(?, delim = ';', header = true, all_varchar = true, nullstr = ['', '-', 'N/A'],
        union_by_name = true)
    WHERE status_pengajuan = 'Diterbitkan';
"""
RANKING = """
    SELECT place, sum(line_fob) FILTER (year(issued_on) = 2024)
        / nullif(sum(line_fob) FILTER (year(issued_on) = 2021), 0) AS growth
    FROM line WHERE month(issued_on) <= 9 GROUP BY place ORDER BY growth DESC NULLS LAST
"""


def timed(work: Callable[..., Any], *given: Any, **options: Any) -> tuple[float, Any]:
    """Wall seconds, and what the work gave."""
    start = time.perf_counter()
    result = work(*given, **options)
    return time.perf_counter() - start, result


def floor(files: list[str], database: Path) -> None:
    """DuckDB alone: read the columns a ranking needs, typed, into a table; rank."""
    from pipeline import duck

    with duck.connect(database) as con:
        con.execute(FLOOR, [files])
        con.execute(RANKING).fetchall()
    database.unlink()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", choices=["flow", "rows", "ranks"], default="flow")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ipska-bench-") as folder:
        root = Path(folder)
        os.environ["IPSKA_DELIVERIES"] = str(root / "deliveries")
        os.environ["IPSKA_HOME"] = str(root / "data")
        if given.only == "rows":
            row_suite.measure(root, given.lines, given.runs)
        elif given.only == "ranks":
            measure_rank_sets(given.runs)
        else:
            measure(root, given.lines, given.runs)


def measure_rank_sets(runs: int) -> None:
    """One ranking of 514 regions, and 20 of 27, of lognormal exporters; 1,000 draws."""
    import numpy as np

    from pipeline import rank_sets

    dice = np.random.default_rng(1)

    def regions(count: int, exporters: int) -> list[tuple[Any, Any]]:
        return [
            (dice.lognormal(10, 2, exporters), dice.lognormal(10, 2, exporters))
            for _ in range(count)
        ]

    for name, made in (
        ("514 regions of 60 exporters", [regions(514, 60)]),
        ("20 rankings of 27 regions of 700 exporters", [regions(27, 700)] * 20),
    ):
        found = [
            sum(timed(rank_sets.rank_sets, one, draws=1000, seed=1)[0] for one in made)
            for _ in range(runs)
        ]
        print(f"{name}: {statistics.median(found):.1f} s of 60", flush=True)


def measure(root: Path, lines: int, runs: int) -> None:
    from pipeline import flow, requests, settings, store
    from pipeline.sample import write_sample

    made, _ = timed(write_sample, root / "deliveries", lines, dirt=0)
    print(f"sample: {lines} lines of the full layout, {made:.1f} s", flush=True)
    files = [str(file) for file in sorted((root / "deliveries").glob("*/*.csv"))]
    seconds: dict[str, list[float]] = {stage: [] for stage in STAGES}
    for number in range(runs):
        seconds["floor"].append(timed(floor, files, root / "floor.duckdb")[0])
        os.environ["IPSKA_HOME"] = str(root / f"data-{number}")
        settings.settings.cache_clear()
        request = requests.backfill("2021-01", "2024-09", None, "bench", store.now())
        took, done = timed(flow.extract, request)
        seconds["extract"].append(took)
        for stage in STAGES[2:]:
            took, done = timed(getattr(flow, stage), request, done)
            seconds[stage].append(took)
    median = {stage: statistics.median(values) for stage, values in seconds.items()}
    total = median["validate"] + median["build"]
    for stage, value in median.items():
        print(f"{stage:10}{value:8.1f} s")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"landed files to closed build: {total:.1f} s, {total / median['floor']:.1f} × the floor")
    print(f"peak memory of the whole run: {peak:.0f} MB")


if __name__ == "__main__":
    main()
