"""Deliveries that an operator rejects: slices fall back, books close, undo brings them back."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from deliveries import land
from golden import deliver, line
from pipeline import duck, ledger, load, rejections, store
from pipeline.messages import Problem
from test_cli import call
from test_gates import expectations

OLD, NEW = "2026-11-01T00:00:00+00:00", "2026-11-02T00:00:00+00:00"
BOOKS = ("books_records_close", "books_usd_close", "books_counted_close", "slice_has_one_current")


def reject(delivery_id: str, undo: bool = False, reason: str = "wrong month") -> None:
    """As the command does it, of a delivery that need not have landed."""
    folder = store.home() / "landing" / delivery_id
    store.write_json(folder / "manifest.json", {})
    rejections.reject(delivery_id, reason, undo)


def test_the_slice_falls_back_and_the_books_close(data_root: Path) -> None:
    one, two, bad = (line(f"000000{n}/BGR/2024") | {"line": n} for n in (2, 3, 4))
    before = deliver("BGR_2024-01", [one], landed_at=OLD)
    bad |= {"line_fob": None}
    wrong = deliver("BGR_2024-01", [one, two], [bad], landed_at=NEW)
    states = []
    for undo in (None, False, True):
        if undo is not None:
            reject(wrong["delivery_id"], undo)
        with duck.connect() as con:
            load.load(con, rejections.applied([before, wrong]), {"eska": "2024-01"})
            for rule in BOOKS:
                known = expectations()[rule]
                query = known["kwargs"]["unexpected_rows_query"]
                asked = query.format(batch=known["meta"]["table"])
                assert con.execute(asked).fetchall() == [], rule
            states.append(con.execute(
                "SELECT d.state, d.is_stale, l.state_reason, l.records, l.stated_usd::INTEGER, "
                "l.unreadable_records FROM core.delivery AS d JOIN core.ledger AS l "
                "USING (delivery_id) ORDER BY landed_at, l.state_reason"
            ).fetchall())  # fmt: skip
            con.execute("DROP SCHEMA core CASCADE; DROP SCHEMA seed CASCADE")
    first, rejected, undone = states
    assert first == undone == [
        ("superseded", False, "newer_delivery", 1, 1000, 0),
        ("current", False, "counted", 2, 2000, 0),
        ("current", False, "critical_rule", 1, 0, 1),
    ]  # fmt: skip
    assert rejected == [
        ("current", True, "counted", 1, 1000, 0),
        ("refused", False, "rejected", 3, 2000, 1),
    ]


def test_what_was_refused_anyway_keeps_its_own_reasons(data_root: Path) -> None:
    told = [{"code": "zero_bytes"}]
    refused = deliver("BGR_2024-01", [], verdict="refused", problems=told)
    reject(refused["delivery_id"])
    assert rejections.applied([refused]) == [refused]


def test_a_build_as_of_a_moment_knows_what_was_rejected_then(data_root: Path) -> None:
    reject("eska/BGR_2024-01/x")
    (entry,) = ledger.entries()
    moment = datetime.fromisoformat(entry["started_at"])
    assert list(rejections.standing(moment)) == ["eska/BGR_2024-01/x"]
    assert rejections.standing(moment.replace(year=2020)) == {}


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["BGR_2022-10"], "no_delivery"),
        (["eska/BGR_2022-10/20220101T000000000000Z-00000000"], "no_delivery"),
        (["eska/../ledger"], "unsafe_name"),
        (["THIS", "--undo"], "not_rejected"),
        (["THIS", "--reason", " "], "no_reason"),
    ],
)
def test_what_can_not_be_rejected_is_said_and_not_written(
    data_root: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: str
) -> None:
    landed = land("x").delivery_id
    arguments = [one.replace("THIS", landed) for one in arguments]
    if "--reason" not in arguments:
        arguments += ["--reason", "a test"]
    assert call(capsys, "delivery", "reject", *arguments)[0] == (2 if code in USAGE else 1)
    with pytest.raises(Problem, match=code) as caught:
        rejections.reject(arguments[0], arguments[-1], "--undo" in arguments)
    assert code != "no_delivery" or landed in caught.value.text("en")
    assert ledger.entries() == []


USAGE = ("unsafe_name", "no_reason")


def test_a_rejection_stands_in_ledger_and_status_until_it_is_undone(
    data_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    landed = land("x").delivery_id
    code, out, _ = call(capsys, "delivery", "reject", landed, "--reason", "wrong month\x1b[31m")
    assert code == 0 and "ipska run" in out
    found: Any = json.loads(call(capsys, "status", "--json")[1])["rejected"]
    assert [(one["delivery_id"], one["kind"]) for one in found] == [(landed, "reject")]
    told = call(capsys, "status")[1]
    assert landed in told and "wrong month" in told and "\x1b" not in told
    code, _, err = call(capsys, "delivery", "reject", landed, "--reason", "once more")
    assert code == 1 and "rejected already" in err
    again = call(capsys, "delivery", "reject", landed, "--undo", "--reason", "was right", "--json")
    assert json.loads(again[1])["kind"] == "unreject"
    assert json.loads(call(capsys, "status", "--json")[1])["rejected"] == []
    assert [entry["kind"] for entry in ledger.entries()] == ["reject", "unreject"]
