"""The operator's page of a build: what has come, what is set aside, what could not be placed.

It lies with the build, in the restricted store, beside the check page; it has no script.
"""

from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline import builds, duck, freshness, page, quarantine, store
from pipeline.messages import shown
from pipeline.page.texts import moment

FILE = "operator.html"
SPELLINGS = 100
Row = dict[str, Any]


def file_of(build_id: str) -> Path:
    return builds.folder_of(build_id) / FILE


def write(con: duck.Connection, folder: Path, facts: Row) -> None:
    """Write operator.html into a build's folder while its database is open; `facts`: build.json."""
    grid = freshness.grid(duck.rows(con, "FROM core.freshness"), months=12)
    unplaced = quarantine.suggested(con)
    told = ("spelling", "seed_row", "candidates", "suggestion")
    html = page.template("operator.html.j2").render(
        facts=facts,
        made_at=moment(datetime.fromisoformat(facts["made_at"])),
        checks=builds.CHECKS,
        states=freshness.STATES,
        months=sorted({row["month"] for row in grid}),
        feeds=[
            {"feed": feed, "by_month": {row["month"]: row for row in grid if row["feed"] == feed}}
            for feed in dict.fromkeys(row["feed"] for row in grid)
        ],
        offices=quarantine.by_office(con),
        unplaced=[
            row | {name: shown(_text(row[name])) for name in told} for row in unplaced[:SPELLINGS]
        ],
        more=max(0, len(unplaced) - SPELLINGS),
        style=page.source("style.css"),
        policy=page.policy(page.source("style.css")),
    )
    store.write_atomic(folder / FILE, html.encode())


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value or "")
