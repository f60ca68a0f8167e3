"""Measure in one run what the pipeline costs beside DuckDB alone and beside what libraries suggest.

`make bench`, or `ipska bench --lines N --history M --layout lean|full --json`. Everything is
generated once, each stage is a process of its own, stages alternate; figures are medians. Only
ratios can be compared between machines. `--only rows` measures the row suite, `--only ranks` the
rank sets, `--only audit` the disclosure audit of 60 months (budget 120 s), `--only small` 5,640
deliveries of `--lines` in all, `--only airflow` what its scheduler adds to a night.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
FEED = """[eska]
layout = "{layout}"
url = "{{deliveries}}/{{office}}/*_{{office}}_{{period}}_*.csv"
mode = "snapshot"
offices = [{offices}]
first_month = "{first}"
"""
OFFICES = ["JBR", "BGR", "BDG", "CRB", "SBG", "PWK", "BKS", "KBK", "KRW", "KBD", "DPK", "KBG"]
SLICE = ("KRW", "2024-09")
FIRST, AUDITED = "2021-01", ("2019-10", "2024-09")
# Of a month of so many lines the office of the slice has 0.3 million.
SLICE_SAMPLE, REFERENCE_LINES = 3_420_000, 2_000_000
MADE = ("accepted", "quarantine", "verdicts", "builds", "work", "internal", "public", "ledger")
Figures = dict[str, Any]


class Bench:
    """A folder with samples and data roots, and what was measured in it."""

    def __init__(self, root: Path, layout: str) -> None:
        self.root, self.layout = root, layout
        self.measured: dict[str, list[Figures]] = {}

    def environment(
        self, home: str, sample: str, offices: list[str] = OFFICES, first: str = FIRST
    ) -> dict[str, str]:
        feeds = self.root / f"feeds-{len(offices)}-{first}.toml"
        listed = ", ".join(f'"{office}"' for office in offices)
        feeds.write_text(FEED.format(layout=self.layout, offices=listed, first=first))
        known = {k: v for k, v in os.environ.items() if not k.startswith("AIRFLOW_CONN")}
        return known | {
            "IPSKA_HOME": str(self.root / home),
            "IPSKA_DELIVERIES": str(self.root / sample),
            "IPSKA_FEEDS": str(feeds),
            "IPSKA_LOG_LEVEL": "error",
        }

    def sample(self, name: str, lines: int, offices: list[str] = OFFICES, *months: str) -> Path:
        """A sample of so many lines, made once."""
        to = self.root / name
        if not to.exists():
            code = (
                "import sys; from pathlib import Path; from pipeline.sample import write_sample; "
                "from pipeline.periods import Month; "
                "to, lines, layout, *months = sys.argv[1:]; "
                "write_sample(Path(to), int(lines), 1, *map(Month.parse, months), layout=layout)"
            )
            command = [sys.executable, "-c", code, str(to), str(lines), self.layout, *months]
            subprocess.run(command, check=True, env=self.environment("made", name, offices))
        return to

    def stage(self, name: str, environment: dict[str, str], *given: Any, as_: str = "") -> Figures:
        """Run a stage as a process; what it took is kept under its name and told."""
        process = subprocess.Popen(
            [sys.executable, HERE / "stages.py", name, *map(str, given)],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        began = os.times().elapsed
        told = process.stdout.read().strip().splitlines() if process.stdout else []
        written = _written(process.pid)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{name}: exit code {process.returncode}")
        found = {
            "seconds": round(os.times().elapsed - began, 2),
            "cpu": round(used.ru_utime + used.ru_stime, 2),
            "peak_mb": used.ru_maxrss // 1024,
            "written_mb": written,
            **json.loads(told[-1]),
        }
        self.measured.setdefault(as_ or name, []).append(found)
        print(f"{as_ or name:12} {found}", file=sys.stderr, flush=True)
        return found

    def medians(self) -> dict[str, Figures]:
        return {
            name: {key: statistics.median(one[key] for one in runs) for key in runs[0]}
            for name, runs in self.measured.items()
        }


def _written(pid: int) -> int:
    """MB that a process has written; read while it is not yet reaped."""
    text = Path(f"/proc/{pid}/io").read_text()
    return int(text.split("wchar: ")[1].split()[0]) >> 20


def flow(bench: Bench, lines: int, runs: int) -> None:
    """(a) the floor and (b) landed files to a closed build, alternating; (d) the reference."""
    sample = bench.sample("sample", lines)
    home = bench.environment("data", "sample")
    bench.stage("steps", home, "extract", as_="extract")
    for _ in range(runs):
        bench.stage("floor", home, bench.layout, sample, bench.root / "floor.duckdb")
        for name in MADE:
            shutil.rmtree(bench.root / "data" / name, ignore_errors=True)
        bench.stage("steps", home, "extract", "validate", "build", as_="build")
    bench.stage("steps", home, "extract", "validate", "build", "publish", as_="publish")
    for _ in range(runs):
        bench.stage("run", home, as_="rerun")
    bench.stage("public", home)
    current = bench.root / "data" / "internal" / "current" / "ekspor.duckdb"
    bench.stage("opened", home, current.resolve(), 100)


def nightly(bench: Bench, history: int, runs: int) -> None:
    """(e) one changed slice of 0.3 million lines on a history of so many, to the closed build."""
    office, month = SLICE
    bench.sample("history", history)
    home = bench.environment("old", "history")
    bench.stage("steps", home, "extract", as_="extract of history")
    bench.stage("steps", home, "extract", "validate", "build", as_="rebuild")
    bench.stage("steps", home, "extract", "validate", "build", "publish", as_="published")
    new = bench.sample("slice", SLICE_SAMPLE, [office], month, month)
    (file,) = sorted(new.glob(f"{office}/*_{month}_*.csv"))[-1:]
    for run in range(runs):
        target = f"SINTETIS_{office}_{month}_202501{run + 1:02}T000000.csv"
        text = file.read_bytes().splitlines(keepends=True)
        (bench.root / "history" / office / target).write_bytes(b"".join(text[: len(text) - run]))
        bench.stage("steps", home, "extract", "validate", "build", as_="nightly")


def reference(bench: Bench, lines: int, runs: int) -> None:
    sample = bench.sample("small", lines)
    home = bench.environment("made", "small")
    for _ in range(runs):
        bench.stage("reference", home, bench.layout, sample, bench.root / "reference.duckdb")


def audit(bench: Bench, lines: int, runs: int) -> None:
    """The attack on a public release of 27 regions × 60 months, and some of other provinces."""
    bench.sample("months", lines, OFFICES, *AUDITED)
    home = bench.environment("told", "months", first=AUDITED[0])
    bench.stage("steps", home, "extract", "validate", "build", "publish", as_="publish")
    bench.stage("public", home)
    for _ in range(runs):
        bench.stage("audit", home)


def small(bench: Bench, lines: int) -> None:
    """94 offices × 60 months in one backfill. The files of one office, under 94 names."""
    made = bench.sample("one", lines // 94, ["KRW"], *AUDITED)
    offices = [f"X{n:02}" for n in range(94)]
    files = sorted((made / "KRW").glob("*.csv"))
    latest = {file.stem.split("_")[2]: file for file in files}  # of each month one
    for office in offices:
        folder = bench.root / "many" / office
        folder.mkdir(parents=True)
        for file in latest.values():
            text = file.read_bytes().replace(b"/KRW/", f"/{office}/".encode())
            (folder / file.name.replace("KRW", office)).write_bytes(text)
    home = bench.environment("small", "many", offices, AUDITED[0])
    found = bench.stage("steps", home, "extract", "validate", "build", as_="small")
    for step in ("extract", "validate", "build"):
        found[f"{step}, ms each"] = round(1000 * found[step] / (len(offices) * len(latest)), 1)
    found["deliveries"] = len(offices) * len(latest)


def airflow(bench: Bench, lines: int) -> None:
    """A night without news under Airflow's scheduler, beside the same run without it."""
    import airflow_share

    bench.sample("night", lines, OFFICES, "2024-07", "2024-09")
    home = bench.environment("night-data", "night", first="2024-07")
    print(json.dumps(airflow_share.measure(home, bench.root / "airflow")), file=sys.stderr)
    bench.stage("run", home, as_="without it")


def ratios(found: dict[str, Figures], lines: int, reference_lines: int) -> Figures:
    told: Figures = {}
    if {"floor", "build"} <= found.keys():
        told["build / floor"] = found["build"]["seconds"] / found["floor"]["seconds"]
    if {"reference", "build"} <= found.keys():
        per_line = found["build"]["seconds"] / lines
        told["reference / build, per line"] = (
            found["reference"]["seconds"] / reference_lines / per_line
        )
        told["reference / build, memory per line"] = (
            found["reference"]["peak_mb"] / reference_lines / (found["build"]["peak_mb"] / lines)
        )
    if {"nightly", "rebuild"} <= found.keys():
        told["nightly / rebuild"] = found["nightly"]["seconds"] / found["rebuild"]["seconds"]
    return {name: round(value, 2) for name, value in told.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument(
        "--history", type=int, help="lines before the nightly; default: none is run"
    )
    parser.add_argument("--layout", choices=["lean", "full"], default="full")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument(
        "--only",
        choices=["flow", "nightly", "reference", "rows", "ranks", "audit", "small", "airflow"],
        help="one part of it",
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ipska-bench-") as folder:
        root = Path(folder)
        if given.only in ("rows", "ranks"):
            return other(given.only, root, given.lines, given.runs)
        bench = Bench(root, {"lean": "eska_lean", "full": "eska_v2"}[given.layout])
        reference_lines = min(given.lines, REFERENCE_LINES)
        if given.only in (None, "flow"):
            flow(bench, given.lines, given.runs)
        if given.only in (None, "reference"):
            reference(bench, reference_lines, given.runs)
        if given.history or given.only == "nightly":
            nightly(bench, given.history or given.lines, given.runs)
        if given.only == "audit":
            audit(bench, given.lines, given.runs)
        if given.only == "small":
            small(bench, given.lines)
        if given.only == "airflow":
            airflow(bench, given.lines)
        found = bench.medians()
        told = {
            "lines": given.lines,
            "history": given.history,
            "layout": given.layout,
            "runs": given.runs,
            "cores": os.cpu_count(),
            "stages": found,
            "ratios": ratios(found, given.lines, reference_lines),
        }
    if given.json:
        print(json.dumps(told, indent=1))
        return
    for name, one in found.items():
        print(f"{name:20}" + "  ".join(f"{key} {value}" for key, value in one.items()))
    for name, value in told["ratios"].items():
        print(f"{name}: {value} ×")


def other(name: str, root: Path, lines: int, runs: int) -> None:
    """The row suite beside one query by hand (c), and the rank sets; both in this process."""
    import rank_bench
    import row_suite

    os.environ |= {"IPSKA_DELIVERIES": str(root / "deliveries"), "IPSKA_HOME": str(root / "data")}
    if name == "rows":
        row_suite.measure(root, lines, runs)
    else:
        rank_bench.measure(runs)


if __name__ == "__main__":
    main()
