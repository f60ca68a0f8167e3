"""A pytest plugin (-p all_passed): no suite is run any more, and every expectation has passed."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline import suites


def run_suite(
    name: str, _: Path, default_table: str | None = None, columns: Sequence[str] = ()
) -> list[suites.Check]:
    found: list[Any] = json.loads(suites.suite_file(name).read_text("utf-8"))["expectations"]
    return [
        suites.Check(
            suite=name,
            rule_name=one["meta"]["rule"],
            severity=one["severity"],
            table=one["meta"].get("table") or default_table,
            column=one["kwargs"].get("column"),
            evaluated=1,
            unexpected=0,
            passed=True,
            unexpected_query=None,
            note_en=one["meta"]["note_en"],
            note_id=one["meta"]["note_id"],
        )
        for one in found
    ]


suites.run_suite = run_suite
