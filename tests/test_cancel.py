"""Cancelled or killed: whole landings stay, nothing is published, and the same run goes on."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import two_months
from pipeline import (
    flow,
    load,
    page,
    publish,
    releases,
    requests,
    running,
    settings,
    store,
    suites,
    validate,
)
from pipeline.messages import Problem
from servers import web_server
from test_dags import delivery

Facts = dict[str, Any]
MONTHS = ["2024-05", "2024-06", "2024-07", "2024-08", "2024-09"]
FEED = """
[web]
layout = "eska_v2"
url = "{url}"
mode = "snapshot"
offices = ["DPK"]
first_month = "2024-05"
"""


class At(list[int]):
    """A server's script that is all 200, and calls something at the n-th GET."""

    def __init__(self, number: int, call: Any) -> None:
        super().__init__([200] * 99)
        self.left, self.call = number, call

    def pop(self, *_: Any) -> int:
        self.left -= 1
        if not self.left:
            self.call()
        return super().pop()


def landed() -> list[str]:
    return [one.slice_code for one in store.landings("web")]


def ledger_entries() -> list[Facts]:
    return [store.read_json(file) for file in sorted((store.home() / "ledger").glob("*.json"))]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_what_landed_is_whole_and_not_fetched_again(
    data_root: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    monkeypatch.setenv("IPSKA_FEEDS", str(data_root / "feeds.toml"))
    monkeypatch.setenv("IPSKA_FETCH_THREADS", "1")
    settings.settings.cache_clear()
    with web_server() as site:
        site.body = delivery("DPK", "2024-09").encode()
        (data_root / "feeds.toml").write_text(FEED.format(url=site.url))
        command = ["backfill", "--from", MONTHS[0], "--to", MONTHS[-1], "--reason", "a test"]
        child = subprocess.Popen(
            [sys.executable, "-m", "pipeline", *command], stdout=subprocess.PIPE, text=True
        )
        site.script = At(3, lambda: child.send_signal(number))
        out, _ = child.communicate(timeout=300)
        first = len(site.gets())
        is_kill = number == signal.SIGKILL
        assert child.returncode == (-9 if is_kill else 1)
        assert releases.current("internal") is None
        if is_kill:
            assert ledger_entries() == [] and landed() in (
                [f"DPK_{month}" for month in MONTHS[:count]] for count in (2, 3)
            )
        else:
            assert landed() == [f"DPK_{month}" for month in MONTHS[:3]], "the third was in flight"
            assert first == 3
            (entry,) = ledger_entries()
            assert (entry["exit_code"], entry["problem"]["code"]) == (1, "cancelled")
            assert (entry["failed_at"], entry["publish"]) == ("extract", None)
            assert "CANCELLED at extract" in out and "DIBATALKAN pada extract" in out
            assert "not fetched again" in out and "tidak ditarik lagi" in out
            assert running.found() == [] and not list((store.home() / "work").glob("*.json"))
        had = len(landed())
        request = requests.backfill(MONTHS[0], MONTHS[-1], None, "once more", store.now())
        site.script = []
        done = flow.extract(request)
        assert (len(done["landed"]), done["unchanged"]) == (len(MONTHS) - had, had)
        assert len(site.gets()) - first == len(MONTHS) - had
        assert landed() == [f"DPK_{month}" for month in MONTHS]


def wanted() -> Facts:
    return requests.backfill("2024-09", "2024-09", None, "a test", store.now())


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A root for each step, in which a run has done the steps before it. Read only: see `at`."""
    root = tmp_path_factory.mktemp("cancel")
    first = root / "validate"
    (first / "deliveries").mkdir(parents=True)
    (first / "deliveries" / "DPK_2024-09.csv").write_text(delivery("DPK", "2024-09"))
    (first / "feeds.toml").write_text(FEED.format(url="{deliveries}/{office}_{period}.csv"))
    with pytest.MonkeyPatch.context() as patch:
        two_months.use(patch, first)
        flow.extract(request := wanted())
        two_months.use(patch, two_months.copy(first, root / "build"))
        flow.validate(request, {})
        two_months.use(patch, two_months.copy(root / "build", root / "publish"))
        flow.build(request, {})
        for step in ("validate", "build", "publish"):
            two_months.use(patch, root / step)
            running.clear(request)
        yield root
    settings.settings.cache_clear()


@pytest.fixture
def at(begun: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Work on a copy of the root that a step begins with."""
    return lambda step: two_months.use(
        monkeypatch, two_months.copy(begun / step, tmp_path / "copy")
    )


def interrupted(function: Any, before: bool = True) -> Any:
    """The function, with a signal to this process before or after it."""

    def call(*arguments: Any, **more: Any) -> Any:
        if before:
            os.kill(os.getpid(), signal.SIGTERM)
        result = function(*arguments, **more)
        if not before:
            os.kill(os.getpid(), signal.SIGTERM)
        return result

    return call


def swallowed(*_: Any, **__: Any) -> Any:
    """A library that makes an error of its own of an interrupt."""
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    except KeyboardInterrupt:
        raise Problem("suite_error", suite="core", error="x", rule="y") from None


CASES = [
    ("validate", validate, "validate", interrupted),
    ("build", load, "load", interrupted),
    ("build", suites, "run_suite", lambda _: swallowed),
    ("publish", page, "render", interrupted),
    ("publish", publish.running, "past_cancelling", interrupted),
]


@pytest.mark.parametrize(("step", "module", "name", "how"), CASES)
def test_a_step_that_is_cancelled_publishes_nothing(
    at: Any, monkeypatch: pytest.MonkeyPatch, step: str, module: Any, name: str, how: Any
) -> None:
    at(step)
    monkeypatch.setattr(module, name, how(getattr(module, name)))
    done = flow.run(wanted(), tell=lambda _: None)
    assert (done["exit_code"], done["failed_at"]) == (1, step)
    assert done["problem"]["code"] == "cancelled"
    assert releases.current("internal") is None
    assert not list((store.home() / "internal" / "releases").glob("*/.*"))
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_once_the_link_has_moved_it_is_too_late_to_cancel(
    at: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    at("publish")
    monkeypatch.setattr(store, "switch_link", interrupted(store.switch_link, before=False))
    done = flow.run(wanted(), tell=lambda _: None)
    assert done["publish"]["published"] and done["problem"] is None
    assert releases.current("internal")
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_an_interrupt_that_a_library_swallows_is_obeyed_before_the_link_moves(
    data_root: Path,
) -> None:
    def swallow() -> None:
        with contextlib.suppress(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt), running.cancellable(lambda: None):
        swallow()
        running.past_cancelling()
    assert running.is_cancelled()
    with running.cancellable(lambda: None):
        assert not running.is_cancelled()
    running.past_cancelling()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, "outside it changes nothing"


def test_a_note_of_what_is_cancelled_is_there_while_slices_still_end(data_root: Path) -> None:
    """Airflow concludes the run at once: conclude must know by then."""
    request = {"run_id": "20240101T000000000000Z-x-0000"}
    note = store.home() / "work" / f"{request['run_id']}.problem.json"
    with pytest.raises(Problem) as caught, flow.noting(request):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            seen = json.loads(note.read_text("utf-8"))["code"]
            note.unlink()
    assert (caught.value.code, seen) == ("cancelled", "cancelled")
    assert not note.exists(), "it is not written again after conclude took it"


def test_no_thread_is_at_work_after_a_signal_that_came_while_it_was_waited_for() -> None:
    begun, said, left = threading.Event(), threading.Event(), threading.Event()
    ended = []

    def work(number: int) -> None:
        if not number:  # it breaks, so that the signal comes while the other one is waited for
            assert begun.wait(10)
            raise ValueError
        begun.set()
        os.kill(os.getpid(), signal.SIGTERM)
        assert said.wait(10)
        ended.append(not left.wait(0.2))

    with pytest.raises(KeyboardInterrupt), running.cancellable(said.set):
        running.in_threads(2, work, range(2))
    assert ended == [True]
    left.set()


def test_what_threads_give_comes_in_order_and_what_has_not_begun_is_left() -> None:
    assert running.in_threads(3, divmod, range(9), [2] * 9) == [divmod(n, 2) for n in range(9)]
    begun = []

    def work(number: int) -> None:
        begun.append(number)
        if number:  # gives the thread that waits 20 s in all to notice the first error
            threading.Event().wait(0.02)
        raise ValueError

    with pytest.raises(ValueError):
        running.in_threads(1, work, range(1000))
    assert len(begun) < 1000
