"""The ledger: one immutable file per run; what ran, who, why, and what came of it."""

import getpass
import os
import secrets
from datetime import datetime, timedelta
from typing import Any

from pipeline import store
from pipeline.messages import Problem
from pipeline.settings import settings

Entry = dict[str, Any]


def moment() -> datetime:
    """Now; should the clock have stepped back, just after the newest entry or release. What came
    last (a rollback or its end, a release) is known by the names' order."""
    root = settings().home.absolute()
    found = [*root.glob("ledger/2*.json"), *root.glob("*/releases/2*")]
    newest = max((path.name for path in found), default=None)
    after = [store.parse_stamp(newest) + timedelta(microseconds=1)] if newest else []
    return max([store.now(), *after])


def new_run_id(kind: str) -> str:
    """A sortable id: moment, kind, four random letters (two runs may start in one microsecond)."""
    return f"{store.stamp(moment())}-{kind}-{secrets.token_hex(2)}"


def operator() -> str:
    """Who runs this; in a container a user may have a number only."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def record(entry: Entry) -> None:
    """Write one entry under its `run_id`. A second one with the same id is Problem `ledger_twice`.

    Airflow may run a task again after a lost heartbeat: the same content again is no error.
    """
    path = store.home() / "ledger" / f"{store.safe_name(entry['run_id'])}.json"
    if path.exists():
        known = store.read_json(path)
        if {**known, "finished_at": None} != {**entry, "finished_at": None}:
            raise Problem("ledger_twice", run_id=entry["run_id"])
        return
    store.write_json(path, entry)


def entries() -> list[Entry]:
    """All entries, oldest first."""
    return [store.read_json(path) for path in sorted((store.home() / "ledger").glob("2*.json"))]


def holds() -> list[Entry]:
    """The rollbacks that no `resume` has followed, oldest first."""
    found: list[Entry] = []
    for entry in entries():
        if entry["kind"] == "rollback":
            found.append(entry)
        elif entry["kind"] == "resume":
            found = []
    return found


def hold(audience: str = "internal") -> Entry | None:
    """The newest rollback that holds publishing for an audience: one of the office's holds both."""
    found = [one for one in holds() if one.get("audience", "internal") in ("internal", audience)]
    return found[-1] if found else None
