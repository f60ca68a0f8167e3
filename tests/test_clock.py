"""Clocks step back, years end, February has 29 days, and Jakarta is seven hours ahead of UTC."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

import two_months
from pipeline import builds, flow, ledger, periods, publish, releases, store, vintages
from pipeline.messages import Problem

BACK = timedelta(hours=3)
JAKARTA = timezone(timedelta(hours=7))


class Clock:
    """store.now, to be set by hand; it goes on by a second at each look."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.at = datetime.now(UTC)
        patch.setattr(store, "now", self)

    def __call__(self) -> datetime:
        self.at += timedelta(seconds=1)
        return self.at


def entry(kind: str) -> dict[str, Any]:
    return {
        **{"run_id": ledger.new_run_id(kind), "kind": kind, "who": "a test", "reason": "a test"},
        "started_at": store.now().isoformat(),
    }


def current() -> dict[str, Any]:
    found = releases.current("internal")
    assert found
    return found


def test_a_clock_that_steps_back_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    two_months.use(monkeypatch, tmp_path)
    two_months.prepare(tmp_path)
    first = two_months.run("by the right clock")["publish"]["release_id"]
    clock.at -= BACK
    two_months.change(tmp_path, "BGR")  # lands in the past, as this clock has it
    report = two_months.run("by a clock that stepped back")
    (landed,) = report["extract"]["landed"]
    everything = sorted(store.landings("eska"), key=lambda one: one.landed_at)
    assert everything[-1].delivery_id == landed, "the newest landing has the newest moment"
    assert [release["release_id"] for release in releases.every("internal")] == [
        first,
        second := report["publish"]["release_id"],
    ]
    assert current()["newest_landed_at"] > releases.every("internal")[0]["newest_landed_at"]
    old = builds.find(releases.every("internal")[0]["build_id"])
    with pytest.raises(Problem, match="stale_build"):
        publish.publish("internal", old, entry("release"))
    clock.at -= BACK
    publish.roll_back(first, entry("rollback"))
    assert ledger.hold(), "a rollback counts, however early this clock has it"
    assert vintages.release_at(clock.at + 4 * BACK)["release_id"] == first
    clock.at -= BACK
    ledger.record(entry("resume"))
    assert ledger.hold() is None, "and so does its end"
    assert two_months.run("mended")["publish"]["published"]
    assert vintages.release_at(clock.at + 4 * BACK)["release_id"] == current()["release_id"]
    assert current()["build_id"] != old.build_id and second != current()["release_id"]
    runs = [one["reason"] for one in ledger.entries() if one["kind"] == "backfill"]
    assert runs == ["by the right clock", "by a clock that stepped back", "mended"]


def test_two_offices_that_land_in_one_moment_are_two_moments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two builds, one with a delivery more, are told apart by their newest landing."""
    two_months.use(monkeypatch, tmp_path)
    two_months.prepare(tmp_path)
    moment = datetime(2024, 10, 11, 1, 30, tzinfo=UTC)
    monkeypatch.setattr(store, "now", lambda: moment)
    wanted = two_months.request("in one moment")
    landed = flow.extract(wanted)["landed"]
    assert len(landed) > 10
    moments = [one.landed_at for one in store.landings("eska")]
    assert len(set(moments)) == len(landed) and min(moments) == moment
    lock = tmp_path / "data" / "work" / "land.lock"
    assert store.parse_stamp(lock.read_text("utf-8")) == max(moments)
    lock.write_text("2024", "utf-8")  # torn
    two_months.change(tmp_path, "BGR")
    (last,) = flow.extract(two_months.request("after a power cut"))["landed"]
    known = [one.landed_at for one in store.landings("eska", last.split("/")[1])]
    assert known == sorted(set(known))


@pytest.mark.parametrize(
    ("local", "months"),
    [
        ((2024, 3, 1, 0, 0), ["2024-01", "2024-02"]),  # midnight after a leap day
        ((2024, 2, 29, 23, 59), ["2023-12", "2024-01"]),
        ((2023, 3, 1, 0, 0), ["2023-01", "2023-02"]),
        ((2025, 1, 1, 0, 0), ["2024-11", "2024-12"]),
        ((2024, 12, 31, 23, 59), ["2024-10", "2024-11"]),
        ((2100, 3, 1, 0, 0), ["2100-01", "2100-02"]),  # no leap year
    ],
)
def test_due_months_turn_at_midnight_in_jakarta(local: tuple[int, ...], months: list[str]) -> None:
    moment = datetime(*local, tzinfo=JAKARTA)  # type: ignore[misc]
    for same in (moment, moment.astimezone(UTC)):
        assert [str(month) for month in periods.due_months(same, 1)] == months


def test_leap_days_and_year_ends() -> None:
    last_days = {str(m): m.last_day.day for m in map(periods.Month.parse, (
        "2023-02", "2024-02", "2000-02", "2100-02", "2024-12"))}  # fmt: skip
    assert [*last_days.values()] == [28, 29, 29, 28, 31]
    assert str(periods.Month(2024, 12).plus(1)) == "2025-01"
    assert str(periods.Month(2025, 1).plus(-13)) == "2023-12"
    leap = datetime(2024, 2, 29, 23, 59, 59, 999999, tzinfo=JAKARTA)
    assert store.parse_stamp(store.stamp(leap)) == leap
    ordered = [leap + timedelta(microseconds=n) for n in range(3)]
    ordered += [datetime(2024, 12, 31, 23, 59, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)]
    assert [store.stamp(one) for one in ordered] == sorted(map(store.stamp, ordered))
    assert store.stamp(leap).startswith("20240229T165959999999Z")
