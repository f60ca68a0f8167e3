"""Measure how long the page of a release takes: for its 27 regions, and for a country of 514.

`python bench/page.py [--file ekspor.duckdb] [--runs N]`, after `make run`. Wall and CPU seconds are
medians of N runs in one process, the first, which pays imports, beside them.
"""

import argparse
import resource
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from pipeline import duck, page, releases

# Regions without figures get those of one that has some, as its copy.
COPIES = """
    CREATE TEMP TABLE copy AS
    WITH filled AS (
        SELECT region_code, row_number() OVER (ORDER BY region_code) - 1 AS n
        FROM (SELECT DISTINCT region_code FROM mart.growth_ranking
            WHERE scope_code = 'ID' AND league = 'all' AND region_code NOT LIKE '%99')
    ), empty AS (
        SELECT region_code, region_name, region_kind,
            row_number() OVER (ORDER BY region_code) - 1 AS n
        FROM mart.region
        WHERE region_kind IN ('kota', 'kabupaten')
            AND region_code NOT IN (SELECT region_code FROM filled)
    )
    SELECT e.region_code, e.region_name, e.region_kind, f.region_code AS source_code
    FROM empty AS e JOIN filled AS f ON f.n = e.n % (SELECT count(*) FROM filled)
"""
COUNTRY = {
    "growth_ranking": "t.scope_code = 'ID' AND t.league IN ('all', c.region_kind)",
    "region_month": "true",
    "growth_margin": "true",
    "growth_driver": "t.period_kind = 'ytd'",
    "shift_share": "t.scope_code = 'ID'",
}


def fill(file: Path) -> None:
    """Give every kabupaten and kota of the country figures, and ranks without holes."""
    with duck.connect(file) as con:
        con.execute(COPIES)
        for table, which in COUNTRY.items():
            found = con.execute(f"SELECT * FROM mart.{table} LIMIT 0").description or []
            own = {"region_code": "c.region_code", "region_name": "c.region_name"}
            columns = ", ".join(own.get(name, f"t.{name}") for name, *_ in found)
            con.execute(
                f"INSERT INTO mart.{table} SELECT {columns} FROM mart.{table} AS t "
                f"JOIN copy AS c ON t.region_code = c.source_code WHERE {which}"
            )
        con.execute(
            "UPDATE mart.growth_ranking AS g SET growth_pct_rank = r.place FROM (SELECT rowid id, "
            "row_number() OVER (PARTITION BY basis, league, period_kind, period_end, baseline "
            "ORDER BY growth_pct_rank, region_code) AS place FROM mart.growth_ranking "
            "WHERE scope_code = 'ID' AND growth_pct_rank IS NOT NULL) AS r WHERE g.rowid = r.id"
        )


def measure(file: Path, scope: str, runs: int) -> None:
    wall, cpu = [], []
    with duck.connect(file, read_only=True) as con:
        for _ in range(1 + runs):
            began = time.perf_counter(), time.process_time()
            pages = page.render(con, [], None, scope)
            wall.append(time.perf_counter() - began[0])
            cpu.append(time.process_time() - began[1])
    sizes = [len(html.encode()) for html in pages.values()]
    regions = sum(html.count('<details class="region"') for html in pages.values())
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{regions:>4} regions, {len(pages):>2} pages: wall {statistics.median(wall[1:]):5.1f} s "
        f"(first {wall[0]:5.1f}), CPU {statistics.median(cpu[1:]):5.1f} s (first {cpu[0]:5.1f}), "
        f"largest {max(sizes) / 1e6:.2f} MB, all {sum(sizes) / 1e6:.1f} MB, memory {memory:.0f} MB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--file", type=Path, help="ekspor.duckdb of an internal release")
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    file = given.file or releases.database("internal")
    measure(file, "32", given.runs)
    with tempfile.TemporaryDirectory(prefix="ipska-bench-") as folder:
        large = Path(shutil.copy(file, folder))
        large.chmod(0o600)
        fill(large)
        measure(large, "ID", given.runs)


if __name__ == "__main__":
    main()
