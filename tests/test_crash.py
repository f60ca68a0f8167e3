"""Killed at any moment: readers always read, nothing is lost, a clean run completes, prune tidies.

IPSKA_CRASH_KILLS (make torture: 500) says how many kills of forked children; 5 of the command.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb_engine  # noqa: F401  children shall not import it anew
import great_expectations  # noqa: F401
import pytest

import crash
import nights
from pipeline import (
    builds,
    duck,
    flow,
    ledger,
    prune,
    publish,
    releases,
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
    wanted = flow.request_nightly(store.now(), nights.LAST - nights.FIRST, str(nights.LAST))
    assert flow.run(wanted, tell=lambda _: None)["publish"]


def backfill() -> None:
    assert nights.run("to be killed")["publish"]


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
        nights.use(patch, before)
        nights.prepare(before)
        crash.done(backfill, log)
        nights.use(patch, nights.copy(before, root / "second"))
        nights.change(root / "second", "KRW")  # so that there is more than one release, and prune
        crash.done(backfill, log)  # has something to do
        before = root / "second"
        nights.change(before, "BGR", "BKS", "CRB")
        nights.use(patch, nights.copy(before, built))

        def without_publish() -> None:
            wanted = nights.request("built only")
            flow.build(wanted, flow.validate(wanted, flow.extract(wanted)))
            running.clear(wanted)

        crash.done(without_publish, log)
        nights.use(patch, nights.copy(built, after))
        crash.done(backfill, log)
        expected = vintages.fingerprints(releases.database("internal"))
        yield Prepared(before, built, after, expected)
    settings.settings.cache_clear()


class Reader:
    """Reads the current release over and over in a process of its own, as a BI server does."""

    def __init__(self, root: Path) -> None:
        link = root / "data" / "internal" / "current"
        code = (
            "import duckdb, os, sys\n"
            "while True:\n"
            f"    file = os.path.join(os.path.realpath({str(link)!r}), 'ekspor.duckdb')\n"
            "    with duckdb.connect(file, read_only=True) as con:\n"
            "        con.execute('SELECT sum(fob_usd) FROM mart.region_month').fetchall()\n"
            "    print('read', flush=True)\n"
        )
        command = [sys.executable, "-c", code]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.reads = 0
        self.thread = threading.Thread(target=self._count, daemon=True)

    def _count(self) -> None:
        for _ in self.process.stdout or ():
            self.reads += 1

    def end(self) -> tuple[int, bytes]:
        self.process.kill()
        error = self.process.stderr.read() if self.process.stderr else b""
        self.process.wait(30)
        return self.reads, error


def check_readable() -> None:
    """Whatever was killed: the current release is whole and sound."""
    folder = releases.link("internal").resolve(strict=True)
    assert releases.rot(folder) == []
    with duck.connect(folder / releases.DATABASE, read_only=True) as con:
        assert con.execute("SELECT count(*) > 0 FROM mart.growth_ranking").fetchall() == [(True,)]


def check_landings(before: set[str]) -> set[str]:
    """What landed stays, and each landing is whole."""
    now = {one.delivery_id for one in store.landings("eska")}
    assert before <= now
    return now


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


def chosen(doors: list[str], kills: int, seed: str) -> list[int]:
    """Moments to kill at, ascending: evenly spread, drawn within each part; each kind of door."""
    draw = random.Random(seed)
    kinds = sorted({*doors})
    wanted = {draw.choice([n for n, one in enumerate(doors, 1) if one == kind]) for kind in kinds}
    points = draw.sample(sorted(wanted), min(len(wanted), kills // 2))
    part = len(doors) / max(1, kills - len(points))
    points += [int(part * (n + draw.random())) + 1 for n in range(kills - len(points))]
    return sorted(points)


@pytest.mark.parametrize("name", COMMANDS)
def test_killed_at_any_door_a_clean_run_completes(
    prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A chain of kills on one root, each on what the ones before it left, then one clean run."""
    start, work = COMMANDS[name]
    log = tmp_path / "log"
    monkeypatch.setattr(running, "FORGOTTEN_S", 0)
    monkeypatch.setenv("IPSKA_KEEP_BUILDS", "1")
    monkeypatch.setenv("IPSKA_KEEP_RELEASES", "1")
    source = getattr(prepared, start)
    nights.use(monkeypatch, nights.copy(source, tmp_path / "whole"))
    doors = crash.moments(work, log)
    kills = max(2, KILLS * SHARES[name] // sum(SHARES.values()))
    hits, per_root = 0, 12 if start == "before" else 4
    points = chosen(doors, kills, f"{name} {kills}")
    for number, first in enumerate(range(0, kills, per_root)):
        root = nights.copy(source, tmp_path / str(number))
        nights.use(monkeypatch, root)
        known = check_landings(set())
        reader = Reader(root)
        reader.thread.start()
        # Every so-manieth: each root has kills early and late. What an earlier kill left done is
        # not done again, so later moments come sooner: the count is what is left of the whole.
        for point in points[number :: -(-kills // per_root)][: len(points) - first]:
            remaining = crash_at(work, point, len(doors), log)
            hits += remaining
            check_readable()
            known = check_landings(known)
        recover(log, prepared.expected)
        reads, error = reader.end()
        assert reads and not error, error.decode()
        shutil.rmtree(root)
    assert hits >= kills * 3 // 4, f"{hits} of {kills} kills hit"
