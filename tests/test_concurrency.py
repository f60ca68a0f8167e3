"""Runs at once, of the command and of Airflow, while somebody prunes: apart, in turn, and whole."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import two_months
from pipeline import builds, flow, ledger, prune, releases, settings, store, verify, vintages

# What the DAG does: each step a process of its own, JSON between them.
STEP = """
import json, sys
from pipeline import flow
name, *given = json.load(sys.stdin)
print(json.dumps(getattr(flow, name)(*given), default=str))
"""
PRUNES = """
import time
from pipeline import ledger, prune, store
while True:
    entry = {"run_id": ledger.new_run_id("prune"), "kind": "prune", "who": "x", "reason": "x"}
    prune.prune({**entry, "started_at": store.now().isoformat()})
"""


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A root with a release, and new deliveries that have not landed."""
    root = tmp_path_factory.mktemp("at-once") / "root"
    with pytest.MonkeyPatch.context() as patch:
        two_months.use(patch, root)
        two_months.prepare(root)
        two_months.run()
        two_months.change(root, "BGR", "BKS", "CRB")
    settings.settings.cache_clear()
    yield root


@pytest.fixture
def root(two: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    two_months.use(monkeypatch, two_months.copy(two, tmp_path / "copy"))
    return tmp_path / "copy"


def step(name: str, *given: two_months.Facts) -> two_months.Facts:
    command = [sys.executable, "-c", STEP]
    text = json.dumps([name, *given], default=str)
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found: two_months.Facts = json.loads(done.stdout)
    return found


def test_a_run_a_backfill_of_the_dag_and_prune_at_once(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IPSKA_KEEP_BUILDS", "1")
    monkeypatch.setenv("IPSKA_KEEP_RELEASES", "1")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    back = str(two_months.LAST - two_months.FIRST)
    ipska = [sys.executable, "-m", "pipeline", "run"]
    command = [*ipska, "--newest", str(two_months.LAST), "--months-back", back]
    run = subprocess.Popen(command, **quiet)  # type: ignore[call-overload]
    pruner = subprocess.Popen([sys.executable, "-c", PRUNES], **quiet)  # type: ignore[call-overload]
    try:
        request = two_months.request("of the DAG")
        done: list[two_months.Facts] = []
        for name in ("extract", "validate", "build", "publish"):
            done.append(step(name, request, *done[-1:]))
        report = step("conclude", request, *done)
        assert report["exit_code"] in (0, 3), report
        assert run.wait(300) in (0, 3), run.stderr.read()
        assert pruner.poll() is None, pruner.stderr.read()
    finally:
        for process in (run, pruner):
            process.kill()
            process.wait(30)
    now = releases.current("internal")
    assert now and builds.exists(now["build_id"])
    final = two_months.run("afterwards")
    assert final["exit_code"] == 0 and not final["publish"]["published"]
    assert verify.verify() == []
    request = {**two_months.request("prune"), "kind": "prune"}
    prune.prune(request)
    assert not list(store.hidden_under(store.home()))
    reasons = {one["reason"] for one in ledger.entries()}
    assert {"nightly run", "of the DAG", "afterwards"} <= reasons


def test_a_build_that_a_newer_one_overtook_is_made_again(root: Path) -> None:
    late = two_months.request("slow")
    built = flow.build(late, flow.validate(late, flow.extract(late)))
    two_months.change(root, "KRW")
    newer = two_months.run("overtakes")
    published = flow.publish(late, built)
    assert published["build_id"] == newer["publish"]["build_id"] != built["build_id"]
    assert not published["published"], "what is current is that very build"


def test_a_build_that_prune_took_before_it_was_published_is_made_again(root: Path) -> None:
    """Under Airflow no process lives between two tasks."""
    request = two_months.request("waits between two tasks")
    built = flow.build(request, flow.validate(request, flow.extract(request)))
    made = vintages.fingerprints(builds.find(built["build_id"]).database)
    store.remove(builds.folder_of(built["build_id"]))
    published = flow.publish(request, built)
    assert published["published"] and published["build_id"] == built["build_id"]
    assert vintages.fingerprints(releases.database("internal")) == made
