"""A night's data root for tests of the whole flow, and what they ask of it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline import duck, flow, layouts, requests, settings, store
from pipeline.periods import Month

FIRST, LAST = Month(2021, 1), Month(2024, 9)
LINES = 9_000
Facts = dict[str, Any]


def use(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    """Point the pipeline at root/data and root/deliveries, in this process and its children."""
    monkeypatch.setenv("IPSKA_HOME", str(root / "data"))
    monkeypatch.setenv("IPSKA_DELIVERIES", str(root / "deliveries"))
    settings.settings.cache_clear()
    layouts.load_layout.cache_clear()


def backfill(reason: str) -> Facts:
    return requests.backfill(str(FIRST), str(LAST), None, reason, store.now())


def again(reason: str = "once more") -> Facts:
    return flow.run(backfill(reason), tell=lambda _: None)


def query(database: Path, sql: str) -> list[tuple[Any, ...]]:
    with duck.connect(database, read_only=True) as con:
        return con.execute(sql).fetchall()


def content(database: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every mart table's rows, and the books: what two runs must agree on."""
    tables = query(database, "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'mart'")
    assert len(tables) >= 5
    found = {name: query(database, f"FROM mart.{name} ORDER BY ALL") for (name,) in tables}
    found["ledger"] = query(
        database,
        "SELECT state, sum(records), sum(stated_usd) FROM meta.ledger GROUP BY ALL ORDER BY ALL",
    )
    return found


def truth_of(root: Path) -> Facts:
    found: Facts = json.loads((root / "deliveries" / "truth.json").read_text("utf-8"))
    return found


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The real `ipska`, in a process of its own."""
    ipska = Path(sys.executable).parent / "ipska"
    return subprocess.run([ipska, *arguments], capture_output=True, text=True, timeout=600)
