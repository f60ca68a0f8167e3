"""The deadline: told once, by whoever notices first, and over when a night has ended well."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline import freshness, ledger, notify, outcome, running, store

Facts = dict[str, Any]
DONE: Any = (
    {"landed": [], "unchanged": 0, "missing": [], "failed": []},
    {"validated": 0, "records": 0, "corrections": []},
    {"build_id": "x"},
    {},
)


@pytest.fixture
def clock(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def at(text: str) -> None:  # Jakarta time
        moment = datetime.fromisoformat(f"{text}:00+07:00")
        monkeypatch.setattr(store, "now", lambda: moment)

    return at


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[notify.Message]:
    messages: list[notify.Message] = []

    def send(_: Any, message: notify.Message) -> str:
        messages.append(message)
        return ""

    monkeypatch.setattr(notify, "SENDERS", {"mail": send})
    return messages


def lookup(_: str) -> str:
    return "{}"


def night(*done: Any) -> Facts:
    request = {"run_id": ledger.new_run_id("nightly"), "kind": "nightly", "who": "schedule",
               "reason": "", "months": ["2024-09"], "started_at": ""}  # fmt: skip
    return outcome.conclude(request, *(done or DONE), lookup=lookup)


def test_a_night_that_hangs_is_told_once_and_its_late_end_is_not_told_again(
    clock: Any, told: list[notify.Message]
) -> None:
    clock("2024-10-01T02:00")
    night()
    clock("2024-10-01T06:05")
    assert outcome.deadline(lookup) is None and told == []
    clock("2024-10-02T01:30")
    request = {"run_id": ledger.new_run_id("nightly"), "kind": "nightly", "who": "schedule",
               "reason": "", "started_at": ""}  # fmt: skip
    running.mark(request, "build")
    clock("2024-10-02T06:05")
    found = outcome.deadline(lookup)
    assert found and found["exit_code"] == 1
    (message,) = told
    for text in ("DEADLINE MISSED: the release was due at 2024-10-02 06:00",
                 "TENGGAT TERLEWAT", f"Still running: {request['run_id']}, build"):  # fmt: skip
        assert text in message.text
    clock("2024-10-02T07:00")
    assert outcome.deadline(lookup) and len(told) == 1
    running.clear(request)
    assert night()["exit_code"] == 3 and len(told) == 1
    clock("2024-10-03T02:00")
    night()
    assert [message.kind for message in told] == ["trouble", "recovered"]


def test_a_night_that_failed_has_told_so_and_is_red_at_the_deadline(
    clock: Any, told: list[notify.Message]
) -> None:
    clock("2024-10-01T02:00")
    night()
    clock("2024-10-02T02:00")
    night(DONE[0])
    assert [message.kind for message in told] == ["failed"]
    clock("2024-10-02T06:05")
    assert outcome.deadline(lookup) and len(told) == 1
    assert [entry["kind"] for entry in ledger.entries()].count("deadline") == 1


def test_each_night_that_is_missing_is_told(clock: Any, told: list[notify.Message]) -> None:
    clock("2024-10-01T07:30")
    night()  # too late for its own, and no excuse for the next
    for day in (2, 3):
        clock(f"2024-10-0{day}T06:05")
        assert outcome.deadline(lookup)
        assert len(told) == day - 1


def test_before_the_first_night_there_is_no_deadline(clock: Any) -> None:
    clock("2024-10-02T06:05")
    assert outcome.deadline(lookup) is None
    assert freshness.missed_deadline(store.now()) is None
