"""Envelopes of deliveries proposed from history: `ipska bounds propose --help`."""

import csv
import io
import math
from statistics import median
from typing import Any

import typer

from pipeline import bounds, builds, duck, releases
from pipeline.bounds import Bound
from pipeline.messages import Problem
from pipeline.printing import Json, out, print_json, print_table

LEAST_HISTORY = 12  # deliveries of an office before anything is proposed
REACH = 6 * 1.4826  # six standard deviations, where one is 1.4826 median absolute deviations
app = typer.Typer(no_args_is_help=True, help="The least and the most records of a delivery.")


@app.callback()
def group() -> None:
    """The least and the most records of a delivery (expectations/bounds.csv)."""


def propose(con: duck.Connection) -> list[dict[str, Any]]:
    """A row for each office with enough history, beside the one in force; `con` is a build.

    Median ± 6 × 1.4826 × MAD of the records of its current deliveries: a few odd months move
    neither. At least 1 where no delivery was a nil return. `outside`: deliveries of the history
    that the row would not let pass. Grain: feed, office.
    """
    history = con.execute(
        "SELECT feed, office_code, list(records - excluded_records ORDER BY month) "
        "FROM core.delivery WHERE state = 'current' AND office_code IS NOT NULL "
        "GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    rows = []
    for feed, office, records in history:
        if len(records) < LEAST_HISTORY:
            continue
        middle = median(records)
        reach = REACH * median(abs(count - middle) for count in records)
        low = max(min(1, *records), math.floor(middle - reach))
        new, old = Bound(feed, office, low, math.ceil(middle + reach)), bounds.of(feed, office)
        rows.append(
            {
                "feed": feed,
                "office_code": office,
                "deliveries": len(records),
                "min_in_force": old.min_records if old else None,
                "min_records": new.min_records,
                "max_in_force": old.max_records if old else None,
                "max_records": new.max_records,
                "widens": bool(old) and old is not None and new.widens(old),
                "outside": sum(not low <= count <= (new.max_records or 0) for count in records),
                "row": _csv(feed, office, low, new.max_records, "<YYYY-MM-DD>", "<reason>"),
            }
        )
    return rows


def _csv(*cells: object) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()


@app.command(name="propose")
def propose_command(as_json: Json = False) -> None:
    """Propose rows from the current release's history; a person dates, reasons and pastes them."""
    release = releases.current("internal")
    if release is None:
        raise Problem("nothing_published", audience="internal")
    with duck.connect(builds.find(release["build_id"]).database, read_only=True) as con:
        rows = propose(con)
    if as_json:
        print_json({"release": release["release_id"], "rows": rows})
        return
    if not rows:
        out.print(f"kurang dari {LEAST_HISTORY} kiriman / fewer than {LEAST_HISTORY} deliveries")
        return
    print_table("batas / bounds", rows, [name for name in rows[0] if name != "row"])
    out.print("", bounds.file(), *(row["row"] for row in rows), sep="\n")
