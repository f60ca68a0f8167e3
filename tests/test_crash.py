"""Killed at any moment: readers always read, nothing is lost, a clean run completes, prune tidies.

IPSKA_CRASH_KILLS (make torture: 500) says how many kills of forked children; 5 of the command.
"""

import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb_engine  # noqa: F401  children shall not import it anew
import great_expectations  # noqa: F401
import pytest

import crash
import two_months
from pipeline import (
    builds,
    duck,
    flow,
    ledger,
    prune,
    publish,
    releases,
    requests,
    running,
    settings,
    store,
    verify,
    vintages,
)

KILLS = int(os.environ.get("IPSKA_CRASH_KILLS", "44"))
# How many of ten kills go to which command.
SHARES = {"run": 3, "backfill": 2, "publish": 2, "rollback": 1, "prune": 2}
Facts = dict[str, Any]


@dataclass(frozen=True)
class Prepared:
    """One root before some new deliveries, and one after: what a run that nobody kills makes."""

    before: Path
    built: Path  # the new build is there, and not yet published
    after: Path
    expected: dict[str, str]


def request(kind: str) -> Facts:
    return {
        **{"run_id": ledger.new_run_id(kind), "kind": kind, "who": "a test", "reason": "a test"},
        "started_at": store.now().isoformat(),
    }


def run() -> None:
    """The nightly run, its prune included."""
    first, last = two_months.FIRST, two_months.LAST
    wanted = requests.nightly(store.now(), last - first, str(last))
    assert flow.run(wanted, tell=lambda _: None)["publish"]


def backfill() -> None:
    assert two_months.run("to be killed")["publish"]


def publish_newest() -> None:
    made = max((store.home() / "builds").glob("[!.]*/build.json"), key=lambda f: f.stat().st_mtime)
    publish.publish("internal", builds.find(made.parent.name), request("release"))


def roll_back() -> None:
    publish.roll_back(releases.every("internal")[0]["release_id"], request("rollback"))


def prune_all() -> None:
    prune.prune(request("prune"))


COMMANDS: dict[str, tuple[str, Callable[[], None]]] = {
    "run": ("before", run),
    "backfill": ("before", backfill),
    "publish": ("built", publish_newest),
    "rollback": ("after", roll_back),
    "prune": ("after", prune_all),
}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prepared]:
    root = tmp_path_factory.mktemp("crash")
    log = root / "log"
    before, built, after = (root / name for name in ("before", "built", "after"))
    with pytest.MonkeyPatch.context() as patch:
        two_months.use(patch, before)
        crash.done(lambda: two_months.prepare(before), log)
        crash.done(backfill, log)
        two_months.change(before, "BGR", "BKS", "CRB")
        two_months.use(patch, two_months.copy(before, built))

        def without_publish() -> None:
            wanted = two_months.request("built only")
            flow.build(wanted, flow.validate(wanted, flow.extract(wanted)))
            running.clear(wanted)

        crash.done(without_publish, log)
        two_months.use(patch, two_months.copy(built, after))
        crash.done(backfill, log)
        expected = vintages.fingerprints(releases.database("internal"))
        yield Prepared(before, built, after, expected)
    settings.settings.cache_clear()


# Prune keeps one release here, so what is being opened may go: a BI server asks once more then.
# The pause leaves the machine to what is being killed; 0.05 s took a fifth of a core.
READER = """
import duckdb, os, time

def read(folder):
    with duckdb.connect(folder + "/ekspor.duckdb", read_only=True) as con:
        con.execute("SELECT sum(fob_usd) FROM mart.region_month").fetchall()

while True:
    folder = os.path.realpath({link!r})
    try:
        read(folder)
    except duckdb.Error:
        if os.path.realpath({link!r}) == folder:
            raise
        read(os.path.realpath({link!r}))
    print("read", flush=True)
    time.sleep(0.25)
"""


class Reader:
    """Reads the current release over and over in a process of its own, as a BI server does."""

    def __init__(self, root: Path) -> None:
        link = root / "data" / "internal" / "current"
        code = READER.format(link=str(link))
        self.reads, self.errors = root / "reads", root / "errors"
        with self.reads.open("wb") as out, self.errors.open("wb") as err:
            self.process = subprocess.Popen([sys.executable, "-c", code], stdout=out, stderr=err)

    def check(self) -> None:
        end = time.monotonic() + 120  # it may still be starting on a busy machine
        while not self.reads.stat().st_size and self.process.poll() is None:
            assert time.monotonic() < end
            time.sleep(0.05)
        self.process.kill()
        self.process.wait(30)
        assert self.reads.read_text("utf-8").count("read") > 0
        assert not self.errors.read_text("utf-8")


def check_readable() -> None:
    """Whatever was killed: the current release is whole and sound."""
    folder = releases.link("internal").resolve(strict=True)
    assert releases.rot(folder) == []
    with duck.connect(folder / releases.DATABASE, read_only=True) as con:
        assert con.execute("SELECT count(*) > 0 FROM mart.growth_ranking").fetchall() == [(True,)]


def recover(log: Path, expected: dict[str, str]) -> None:
    """One clean run and one prune: the figures are those of a run never killed, nothing is left."""
    if ledger.hold():
        ledger.record({**request("resume"), "exit_code": 0})
    crash.done(backfill, log)
    assert vintages.fingerprints(releases.database("internal")) == expected
    crash.done(prune_all, log)
    assert not list(store.hidden_under(store.home()))
    left = {path.name for path in (store.home() / "work").rglob("*") if path.is_file()}
    assert {name for name in left if not name.endswith(".lock")} == set()
    assert not [item for item in prune.plan() if item.goes]
    known = {releases.current("internal")["release_id"]}  # type: ignore[index]
    known |= {r["previous_release_id"] for r in releases.every("internal")}
    for entry in ledger.entries():
        known |= {(entry.get("publish") or entry).get("release_id"), entry.get("from_release_id")}
    assert {release["release_id"] for release in releases.every("internal")} <= known
    assert verify.verify() == []


def chains(doors: dict[str, list[str]], seed: str) -> Iterator[list[tuple[str, int]]]:
    """Kills as (stage, moment), in chains: each kill meets what the ones before it left.

    A chain goes through the stages in order. The first one's kills are on the threshold of each
    stage, of a later chain anywhere in it; what is done is not done again, so two kills in one
    stage share its moments.
    """
    draw = random.Random(seed)
    twice = {"extract": 2, "validate": 2, "start": 1 if len(doors) > 1 else 3}
    for number in itertools.count():
        chain: list[tuple[str, int]] = []
        for stage, moments in doors.items():
            share = twice.get(stage, 1)
            for _ in range(share):
                last = len(moments) // share if stage in ("extract", "validate") else len(moments)
                first_chain = not number and len(doors) > 1 and chain[-1:] != [(stage, 1)]
                chain.append((stage, 1 if first_chain else draw.randint(1, max(1, last))))
        yield chain


@pytest.mark.parametrize("name", COMMANDS)
def test_killed_at_any_door_a_clean_run_completes(
    prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    start, work = COMMANDS[name]
    log = tmp_path / "log"
    monkeypatch.setattr(running, "FORGOTTEN_S", 0)
    monkeypatch.setenv("IPSKA_KEEP_BUILDS", "1")
    monkeypatch.setenv("IPSKA_KEEP_RELEASES", "1")
    source = getattr(prepared, start)
    two_months.use(monkeypatch, two_months.copy(source, tmp_path / "whole"))
    doors = crash.moments(work, log)
    print({stage: len(moments) for stage, moments in doors.items()})
    kills = KILLS * SHARES[name] // sum(SHARES.values())
    hits = number = 0
    drawn = chains(doors, f"{name} {kills}")
    while hits < kills:
        assert number < kills, "each chain hits at least once"
        number += 1
        root = two_months.copy(source, tmp_path / str(number))
        two_months.use(monkeypatch, root)
        known = {one.delivery_id for one in store.landings("eska")}
        reader = Reader(root)
        try:
            for stage, moment in next(drawn)[: kills - hits]:
                was_hit = crash.killed(work, stage, moment, log)
                hits += was_hit
                check_readable()
                now = {one.delivery_id for one in store.landings("eska")}
                assert known <= now, "what landed stays"
                known = now
                if not was_hit:  # the work was over before; there is nothing left to kill
                    break
            recover(log, prepared.expected)
        finally:
            reader.process.kill()
        reader.check()
        shutil.rmtree(root)
    print(f"{name}: {hits} kills in {number} chains")


def command(*arguments: str) -> subprocess.Popen[bytes]:
    """The real `ipska`, in a process group of its own."""
    return subprocess.Popen(
        [Path(sys.executable).parent / "ipska", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def test_the_command_killed_by_time(
    prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Inside DuckDB's own work too, where no door is: the longest step is the build."""
    two_months.use(monkeypatch, two_months.copy(prepared.before, tmp_path / "0"))
    monkeypatch.setattr(running, "FORGOTTEN_S", 0)
    first, last = two_months.FIRST, two_months.LAST
    months = ["--newest", str(last), "--months-back", str(last - first)]
    draw = random.Random("by time")
    steps, tries = ["extract", "validate", "build", "build", "publish"], 0
    while steps:
        tries += 1
        assert tries <= 10, steps
        step = steps[0]
        process = command("run", *months)

        def is_at(step: str = step) -> bool:
            return any(note["step"] == step and note["is_alive"] for note in running.found())

        deadline = time.monotonic() + 120
        while process.poll() is None and not is_at() and time.monotonic() < deadline:
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.01)
        with suppress(subprocess.TimeoutExpired):
            process.wait(draw.uniform(0, {"build": 1.5}.get(step, 0.2)))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        if process.wait(30) == -signal.SIGKILL:
            steps.pop(0)
        else:  # it was quicker, and all is done: the next try begins anew
            two_months.use(monkeypatch, two_months.copy(prepared.before, tmp_path / str(tries)))
        check_readable()
    recover(tmp_path / "log", prepared.expected)
