"""The envelope of a delivery's size: expectations/bounds.csv, where a person has decided it.

Below `min_records` a delivery is refused, above `max_records` there is a warning. An office's own
row goes before the feed's row `*`; an office without either has no envelope.
"""

import csv
import hashlib
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache
from pathlib import Path

from pipeline.messages import Problem
from pipeline.settings import settings
from pipeline.store import Landing

COLUMNS = ["feed", "office_code", "min_records", "max_records", "decided_on", "reason"]
ANY = "*"


@dataclass(frozen=True)
class Bound:
    """A row of bounds.csv; None: no limit on that side."""

    feed: str
    office_code: str
    min_records: int | None
    max_records: int | None
    line: int = field(default=0, compare=False)  # of the file

    def widens(self, old: "Bound") -> bool:
        """Whether something passes here that does not pass under the old row."""
        high, old_high = (
            math.inf if one.max_records is None else one.max_records for one in (self, old)
        )
        return (self.min_records or 0) < (old.min_records or 0) or high > old_high


def file() -> Path:
    return settings().expectations / "bounds.csv"


def load_bounds() -> list[Bound]:
    """All rows; none when the file is absent. Raises Problem `bad_bounds`: line, column, value."""
    path = file()
    return list(_load(path, path.stat().st_mtime_ns)) if path.exists() else []


def check_names(offices: Mapping[str, Collection[str]]) -> None:
    """Raises Problem `bad_bounds` for a row whose feed or office is none: it holds for nothing.

    `offices` are those of each feed.
    """
    for bound in load_bounds():
        known, where = offices.get(bound.feed), {"file": file(), "line": bound.line}
        if known is None:
            raise Problem("bad_bounds", **where, column="feed", value=bound.feed)
        if bound.office_code not in (ANY, *known):
            raise Problem("bad_bounds", **where, column="office_code", value=bound.office_code)


@cache
def _load(path: Path, _: int) -> tuple[Bound, ...]:
    found: dict[tuple[str, str], Bound] = {}
    with path.open(encoding="utf-8", newline="") as handle:
        reader = csv.DictReader(handle, strict=True)
        line = 1
        try:
            if list(reader.fieldnames or []) != COLUMNS:
                raise _Wrong("header", ",".join(reader.fieldnames or []))
            for row in reader:
                line = reader.line_num
                bound = replace(_bound(row), line=line)
                key = (bound.feed, bound.office_code)
                if key in found:
                    raise _Wrong("office_code", bound.office_code)
                found[key] = bound
        except _Wrong as wrong:
            column, value = wrong.args
            raise Problem("bad_bounds", file=path, line=line, column=column, value=value) from None
        except (csv.Error, UnicodeError) as error:
            raise Problem(
                "bad_bounds", file=path, line=line + 1, column="row", value=error
            ) from None
    return tuple(found.values())


class _Wrong(Exception):
    """Column and value at fault."""


def _bound(row: dict[str, str | None]) -> Bound:
    if None in row or None in row.values():
        raise _Wrong("row", ",".join(str(value) for value in row.values()))
    text = {name: value.strip() for name, value in row.items() if value is not None}
    for name in ("feed", "office_code", "reason"):
        if not text[name] or "<" in text[name]:
            raise _Wrong(name, text[name])
    try:
        date.fromisoformat(text["decided_on"])
    except ValueError:
        raise _Wrong("decided_on", text["decided_on"]) from None
    limits: list[int | None] = []
    for name in ("min_records", "max_records"):
        if text[name] and not (text[name].isascii() and text[name].isdigit()):
            raise _Wrong(name, text[name])
        limits.append(int(text[name]) if text[name] else None)
    low, high = limits
    if (low is None and high is None) or (high is not None and (low or 0) > high):
        raise _Wrong("max_records", text["max_records"])
    return Bound(text["feed"], text["office_code"], low, high)


def of(feed: str, office_code: str | None) -> Bound | None:
    """The row that holds for an office: its own, else the feed's `*`."""
    rows = {bound.office_code: bound for bound in load_bounds() if bound.feed == feed}
    return rows.get(office_code or ANY) or rows.get(ANY)


def rules_sha(base: str, landing: Landing) -> str:
    """The hash of a delivery's rules: one whose limits did not change keeps its own."""
    bound = of(landing.feed, landing.manifest["office"])
    if bound is None:
        return base
    limits = f"{base} records {bound.min_records} {bound.max_records}"
    return hashlib.sha256(limits.encode()).hexdigest()
