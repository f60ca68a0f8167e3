"""One path through the whole house, and what may go wrong on it."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipeline import (
    builds,
    duck,
    flow,
    layouts,
    ledger,
    public,
    publish,
    rejections,
    releases,
    settings,
    store,
    suites,
    verify,
)
from pipeline.messages import Problem
from pipeline.periods import Month
from pipeline.sample import write_sample

FIRST, LAST = Month(2021, 1), Month(2024, 9)
LINES = 9_000
Facts = dict[str, Any]


def use(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    """Point the pipeline at root/data and root/deliveries, in this process and its children."""
    monkeypatch.setenv("IPSKA_HOME", str(root / "data"))
    monkeypatch.setenv("IPSKA_DELIVERIES", str(root / "deliveries"))
    settings.settings.cache_clear()
    layouts.load_layout.cache_clear()


@pytest.fixture(scope="session")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A sample with 1 % dirt, and the data root after one run over it. Read only: see `root`."""
    root = tmp_path_factory.mktemp("night")
    write_sample(root / "deliveries", LINES, seed=5, first=FIRST, last=LAST, dirt=0.01)
    with pytest.MonkeyPatch.context() as patch:
        use(patch, root)
        report = flow.run(backfill("the first night"))
        (root / "report.json").write_text(json.dumps(report, default=str))
    settings.settings.cache_clear()
    yield root


@pytest.fixture
def root(night: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that night for one test to spoil."""
    shutil.copytree(night, tmp_path / "copy", symlinks=True)
    use(monkeypatch, tmp_path / "copy")
    return tmp_path / "copy"


def backfill(reason: str) -> Facts:
    return flow.request_backfill(str(FIRST), str(LAST), None, reason, store.now())


def again(reason: str = "once more") -> Facts:
    return flow.run(backfill(reason), tell=lambda _: None)


def query(database: Path, sql: str) -> list[tuple[Any, ...]]:
    with duck.connect(database, read_only=True) as con:
        return con.execute(sql).fetchall()


def content(database: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every mart table's rows, and the books: what two runs must agree on."""
    tables = query(database, "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'mart'")
    assert len(tables) >= 5
    found = {name: query(database, f"FROM mart.{name} ORDER BY ALL") for (name,) in tables}
    found["ledger"] = query(
        database,
        "SELECT state, sum(records), sum(stated_usd) FROM meta.ledger GROUP BY ALL ORDER BY ALL",
    )
    return found


def files(root: Path) -> set[str]:
    return {
        str(p.relative_to(root))
        for p in (root / "data").rglob("*")
        if "ledger" not in p.parts and "work" not in p.parts
    }


def truth_of(root: Path) -> Facts:
    found: Facts = json.loads((root / "deliveries" / "truth.json").read_text("utf-8"))
    return found


def test_the_first_night_publishes_and_says_what_was_set_aside(night: Path) -> None:
    report = json.loads((night / "report.json").read_text("utf-8"))
    assert report["exit_code"] == 3  # published, and something was newly rejected
    assert report["publish"]["published"]
    assert "SYNTHETIC" in report["text_en"] and "SINTETIS" in report["text_id"]
    assert "Commonest reasons for quarantine" in report["text_en"]


def test_region_months_are_the_truth_to_the_cent(root: Path) -> None:
    truth = truth_of(root)
    expected = {
        (r["basis"], r["region_code"], r["month"]): (
            Decimal(r["fob_usd"]),
            r["certificates"],
            r["exporters"],
        )
        for r in truth["region_month"]
    }
    assert len(expected) > 500
    found = {
        (basis, region, month): (usd, certificates, exporters)
        for basis, region, month, usd, certificates, exporters in query(
            releases.database("internal"),
            "SELECT basis, region_code, strftime(month, '%Y-%m'), fob_usd, certificates, exporters "
            "FROM mart.region_month WHERE certificates > 0 AND basis <> 'port'",
        )
    }
    assert found == expected


def test_every_injected_fault_is_found_under_its_rule_and_no_other(root: Path) -> None:
    """Precision and recall of the row suite on injected faults, both 100 %."""
    injected = {
        (fault["file"], fault["line"], fault["rule"], fault["severity"])
        for fault in truth_of(root)["faults"]
    }
    assert len({rule for _, _, rule, _ in injected}) >= 10
    set_aside = "SELECT line, unnest(findings, recursive := true) FROM read_parquet(?)"
    flagged = "SELECT line, unnest(flags) FROM read_parquet(?)"
    looks = [
        ("quarantine", "row.parquet", set_aside),
        ("quarantine", "row.parquet", flagged),
        ("accepted", "line.parquet", flagged),
    ]
    found = set()
    with duck.connect() as con:
        for delivery in store.landings("eska"):
            source = f"{delivery.slice_code.split('_')[0]}/{delivery.manifest['file_name']}"
            for folder, name, sql in looks:
                for file in (store.home() / folder / delivery.delivery_id).glob(f"*/{name}"):
                    rows = con.execute(sql, [str(file)]).fetchall()
                    found |= {(source, line, rule) for line, rule, *_ in rows}
    found = {one for one in found if one[2] != "sibling"}
    right = {fault[:3] for fault in injected}
    table = [f"{'rule':30}{'injected':>10}{'precision':>11}{'recall':>8}"]
    for rule in sorted({one[2] for one in found | right}):
        ours, theirs = ({one for one in some if one[2] == rule} for some in (found, right))
        hits = len(ours & theirs)
        share = [f"{100 * hits / len(some) if some else 0:.0f} %" for some in (ours, theirs)]
        table.append(f"{rule:30}{len(theirs):10}{share[0]:>11}{share[1]:>8}")
    told = "\n".join(table)
    print(f"\n{told}")
    assert found == right, told


def test_the_books_close(root: Path) -> None:
    truth = truth_of(root)
    states = dict(
        query(
            releases.database("internal"),
            "SELECT state, sum(records)::BIGINT FROM meta.ledger GROUP BY state",
        )
    )
    assert sum(states.values()) == truth["records"]
    assert states["superseded"] >= truth["superseded_records"] > 0
    assert states["quarantined"] > 0
    assert verify.verify() == []


def test_a_second_run_changes_nothing(root: Path) -> None:
    before, release = files(root), releases.current("internal")
    report = again()
    assert report["exit_code"] == 0
    assert not report["publish"]["published"]
    assert report["extract"]["landed"] == [] and report["validate"]["validated"] == 0
    assert not report["build"]["built"]
    assert files(root) == before
    assert releases.current("internal") == release


def test_a_corrupt_delivery_is_refused_and_the_others_are_published(root: Path) -> None:
    """Its slice keeps its last good delivery, marked stale; exit code 3."""
    before = releases.current("internal")
    victim = sorted((root / "deliveries" / "BKS").glob("*_2024-09_*.csv"))[-1]
    victim.write_bytes(victim.read_bytes()[:-200].replace(b"no_ska;", b"nomor;", 1))
    other = sorted((root / "deliveries" / "BGR").glob("*_2024-09_*.csv"))[-1]
    lines = other.read_bytes().splitlines(keepends=True)
    other.write_bytes(b"".join(lines[:-1]))
    report = again("a corrupt file")
    assert report["exit_code"] == 3
    assert len(report["extract"]["landed"]) == 2
    (refused,) = report["validate"]["refused"]
    assert refused.startswith("eska/BKS_2024-09/")
    assert report["publish"]["published"]
    assert before and report["publish"]["release_id"] != before["release_id"]
    assert "BKS_2024-09" in report["text_en"]
    assert [one["slice"] for one in report["stale"]] == ["BKS_2024-09"]
    assert "An older delivery stands in, days since it came: BKS_2024-09 0." in report["text_en"]
    stale = query(
        releases.database("internal"),
        "SELECT delivery_id FROM meta.delivery WHERE is_stale AND state = 'current'",
    )
    assert [row[0].split("/")[1] for row in stale] == ["BKS_2024-09"]
    repeated = again("known and unchanged trouble is not repeated")
    assert repeated["exit_code"] == 0


def test_an_older_extract_counts_only_by_force(root: Path) -> None:
    newest = sorted((root / "deliveries" / "KRW").glob("*_2024-08_*.csv"))[-1]
    older = newest.with_name("SINTETIS_KRW_2024-08_20240901T000001.csv")
    older.write_bytes(b"".join(newest.read_bytes().splitlines(keepends=True)[:-1]))
    refused = again("an older extract")
    assert [one.split("/")[1] for one in refused["validate"]["refused"]] == ["KRW_2024-08"]
    reason = "the office took its newer extract back"
    forced = flow.request_backfill("2024-08", "2024-08", None, reason, store.now(), force=True)
    report = flow.run(forced, tell=lambda _: None)
    (landed,) = report["extract"]["landed"]
    assert report["publish"]["published"]
    current = query(
        releases.database("internal"),
        "SELECT delivery_id FROM meta.delivery "
        "WHERE slice_code = 'KRW_2024-08' AND state = 'current'",
    )
    assert current == [(landed,)]


def test_a_failed_gate_keeps_the_current_release(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = releases.current("internal")
    assert before
    build = builds.find(before["build_id"])
    broken = builds.Build(build.build_id, {**build.facts, "gate_failures": ["smallest_rank"]})
    monkeypatch.setattr(builds, "find", lambda _: broken)
    report = again()
    assert report["exit_code"] == 1
    assert "smallest_rank" in report["text_en"] and report["failed_at"] == "publish"
    assert releases.current("internal") == before


def test_a_run_that_breaks_stands_in_the_ledger(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(flow, "build", full)
    with pytest.raises(OSError, match="No space left"):
        again("the disk is full")
    last = ledger.entries()[-1]
    assert (last["reason"], last["failed_at"], last["exit_code"]) == (
        "the disk is full",
        "build",
        1,
    )


def test_an_older_build_does_not_replace_a_newer_release(root: Path) -> None:
    now = releases.current("internal")
    assert now
    old = builds.find(now["build_id"])
    older = builds.Build(old.build_id, {**old.facts, "newest_landed_at": "2000-01-01T00:00:00"})
    with pytest.raises(Problem, match="stale_build"):
        publish.publish("internal", older, backfill("late"))
    assert releases.current("internal") == now


def test_a_rollback_holds_until_it_is_resumed(root: Path) -> None:
    first = releases.current("internal")
    victim = sorted((root / "deliveries" / "KRW").glob("*_2024-08_*.csv"))[-1]
    lines = victim.read_bytes().splitlines(keepends=True)
    assert len(lines) > 2
    victim.write_bytes(b"".join(lines[:-1]))
    assert again("a changed slice")["publish"]["published"]
    second = releases.current("internal")
    assert first and second and first["release_id"] != second["release_id"]
    request: Facts = {"run_id": ledger.new_run_id("rollback"), "kind": "rollback", "reason": "x"}
    publish.roll_back(first["release_id"], request)
    assert releases.current("internal") == first
    held = again("while held")
    assert held["exit_code"] == 1 and "resume" in held["text_en"]
    assert releases.current("internal") == first
    ledger.record({"run_id": ledger.new_run_id("resume"), "kind": "resume", "reason": "mended"})
    assert again("after the hold")["publish"]["published"]
    latest = releases.current("internal")
    assert latest and latest["build_id"] == second["build_id"]


def test_a_rejected_delivery_gives_way_to_the_one_before(root: Path) -> None:
    first, before = releases.current("internal"), content(releases.database("internal"))
    victim = sorted((root / "deliveries" / "KRW").glob("*_2024-08_*.csv"))[-1]
    victim.write_bytes(b"".join(victim.read_bytes().splitlines(keepends=True)[:-1]))
    (landed,) = again("a changed slice")["extract"]["landed"]
    rejections.reject(landed, "a line is missing")
    report = again("without it")
    assert report["publish"]["published"] and report["exit_code"] == 0
    assert [one["slice"] for one in report["stale"]] == ["KRW_2024-08"]
    now, after = releases.current("internal"), content(releases.database("internal"))
    assert now and first and now["build_id"] != first["build_id"]
    assert after["region_month"] == before["region_month"]
    booked = "SELECT state, state_reason FROM meta.ledger WHERE delivery_id = "
    assert query(releases.database("internal"), f"{booked}'{landed}'") == [("refused", "rejected")]
    assert verify.verify() == []
    assert not again("nothing is new")["publish"]["published"]
    rejections.reject(landed, "it was right", undo=True)
    undone = again("with it again")
    assert undone["publish"]["published"] and undone["stale"] == []


def test_the_public_release_suppresses_and_names_nobody(root: Path) -> None:
    now = releases.current("internal")
    assert now
    publish.publish("public", builds.find(now["build_id"]), backfill("public"))
    database = releases.database("public")
    suppressed = query(
        database, "SELECT count(*) FROM mart.region_month WHERE suppression = 'primary'"
    )[0][0]
    assert suppressed > 0
    leaked = query(
        database,
        "SELECT count(fob_usd) FROM mart.region_month WHERE suppression <> 'none'",
    )[0][0]
    assert leaked == 0
    for table in ("region_month", "growth_ranking"):
        quality = f"SELECT count(flagged_pct) + count(quarantined_usd) FROM mart.{table}"
        assert query(database, quality) == [(0,)]  # may be one firm's where the total is safe
    columns = {
        row[0] for row in query(database, "SELECT DISTINCT column_name FROM duckdb_columns()")
    }
    assert not {c for c in columns if "exporter_" in c or c in ("reason", "published_by")}
    page = (database.parent / "index.html").read_text("utf-8")
    assert "DATA SINTETIS" in page and "SYNTHETIC DATA" in page


def test_a_public_release_that_leaks_is_not_published(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hiding is not trusted: without it the audit stops the release, and the suite before it."""
    now = releases.current("internal")
    assert now
    build = builds.find(now["build_id"])
    monkeypatch.setattr(public, "hidden", lambda *_: public.Hidden())
    with pytest.raises(Problem, match="leak") as raised:
        publish.publish("public", build, backfill("public"))
    assert raised.value.facts["count"] > 0
    honest = suites.run_suite("public", releases.database("internal"))
    assert any(check.stops for check in honest), "the office's own file is not public"
    bad = [replace(one, passed=False) for one in honest]
    monkeypatch.setattr(suites, "run_suite", lambda *_: bad)
    with pytest.raises(Problem, match="not_public"):
        publish.publish("public", build, backfill("public"))
    assert releases.current("public") is None
    assert not list((store.home() / "public" / "releases").iterdir())


def test_a_public_release_beside_another_is_made_again(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two at once: the second was attacked beside the release before, not beside the first."""
    now = releases.current("internal")
    assert now
    build = builds.find(now["build_id"])
    monkeypatch.setattr(public, "hidden", lambda *_: public.Hidden())
    monkeypatch.setattr(publish, "_public_gate", lambda *_: None)
    honest = publish._fill

    def meanwhile(*given: Any) -> None:
        honest(*given)
        monkeypatch.setattr(publish, "_fill", honest)
        publish.publish("public", build, backfill("first"))

    monkeypatch.setattr(publish, "_fill", meanwhile)
    with pytest.raises(Problem, match="overtaken"):
        publish.publish("public", build, backfill("second"))
    current = releases.current("public")
    assert current and current["build_id"] == build.build_id


def test_a_release_is_complete_documented_and_read_only(root: Path) -> None:
    folder = releases.link("internal").resolve()
    names = {file.name for file in folder.iterdir()}
    assert names == {
        "ekspor.duckdb",
        "index.html",
        "control_totals.csv",
        "release.json",
        "SHA256SUMS",
    }
    assert all(file.stat().st_mode & 0o222 == 0 for file in folder.iterdir())
    assert releases.rot(folder) == []
    database = folder / "ekspor.duckdb"
    assert query(database, "SELECT count(*) FROM duckdb_tables() WHERE comment IS NULL") == [(0,)]
    uncommented = "SELECT count(*) FROM duckdb_columns() WHERE comment IS NULL AND NOT internal"
    assert query(database, uncommented) == [(0,)]
    schemas = query(database, "SELECT DISTINCT schema_name FROM duckdb_tables() ORDER BY ALL")
    assert schemas == [("mart",), ("meta",)]
    types = query(database, "SELECT DISTINCT data_type FROM duckdb_columns() WHERE NOT internal")
    allowed = {"VARCHAR", "BOOLEAN", "INTEGER", "BIGINT", "DOUBLE", "DATE", "TIMESTAMP"}
    assert {t for (t,) in types if not t.startswith("DECIMAL(")} <= allowed
    tags = query(database, "SELECT tags FROM duckdb_databases() WHERE database_name = 'ekspor'")
    assert "v1.0.0" in str(tags)


def test_rot_is_found(root: Path) -> None:
    page = releases.link("internal").resolve() / "index.html"
    page.chmod(0o600)
    page.write_text("changed by hand")
    payload = store.landings("eska")[0].payload
    payload.chmod(0o600)
    payload.write_bytes(b"changed by hand")
    found = "\n".join(verify.verify())
    assert "index.html" in found and str(payload) in found


# --- crash and concurrency: the real CLI in processes of its own ---------------------------------


def spawn(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [Path(sys.executable).parent / "ipska", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def run_arguments(reason: str) -> list[str]:
    return ["backfill", "--from", str(FIRST), "--to", str(LAST), "--reason", reason]


def change_some(root: Path) -> None:
    """Three slices are delivered again with one row less."""
    for office in ("BGR", "BKS", "CRB"):
        victim = sorted((root / "deliveries" / office).glob("*_2024-07_*.csv"))[-1]
        victim.write_bytes(b"".join(victim.read_bytes().splitlines(keepends=True)[:-1]))


def test_killed_at_any_moment_current_stays_and_a_rerun_completes(root: Path) -> None:
    change_some(root)
    before = releases.current("internal")
    assert before
    # The moments are where the run leaves its first trace of a step: no sleeping, no guessing.
    traces = {
        "landing": lambda: len(store.landings("eska")),
        "work": lambda: sum(1 for _ in (root / "data" / "work").rglob("*")),
        "verdicts": lambda: sum(1 for _ in (root / "data" / "verdicts").rglob("*.json")),
        "builds": lambda: sum(1 for _ in (root / "data" / "builds").iterdir()),
        "releases": lambda: sum(1 for _ in (root / "data/internal/releases").iterdir()),
    }
    killed = defaultdict(int)
    for name, count in traces.items():
        start = count()
        process = spawn(*run_arguments(f"to be killed at {name}"))
        while process.poll() is None:
            if count() != start:
                os.killpg(process.pid, signal.SIGKILL)
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.005)
        killed[name] += process.returncode == -signal.SIGKILL
        now = releases.current("internal")
        assert now
        assert content(releases.database("internal"))  # readable whatever happened
    assert sum(killed.values()) >= 4, dict(killed)
    report = again("the clean rerun")
    assert report["exit_code"] in (0, 3)
    after = content(releases.database("internal"))
    # The same as a run that was never killed, in a data root of its own.
    fresh = root.parent / "fresh"
    shutil.copytree(root / "deliveries", fresh / "deliveries")
    with pytest.MonkeyPatch.context() as patch:
        use(patch, fresh)
        again("never killed")
        expected = content(releases.database("internal"))
    for table in ("growth_ranking", "region_month", "rule_sensitivity"):
        assert after[table] == expected[table], table


def test_two_runs_at_once_are_safe(root: Path) -> None:
    change_some(root)
    runs = [spawn(*run_arguments(f"run {name}")) for name in ("one", "two")]
    codes = [run.wait(300) for run in runs]
    assert set(codes) <= {0, 3}, codes
    final = again("afterwards")
    assert final["exit_code"] == 0 and not final["publish"]["published"]
    assert verify.verify() == []
    leftovers = [p for p in (root / "data").rglob(".*") if p.name != ".gitignore"]
    assert leftovers == []


# --- the command over a published release ---------------------------------------------------------


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The real `ipska`, in a process of its own."""
    ipska = Path(sys.executable).parent / "ipska"
    return subprocess.run([ipska, *arguments], capture_output=True, text=True, timeout=600)


@pytest.mark.parametrize("basis", ["domicile", "issuer"])
@pytest.mark.parametrize(("baseline", "base_year"), [("years_3", "2021"), ("prev_year", "2023")])
def test_the_ranking_command_gives_the_truth(
    root: Path, basis: str, baseline: str, base_year: str
) -> None:
    """27 rows and the unallocated, equal to what truth.json's months add up to."""
    done = command(
        *("rank", "--scope", "32", "--period-kind", "ytd", "--period-end", "2024-09-30"),
        *("--baseline", baseline, "--basis", basis, "--json"),
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["is_synthetic"] is True
    assert answer["release"] and answer["rule"]["eligibility_min_exporters"] == 3
    assert len(answer["rows"]) == 28
    sums: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for row in truth_of(root)["region_month"]:
        year, month = row["month"].split("-")
        if row["basis"] == basis and int(month) <= 9:
            sums[row["region_code"], year] += Decimal(row["fob_usd"])
    for row in answer["rows"]:
        now, base = sums[row["region_code"], "2024"], sums[row["region_code"], base_year]
        assert row["fob_usd"] == f"{now:.2f}"
        assert row["base_fob_usd"] == f"{base:.2f}"
        assert row["growth_usd"] == f"{now - base:.2f}"
        if base:
            assert row["growth_pct"] == pytest.approx(float(100 * (now - base) / base), rel=1e-9)
        else:
            assert row["growth_pct"] is None
    ranks = [row["growth_pct_rank"] for row in answer["rows"] if row["is_ranked"]]
    assert ranks[0] == 1 and ranks == sorted(ranks)
    (unallocated,) = [row for row in answer["rows"] if row["region_code"] == "3299"]
    assert not unallocated["is_ranked"]


def test_operators_commands_over_a_release(root: Path) -> None:
    listed = json.loads(command("quarantine", "list", "--json").stdout)
    faulty = [one for one in truth_of(root)["faults"] if one["severity"] == "critical"]
    assert sum(row["records"] for row in listed if row["rule_name"] != "sibling") > 0
    assert {row["rule_name"] for row in listed} - {"sibling"} <= {one["rule"] for one in faulty}
    unplaced = json.loads(command("quarantine", "list", "--unplaced", "--json").stdout)
    assert any(row["resolution"] == "ambiguous" for row in unplaced)
    assert command("plan", "--newest", "2024-09").returncode == 0
    (root / "deliveries/KBG/SINTETIS_KBG_2024-09_20241101T000000.csv").write_bytes(b"")
    planned = command("plan", "--newest", "2024-09", "--json")
    assert planned.returncode == 4
    busy = [row for row in json.loads(planned.stdout)["rows"] if row["state"] != "unchanged"]
    assert [(row["slice"], row["state"]) for row in busy] == [("KBG_2024-09", "new")]
    assert command("release", "--public", "--reason", "shown in a test").returncode == 0
    shown = command("rank", "--audience", "public", "--baseline", "prev_year")
    assert shown.returncode == 0 and "SYNTHETIC" in shown.stdout
    releases_ = json.loads(command("releases", "--json").stdout)
    assert [row["audience"] for row in releases_ if row["current"]] == ["internal", "public"]
    assert command("rollback", "nothing", "--reason", "a test").returncode == 1
    first = releases_[0]["release_id"]
    assert command("rollback", first, "--reason", "a test").returncode == 0
    assert "held" in command("status").stdout
    assert command("release", "--resume", "--reason", "mended").returncode == 0
    assert "held" not in command("status").stdout
    assert command("verify").returncode == 0
    status = json.loads(command("status", "--months", "200", "--json").stdout)
    assert (status["running"], status["lock"], status["hold"]) == ([], None, None)
    (row,) = [row for row in status["freshness"] if row["month"] == "2024-09"]
    assert (row["feed"], row["fresh"], row["not_fresh"]) == ("eska", 12, [])
    assert 0 < row["quarantined_pct"] < 100
    assert all(one["month"] > "2024-09" for one in status["late"]) and status["late"]
    assert "2024-09" in command("status", "--months", "200").stdout
