"""Corrections: what reviewed rows of seeds/corrections.csv change in deliveries, while they fit.

match: `slice=BGR_2024-09; ska_number=0000038/BGR/2024; line=7`, also `feed=`; `line` is the
physical line, other names are conformed columns with the text as delivered. action: `set <column>`
(to `value`, where the text is `expect`) or `exclude` (where exactly `expect` records match).
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from operator import itemgetter
from pathlib import Path
from typing import Any

from pipeline import conform, duck, ledger, seeds, store
from pipeline.layouts import Layout
from pipeline.messages import Problem
from pipeline.store import Landing

WARNING_DAYS = 14
Entry = dict[str, Any]


@dataclass(frozen=True)
class Correction:
    """A row of the file; `until` is the last day on which it is in force."""

    match: str
    action: str
    value: str
    expect: str
    reason: str
    source: str
    until: date

    @property
    def conditions(self) -> dict[str, str]:
        pairs = (part.partition("=") for part in self.match.split(";"))
        return {name.strip(): text.strip() for name, _, text in pairs}

    @property
    def column(self) -> str | None:
        """The column it sets; None when it excludes."""
        return self.action.removeprefix("set ").strip() if self.action != "exclude" else None

    def names(self, feed: str, slice_code: str) -> bool:
        wanted = self.conditions
        return wanted["slice"] == slice_code and wanted.get("feed", feed) == feed


def load_corrections() -> list[Correction]:
    """All rows of the file; none when it is absent. Raises Problem `bad_correction`."""
    path = seeds.path("corrections")
    return list(_load(path, path.stat().st_mtime_ns)) if path.exists() else []


@cache
def _load(path: Path, _: int) -> tuple[Correction, ...]:
    found = []
    for line, row in enumerate(seeds.rows("corrections"), 2):
        try:
            one = Correction(**{**row, "until": date.fromisoformat(row["until"])})  # type: ignore[arg-type]
            if "slice" not in one.conditions or not all(one.conditions.values()):
                raise ValueError("match needs slice=… and a text for every name")
            if one.action == "exclude":
                int(one.expect)
            elif not re.fullmatch(r"set [a-z_]+", one.action):
                raise ValueError("action is `exclude` or `set <column>`")
            if not one.reason or not one.source:
                raise ValueError("reason and source are missing")
        except (TypeError, ValueError) as error:
            raise Problem("bad_correction", file=path, line=line, error=error) from error
        found.append(one)
    return tuple(found)


def _today() -> date:
    return store.now().astimezone(seeds.time_zone()).date()


def in_force(landing: Landing) -> list[Correction]:
    """The corrections that name the delivery's slice and are not past their date; none of a
    resubmission, which has lines of its own and was made from corrected records."""
    if landing.manifest["resubmits"]:
        return []
    named = (one for one in load_corrections() if one.names(landing.feed, landing.slice_code))
    return [one for one in named if _today() <= one.until]


def rules_sha(base: str, landing: Landing) -> str:
    """The hash of a delivery's rules: others than those that a correction names keep theirs."""
    used = in_force(landing)
    return hashlib.sha256(f"{base} {used}".encode()).hexdigest() if used else base


def apply(
    con: duck.Connection, landing: Landing, layout: Layout, number: int, first_row: int
) -> list[Entry]:
    """Correct the delivery's records as read; of each correction how many it matched and changed.

    What is set is noted in `finding` as `corrected` (info); what is excluded stands in `excluded`.
    Raises Problem `bad_correction` when a row names a column that there isn't.
    """
    if not (named := in_force(landing)):
        return []
    table = layout.raw_table
    columns = {name for name, *_ in con.execute(f"DESCRIBE {table}").fetchall()}
    entries = []
    for one in named:
        wanted = {k: v for k, v in one.conditions.items() if k not in ("slice", "feed")}
        for name in {*wanted, one.column or "line"} - columns - {"line"}:
            error = f"{one.match}: no column {name}"
            raise Problem("bad_correction", file=seeds.path("corrections"), line="?", error=error)
        text = {name: f"trimmed(r.{duck.identifier(name)})" for name in columns}
        text["line"] = f"coalesce(o.line, r.rowid - {first_row} + 2)::VARCHAR"
        found = con.execute(
            f"SELECT r.rowid, {text[one.column] if one.column else 'NULL'} FROM {table} AS r "
            "LEFT JOIN odd AS o ON o.row_id = r.rowid "
            "ANTI JOIN excluded AS x ON x.row_id = r.rowid "
            + " AND ".join(["WHERE r.delivery_no = ?", *(f"{text[name]} = ?" for name in wanted)]),
            [number, *wanted.values()],
        ).fetchall()
        if one.column:
            rows = [row for row, now in found if (now or "") == one.expect]
            other = [now or "" for _, now in found if (now or "") != one.expect]
        else:
            rows = [row for row, _ in found] if len(found) == int(one.expect) else []
            other = [str(len(found))] if found and not rows else []
        if one.column:
            target = duck.identifier(one.column)
            con.execute(
                f"UPDATE {table} SET {target} = ? WHERE rowid IN (SELECT unnest(?))",
                [one.value, rows],
            )
            con.execute(
                "INSERT INTO finding SELECT unnest(?::BIGINT[]), 'corrected', 'info', ?",
                [rows, one.column],
            )
        else:
            con.execute(
                f"INSERT INTO excluded SELECT r.rowid, r.delivery_no, {text['line']}::INTEGER, "
                "'correction', CASE WHEN o.record IS NOT NULL THEN json_object('record', o.record) "
                f"ELSE {conform.as_delivered(layout)} END "
                f"FROM {table} AS r LEFT JOIN odd AS o ON o.row_id = r.rowid "
                "WHERE r.rowid IN (SELECT unnest(?))",
                [rows],
            )
        facts = {name: getattr(one, name) for name in ("match", "action", "value", "reason")}
        counts = {"matched": len(found), "applied": len(rows), "found": other[:1]}
        entries.append({**facts, **counts})
    return entries


def troubles(verdicts: list[Entry]) -> list[Entry]:
    """The corrections that don't fit any more: code, en, id, `since`, `red_on`, `is_overdue`.

    A correction past its date counts from that date; one that matches nothing, or finds another
    text than it expects, from the first run that said so: the ledger carries it from run to run.
    """
    rows = load_corrections()
    if not rows:
        return []
    runs = [entry for entry in ledger.entries() if entry.get("validate")]
    known = {
        (one["match"], one["action"], one["code"]): one["since"]
        for one in (runs[-1]["validate"].get("corrections", []) if runs else [])
    }
    newest = {
        (v["feed"], v["slice_code"], v["mode"] == "delta" and v["delivery_id"]): v
        for v in sorted(verdicts, key=itemgetter("landed_at"))
        if v["verdict"] == "accepted"
    }
    found = []
    for one in rows:
        facts = {"match": one.match, "action": one.action}
        mine = [
            entry
            for verdict in newest.values()
            for entry in verdict.get("corrections", [])
            if entry["match"] == one.match and entry["action"] == one.action
        ]
        other = [text for entry in mine for text in entry["found"]]
        if one.until < _today():
            told = Problem("correction_expired", **facts, until=one.until)
        elif other:
            told = Problem("correction_misfit", **facts, expect=one.expect, found=", ".join(other))
        elif not any(entry["matched"] for entry in mine):
            told = Problem("correction_unmatched", **facts)
        else:
            continue
        since = min(one.until, _today())
        since = date.fromisoformat(known.get((one.match, one.action, told.code), str(since)))
        red_on = since + timedelta(days=WARNING_DAYS + 1)
        found.append(
            {**told.as_dict(), **facts, "since": str(since), "red_on": str(red_on)}
            | {"is_overdue": _today() >= red_on}
        )
    return found
