"""Builds: whole warehouses made from accepted files under given rules, each in its own folder."""

import hashlib
import shutil
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pipeline import duck, store
from pipeline.messages import Problem
from pipeline.settings import settings
from pipeline.suites import Check

DATABASE, CHECKS = "warehouse.duckdb", "checks.html"
# Text is written in half the time of the oldest, v1.0.0; an upgrade that is taken back can read it.
STORAGE_VERSION = "v1.5.0"
CHECK_RESULT = """
    suite_name VARCHAR, rule_name VARCHAR, severity VARCHAR, evaluated BIGINT, unexpected BIGINT,
    note_en VARCHAR, note_id VARCHAR
"""


@dataclass(frozen=True)
class Build:
    """builds/<build_id>/: warehouse.duckdb (restricted) and build.json, here as `facts`."""

    build_id: str
    facts: dict[str, Any]

    @property
    def database(self) -> Path:
        return folder_of(self.build_id) / DATABASE


def folder_of(build_id: str) -> Path:
    return store.home() / "builds" / store.safe_name(build_id)


def checks_of(build_id: str) -> Path:
    """The page of all that was checked in a build."""
    return folder_of(build_id) / CHECKS


def exists(build_id: str) -> bool:
    return (folder_of(build_id) / "build.json").exists()


def find(build_id: str) -> Build:
    """The build of that id. Raises Problem `no_build`."""
    if not exists(build_id):
        raise Problem("no_build", build_id=build_id)
    return Build(build_id, store.read_json(folder_of(build_id) / "build.json"))


def fingerprint(verdicts: list[dict[str, Any]]) -> dict[str, str]:
    """What a build of these verdicts is made from: build_id and the parts that it hashes.

    The same verdicts, rules, code and DuckDB give the same id, and are not built twice.
    """
    limit = settings()
    parts = {
        "rules_sha": store.sha256_of_trees(limit.seeds, limit.expectations, limit.warehouse),
        "code_sha": store.sha256_of_trees(Path(__file__).parent),
        "duckdb_version": version("duckdb"),
    }
    deliveries = sorted(f"{v['delivery_id']} {v['rules_sha']} {v['verdict']}" for v in verdicts)
    text = "\n".join([*parts.values(), *deliveries])
    return {"build_id": hashlib.sha256(text.encode()).hexdigest()[:16], **parts}


def keep_rules(rules_sha: str) -> None:
    """Keep the rules of a build for ever, so that its answers can be made again."""
    limit = settings()
    final = store.home() / "rules" / rules_sha
    if final.exists():
        return
    with store.new_directory(final) as folder:
        for tree in (limit.seeds, limit.expectations, limit.warehouse):
            shutil.copytree(tree, folder / tree.name)


def write_check_results(
    con: duck.Connection, checks: list[Check], verdicts: list[dict[str, Any]]
) -> None:
    """Write meta.check_result, one row per suite and rule: what was evaluated, what was not as
    expected. The row and delivery suites' rows are sums over the deliveries that are current.
    """
    found = con.execute("SELECT delivery_id FROM core.delivery WHERE state = 'current'").fetchall()
    current = {delivery_id for (delivery_id,) in found}
    told = [one for v in verdicts if v["delivery_id"] in current for one in v["checks"]]
    told += [asdict(check) for check in checks]
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for one in told:
        row = rows.setdefault(
            (one["suite"], one["rule_name"]),
            {
                "suite_name": one["suite"],
                **{name: one[name] for name in ("rule_name", "severity", "note_en", "note_id")},
                "evaluated": 0,
                "unexpected": 0,
            },
        )
        row["evaluated"] += one["evaluated"]
        row["unexpected"] += one["unexpected"]
    con.execute(f"CREATE TABLE meta.check_result ({CHECK_RESULT})")
    duck.insert(con, "meta.check_result", list(rows.values()))
