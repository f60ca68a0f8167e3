"""The real scheduler: what is asked for by REST and by the form ends green or red as it must.

Airflow is started as an operator does it (bin/airflow-up) and is gone after this module.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from pipeline.periods import Month
from pipeline.sample import write_sample

Facts = dict[str, Any]
ROOT = Path(__file__).parent.parent
FIRST, LAST = Month(2024, 7), Month(2024, 9)
NIGHTLY, BACKFILL = "ipska_nightly", "ipska_backfill"
NIGHT = {"newest": "2024-09", "months_back": 2}
RANGE = {"from": "2024-07", "to": "2024-09", "reason": "the office revised", "dry_run": False}
WAIT_S = 600


def until(what: str, found: Callable[[], Any], seconds: float = WAIT_S) -> Any:
    """Ask again and again for something, until it is there or the time is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := found():
            return answer
        time.sleep(0.3)
    raise AssertionError(f"not within {seconds} s: {what}")


class Airflow:
    """A running Airflow, spoken to as any other client does."""

    def __init__(self, home: Path, address: str, password: str, session: int) -> None:
        self.home, self.address, self.password, self.session = home, address, password, session
        self.client = httpx.Client(base_url=address, timeout=120)
        login = {"username": "admin", "password": password}
        token = self.client.post("/auth/token", json=login).json()["access_token"]
        self.client.headers["Authorization"] = f"Bearer {token}"

    def get(self, path: str) -> Facts:
        answer = self.client.get(f"/api/v2/dags{path}")
        assert answer.status_code == 200, answer.text
        found: Facts = answer.json()
        return found

    def ask(self, dag: str, conf: Facts) -> httpx.Response:
        body = {"logical_date": None, "conf": conf}
        return self.client.post(f"/api/v2/dags/{dag}/dagRuns", json=body)

    def start(self, dag: str, conf: Facts) -> str:
        answer = self.ask(dag, conf)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["dag_run_id"])

    def ended(self, dag: str, run_id: str) -> Facts:
        """How a run ended, and each of its tasks."""

        def over() -> Facts | None:
            run = self.get(f"/{dag}/dagRuns/{run_id}")
            return run if run["state"] in ("success", "failed") else None

        run: Facts = until(f"the end of {dag} {run_id}", over)
        tasks = self.get(f"/{dag}/dagRuns/{run_id}/taskInstances")["task_instances"]
        return {**run, "tasks": {task["task_id"]: task["state"] for task in tasks}}

    def has_both(self) -> bool:
        return {NIGHTLY, BACKFILL} <= {dag["dag_id"] for dag in self.get("")["dags"]}

    def log(self, dag: str, run_id: str, task: str) -> str:
        """What a task said, as the UI shows it."""
        said = self.get(f"/{dag}/dagRuns/{run_id}/taskInstances/{task}/logs/1")["content"]
        return json.dumps(said, ensure_ascii=False)

    def ledger(self) -> list[Facts]:
        files = sorted((self.home / "data/ledger").glob("2*.json"))
        entries = [json.loads(file.read_text("utf-8")) for file in files]
        return [entry for entry in entries if entry["kind"] in ("nightly", "backfill")]


def session_of(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return 0


def members(session: int) -> list[psutil.Process]:
    """Every live process of a session. A task has a process group of its own, but no session."""
    found = []
    for one in psutil.process_iter():
        with suppress(psutil.NoSuchProcess):
            if session_of(one.pid) == session and one.status() != psutil.STATUS_ZOMBIE:
                found.append(one)
    return found


@contextmanager
def airflow_up(home: Path, environment: dict[str, str]) -> Iterator[tuple[int, str]]:
    """bin/airflow-up on a free port: its session, and what it says once it is up or has ended."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        environment = environment | {"PORT": str(free.getsockname()[1])}
    out = home / "up.log"
    with out.open("w") as log:
        up = subprocess.Popen(
            [ROOT / "bin/airflow-up"], stdout=log, stderr=log, cwd=home, env=environment,
            start_new_session=True,
        )  # fmt: skip
    try:
        until("airflow-up", lambda: "password: " in out.read_text() or up.poll() is not None, 300)
        yield up.pid, out.read_text("utf-8")
    finally:
        with suppress(ProcessLookupError):
            os.killpg(up.pid, signal.SIGTERM)
        psutil.wait_procs(members(up.pid), timeout=30)
        for one in members(up.pid):
            with suppress(psutil.NoSuchProcess):
                one.kill()
        up.wait(30)
        shutil.rmtree(home / "airflow/logs", ignore_errors=True)
    until("nothing is left running", lambda: not members(up.pid), 60)


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    home = tmp_path_factory.mktemp("scheduler")
    outer = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "IPSKA"))}
    environment = outer | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "AIRFLOW_HOME": str(home / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": "2",
        # Switched on, a DAG starts the night that was due last at once; tests ask for theirs.
        "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "IPSKA_HOME": str(home / "data"),
        "IPSKA_DELIVERIES": str(home / "deliveries"),
    }
    migrated = subprocess.Popen(
        ["airflow", "db", "migrate"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        cwd=home, env=environment, text=True, start_new_session=True,
    )  # fmt: skip
    write_sample(home / "deliveries", 1_500, seed=1, first=FIRST, last=LAST, dirt=0)
    told, _ = migrated.communicate(timeout=400)
    assert migrated.returncode == 0, told[-3000:]
    for _ in range(3):  # another process may take the port that was free
        with airflow_up(home, environment) as (session, said):
            words = said.split()
            if "password:" not in words:
                continue
            found = Airflow(home, words[0], words[words.index("password:") + 1], session)
            until("both DAGs", found.has_both, 180)
            yield found
            return
    raise AssertionError(said)


@pytest.fixture(scope="module")
def wrong(airflow: Airflow) -> dict[str, str]:
    """Ranges that no form can check; they run while the night does."""
    return {
        "reversed": airflow.start(BACKFILL, {**RANGE, "from": "2024-09", "to": "2024-07"}),
        "unknown feed": airflow.start(BACKFILL, {**RANGE, "feed": "nobody"}),
    }


@pytest.fixture(scope="module")
def night(airflow: Airflow, wrong: dict[str, str]) -> Facts:
    return airflow.ended(NIGHTLY, airflow.start(NIGHTLY, NIGHT))


@pytest.mark.parametrize(
    ("dag", "conf", "word"),
    [
        (BACKFILL, {"from": "2024-07", "to": "2024-09", "dry_run": False}, "reason"),
        (BACKFILL, {**RANGE, "reason": "x"}, "reason"),
        (BACKFILL, {**RANGE, "from": "2024-13"}, "from"),
        (NIGHTLY, {"newest": "September"}, "newest"),
        (NIGHTLY, {"months_back": -1}, "months_back"),
    ],
)
def test_what_the_form_can_check_is_refused_at_once(
    airflow: Airflow, dag: str, conf: Facts, word: str
) -> None:
    answer = airflow.ask(dag, conf)
    assert answer.status_code == 400
    assert f"param {word}" in answer.json()["detail"]


def test_it_listens_on_this_machine_only(airflow: Airflow) -> None:
    found = []
    for process in members(airflow.session):
        with suppress(psutil.NoSuchProcess):
            listening = psutil.CONN_LISTEN
            found += [
                one.laddr.ip for one in process.net_connections("inet") if one.status == listening
            ]
    assert found and set(found) == {"127.0.0.1"}


def test_a_clean_night_ends_green_with_a_release(airflow: Airflow, night: Facts) -> None:
    assert night["state"] == "success", airflow.log(NIGHTLY, night["dag_run_id"], "conclude")
    assert set(night["tasks"].values()) == {"success"}
    (entry,) = [one for one in airflow.ledger() if one["kind"] == "nightly"]
    assert (entry["kind"], entry["who"], entry["exit_code"]) == ("nightly", "admin", 0)
    assert entry["months"] == ["2024-07", "2024-08", "2024-09"]
    current = airflow.home / "data/internal/current"
    assert (current / "ekspor.duckdb").stat().st_size > 100_000
    assert current.resolve().name == entry["publish"]["release_id"]
    said = airflow.log(NIGHTLY, night["dag_run_id"], "conclude")
    assert entry["publish"]["release_id"] in said
    assert "diterbitkan" in said and "Published internal release" in said


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("reversed", ["2024-09 to 2024-07 is reversed", "Give the earlier month first"]),
        ("unknown feed", ["There is no feed 'nobody'", "eska"]),
    ],
)
def test_what_it_can_not_check_ends_red_with_the_message(
    airflow: Airflow, wrong: dict[str, str], case: str, words: list[str]
) -> None:
    run = airflow.ended(BACKFILL, wrong[case])
    assert (run["state"], run["tasks"]["request"]) == ("failed", "failed")
    assert run["tasks"]["extract"] == "upstream_failed"
    said = airflow.log(BACKFILL, wrong[case], "request")
    assert all(word in said for word in words), said


def test_a_backfill_ends_green_and_says_why_for_ever(airflow: Airflow, night: Facts) -> None:
    run = airflow.ended(BACKFILL, airflow.start(BACKFILL, RANGE))
    assert run["state"] == "success", airflow.log(BACKFILL, run["dag_run_id"], "conclude")
    entry = airflow.ledger()[-1]
    assert (entry["kind"], entry["who"], entry["exit_code"]) == ("backfill", "admin", 0)
    assert entry["reason"] == RANGE["reason"]
    # Nothing has come since the night: a minute less than with another build.
    assert entry["extract"]["unchanged"] > 20 and entry["extract"]["landed"] == []
    assert entry["publish"]["release_id"] == airflow.ledger()[-2]["publish"]["release_id"]


def test_a_bad_delivery_turns_the_run_red_with_the_message(airflow: Airflow, night: Facts) -> None:
    (good,) = (airflow.home / "deliveries/BGR").glob("*_BGR_2024-09_*")
    bad = good.with_name("X_BGR_2024-09_20241231T000000.csv")
    bad.write_bytes(good.read_bytes().replace(b"no_ska", b"nomor_ska", 1))
    before = (airflow.home / "data/internal/current").resolve()
    run = airflow.ended(NIGHTLY, airflow.start(NIGHTLY, {**NIGHT, "months_back": 0}))
    others = {state for task, state in run["tasks"].items() if task != "conclude"}
    assert (run["state"], run["tasks"]["conclude"], others) == ("failed", "failed", {"success"})
    said = airflow.log(NIGHTLY, run["dag_run_id"], "conclude")
    assert "BGR_2024-09: ditolak" in said and "BGR_2024-09: refused" in said
    assert "exit code 3" in said
    assert (airflow.home / "data/internal/current").resolve() != before, "the others are published"


def browser_program() -> str:
    """Chromium. Missing: the test is skipped, with the reason; under CI it fails."""
    if found := shutil.which("chromium"):
        return found
    reason = "Chromium is not installed: apt-get install chromium"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def test_the_form_starts_a_backfill(airflow: Airflow) -> None:
    program = browser_program()
    from playwright.sync_api import sync_playwright

    asked = {"from": "2024-07", "to": "2024-08", "reason": "asked by the form"}
    params = airflow.get(f"/{BACKFILL}/details")["params"]
    assert {*asked, "dry_run"} <= set(params)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            page = browser.new_page(viewport={"width": 1200, "height": 1600})
            page.set_default_timeout(120_000)
            page.goto(f"{airflow.address}/dags/{BACKFILL}")
            page.fill("input[name=username]", "admin")
            page.fill("input[name=password]", airflow.password)
            page.keyboard.press("Enter")
            page.get_by_role("button", name="Trigger").first.click()
            form = page.get_by_role("dialog")
            for name, value in asked.items():
                form.locator(f"#element_{name}").fill(value)
            dry = form.locator("input[name=element_dry_run]")
            assert dry.is_checked(), "a backfill is dry unless somebody says otherwise"
            dry.dispatch_event("click")
            assert not dry.is_checked()
            shown = form.inner_text()
            for name in params:
                schema = params[name]["schema"]
                assert " / " in schema["title"] and schema["title"] in shown
            told = params["reason"]["description"].replace("`", "")
            assert " / " in told and told in shown
            (ROOT / "build").mkdir(exist_ok=True)
            page.screenshot(path=ROOT / "build/backfill_form.png")
            form.get_by_role("button", name="Trigger").click()

            def there() -> list[Facts]:
                runs = airflow.get(f"/{BACKFILL}/dagRuns")["dag_runs"]
                return [run for run in runs if run["conf"].get("reason") == asked["reason"]]

            (run,) = until("the run that the form asked for", there, 120)
        finally:
            browser.close()
    assert (run["conf"]["from"], run["conf"]["to"]) == ("2024-07", "2024-08")
    assert run["conf"]["dry_run"] is False
    assert run["triggering_user_name"] == "admin"
