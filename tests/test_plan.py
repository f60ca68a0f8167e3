"""The plan: what a run would do, tried; then the run does it, and the data root never noticed."""

import fcntl
import hashlib
import importlib
import json
import logging
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline import (
    changes,
    duck,
    flow,
    layouts,
    plan,
    rankings,
    rejections,
    releases,
    requests,
    settings,
    store,
)
from pipeline.messages import texts
from servers import web_server
from test_cli import call
from test_dags import delivery

Facts = dict[str, Any]
FIRST, LAST = "2024-07", "2024-09"
OFFICES = ("BGR", "CRB", "DPK")
FEEDS = """
[eska]
layout = "eska_v2"
url = "{deliveries}/{office}/*_{office}_{period}_*.csv"
mode = "snapshot"
offices = ["BGR", "CRB", "DPK"]
first_month = "2024-07"
"""


def use(patch: pytest.MonkeyPatch, root: Path, **more: str) -> None:
    """Point the pipeline at root/data, root/deliveries and root/tmp for what is temporary."""
    (root / "tmp").mkdir(parents=True, exist_ok=True)
    patch.setattr(tempfile, "tempdir", str(root / "tmp"))
    for name, value in {
        "HOME": str(root / "data"), "DELIVERIES": str(root / "deliveries"),
        "FEEDS": str(root / "feeds.toml"), **more,
    }.items():  # fmt: skip
        patch.setenv(f"IPSKA_{name}", value)
    settings.settings.cache_clear()
    layouts.load_layout.cache_clear()


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Three offices' three months, and the data root after one run. Read only: see `root`."""
    root = tmp_path_factory.mktemp("plan")
    (root / "feeds.toml").write_text(FEEDS)
    for office in OFFICES:
        for month in ("2024-07", "2024-08", "2024-09"):
            deliver(root, office, month)
    with pytest.MonkeyPatch.context() as patch:
        use(patch, root)
        done = flow.run(wanted(), tell=lambda _: None)
        assert done["publish"]["published"]
    settings.settings.cache_clear()
    yield root


@pytest.fixture
def root(night: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    shutil.copytree(night, tmp_path / "copy", symlinks=True)
    use(monkeypatch, tmp_path / "copy")
    yield tmp_path / "copy"
    assert list((tmp_path / "copy" / "tmp").iterdir()) == [], "the trial is gone"
    settings.settings.cache_clear()


def wanted(first: str = FIRST, last: str = LAST, **more: Any) -> Facts:
    return requests.backfill(first, last, "eska", "a test", store.now(), **more)


def state_of(folder: Path) -> str:
    """A hash of every name, size, time and mode under a folder."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        stat = path.lstat()
        digest.update(f"{path} {stat.st_size} {stat.st_mtime_ns} {stat.st_mode}".encode())
    return digest.hexdigest()


def deliver(root: Path, office: str, month: str, exporters: int = 4, at: str = "00") -> Path:
    file = root / "deliveries" / office / f"X_{office}_{month}_20241001T{at}0000.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(delivery(office, month, exporters) if exporters else "", "utf-8")
    return file


def row_of(found: Facts, slice_code: str) -> Facts:
    """The one row of a slice that isn't as it was."""
    rows = [one for one in found["rows"] if one["slice"] == slice_code]
    (row,) = [one for one in rows if one["state"] != "unchanged"]
    return row


def test_nothing_to_do_is_said_without_a_trial(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(plan, "_trial", lambda: pytest.fail("nothing was to be tried"))
    before = state_of(root / "data")
    code, out, _ = call(capsys, "plan", "--from", FIRST, "--to", LAST)
    assert code == 0 and "Nothing to do" in out and "Tidak ada pekerjaan" in out
    found = json.loads(call(capsys, "plan", "--from", FIRST, "--to", LAST, "--json")[1])
    assert not found["work"] and {row["state"] for row in found["rows"]} == {"unchanged"}
    assert state_of(root / "data") == before


def test_a_plan_says_what_the_run_then_does(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = deliver(root, "BGR", "2024-08", 5, "01")
    deliver(root, "CRB", "2024-09", 0, "01")
    outside = root / "elsewhere.csv"
    outside.write_text("x")
    (root / "deliveries/DPK/X_DPK_2024-09_20241001T010000.csv").symlink_to(outside)
    before, old = state_of(root / "data"), releases.database("internal")
    options = ["--from", "2024-08", "--to", LAST]
    code, out, _ = call(capsys, "plan", *options, "--json")
    found = json.loads(out)
    assert code == 4 and state_of(root / "data") == before
    assert settings.settings().home == root / "data"

    changed = row_of(found, "BGR_2024-08")
    assert (changed["state"], changed["verdict"], changed["rules"]) == ("new", "accepted", [])
    assert changed["new"]["sha8"] == store.sha256_of(more)[:8] != changed["old"]["sha8"]
    assert (changed["old"]["records"], changed["new"]["records"]) == (4, 5)
    assert (changed["old"]["usd"], changed["new"]["usd"]) == ("100000.00", "110000.00")
    refused = row_of(found, "CRB_2024-09")
    assert (refused["verdict"], refused["rules"]) == ("refused", ["zero_bytes"])
    assert [r["state"] for r in found["rows"] if r["slice"] == "DPK_2024-09"] == ["failed"]
    assert found["release"] and found["stopped"] is None
    assert list(found["seconds"]) == ["extract", "validate", "build", "publish"]
    assert min(found["seconds"].values()) >= 0 < found["seconds"]["build"]

    done = flow.run(wanted("2024-08"), tell=lambda _: None)
    assert done["publish"]["published"] == found["release"]
    assert {one.split("/")[1] for one in done["extract"]["landed"]} == {
        row["slice"] for row in found["rows"] if "new" in row
    }
    assert [one["delivery_id"] for one in done["validate"]["refused"]] == [
        one for one in done["extract"]["landed"] if "/CRB_2024-09/" in one
    ]
    build = store.home() / "builds" / done["publish"]["build_id"] / "warehouse.duckdb"
    asked = {"scope_code": "32", "basis": "domicile", "league": "all"}
    ranks = changes.between("rank", build, old, asked)
    assert ranks and [(one["region_code"], one["old_rank"], one["new_rank"]) for one in ranks] == [
        (one["region_code"], one["old_rank"], one["new_rank"]) for one in found["ranks"]
    ]
    ends = [one["period_end"] for one in found["ranks"]]
    assert ends == sorted(ends, reverse=True)
    shifted = {(one["period_kind"], one["baseline"], one["period_end"]): one
               for one in found["periods"]}  # fmt: skip
    itself = shifted["month", "prev_period", "2024-08-31"]
    later = shifted["month", "prev_period", "2024-09-30"]
    assert (itself["is_part"], itself["is_base"]) == (True, False)
    assert (later["is_part"], later["is_base"]) == (False, True)
    assert ("month", "prev_period", "2024-07-31") not in shifted

    # And what readers see says which run it was, and what changed.
    release = releases.current("internal")
    assert release and release["run_id"] == done["run_id"]
    assert (release["run_kind"], release["run_months"], release["run_feeds"]) == (
        "backfill", "2024-08 – 2024-09", "eska",
    )  # fmt: skip
    assert release["changed_slices"] == "BGR_2024-08"
    with duck.connect(releases.database("internal"), read_only=True) as con:
        (row,) = duck.rows(con, "FROM meta.release")
        told = con.execute("SELECT count(*) FROM meta.dictionary WHERE column_name LIKE 'run_%'")
        assert told.fetchall() == [(4,)]
    names = ("run_id", "run_kind", "run_months", "run_feeds", "changed_slices", "reason")
    assert [row[name] for name in names] == [release[name] for name in names]
    assert row["published_by"] == "operator" and row["reason"] == "a test"
    assert "release before, another first:\n  #1: " in done["text_en"]
    assert "peringkat pertama yang berganti:\n  #1: " in done["text_id"]


def test_the_text_is_short_in_both_languages_and_holds_no_escape(root: Path) -> None:
    rows = [
        {"feed": "eska", "slice": f"BGR_2024-{n % 12 + 1:02}", "state": "failed",
         "source": f"\x1b[31m{n}"} for n in range(50)
    ]  # fmt: skip
    rows.append({
        "feed": "eska", "slice": "KBG_2024-01", "state": "changed", "source": "x", "old": None,
        "new": {"sha8": "12345678", "records": 1234, "usd": 1234567}, "verdict": "refused",
        "rules": ["too_few"], "quarantined_records": 0,
    })  # fmt: skip
    rank = {"period_kind": "ytd", "period_end": "2024-09-30", "baseline": "years_3",
            "region_name": "Kab. \x1b[31m", "old_rank": None, "new_rank": 3}  # fmt: skip
    found = {"rows": rows, "work": True, "rules_changed": True, "release": True, "stopped": None,
             "replaces": None,
             "moved": {"rank_shifted": ["a: 1 → 4"]}, "ranks": [rank] * 30, "periods": [],
             "seconds": {"extract": 1.2, "build": 3.4}}  # fmt: skip
    english, indonesian = plan.text(found, "en"), plan.text(found, "id")
    assert "\x1b" not in english + indonesian
    first = "eska KBG_2024-01  changed: – → 12345678 (1,234 records, US$ 1,234,567.00)"
    assert f"{first}; refused: too_few, 0 set aside" in english.splitlines()[1]
    assert "1.234 baris, US$ 1.234.567,00" in indonesian
    assert "… and 31 more" in english and "… and 10 more" in english
    assert "ytd 2024-09-30 years_3  Kab. \\x1b[31m: – → 3" in english
    assert "about 5 s, as measured" in english and "sekitar 5 detik" in indonesian
    for name in ("plan", "report", "words"):
        words = texts(name)
        assert words["en"].keys() == words["id"].keys()


def test_every_rule_of_movement_has_words_in_both_languages() -> None:
    file = settings.settings().expectations / "movement.json"
    rules = {one["meta"]["rule"] for one in json.loads(file.read_text())["expectations"]}
    assert len(rules) > 4 and all(rules <= texts("report")[name].keys() for name in ("en", "id"))


def test_a_run_that_movement_would_stop_is_said_to_be(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "ipska")
    deliver(root, "BGR", "2024-08", 9, "01")
    found = plan.made(wanted("2024-08"))
    lines = [record.getMessage() for record in caplog.records if record.name == "ipska"]
    assert len(lines) > 5 and all(" trial=yes " in line for line in lines)
    assert list(found["seconds"]) == ["extract", "validate", "build", "publish"]
    assert found["work"] and not found["release"]
    assert found["stopped"]["code"] == "movement" and found["stopped"]["moved"]
    assert found["ranks"], "from the build that was stopped"
    text = plan.text(found, "en")
    assert "NO release would follow." in text and found["stopped"]["moved"][0] in text
    for told in (text, plan.text(found, "id")):
        assert "`ipska backfill --from 2024-08 --to 2024-09 --accept movement --reason" in told
        assert "ipska release" not in told, "the build is gone with the trial"
    night = plan.made(requests.nightly(store.now(), 1, LAST))
    assert "`ipska run --accept movement --reason" in plan.text(night, "en")
    accepted = plan.made(wanted("2024-08", accept="movement"))
    current = releases.current("internal")
    assert accepted["release"] and current
    assert f"in place of {current['release_id']}; the public one" in plan.text(accepted, "en")


def test_what_was_judged_and_never_published_is_named(root: Path) -> None:
    """After a stop by movement, say: the files are unchanged, and the rules are the same."""
    deliver(root, "BGR", "2024-08", 9, "01")
    deliver(root, "CRB", LAST, 0, "01")
    assert flow.run(wanted(), tell=lambda _: None)["problem"]["code"] == "movement"
    found = plan.made(wanted())
    assert found["work"] and not found["rules_changed"] and found["stopped"]["code"] == "movement"
    row = row_of(found, "BGR_2024-08")
    assert (row["state"], row["verdict"]) == ("unpublished", "accepted")
    assert (row["old"]["records"], row["new"]["records"]) == (4, 9)
    assert row_of(found, "CRB_2024-09")["verdict"] == "refused"
    text = plan.text(found, "en")
    assert "landed and judged, not published 2" in text and "Rules, program" not in text
    (published,) = (one["delivery_id"] for one in flow.judged() if "/DPK_2024-09/" in
                    one["delivery_id"])  # fmt: skip
    rejections.reject(published, "wrong month")
    assert plan.made(wanted())["rules_changed"]
    rejections.reject(published, "it was right", undo=True)
    assert flow.run(wanted(accept="movement"), tell=lambda _: None)["publish"]["published"]
    assert not plan.made(wanted())["work"]


class Broken(Exception):
    pass


def fail(*_: Any, **__: Any) -> None:
    raise Broken


def terminate(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize(("trouble", "error"), [(fail, Broken), (terminate, KeyboardInterrupt)])
@pytest.mark.parametrize("step", ["land.land", "validate.validate", "increment.load_on"])
def test_a_trial_that_breaks_or_is_stopped_leaves_nothing(
    root: Path, monkeypatch: pytest.MonkeyPatch, trouble: Any, error: Any, step: str
) -> None:
    deliver(root, "CRB", LAST, 3, "01")
    before = state_of(root / "data")
    module, name = step.split(".")
    monkeypatch.setattr(flow, "waiting", lambda: [])
    monkeypatch.setattr(importlib.import_module(f"pipeline.{module}"), name, trouble)
    with pytest.raises(error):
        plan.made(wanted(LAST))
    assert state_of(root / "data") == before
    assert settings.settings().home == root / "data"
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_what_a_killed_plan_left_goes_at_the_next_and_a_live_one_stays(root: Path) -> None:
    dead, alive = (root / "tmp" / f".ipska-plan.{sign * 32}" for sign in "0f")
    for folder in (dead, alive):
        (folder / "landing").mkdir(parents=True)
        (folder / "landing" / "payload").write_text("names of firms")
    deliver(root, "BGR", LAST, 5, "01")
    held = os.open(alive, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    assert plan.made(wanted(LAST))["work"]
    assert not dead.exists() and (alive / "landing" / "payload").exists()
    os.close(held)
    shutil.rmtree(alive)


def test_prune_takes_nothing_that_a_plan_looks_at(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has the lock of the real root while the steps of the trial have that of their own."""
    real, free = settings.settings().home, []

    def look(*_: Any) -> Facts:
        with settings.working_in(real), store.unused() as is_free:
            free.append(is_free)
        return {}

    deliver(root, "BGR", LAST, 5, "01")
    monkeypatch.setattr(plan, "_tried", look)
    plan.made(wanted(LAST))
    with store.unused() as is_free:
        assert [*free, is_free] == [False, True]


def test_nothing_is_made_where_there_is_no_data_root_yet(
    night: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(night / "deliveries", tmp_path / "deliveries")
    shutil.copy(night / "feeds.toml", tmp_path)
    use(monkeypatch, tmp_path)
    found = plan.made(wanted(LAST))
    assert found["release"] and all(row["old"] is None for row in found["rows"])
    assert not (tmp_path / "data").exists() and list((tmp_path / "tmp").iterdir()) == []
    settings.settings.cache_clear()


def test_why_a_delivery_runs_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule that changed, a landing that a killed run left, a refused one that is forced."""
    older = deliver(root, "CRB", LAST, 3, "01")
    older.rename(older.with_name("X_CRB_2024-09_20240930T000000.csv"))
    request = wanted(LAST)
    landed = flow.extract(request)["landed"]
    assert len(landed) == 1 and store.landing(landed[0]).manifest["refusal"]
    assert {row["state"] for row in flow.found(request)} == {"unchanged"}
    with monkeypatch.context() as patch:
        patch.setattr(plan, "_tried", lambda *_: {})
        (row,) = [one for one in plan.made(request)["rows"] if one["state"] != "unchanged"]
        assert (row["state"], row["delivery_id"]) == ("waiting", landed[0])
        shutil.copytree(settings.settings().expectations, root / "expectations")
        suite = root / "expectations" / "delivery.json"
        suite.write_text(suite.read_text() + " ")
        use(patch, root, EXPECTATIONS=str(root / "expectations"))
        states = [row["state"] for row in plan.made(request)["rows"]]
        assert states.count("rule_changed") == 9 and states.count("waiting") == 1
    use(monkeypatch, root)
    found_forced = plan.made(wanted(LAST, force=True))
    (row,) = [one for one in found_forced["rows"] if one["state"] == "forced"]
    assert (row["verdict"], row["new"]["records"], row["old"]["records"]) == ("accepted", 3, 4)


def test_what_fails_in_one_feed_does_not_in_another_of_the_same_slice(data_root: Path) -> None:
    row = {"slice": "BGR_2024-09", "state": "unchecked", "source": "x"}
    rows = [{**row, "feed": feed} for feed in ("a", "b")]
    failed = [{"feed": "a", "slice": "BGR_2024-09", "en": "out of reach"}]
    plan._tell(rows, {"landed": [], "failed": failed}, [], set())
    assert [(row["state"], row["source"]) for row in rows] == [
        ("failed", "out of reach"), ("unchanged", "x"),
    ]  # fmt: skip


def test_other_rules_alone_are_work(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "_tried", lambda *_: {})
    shutil.copytree(settings.settings().seeds, root / "seeds")
    with (root / "seeds" / "region_aliases.csv").open("a") as file:
        file.write("\n")
    use(monkeypatch, root, SEEDS=str(root / "seeds"))
    found = plan.made(wanted(LAST))
    assert found["work"] and found["rules_changed"]
    assert {row["state"] for row in found["rows"]} == {"unchanged"}


def test_a_secret_is_asked_for_by_name_and_lies_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, tmp_path, FEEDS=str(tmp_path / "feeds.toml"))
    seen: list[bytes] = []

    discard = store.discard

    def look(path: Path) -> None:
        if path.name.startswith(".ipska-plan."):
            assert path.stat().st_mode & 0o777 == store.PRIVATE
            seen.extend(file.read_bytes() for file in path.rglob("*") if file.is_file())
        discard(path)

    monkeypatch.setattr(store, "discard", look)
    with web_server() as site:
        site.authorization, site.body = "Bearer t0ken", delivery("DPK", "2024-09").encode()
        (tmp_path / "feeds.toml").write_text(
            f'[web]\nlayout = "eska_v2"\nurl = "{site.url}"\nmode = "snapshot"\n'
            'offices = ["DPK"]\nfirst_month = "2024-09"\nconnection = "kantor"\n'
        )
        request = requests.backfill(LAST, LAST, "web", "a test", store.now())
        denied = plan.made(request, lambda _: None)
        found = plan.made(request, lambda name: '{"password": "t0ken"}' if name == "kantor" else "")
    assert [row["state"] for row in denied["rows"]] == ["failed"] and not denied["work"]
    (row,) = found["rows"]
    assert row["verdict"] == "accepted" and row["new"]["records"] == 4
    assert len(seen) > 5 and not any(b"t0ken" in one for one in seen)
    assert "t0ken" not in str(os.environ) + str(found)
    settings.settings.cache_clear()


def test_what_is_shown_is_the_headline() -> None:
    question = rankings.Question()
    assert (question.scope_code, question.basis, question.league) == ("32", "domicile", "all")
