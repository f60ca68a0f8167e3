"""A return file that an office sends back corrected: checked whole, and written as what lands.

It is hostile like every delivery: it is read as a workbook in a process with limits, and nothing in
it is believed but the cells that the office was asked to correct.
"""

import csv
import shutil
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline import duck, quarantine, records, returns, sheets, store, workbook
from pipeline.layouts import Layout, load_layout
from pipeline.messages import Problem, shown
from pipeline.quarantine import Row, Wanted
from pipeline.settings import settings
from pipeline.store import Landing
from pipeline.unwrap import unwrap

Part = tuple[Landing, dict[str, Any], dict[str, Path]]  # what land.resubmit takes


@dataclass
class _Returned:
    """What came back for one delivery: its records in quarantine, and each line's values."""

    landing: Landing
    rows: dict[int, Row]
    values: dict[int, dict[str, str]] = field(default_factory=dict)
    places: dict[int, int] = field(default_factory=dict)  # line → row of the sheet


@contextmanager
def opened(file: Path, landings: list[Landing], request: dict[str, Any]) -> Iterator[list[Part]]:
    """A corrected return file as parts to land, one for each delivery that it corrects.

    The parts of a file that landed before are those of then. Raises what the reader of workbooks
    raises, `no_sheet`, `return_header`, `return_row_unknown`, `return_row_twice`,
    `return_row_broken`, `return_incomplete`, `return_number_taken`, `return_unchanged`,
    `return_empty`, `return_unpivoted` or `nothing_published`.
    """
    with TemporaryDirectory(prefix="resubmit-", dir=store.home() / "work") as folder:
        work = Path(folder)
        copy = work / "return.xlsx"
        if file.stat().st_size > settings().max_file_mb * 2**20:
            facts = {"size": file.stat().st_size, "limit": settings().max_file_mb}
            raise Problem("too_large", file=file.name, **facts)
        shutil.copyfile(file, copy)  # what is checked is what lands
        sha256 = store.sha256_of(copy)
        before = {
            one.manifest["resubmits"]["delivery_id"]: one
            for one in landings
            if one.manifest["resubmits"] and one.manifest["resubmits"]["return_sha256"] == sha256
        }
        parts = []
        for number, one in enumerate(_returned(file.name, copy, landings, set(before))):
            if one.landing.delivery_id not in before:
                payload = work / f"{number}.csv"
                _write(payload, one)
                original = work / f"{number}.xlsx"
                shutil.copyfile(copy, original)
                known_at = next(iter(one.rows.values()))["known_at"]
                manifest = {
                    "extracted_at": f"{known_at.isoformat()}+00:00",
                    "resubmits": {
                        "delivery_id": one.landing.delivery_id,
                        "lines": sorted(one.values),
                        "return_name": shown(file.name),
                        "return_sha256": sha256,
                        "who": request["who"],
                        "reason": request["reason"],
                    },
                }
                parts.append((one.landing, manifest, {"payload": payload, "return": original}))
            else:
                parts.append((one.landing, before[one.landing.delivery_id].manifest, {}))
        yield parts


def _returned(name: str, file: Path, landings: list[Landing], before: set[str]) -> list[_Returned]:
    """The checked content of a return file, by delivery; of one in `before` nothing is checked.

    A row that names nothing in quarantine ends it: no more is kept than stands there.
    """
    known = {one.delivery_id: one for one in landings}
    header, rows = _read(name, file, ".")
    named = {values[returns.DELIVERY] for _, values in rows}
    layouts = {known[one].manifest["layout"] for one in named if one in known}
    if not named:
        raise Problem("return_empty", file=name, sheet=returns.ROWS)
    layout = load_layout(min(layouts)) if layouts else None
    if layout and layout.unpivot:
        raise Problem("return_unpivoted", file=name, layout=layout.name)
    # What the office typed may have become a number.
    header, rows = _read(name, file, layout.decimal_mark if layout else ".")
    found: dict[str, _Returned] = {}
    for at, values in rows:
        place = {"file": name, "sheet": returns.ROWS, "row": at}
        delivery_id, text = values.pop(returns.DELIVERY), values.pop(returns.LINE)
        landing = known.get(delivery_id)
        if landing is None or layout is None or landing.manifest["layout"] != layout.name:
            column = returns.DELIVERY
            raise Problem("return_row_unknown", **place, column=column, value=delivery_id)
        if delivery_id not in found:
            standing = quarantine.records(Wanted(delivery=delivery_id))
            found[delivery_id] = _Returned(landing, {row["line"]: row for row in standing})
        if delivery_id in before:
            continue
        one = found[delivery_id]
        line = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
        if line not in one.rows:
            raise Problem("return_row_unknown", **place, column=returns.LINE, value=text)
        if line in one.values:
            raise Problem("return_row_twice", **place, value=f"{delivery_id} {line}")
        one.places[line] = at
        one.values[line] = {k: v for k, v in values.items() if k not in returns.OURS}
    fresh = [one for key, one in found.items() if key not in before]
    if fresh and layout:
        _check_header(name, header, layout, [row for one in fresh for row in one.rows.values()])
        changed = [_restore(one) for one in fresh]
        for one in fresh:
            _check_whole(name, one)
            _check_numbers(name, one, layout)
        if not any(changed):
            raise Problem("return_unchanged", file=name)
    return list(found.values())


def _read(
    name: str, file: Path, decimal_mark: str
) -> tuple[list[str], Iterator[tuple[int, dict[str, str]]]]:
    """Header and numbered rows of the sheet as text, within the limits of deliveries."""
    limit = settings()
    target = file.with_suffix(".csv")
    unwrap(file, name, name, "xlsx", file.with_suffix(".unpacked"))
    shape = sheets.Shape(
        format="xlsx",
        sheet=returns.ROWS,
        records_at="",
        header_row=1,
        header_rows=1,
        decimal_mark=decimal_mark,
        unpivot=None,
        made=[],
        expected=[],
        max_bytes=limit.max_unpacked_mb << 20,
        max_record=records.MAX_RECORD_BYTES,
        max_columns=limit.max_columns,
    )
    table = sheets.apart(file, target, shape, limit.reader_memory_mb, limit.reader_timeout_s)
    for at, text in table.broken:
        raise Problem("return_row_broken", file=name, sheet=returns.ROWS, row=at, value=text)
    rows = _rows(target)
    header = next(rows)
    missing = [title for title in returns.OURS if title not in header]
    if missing or len(set(header)) < len(header):
        doubled = sorted({title for title in header if header.count(title) > 1})
        facts = {"missing": ", ".join(missing) or "–", "other": ", ".join(doubled) or "–"}
        raise Problem("return_header", file=name, sheet=returns.ROWS, **facts)
    return header, (
        (at, dict(zip(header, cells, strict=True)))
        for at, cells in zip(table.lines, rows, strict=True)
    )


def _rows(file: Path) -> Iterator[list[str]]:
    try:
        with file.open(encoding="utf-8", newline="") as handle:
            yield from csv.reader(handle)
    except csv.Error as error:
        raise Problem("bad_workbook", error=error) from error


def _check_header(name: str, header: list[str], layout: Layout, rows: list[Row]) -> None:
    """The layout's columns must all be there, and none that was not sent."""
    known = {_title(one) for one in returns.columns(layout, rows)}
    missing = [one for one in layout.names if _title(one) not in header]
    other = [one for one in header if one not in known and one not in returns.OURS]
    if missing or (rows and other):
        facts = {"missing": ", ".join(missing) or "–", "other": ", ".join(other) or "–"}
        raise Problem("return_header", file=name, sheet=returns.ROWS, **facts)


def _title(column: str) -> str:
    """A column's name as the reader of workbooks gives it."""
    return " ".join(workbook.sent(column).split())


def _restore(one: _Returned) -> bool:
    """Put what was delivered where a cell came back as it was sent; whether any came back other."""
    changed = False
    for line, texts in one.values.items():
        delivered = returns.fields(one.rows[line])
        names = {_title(name): name for name in delivered}
        values = {name: text or "" for name, text in delivered.items()}
        for title, text in texts.items():
            name = names.get(title, title)
            if text != workbook.sent(delivered.get(name)):
                values[name], changed = text, True
        one.values[line] = values
    return changed


def _check_whole(name: str, one: _Returned) -> None:
    """Of each certificate that is touched all quarantined lines must have come back: else the rest
    would count for the whole. An application ties lines whose number can't be read."""
    lines_of: dict[str, set[int]] = defaultdict(set)
    keys_of: dict[int, list[str]] = {}
    for line, row in one.rows.items():
        application = row["application_number"]
        keys_of[line] = [row["record_key"], *([f"aju:{application}"] if application else [])]
        for key in keys_of[line]:
            lines_of[key].add(line)
    touched, waiting = set(one.values), list(one.values)
    while waiting:
        tied = {line for key in keys_of[waiting.pop()] for line in lines_of.pop(key, ())} - touched
        touched |= tied
        waiting += tied
    if missing := sorted(touched - set(one.values)):
        raise Problem(
            "return_incomplete",
            file=name,
            delivery=one.landing.delivery_id,
            certificate=one.rows[missing[0]]["record_key"],
            lines=", ".join(map(str, missing[:20])),
        )


def _check_numbers(name: str, one: _Returned, layout: Layout) -> None:
    """No corrected number may be that of a certificate which the same delivery holds already and
    which didn't come back: this version would take its place."""
    source = {column: title for title, column in layout.names.items()}.get("ska_number")
    if source is None:
        return
    line_of = {values.get(source, "").strip(): line for line, values in one.values.items()}
    with duck.connect(quarantine.current_build().database, read_only=True) as con:
        taken = con.execute(
            "SELECT min(v.certificate_key) FROM core.certificate_version AS v "
            "JOIN core.delivery AS d USING (delivery_id) "
            "WHERE ? IN (d.delivery_id, d.resubmits) AND NOT v.is_quarantined "
            "AND v.certificate_key IN (SELECT unnest(?))",
            [one.landing.delivery_id, list(line_of)],
        ).fetchall()[0][0]
    if taken is not None:
        place = {"file": name, "sheet": returns.ROWS, "row": one.places[line_of[taken]]}
        raise Problem("return_number_taken", **place, column=source, value=taken)


def _write(target: Path, one: _Returned) -> None:
    """The records as a CSV for Layout.as_returned, without optional columns that nobody filled."""
    layout = load_layout(one.landing.manifest["layout"])
    rows = [one.values[line] for line in sorted(one.values)]
    names = dict.fromkeys([*layout.names, *(name for row in rows for name in row)])
    kept = [
        name
        for name in names
        if layout.names.get(name) not in layout.optional or any(row.get(name) for row in rows)
    ]
    with target.open("w", encoding="utf-8", newline="") as handle:
        out = csv.writer(handle, lineterminator="\n", quoting=csv.QUOTE_ALL)
        out.writerow(kept)
        out.writerows([row.get(name, "") for name in kept] for row in rows)
