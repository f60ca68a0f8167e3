"""`make superset`: Apache Superset on this machine, with the starter dashboard over a release.

By hand, not in CI: Superset is 1.5 GB of packages in an environment of its own, build/superset/.
It starts on 127.0.0.1, imports bi/superset/export/, opens the dashboard in Chromium, requires that
each of its queries gave rows, stores build/superset/dashboard.png, and stops.
"""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Response, sync_playwright

HERE = Path(__file__).parent
FOLDER = Path("build/superset").absolute()
DATABASE = Path(os.environ["IPSKA_HOME"], "internal/current/ekspor.duckdb").absolute()
CHARTS = 4


def superset(*arguments: str, environment: dict[str, str]) -> None:
    with (FOLDER / "superset.log").open("a") as log:
        subprocess.run(
            [FOLDER / "venv/bin/superset", *arguments],
            env=environment, check=True, stdout=log, stderr=log, timeout=600,
        )  # fmt: skip


def install() -> None:
    wanted = (HERE / "requirements.txt").read_text()
    ready = FOLDER / "venv" / "ready.txt"
    if ready.exists() and ready.read_text() == wanted:
        return
    print("superset: install (minutes)")
    shutil.rmtree(FOLDER / "venv", ignore_errors=True)
    subprocess.run([sys._base_executable, "-m", "venv", FOLDER / "venv"], check=True)
    pip = [FOLDER / "venv/bin/python", "-m", "pip", "install", "-qq", "-r"]
    subprocess.run([*pip, HERE / "requirements.txt"], check=True)
    ready.write_text(wanted)


def package() -> Path:
    """The export as the zip that Superset imports, about this machine's release."""
    made = FOLDER / "ipska.zip"
    with zipfile.ZipFile(made, "w") as archive:
        for file in sorted((HERE / "export").rglob("*.yaml")):
            text = file.read_text("utf-8").replace(
                "/srv/ipska/internal/current/ekspor.duckdb", str(DATABASE)
            )
            archive.writestr(f"ipska/{file.relative_to(HERE / 'export')}", text)
    return made


def look(port: int, password: str) -> None:
    """Open the dashboard and store what it shows. Raises AssertionError where a query failed."""
    told: list[Any] = []

    def heard(response: Response) -> None:
        if "/api/v1/chart/data" in response.url:
            told.append((response.status, response.json()))

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 1400})
        page.goto(f"http://127.0.0.1:{port}/login/", timeout=120_000)
        page.fill("#username", "admin")
        page.fill("#password", password)
        page.press("#password", "Enter")
        page.wait_for_url("**/welcome/**", timeout=120_000)
        page.on("response", heard)
        page.goto(f"http://127.0.0.1:{port}/superset/dashboard/ipska/", timeout=120_000)
        page.wait_for_selector("text=Kota Depok", timeout=120_000)
        page.wait_for_load_state("networkidle", timeout=120_000)
        page.wait_for_timeout(3_000)  # charts are drawn with an animation
        page.screenshot(path=FOLDER / "dashboard.png")
        browser.close()
    rows = [one["result"][0]["rowcount"] for status, one in told if status == 200]
    print("superset: rows of each query:", rows)
    assert len(rows) == len(told) >= CHARTS and all(rows), told


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    install()
    home = FOLDER / "home"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    password = secrets.token_urlsafe()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
        "SUPERSET_HOME": str(home),
        "SUPERSET_CONFIG_PATH": str(HERE / "superset_config.py"),
        "SUPERSET_SECRET_KEY": secrets.token_urlsafe(),
        "FLASK_APP": "superset",
    }
    print("superset: database, user, dashboard")
    superset("db", "upgrade", environment=environment)
    user = ["--username", "admin", "--firstname", "a", "--lastname", "b", "--email", "a@localhost"]
    superset("fab", "create-admin", *user, "--password", password, environment=environment)
    superset("init", environment=environment)
    superset("import-dashboards", "-p", str(package()), "-u", "admin", environment=environment)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serve = ["run", "--host", "127.0.0.1", "--port", str(port), "--with-threads"]
    with (FOLDER / "server.log").open("w") as log:
        server = subprocess.Popen(
            [FOLDER / "venv/bin/superset", *serve], env=environment, stdout=log, stderr=log
        )
        try:
            for _ in range(120):
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5)
                    break
                except OSError:
                    time.sleep(1)
            look(port, password)
        finally:
            server.terminate()
            server.wait(30)
    assert not list(DATABASE.resolve().parent.rglob("*.wal")), "opened for writing"
    print(f"superset: {FOLDER / 'dashboard.png'}")


if __name__ == "__main__":
    main()
