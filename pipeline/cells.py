"""Native cells of workbooks and JSON as text, read in a process of their own: `python -m`.

It has limits on memory and time: calamine makes a dense table of a sheet with two far cells, and a
copy of a shared text for each cell that shows it.
"""

import json
import posixpath
import re
import resource
import sys
import zipfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from pipeline.messages import Problem, is_ours
from pipeline.sheets import FAILED, Row, Shape, transcribe

BOM = b"\xef\xbb\xbf"
LOST_DIGITS = 10**15  # a cell keeps fifteen digits; what had more has lost them


def _number(value: int | float | Decimal, mark: str) -> str:
    """A native number in full, with the layout's decimal mark.

    A workbook keeps fifteen digits: 0.30000000000000004 is 0.3, and a whole number of more has
    lost some, so it is written as such a program shows it (1.23456789012346E+15), which is no
    amount and no code to any layout without exponents.
    """
    if isinstance(value, float):
        value = Decimal(f"{value:.15g}")
        if value >= LOST_DIGITS:
            return f"{value:E}".replace(".", mark)
    text = str(value)
    if isinstance(value, Decimal) and value.is_finite() and abs(value.adjusted()) < 40:
        text = f"{value:f}"
    return text.replace(".", mark)


def _text(value: Any, mark: str) -> str:
    """A native cell as text: dates as ISO, to the second."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float | Decimal):
        return _number(value, mark)
    if isinstance(value, datetime):
        return (value + timedelta(microseconds=500_000)).replace(microsecond=0).isoformat(" ")
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


# --- workbooks ---
ROW = re.compile(rb"<(?:\w+:)?row\b([^>]*)>")
CELL = re.compile(rb"<(?:\w+:)?c\b([^>]*[^/>])>(.*?)</(?:\w+:)?c>", re.DOTALL)
FILLED = re.compile(rb"<(?:\w+:)?[vt]\b[^>]*(?<!/)>[^<]")
AT = re.compile(rb"""\br\s*=\s*["']([A-Z]*)([0-9]+)["']""")


def rows_of_workbook(payload: Path, shape: Shape) -> Iterator[Row]:
    """The rows of the sheet that hold anything, merged header cells filled.

    calamine gives an error cell (#REF!) as a blank, and of two rows of one number the last: so the
    sheet's own text says which rows and errors there are, and both must agree.
    Raises Problem `no_sheet`, `bad_workbook` or `records_do_not_reconcile`.
    """
    from python_calamine import CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

    book = CalamineWorkbook.from_path(payload)
    sheets = [one for one in book.sheets_metadata if one.typ == SheetTypeEnum.WorkSheet]
    seen = [one.name for one in sheets if one.visible == SheetVisibleEnum.Visible]
    if isinstance(shape.sheet, int):
        name = seen[shape.sheet - 1] if shape.sheet <= len(seen) else None
    else:
        name = shape.sheet if shape.sheet in [one.name for one in sheets] else None
    if name is None:
        raise Problem("no_sheet", sheet=shape.sheet, names=", ".join(seen))
    filled, errors = _scan(_sheet_text(payload, name))
    sheet = book.get_sheet_by_name(name)
    left = sheet.start[1] if sheet.start else 0
    merged = {
        (row + 1, column): (top + 1, first)
        for (top, first), (bottom, last) in sheet.merged_cell_ranges or []
        if top + 1 < shape.header_row + shape.header_rows
        for row in range(top, min(bottom + 1, shape.header_row + shape.header_rows))
        for column in range(first, last + 1)
    }
    heads: dict[tuple[int, int], str] = {}
    found = []
    # It gives blank rows above the first that holds anything, but no blank columns to its left.
    for line, native in enumerate(sheet.iter_rows(), 1):
        cells = [_text(value, shape.decimal_mark) for value in native]
        cells = [*[""] * left, *cells]
        for column, text in errors.get(line, {}).items():
            cells[column] = text
        if line < shape.header_row + shape.header_rows:
            heads |= {(line, column): text for column, text in enumerate(cells)}
            if line >= shape.header_row:
                cells = [heads[merged.get((line, n), (line, n))] for n in range(len(cells))]
        if line in filled or any(cells):
            found.append(line)
            yield Row(line, cells)
    if found != sorted(filled):
        raise Problem("records_do_not_reconcile", physical=len(filled), read=len(found), broken=0)


def _sheet_text(payload: Path, name: str) -> bytes:
    """The XML of a sheet."""
    with zipfile.ZipFile(payload) as archive:

        def parsed(member: str) -> ElementTree.Element:
            return ElementTree.fromstring(_plain(archive.read(member)))  # noqa: S314  no DTD in it

        ids = [
            next(text for key, text in one.items() if key.endswith("}id"))
            for one in parsed("xl/workbook.xml").iter()
            if one.tag.endswith("}sheet") and one.get("name") == name
        ]
        targets = {
            one.get("Id"): one.get("Target", "") for one in parsed("xl/_rels/workbook.xml.rels")
        }
        return _plain(archive.read(posixpath.join("/xl", targets[ids[0]]).removeprefix("/")))


def _plain(text: bytes) -> bytes:
    """Raises Problem `bad_workbook` where XML declares entities; no office program does."""
    if b"<!" in text or b"\0" in text:
        raise Problem("bad_workbook", error="its XML declares entities or is no UTF-8")
    return text


def _scan(text: bytes) -> tuple[set[int], dict[int, dict[int, str]]]:
    """Numbers of the rows that hold anything, and error cells by row and column.

    Raises Problem `bad_workbook` when row numbers don't grow.
    """
    filled: set[int] = set()
    errors: dict[int, dict[int, str]] = {}
    starts = list(ROW.finditer(text))
    ends = [*(one.start() for one in starts[1:]), text.rfind(b"sheetData>")][: len(starts)]
    line = 0
    for start, end in zip(starts, ends, strict=True):
        stated = AT.search(start[1])
        number = int(stated[2]) if stated else line + 1
        if number <= line:
            raise Problem("bad_workbook", error=f"row {number} stands behind row {line}")
        line = number
        piece = text[start.end() : end]
        if FILLED.search(piece):
            filled.add(line)
            if b'"e"' in piece or b"'e'" in piece:
                errors[line] = _errors(piece)
    return filled, errors


def _errors(piece: bytes) -> dict[int, str]:
    found = {}
    for attributes, inner in CELL.findall(piece):
        at = AT.search(attributes)
        if at and re.search(rb"""\bt\s*=\s*["']e["']""", attributes):
            column = 0
            for letter in at[1]:
                column = column * 26 + letter - 64
            found[column - 1] = re.sub(rb"<[^>]*>", b"", inner.rpartition(b"</f>")[2]).decode()
    return found


# --- JSON ---
class _Once(dict[str, Any]):
    """An object in which a name stands once: of two, one would be lost in silence."""

    is_doubled = False

    def __setitem__(self, name: str, value: Any) -> None:
        self.is_doubled |= name in self
        super().__setitem__(name, value)


Found = tuple[int, Any, str]


def rows_of_json(payload: Path, shape: Shape) -> Iterator[Row]:
    """A header of all names that occur, as row 0, and each object; its line: in NDJSON the line,
    else its place in the array. Raises Problem `bad_json`, `record_too_long`, `too_many_columns`.
    """
    records = _ndjson if shape.format == "ndjson" else _array
    names: dict[str, None] = {}
    for _, one, _ in records(payload, shape):
        if isinstance(one, _Once):
            names |= dict.fromkeys(one)
        if len(names) > shape.max_columns:
            raise Problem("too_many_columns", count=len(names), limit=shape.max_columns)
    yield Row(0, list(names) or shape.expected)
    for line, one, text in records(payload, shape):
        if isinstance(one, _Once) and one and not one.is_doubled:
            yield Row(line, [_text(one.get(name), shape.decimal_mark) for name in names])
        else:
            yield Row(line, None, text or json.dumps(one, ensure_ascii=False, default=str))


def _ndjson(payload: Path, shape: Shape) -> Iterator[Found]:
    with payload.open("rb") as file:
        line = 0
        while text := file.readline(shape.max_record + 1):
            line += 1
            if len(text) > shape.max_record:
                raise Problem("record_too_long", line=line, limit=shape.max_record)
            text = text.removeprefix(BOM if line == 1 else b"").strip()
            if not text:
                continue
            try:
                one = json.loads(
                    text, parse_float=Decimal, parse_constant=str, object_pairs_hook=_once
                )
            except (ValueError, RecursionError):
                one = None  # a record that can't be split
            yield line, one, text.decode("utf-8", "backslashreplace")


def _once(pairs: list[tuple[str, Any]]) -> _Once:
    found = _Once()
    for name, value in pairs:
        found[name] = value
    return found


def _array(payload: Path, shape: Shape) -> Iterator[Found]:
    import ijson

    place = f"{shape.records_at}.item" if shape.records_at else "item"
    number = 0
    try:
        with payload.open("rb") as file:
            file.seek(len(BOM) if file.read(len(BOM)) == BOM else 0)
            start = file.tell()
            for number, one in enumerate(ijson.items(file, place, map_type=_Once), 1):
                yield number, one, ""
            file.seek(start)
            if not number and (shape.records_at, "start_array") not in (
                event[:2] for event in ijson.parse(file)
            ):
                raise Problem("bad_json", record=0, error=f"no array at '{shape.records_at}'")
    except (ijson.JSONError, ValueError, RecursionError) as error:
        raise Problem("bad_json", record=number + 1, error=error) from error


def main() -> None:
    """Do what `apart` asks for on stdin; the answer, or a Problem, is JSON on stdout."""
    payload, target, shape, memory_mb = json.load(sys.stdin)
    resource.setrlimit(resource.RLIMIT_AS, (memory_mb << 20,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    asked = Shape(**shape)
    read = rows_of_workbook if asked.format == "xlsx" else rows_of_json
    try:
        try:
            table = transcribe(read(Path(payload), asked), Path(target), asked)
        except (zipfile.BadZipFile, KeyError, ElementTree.ParseError, UnicodeError) as error:
            raise Problem("bad_workbook", error=error) from error
        except Exception as error:
            if type(error).__module__ != "python_calamine":
                raise
            raise Problem("bad_workbook", error=error) from error
    except OSError as error:
        if not is_ours(error):
            raise
        json.dump({"errno": error.errno, "text": error.strerror}, sys.stdout)
        sys.exit(FAILED)
    except Problem as problem:
        json.dump({"code": problem.code, **problem.facts}, sys.stdout, default=str)
        sys.exit(FAILED)
    Path(target).with_suffix(".lines").write_bytes(table.lines.tobytes())
    titles = [[*place, text] for place, text in table.titles.items()]
    json.dump({"titles": titles, "broken": table.broken}, sys.stdout)


if __name__ == "__main__":
    main()
