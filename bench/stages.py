"""What one process of the bench does: `python bench/stages.py NAME ARGUMENTS`. The last line that
it prints is JSON: seconds by step. Home, deliveries and feeds come from the environment."""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Seconds = dict[str, float]


def timed(work: Callable[..., Any], *given: Any, **named: Any) -> tuple[float, Any]:
    began = time.perf_counter()
    done = work(*given, **named)
    return round(time.perf_counter() - began, 2), done


def floor(layout: str, folder: str, database: str) -> Seconds:
    import floor

    return {"floor": timed(floor.run, _files(folder), layout, Path(database))[0]}


def reference(layout: str, folder: str, database: str) -> Seconds:
    import reference

    return {"reference": timed(reference.run, _files(folder), layout, Path(database))[0]}


def _files(folder: str) -> list[Path]:
    return sorted(Path(folder).glob("*/*.csv"))


def steps(*names: str) -> Seconds:
    """Steps of a run, one after the other."""
    from pipeline import flow

    request, done, seconds = _request(), None, {}
    for name in names:
        given = (request,) if name == "extract" else (request, done)
        seconds[name], done = timed(getattr(flow, name), *given)
    return seconds


def run() -> Seconds:
    from pipeline import flow

    return {"run": timed(flow.run, _request(), tell=lambda _: None)[0]}


def public() -> Seconds:
    """A public release of the current build: hiding, exports, page, audit."""
    from pipeline import builds, publish, releases, requests

    request = {**requests.made("release", "bench", "bench"), "accept": None}
    build = builds.find(releases.current("internal")["build_id"])
    return {"public": timed(publish.publish, "public", build, request)[0]}


def _request() -> dict[str, Any]:
    from pipeline import requests, store

    return requests.backfill("2021-01", "2024-09", None, "bench", store.now())


def opened(file: str, times: str) -> Seconds:
    """Open a release whose pages are not in memory and ask for a ranking; the 95th of a hundred."""
    import duckdb

    query = (
        "SELECT region_name, growth_pct FROM mart.growth_ranking WHERE basis = 'domicile' "
        "AND scope_code = '32' AND league = 'all' AND period_kind = 'ytd' "
        "AND period_end = DATE '2024-09-30' AND baseline = 'years_3' ORDER BY growth_pct_rank"
    )
    found = []
    for _ in range(int(times)):
        handle = os.open(file, os.O_RDONLY)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)
        began = time.perf_counter()
        with duckdb.connect(file, read_only=True) as con:
            rows = con.execute(query).fetchall()
        found.append(time.perf_counter() - began)
        if len(rows) < 2:
            raise SystemExit("no ranking")
    found.sort()
    return {
        "median": round(found[len(found) // 2], 3),
        "p95": round(found[len(found) * 95 // 100], 3),
    }


if __name__ == "__main__":
    name, *given = sys.argv[1:]
    print(json.dumps(globals()[name](*given)))
