"""What may go wrong with a night: bad files, older ones, a gate, a rollback, two runs at once."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import two_months
from nights import content, query
from pipeline import (
    builds,
    flow,
    ledger,
    notify,
    publish,
    rejections,
    releases,
    requests,
    settings,
    store,
    verify,
)
from pipeline.messages import Problem
from test_cli import call
from two_months import Facts, change, rewrite


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A root of two months with a release."""
    root = tmp_path_factory.mktemp("small") / "root"
    with pytest.MonkeyPatch.context() as patch:
        two_months.use(patch, root)
        two_months.prepare(root)
        two_months.run()
    settings.settings.cache_clear()
    yield root


@pytest.fixture
def root(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    two_months.use(monkeypatch, two_months.copy(small, tmp_path / "copy"))
    return tmp_path / "copy"


def again(reason: str = "once more") -> Facts:
    return two_months.run(reason)


def files(root: Path) -> set[str]:
    return {
        str(p.relative_to(root))
        for p in (root / "data").rglob("*")
        if "ledger" not in p.parts and "work" not in p.parts
    }


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
    rewrite(victim, victim.read_bytes()[:-200].replace(b"no_ska;", b"nomor;", 1))
    change(root, "BGR")
    report = again("a corrupt file")
    assert report["exit_code"] == 3
    assert len(report["extract"]["landed"]) == 2
    (refused,) = report["validate"]["refused"]
    assert refused["delivery_id"].startswith("eska/BKS_2024-09/")
    (problem,) = refused["problems"]
    for language, word in (("en", "Refused"), ("id", "Ditolak")):
        reason = f"{word} BKS_2024-09: {problem[language]} docs/runbook.md#header_mismatch"
        assert reason in report[f"text_{language}"].splitlines()
    assert "ipska quarantine list --refused" in report["text_en"].splitlines()[-1]
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


def test_a_night_that_stops_says_what_was_refused_and_the_next_one_says_it_again(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim = sorted((root / "deliveries" / "BKS").glob("*_2024-09_*.csv"))[-1]
    rewrite(victim, b"")
    with monkeypatch.context() as patch:
        patch.setattr(flow, "_build", lambda *_: (_ for _ in ()).throw(Problem("cancelled")))
        stopped = again("it stops")
    assert (stopped["exit_code"], stopped["failed_at"]) == (1, "build")
    assert "Refused BKS_2024-09: " in stopped["text_en"]
    assert f"refused {stopped['validate']['refused'][0]['delivery_id']}" in notify.wrong(stopped)
    report = again("it goes on")
    assert report["exit_code"] == 3 and report["validate"]["refused"] == []
    assert "Refused BKS_2024-09: " in report["text_en"]
    assert "docs/runbook.md#zero_bytes" in report["text_en"]
    known = again("nothing is new")["text_en"]
    assert "Refused BKS_2024-09" not in known and "ipska quarantine list --refused" in known


def test_what_stands_refused_is_listed_until_a_sound_one_comes(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert flow.refused() == []
    for at, office in enumerate(("BKS", "BGR")):
        victim = sorted((root / "deliveries" / office).glob("*_2024-09_*.csv"))[-1]
        sound = victim.read_bytes()
        rewrite(victim, b"")
        flow.validate(request := two_months.request("bad"), flow.extract(request))
        assert len(flow.refused()) == at + 1
    out = call(capsys, "quarantine", "list", "--refused")[1]
    assert out.count("docs/runbook.md#zero_bytes") == 2 and "Ask the office to send it" in out
    rewrite(victim, sound + sound.splitlines(keepends=True)[-1])
    (landed,) = flow.extract(request)["landed"]
    flow.validate(request, {})
    assert [one["delivery_id"].split("/")[1] for one in flow.refused()] == ["BKS_2024-09"]
    rejections.reject(landed, "a line twice")
    told = {one["delivery_id"]: one["problems"][0]["code"] for one in flow.refused()}
    assert told.pop(landed) == "rejected"
    assert [*told.values()] == ["zero_bytes"] * 2, "what it had replaced stands again"


def test_an_older_extract_counts_only_by_force(root: Path) -> None:
    newest = sorted((root / "deliveries" / "KRW").glob("*_2024-08_*.csv"))[-1]
    older = newest.with_name("SINTETIS_KRW_2024-08_20240901T000001.csv")
    older.write_bytes(b"".join(newest.read_bytes().splitlines(keepends=True)[:-1]))
    refused = again("an older extract")
    assert [one["delivery_id"].split("/")[1] for one in refused["validate"]["refused"]] == [
        "KRW_2024-08"
    ]
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
    def broken(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(flow, "build", broken)
    with pytest.raises(RuntimeError, match="a fault of ours"):
        again("a fault")
    last = ledger.entries()[-1]
    assert (last["reason"], last["failed_at"], last["exit_code"]) == (
        "a fault",
        "build",
        1,
    )


def test_an_older_build_does_not_replace_a_newer_release(root: Path) -> None:
    now = releases.current("internal")
    assert now
    old = builds.find(now["build_id"])
    older = builds.Build(old.build_id, {**old.facts, "newest_landed_at": "2000-01-01T00:00:00"})
    with pytest.raises(Problem, match="stale_build"):
        publish.publish("internal", older, two_months.request("late"))
    assert releases.current("internal") == now


def test_a_rollback_holds_until_it_is_resumed(root: Path) -> None:
    first = releases.current("internal")
    change(root, "KRW")
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
    change(root, "KRW")
    (landed,) = again("a changed slice")["extract"]["landed"]
    rejections.reject(landed, "a line is missing")
    report = again("without it")
    assert report["publish"]["published"] and report["exit_code"] == 0
    assert [one["slice"] for one in report["stale"]] == ["KRW_2024-09"]
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


def spawn(*arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "pipeline", *arguments]
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )


def test_two_runs_at_once_are_safe(root: Path) -> None:
    change(root, "BGR", "BKS", "CRB")
    months = ("--from", str(two_months.FIRST), "--to", str(two_months.LAST))
    runs = [spawn("backfill", *months, "--reason", f"run {name}") for name in ("one", "two")]
    codes = [run.wait(300) for run in runs]
    assert set(codes) <= {0, 3}, codes
    final = again("afterwards")
    assert final["exit_code"] == 0 and not final["publish"]["published"]
    assert verify.verify() == []
    leftovers = [p for p in (root / "data").rglob(".*") if p.name != ".gitignore"]
    assert leftovers == []
