"""One path through the whole house, and what may go wrong on it."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import defaultdict
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import pytest

from nights import FIRST, LAST, Facts, again, backfill, content, query, truth_of, use
from pipeline import (
    builds,
    duck,
    flow,
    ledger,
    publish,
    rejections,
    releases,
    requests,
    store,
    verify,
)
from pipeline.messages import Problem


def files(root: Path) -> set[str]:
    return {
        str(p.relative_to(root))
        for p in (root / "data").rglob("*")
        if "ledger" not in p.parts and "work" not in p.parts
    }


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
    forced = requests.backfill("2024-08", "2024-08", None, reason, store.now(), force=True)
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
