"""How a run ends: what is newly wrong, and what is told where no entry can be written."""

import errno
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline import freshness, ledger, outcome, store
from servers import hook_server

Facts = dict[str, Any]
DONE: Any = ({"validated": 0, "records": 0, "corrections": []}, {"build_id": "x"}, {})


def request(kind: str = "nightly", *months: str) -> Facts:
    return {
        **{"run_id": ledger.new_run_id(kind), "kind": kind, "who": "a test", "reason": "a test"},
        **{"months": [*(months or ["2024-08", "2024-09"])], "feeds": ["eska", "bps"]},
        "started_at": store.now().isoformat(),
    }


def ended(*failures: str, of: Facts | None = None, stops: bool = False) -> int:
    """The exit code of a run of which these (feed, slice, code) could not be fetched."""
    names = [dict(zip(("feed", "slice", "code"), one.split(), strict=True)) for one in failures]
    failed = [{**one, "en": "no", "id": "tidak"} for one in names]
    extracted = {"landed": [], "unchanged": 0, "missing": [], "failed": failed}
    done = outcome.conclude(of or request(), extracted, *(() if stops else DONE))
    return int(done["exit_code"])


def test_an_office_that_stays_out_of_reach_is_red_once(data_root: Path) -> None:
    out = "eska BGR_2024-09 source_failed"
    assert [ended(out), ended(out)] == [3, 0]
    assert ended(out, "eska BKS_2024-09 source_failed") == 3, "another one"
    assert ended("eska BGR_2024-09 source_denied") == 3, "for another reason"
    assert ended("bps BGR_2024-09 source_denied") == 3, "the same name in another feed"
    assert [ended(), ended(out)] == [0, 3], "it was mended meanwhile"


def test_what_did_not_ask_for_a_slice_says_nothing_of_it(data_root: Path) -> None:
    month, year, every = (f"eska BGR_{one} source_failed" for one in ("2024-09", "2024", "all"))
    assert ended(month, year, every) == 3
    assert ended(of=request("backfill", "2021-01")) == 0
    assert ended(of=request("resubmit") | {"months": [], "file": "x"}) == 0
    ledger.record(request("prune"))
    assert ended(month, year) == 0
    assert ended(every) == 3, "the backfill had asked for it"
    assert ended(month, stops=True, of=request("backfill", "2024-09")) == 1
    assert ended(month) == 0, "a run that stopped later has told it too"


def test_a_task_that_airflow_runs_twice_gives_the_same_code(data_root: Path) -> None:
    night = request()
    assert [ended("eska BGR_2024-09 source_failed", of=night) for _ in range(2)] == [3, 3]


@pytest.mark.parametrize("how", ["published", "stopped", "deadline"])
def test_what_a_full_disk_keeps_out_of_the_ledger_is_told(
    data_root: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    def full(_: Facts) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(store.home() / "ledger" / "x"))

    monkeypatch.setattr(ledger, "record", full)
    monkeypatch.setattr(freshness, "missed_deadline", lambda _: datetime(2024, 10, 2, tzinfo=UTC))
    with hook_server() as hook:
        lookup = {"ipska_webhook": json.dumps({"extra": {"url": hook.url}})}.get
        with pytest.raises(OSError, match="No space left"):
            if how == "deadline":
                outcome.deadline(lookup)
            else:
                extracted = {"landed": [], "unchanged": 0, "missing": [], "failed": []}
                done = (extracted, *DONE) if how == "published" else (extracted,)
                outcome.conclude(request("backfill"), *done, lookup=lookup)
    ((_, body),) = hook.got
    assert (body["kind"], body["exit_code"]) == ("failed", 1)
    assert "docs/runbook.md#disk_full" in body["text"] and str(store.home()) in body["text"]
    assert ("FAILED at validate" in body["text"]) == (how == "stopped")
    assert ("DEADLINE MISSED" in body["text"]) == (how == "deadline")
