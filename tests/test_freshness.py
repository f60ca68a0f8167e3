"""Freshness: what stands for each month, what is late, and what `ipska status` says of it."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from golden import cell, deliver, deliver_cells, line, result
from pipeline import duck, freshness, ledger, load, outcome, rank, running, settings, store
from test_cli import call

Facts = dict[str, Any]
FEEDS = """
[eska]
layout = "eska_v2"
url = "{deliveries}/{office}_{period}.csv"
mode = "snapshot"
offices = ["BGR", "DPK"]
first_month = "2024-01"
fresh_days = 10

[bps]
layout = "exports_by_port"
url = "{deliveries}/{period}.csv"
mode = "snapshot"
covers = "year"
offices = ["BPS"]
first_month = "2024-01"
"""


def rows(office: str, month: str, count: int = 1) -> list[Facts]:
    numbers = [f"{int(month) * 10 + n:07}/{office}/2024" for n in range(count)]
    day = f"2024-{month}-15"
    return [line(one, issued_on=day, status_at=day) | {"line": at + 2}
            for at, one in enumerate(numbers)]  # fmt: skip


def refused(slice_code: str, landed_at: str, **more: Any) -> Facts:
    return deliver(slice_code, [], landed_at=landed_at, verdict="refused", records=7, **more)


def verdicts() -> list[Facts]:
    return [
        deliver("BGR_2024-01", rows("BGR", "01", 3), rows("BGR", "01", 4)[3:]),
        deliver("DPK_2024-01", rows("DPK", "01")),
        refused("DPK_2024-01", "2026-11-02T00:00:00+00:00"),
        refused("BGR_2024-02", "2026-11-02T00:00:00+00:00"),
        deliver("BGR_2024-03", rows("BGR", "03"), extracted_at="2024-03-31T16:00:00+00:00"),
        deliver("DPK_2024-03", [], extracted_at="2024-03-31T17:00:00+00:00"),
        deliver_cells("BPS_2024-01", [cell(2, "IDTPP", "2024-01", 5)], last_month="2024-12"),
    ]


@pytest.fixture
def con(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (data_root / "feeds.toml").write_text(FEEDS)
    monkeypatch.setenv("IPSKA_FEEDS", str(data_root / "feeds.toml"))
    settings.settings.cache_clear()
    with duck.connect(data_root / "build.duckdb") as connection:
        limits = {"eska": ("month", 10), "bps": ("year", 14)}
        load.load(connection, verdicts(), {"eska": "2024-01", "bps": "2024-01"}, limits)
        yield connection


def test_every_owed_month_has_one_state(con: duck.Connection) -> None:
    feeds = "(VALUES ('eska', 'month', 10), ('bps', 'year', 14)) AS f (feed, covers, fresh_days)"
    con.execute(f"CREATE SCHEMA stage; CREATE TABLE stage.feed AS FROM {feeds}")
    columns = "feed, office_code, month, freshness, due_on, records, quarantined_records"
    found = result(con, "core.freshness", columns)
    assert [row for row in found if row[0] == "eska"] == [
        ("eska", "BGR", "2024-01-01", "fresh", "2024-02-10", 4, 1),
        ("eska", "BGR", "2024-02-01", "refused", "2024-03-10", 0, 0),
        ("eska", "BGR", "2024-03-01", "incomplete", "2024-04-10", 1, 0),
        ("eska", "DPK", "2024-01-01", "stale", "2024-02-10", 1, 0),
        ("eska", "DPK", "2024-02-01", "missing", "2024-03-10", 0, 0),
        ("eska", "DPK", "2024-03-01", "fresh", "2024-04-10", 0, 0),
    ]
    official = [row for row in found if row[0] == "bps"]
    assert len(official) == 12 and {row[4] for row in official} == {"2025-01-14"}
    assert {row[3] for row in official[1:]} == {"incomplete"}  # nothing stated for those months
    made = "SELECT feed, office_code, month, freshness FROM core.freshness ORDER BY ALL"
    assert [(*row[:2], str(row[2]), row[3]) for row in con.execute(made).fetchall()] == [
        row[:4] for row in found
    ]


@pytest.fixture
def release(con: duck.Connection) -> None:
    """A current internal release with nothing in it but meta.freshness."""
    rank.rank(con)
    folder = store.home() / "internal" / "releases" / "20240401"
    folder.mkdir()
    con.execute(f"ATTACH '{folder / 'ekspor.duckdb'}' AS out; CREATE SCHEMA out.meta")
    con.execute("CREATE TABLE out.meta.freshness AS FROM meta.freshness; DETACH out")
    store.switch_link(store.home() / "internal" / "current", folder)


@pytest.mark.parametrize(
    ("moment", "late"),
    [
        # 23:59 and 00:00 in Jakarta, at the end of 10 April: March's limit
        ("2024-04-10T16:59:00+00:00", [("BGR_2024-02", 31), ("DPK_2024-02", 31)]),
        (
            "2024-04-10T17:00:00+00:00",
            [("BGR_2024-02", 32), ("DPK_2024-02", 32), ("BGR_2024-03", 1)],
        ),
    ],
)
def test_late_is_counted_from_the_limit_in_the_country(
    release: None, moment: str, late: list[tuple[str, int]]
) -> None:
    found = freshness.troubles(datetime.fromisoformat(moment))
    assert [(one["slice"], one["days"]) for one in found["late"]] == late
    assert [one["slice"] for one in found["stale"]] == ["DPK_2024-01"]


def test_a_month_that_no_release_knows_is_missing(release: None) -> None:
    moment = datetime(2024, 6, 1, tzinfo=UTC)
    found = {(row["slice"], row["month"]): row for row in freshness.slices(moment)}
    assert found["DPK_2024-05", "2024-05"]["freshness"] == "missing"
    assert found["DPK_2024-05", "2024-05"]["days_late"] is None  # until 10 June
    assert found["BPS_2024", "2024-02"]["days_late"] is None  # until 14 January 2025
    assert ("DPK_2024-06", "2024-06") not in found
    newest, *_, oldest = freshness.grid([r for r in found.values() if r["feed"] == "eska"], 5)
    assert newest == {
        "feed": "eska", "month": "2024-05", "late": 0, "quarantined_pct": None,
        **dict.fromkeys(freshness.STATES, 0), "missing": 2, "not_fresh": ["BGR", "DPK"],
    }  # fmt: skip
    assert (oldest["month"], oldest["fresh"], oldest["stale"]) == ("2024-01", 1, 1)
    assert (oldest["quarantined_pct"], oldest["not_fresh"]) == (20.0, ["DPK"])


def night(finished: str, exit_code: int = 0) -> Facts:
    return {"kind": "nightly", "exit_code": exit_code, "finished_at": f"{finished}:00+00:00"}


SIX = "2024-10-02 06:00:00+07:00"


@pytest.mark.parametrize(
    ("now", "nights", "missed"),
    [
        ("2024-10-02T01:00", [], None),
        ("2024-10-02T01:00", [night("2024-10-01T19:00")], None),  # 02:00 in Jakarta
        ("2024-10-02T01:00", [night("2024-10-01T19:00", 3)], None),
        ("2024-10-02T01:00", [night("2024-09-30T19:00"), night("2024-10-01T19:00", 1)], SIX),
        ("2024-10-02T01:00", [night("2024-09-30T19:00")], SIX),
        ("2024-10-01T22:59", [night("2024-09-30T19:00")], None),  # 05:59
        ("2024-10-01T23:00", [night("2024-09-30T19:00")], SIX),  # 06:00
        ("2024-10-02T01:00", [night("2024-09-30T19:00"), night("2024-10-02T00:30")], None),
    ],
)
def test_a_deadline_is_missed_when_no_night_ended_well_before_it(
    data_root: Path, monkeypatch: pytest.MonkeyPatch, now: str, nights: list[Facts],
    missed: str | None,
) -> None:  # fmt: skip
    monkeypatch.setattr(ledger, "entries", lambda: nights)
    found = freshness.missed_deadline(datetime.fromisoformat(f"{now}:00+00:00"))
    assert (str(found) if found else None) == missed


@pytest.mark.parametrize(
    ("who", "ends", "code"),
    [("schedule", "2024-10-01T23:10", 3), ("schedule", "2024-10-01T20:00", 0),
     ("an operator", "2024-10-01T23:10", 0)],
)  # fmt: skip
def test_a_scheduled_night_that_ends_after_the_deadline_is_red(
    data_root: Path, monkeypatch: pytest.MonkeyPatch, who: str, ends: str, code: int
) -> None:
    request = {"kind": "nightly", "who": who, "reason": "", "months": ["2024-09"]}
    done: Any = ({"landed": [], "unchanged": 0, "missing": [], "failed": []}, None, None, {})
    done = (done[0], {"validated": 0, "records": 0, "corrections": []}, {"build_id": "x"}, {})
    monkeypatch.setattr(store, "now", lambda: datetime(2024, 9, 30, 19, tzinfo=UTC))
    yesterday = {**request, "run_id": "20240930T190000000000Z-nightly-0000"}
    assert outcome.conclude(yesterday, *done)["exit_code"] == 0
    monkeypatch.setattr(store, "now", lambda: datetime.fromisoformat(f"{ends}:00+00:00"))
    today = outcome.conclude({**yesterday, "run_id": "20241001T190000000000Z-nightly-0000"}, *done)
    assert (today["exit_code"], "DEADLINE MISSED" in today["text_en"]) == (code, code == 3)


def test_a_run_is_seen_while_it_runs_and_when_it_was_killed(
    data_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    request = {"run_id": ledger.new_run_id("nightly"), "kind": "nightly", "who": "x\x1b[31m",
               "reason": "", "started_at": ""}  # fmt: skip
    running.mark(request, "extract")
    running.mark(request, "build")
    (one,) = running.found()
    assert (one["step"], one["is_alive"]) == ("build", True)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    file = store.home() / "work" / f"{request['run_id']}.running.json"
    store.write_json(file, {**one, "pid": ended.pid})
    code, out, _ = call(capsys, "status")
    assert code == 0 and "no such process" in out and "\x1b" not in out
    other = {**request, "run_id": ledger.new_run_id("nightly")}
    running.mark(other, "extract")
    assert len(running.found()) == 2, "a note is kept for a day"
    old = datetime(2024, 1, 1, tzinfo=UTC).isoformat()
    store.write_json(file, {**one, "pid": ended.pid, "since": old})
    running.mark(other, "validate")
    assert [one["step"] for one in running.found()] == ["validate"]
    running.clear(other)
    assert running.found() == []


def test_the_holder_of_the_lock_is_named_while_it_holds_it(
    data_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert store.lock_holder() is None
    with store.lock("publish", "the run"):
        found = json.loads(call(capsys, "status", "--json")[1])["lock"]
        assert found == {**store.process(), "run": "the run", "for": "publish"}
        assert "lock held" in call(capsys, "status")[1]
    assert store.lock_holder() is None
