"""What is kept, what goes, and that nothing which a live process makes or uses ever goes."""

import json
import multiprocessing
import os
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import two_months
from pipeline import (
    builds,
    checks,
    duck,
    flow,
    ledger,
    prune,
    prune_cli,
    publish,
    releases,
    requests,
    running,
    settings,
    store,
    verify,
    vintages,
)
from pipeline.messages import Problem
from pipeline.releases import DATABASE
from test_cli import call

LATER = timedelta(days=2)


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data root after four two_months, each with something new: four builds, four releases."""
    root = tmp_path_factory.mktemp("two_months")
    with pytest.MonkeyPatch.context() as patch:
        two_months.use(patch, root)
        two_months.prepare(root)
        for office in ("", "BGR", "BKS", "CRB"):
            two_months.change(root, *filter(None, [office]))
            assert two_months.run(f"changed {office}")["publish"]["published"]
    settings.settings.cache_clear()
    yield root


@pytest.fixture
def root(four: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    two_months.use(monkeypatch, two_months.copy(four, tmp_path / "copy"))
    return tmp_path / "copy"


def keep(monkeypatch: pytest.MonkeyPatch, **numbers: int) -> None:
    for name, number in numbers.items():
        monkeypatch.setenv(f"IPSKA_KEEP_{name.upper()}", str(number))
    settings.settings.cache_clear()


def request(kind: str = "prune") -> dict[str, Any]:
    return {
        **{"run_id": ledger.new_run_id(kind), "kind": kind, "who": "a test", "reason": "a test"},
        "started_at": store.now().isoformat(),
    }


def why(kind: str) -> dict[str, str]:
    return {item.path.name: item.why for item in prune.plan() if item.kind == kind}


def ids() -> list[str]:
    return [release["release_id"] for release in releases.every("internal")]


def test_what_vanishes_meanwhile_stops_nobody(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run takes its work files away while prune counts; prune takes releases away while a build
    looks at their checks."""
    folder = root / "data" / "work" / ".half.0123456789abcdef0123456789abcdef"
    (folder / "inner").mkdir(parents=True)
    for name in ("a", "b", "inner/c"):
        (folder / name).write_text("12345")
    lstat = Path.lstat

    def first_gone(path: Path) -> os.stat_result:
        if path.name == "a":
            path.unlink(missing_ok=True)
        return lstat(path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "lstat", first_gone)
        assert prune._size(folder) == 10
    assert prune._size(folder / "b") == 5

    kept, read = releases.every("internal"), store.read_json
    assert checks._shares(kept[0])
    assert checks._shares({"release_id": "20240101T000000000000Z-gone"}) == {}
    connect = duck.connect

    def too_late(file: Path, **more: Any) -> duck.Connection:
        store.remove(file.parent)
        return connect(file, **more)

    def vanishing(path: Path) -> Any:
        if kept[1]["release_id"] in path.parts:
            raise FileNotFoundError
        return read(path)

    with monkeypatch.context() as patch:
        patch.setattr(store, "read_json", vanishing)
        assert releases.every("internal") == [kept[0], *kept[2:]]
        patch.setattr(duck, "connect", too_late)
        assert checks._shares(kept[0]) == {}


def test_what_is_kept_says_why_and_what_goes_is_in_the_ledger(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(monkeypatch, builds=2, releases=2)
    made = [release["build_id"] for release in releases.every("internal")]
    assert [why("build")[one] for one in made] == ["old", "old", "newest", "stands"]
    first, second, third, fourth = ids()
    assert why("release") == {
        first: "old", second: "old", third: "newest", fourth: "current"
    }  # fmt: skip
    before = {path for path in (root / "data").rglob("*") if path.is_file()}
    sizes = sum(path.stat().st_size for path in before - {root / "data" / "publish.lock"})
    before.discard(root / "data" / "publish.lock")  # a note of who has it
    entry = prune.prune(request())
    assert {*entry["builds"]} == {*made[:2]}
    assert entry["releases"] == [f"internal/{first}", f"internal/{second}"]
    gone = before - {path for path in (root / "data").rglob("*") if path.is_file()}
    assert entry["bytes"] == sizes - sum(path.stat().st_size for path in before - gone)
    kinds = {path.relative_to(root / "data").parts[0] for path in gone}
    assert kinds == {"builds", "internal"}
    assert ledger.entries()[-1] == entry
    assert ids() == [third, fourth] and verify.verify() == []
    assert not two_months.run("nothing is new")["build"]["built"]
    assert prune.prune(request())["counts"] == {}
    assert ledger.entries()[-1]["kind"] == "backfill"  # nothing went, nothing is said


def test_a_pruned_release_cannot_be_rolled_back_to_and_says_so(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(monkeypatch, releases=1)
    first, *_, last = ids()
    entry = prune.prune(request())
    with pytest.raises(Problem, match="release_pruned") as raised:
        publish.roll_back(first, request("rollback"))
    for language in ("en", "id"):
        assert entry["run_id"] in raised.value.text(language)
        assert "--as-of" in raised.value.text(language)
    assert ledger.hold() is None
    now = releases.current("internal")
    assert now and now["release_id"] == last
    with pytest.raises(Problem, match="no_release"):
        publish.roll_back("20200101T000000000000Z-00000000", request("rollback"))


def test_a_rollback_keeps_both_ends_and_the_way_forward(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(monkeypatch, builds=1, releases=1)
    _, second, *_, last = ids()
    publish.roll_back(second, request("rollback"))
    entry = ledger.hold()
    assert entry and (entry["from_release_id"], entry["release_id"]) == (last, second)
    assert why("release") == {
        **dict.fromkeys(ids(), "old"), second: "current", last: "held"
    }  # fmt: skip
    prune.prune(request())
    build = releases.current("internal")
    assert build and builds.exists(build["build_id"])
    publish.roll_back(last, request("rollback"))
    forward = ledger.hold()
    assert forward and (forward["from_release_id"], forward["release_id"]) == (second, last)


def test_a_public_rollback_holds_public_releases_only(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(monkeypatch, builds=1, releases=1)
    first, *_, last = ids()
    place = root / "data" / "public" / "releases"
    for name in (first, last):
        shutil.copytree(root / "data" / "internal" / "releases" / name, place / name)
    releases.switch("public", place / last)
    assert call(capsys, "rollback", first, "--public", "--reason", "a leak")[0] == 0
    now = [releases.current(audience) for audience in releases.AUDIENCES]
    assert [one and one["release_id"] for one in now] == [last, first]
    build = builds.find(releases.every("internal")[-1]["build_id"])
    with pytest.raises(Problem, match="publishing_held"):
        publish.publish("public", build, request("public"))
    assert ledger.hold() is None and not publish.publish("internal", build, request())["published"]
    assert vintages.release_at(store.now())["release_id"] == last
    assert "public, a leak" in call(capsys, "status")[1]
    fates = {(item.path.parts[-3], item.path.name): item.why for item in prune.plan()}
    assert (fates["public", first], fates["public", last]) == ("current", "held")

    assert call(capsys, "release", "--resume", "--reason", "mended")[0] == 0
    assert ledger.hold("public") is None
    told = publish._last("public")
    assert told and told[0].parent.name == last, "readers may still have it"
    of_first, of_last = (releases.every("public")[at]["build_id"] for at in (0, -1))
    assert why("build")[of_first] == why("build")[of_last] == "stands"


def test_each_months_last_stays_by_the_countrys_calendar(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(monkeypatch, releases=1)
    folder = root / "data" / "internal" / "releases"
    made = {  # 30 September 17:30 UTC is October in Jakarta
        "20240930T163000000000Z-aaaaaaaa": "month",
        "20240930T173000000000Z-bbbbbbbb": "old",
        "20241031T163000000000Z-cccccccc": "month",
    }
    for name in made:
        facts = {"release_id": name, "previous_release_id": None}
        store.write_json(folder / name / "release.json", facts)
        ledger.record({**request("old"), "publish": {"release_id": name}})
    found = why("release")
    assert {name: found[name] for name in made} == made


def test_a_release_that_was_never_current_goes(root: Path) -> None:
    name = f"{store.stamp(store.now())}-dddddddd"
    folder = root / "data" / "internal" / "releases" / name
    facts = {"release_id": name, "previous_release_id": ids()[-1]}
    store.write_json(folder / "release.json", facts)
    with store.in_use():  # somebody may be about to switch to it
        assert why("release")[name] == "in_use"
    assert why("release")[name] == "never"
    prune.prune(request())
    assert not folder.exists() and len(ids()) == 4


def test_a_build_of_an_as_of_question_makes_no_other_old(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(monkeypatch, builds=1)
    asked = ids()[1]
    before = builds.find(releases.every("internal")[1]["build_id"])
    store.remove(builds.folder_of(before.build_id))
    flow.build_as_of(store.parse_stamp(asked))
    assert why("build")[before.build_id] == "old"  # as a night that made it left it
    for entry in ledger.entries():  # as if no night had ever made it
        if (entry.get("build") or {}).get("build_id") == before.build_id:
            (root / "data" / "ledger" / f"{entry['run_id']}.json").unlink()
    assert why("build")[before.build_id] == "unended"
    monkeypatch.setattr(running, "FORGOTTEN_S", 0)
    assert why("build")[before.build_id] == "as_of"


def test_what_was_pruned_is_answered_as_of_then(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(monkeypatch, builds=1, releases=1)
    first = releases.every("internal")[0]
    then = vintages.fingerprints(releases.folder_of("internal", first["release_id"]) / DATABASE)
    prune.prune(request())
    assert releases.database_of("internal", first["release_id"]) is None
    moment = store.parse_stamp(first["release_id"])
    assert vintages.rules_at(moment).name == first["rules_sha"]
    asked = ("--period-kind", "month", "--baseline", "prev_period", "--rules", "today", "--json")
    code, shown, _ = call(capsys, "rank", "--as-of", moment.isoformat(), *asked)
    assert code == 0
    assert json.loads(shown)["release"] == f"build {first['build_id']}"
    assert vintages.fingerprints(builds.find(first["build_id"]).database) == then
    for path in (root / "data" / "ledger").iterdir():  # as a program before this one wrote it
        entry = store.read_json(path)
        (entry.get("publish") or {}).pop("rules_sha", None)
        store.write_json(path, entry)
    with pytest.raises(Problem, match="nothing_then"):
        vintages.rules_at(moment)
    assert vintages.rules_at(store.now()).is_dir()


def test_files_of_rules_that_no_kept_build_knows_go_and_the_newest_verdict_stays(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A changed limit is another rule: all deliveries are judged again."""
    keep(monkeypatch, builds=1)
    files = len(list((root / "data" / "verdicts").rglob("*.json")))
    before = {*(root / "data" / "accepted").rglob("*.parquet")}
    monkeypatch.setenv("IPSKA_MAX_COLUMNS", "999")
    settings.settings.cache_clear()
    wanted = two_months.request("judged, and killed before its build")
    flow.validate(wanted, {})
    running.clear(wanted)
    assert len(list((root / "data" / "verdicts").rglob("*.json"))) == 2 * files
    assert not why("file"), "one is of the kept build, the other the newest"
    assert two_months.run("judged under new rules")["publish"]["published"]
    gone = prune.prune(request())
    assert gone["counts"]["file"] >= 2 * files
    assert len(list((root / "data" / "verdicts").rglob("*.json"))) == files
    assert not before & {*(root / "data" / "accepted").rglob("*.parquet")}
    report = two_months.run("nothing is new")
    assert report["validate"]["validated"] == 0 and not report["build"]["built"]


def _hold_half_made(root: Path, ready: Any, done: Any) -> None:
    final = store.home() / "builds" / "0123456789abcdef"
    with store.new_directory(final) as folder, store.half_made(store.home() / "work" / "x"):
        (folder / "half").write_text("half")
        ready.set()
        done.wait(60)


def test_the_half_made_of_the_living_stays_and_of_the_dead_goes(root: Path) -> None:
    context = multiprocessing.get_context("fork")
    ready, done = context.Event(), context.Event()
    maker = context.Process(target=_hold_half_made, args=(root, ready, done))
    maker.start()
    assert ready.wait(30)
    assert sorted(why("half_made").values()) == ["alive", "alive"]
    assert "half_made" not in prune.prune(request())["counts"]
    assert len(why("half_made")) == 2
    maker.kill()
    maker.join(30)
    assert sorted(why("half_made").values()) == ["dead", "dead"]
    assert prune.prune(request())["counts"]["half_made"] == 2
    assert not list(store.hidden_under(store.home()))


def test_what_is_taken_before_its_maker_locks_it_is_made_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between making and locking it looks abandoned: the maker notices, and nothing is lost."""
    seen: list[Path] = []

    def make(path: Path) -> None:
        path.mkdir()
        seen.append(path)
        if len(seen) < 3:
            store.discard(path)  # what prune does at the worst moment

    with store.half_made(tmp_path / "thing", make) as beside:
        assert beside.is_dir() and beside == seen[2]
    assert list(tmp_path.iterdir()) == []


def test_while_a_step_works_nothing_of_its_goes(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(monkeypatch, builds=1)
    download = store.home() / "work" / "partial" / ("0" * 32)
    download.parent.mkdir(exist_ok=True)
    download.write_bytes(b"half")
    with store.in_use():
        assert set(why("build").values()) == {"stands", "in_use"} and not why("download")
        assert prune.prune(request())["builds"] == []
    assert why("download") == {download.name: "dead"}
    assert len(prune.prune(request())["builds"]) == 3
    assert not download.exists()


def test_notes_of_dead_runs_go_after_a_day(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = two_months.request("killed")
    running.mark(wanted, "build")
    note = running.file_of(wanted)
    facts = store.read_json(note)
    store.write_json(store.home() / "work" / f"{wanted['run_id']}.problem.json", {"code": "x"})
    assert not why("note")
    store.write_json(note, {**facts, "pid": 2**22 + 1})  # beyond what Linux numbers
    assert not why("note"), "status still tells of it"
    now = store.now()
    monkeypatch.setattr(store, "now", lambda: now + LATER)
    assert why("note") == {note.name: "dead"}
    prune.prune(request())
    assert prune.prune(request())["counts"] == {"note": 1}  # its problem, with nobody to tell it
    assert not list((root / "data" / "work").glob("2*"))


def test_a_night_prunes_at_its_end_and_a_failure_is_told_and_reddens_nothing(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(monkeypatch, builds=1, releases=2)
    wanted = {**requests.nightly(store.now(), 1, str(two_months.LAST)), "who": "somebody"}
    report = flow.run(wanted, tell=lambda _: None)
    assert report["exit_code"] == 0
    assert "Pruned: build 3, release 2" in report["text_en"]
    assert "Dibersihkan: build 3, release 2" in report["text_id"]
    entry = ledger.entries()[-1]
    assert (entry["kind"], entry["reason"]) == ("prune", wanted["run_id"])

    def broken(_: Any) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(prune, "prune", broken)
    again = requests.nightly(store.now(), 1, str(two_months.LAST))
    report = flow.run(again, tell=lambda _: None)
    assert report["exit_code"] == 0 and "Input/output error" in report["text_en"]


def test_the_command_says_first_and_does_it_only_when_told(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(monkeypatch, builds=1, releases=1)
    monkeypatch.setattr(prune_cli.out, "_file", None)
    files = {*(root / "data").rglob("*")}
    prune_cli.command(as_json=True)
    rows = json.loads(capsys.readouterr().out)
    assert {row["why"] for row in rows if not row["goes"]} == {"stands", "current"}
    assert sum(row["goes"] for row in rows) == 6 and all(row["bytes"] > 0 for row in rows)
    assert {*(root / "data").rglob("*")} == files
    prune_cli.command()
    shown = capsys.readouterr().out
    assert "akan dihapus / would go" in shown and "--yes" in shown
    with pytest.raises(Problem, match="no_reason"):
        prune_cli.command(yes=True)
    prune_cli.command(yes=True, reason="the disk is filling", as_json=True)
    done = json.loads(capsys.readouterr().out)
    assert (len(done["builds"]), len(done["releases"])) == (3, 3)
    assert done["who"] == ledger.operator() and done["reason"] == "the disk is filling"


def test_links_left_by_a_killed_switch_go(root: Path) -> None:
    prune.prune(request())
    link = root / "data" / "internal" / f".current.{'a' * 32}"
    link.symlink_to("releases")
    os.mkfifo(root / "data" / "work" / "unknown")  # not ours to remove, nor to wait for
    assert prune.prune(request())["counts"] == {"half_made": 1}
    assert not link.is_symlink() and releases.current("internal")


def test_what_is_removed_is_gone_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "release").mkdir()
    (tmp_path / "release" / "a").write_text("a")
    monkeypatch.setattr(store, "discard", lambda _: None)  # killed before it
    store.remove(tmp_path / "release")
    (left,) = tmp_path.iterdir()
    assert [left] == list(store.hidden_under(tmp_path))
    with store.abandoned(left) as is_dead:
        assert is_dead
