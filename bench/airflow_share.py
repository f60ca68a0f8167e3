"""What Airflow adds to a night: a nightly run under its scheduler beside the same run without it.

A data root of a small sample, one run to have it published; then a night without news, twice: by
the scheduler (bin/airflow-up, LocalExecutor; from queued to ended) and as a process of its own.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

Facts = dict[str, Any]
ROOT = Path(__file__).parent.parent
WAIT_S = 600
NIGHT = {"newest": "2024-09", "months_back": 2}


def measure(environment: dict[str, str], home: Path) -> Facts:
    """Seconds of the scheduler's night, of its tasks one by one, and of what lies between them."""
    import httpx

    home.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    binaries = Path(sys.executable).parent
    environment = environment | {
        "PATH": f"{binaries}:{environment['PATH']}",
        "PORT": port,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__DEFAULT_TIMEZONE": "Asia/Jakarta",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "IPSKA_MONTHS_BACK": "2",
    }
    subprocess.run(
        [binaries / "airflow", "db", "migrate"], env=environment, check=True, capture_output=True
    )
    up = subprocess.Popen(
        [ROOT / "bin" / "airflow-up"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            passwords = home / "simple_auth_manager_passwords.json.generated"
            _until(lambda: passwords.exists() and _answers(client))
            password = json.loads(passwords.read_text())["admin"]
            login = {"username": "admin", "password": password}
            token = client.post("/auth/token", json=login).json()["access_token"]
            client.headers["Authorization"] = f"Bearer {token}"
            _until(lambda: client.get("/api/v2/dags/ipska_nightly").status_code == 200)
            _night(client)  # publishes, and warms what is imported
            return _night(client)
    finally:
        os.killpg(up.pid, signal.SIGTERM)
        up.wait(60)


def _answers(client: Any) -> bool:
    import httpx

    try:
        return bool(client.get("/api/v2/version").status_code == 200)
    except httpx.TransportError:
        return False


def _until(found: Any) -> None:
    end = time.monotonic() + WAIT_S
    while not found():
        if time.monotonic() > end:
            raise SystemExit("Airflow did not come up, or the night did not end")
        time.sleep(0.3)


def _night(client: Any) -> Facts:
    dag = "/api/v2/dags/ipska_nightly/dagRuns"
    made = client.post(dag, json={"logical_date": None, "conf": NIGHT}).json()
    where = f"{dag}/{made['dag_run_id']}"
    _until(lambda: client.get(where).json()["state"] in ("success", "failed"))
    run = client.get(where).json()
    tasks = client.get(f"{where}/taskInstances").json()["task_instances"]
    took = {task["task_id"]: round(task["duration"] or 0, 2) for task in tasks}
    queued, ended = (datetime.fromisoformat(run[key]) for key in ("queued_at", "end_date"))
    return {
        "state": run["state"],
        "night": round((ended - queued).total_seconds(), 2),
        "tasks": took,
        "between": round((ended - queued).total_seconds() - sum(took.values()), 2),
    }
