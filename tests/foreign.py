"""Deliveries in other forms than the sample's: workbooks, archives, JSON, and what reads them."""

import gzip
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import xlsxwriter

from pipeline import conform, duck, opening, reading
from pipeline.layouts import Layout

FACTS = {
    "file_name": "SINTETIS_BGR_2022-10.bin", "source": "memory", "office": "BGR",
    "month": "2022-10", "last_month": "2022-10", "landed_at": "2022-11-05T01:00:00+00:00",
}  # fmt: skip
BASE: dict[str, Any] = {
    "name": "foreign", "grain": "certificate_line", "format": "csv", "delimiter": ";",
    "decimal_mark": ",", "thousands_mark": ".", "nulls": ("", "-"), "timezone": "Asia/Jakarta",
    "file_name": ".*", "dates": ("d MMMM yyyy",),
    "columns": {"no": "ska_number", "nama": "exporter_name", "nilai": "line_fob"},
}  # fmt: skip
CELLS: dict[str, Any] = {
    **BASE, "grain": "aggregate", "dates": (), "blank": "none",
    "constants": {"region_set": "IDPORT"},
    "columns": {"Kode": "region_code", "Pelabuhan": "region_name"},
}  # fmt: skip


def layout(base: dict[str, Any] = BASE, **change: Any) -> Layout:
    return Layout(**{**base, **change})


class Reader:
    """Reads deliveries one after the other into a database of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.number = folder, 0
        self.con = duck.connect()
        self.con.execute(conform.sql("macros"))
        self.con.execute(conform.sql("tables"))

    def __call__(self, content: bytes, how: Layout, **facts: str) -> list[tuple[Any, ...]]:
        """(line, its values in the layout's order), by line; a broken record is (line, text)."""
        self.number += 1
        file = self.folder / f"{self.number} payload"
        file.write_bytes(content)
        work, told = self.folder / f"{self.number}", {**FACTS, **facts}
        self.opened = opening.opened(file, told, how, work)
        taken = reading.take(self.con, self.number, self.opened, work)
        self.done = reading.read(self.con, self.number, taken, told)
        names = ", ".join(f"r.{name}" for name in how.names.values())
        rows = self.con.execute(
            f"SELECT coalesce(o.line, r.rowid - ? + 2), o.record, {names} "
            f"FROM {how.raw_table} AS r LEFT JOIN odd AS o ON o.row_id = r.rowid "
            "ANTI JOIN excluded AS x ON x.row_id = r.rowid "
            "WHERE r.delivery_no = ? ORDER BY 1, r.rowid",
            [self.done.first_row, self.number],
        ).fetchall()
        assert len(rows) == self.done.records - sum(self.done.excluded.values())
        return [
            (line, text) if text is not None else (line, *(value or "" for value in row))
            for line, text, *row in rows
        ]


def workbook(fill: Callable[[Any, Any], None], **options: Any) -> bytes:
    """An XLSX as `fill(workbook, first sheet)` makes it."""
    target = io.BytesIO()
    book = xlsxwriter.Workbook(target, {"in_memory": True, **options})
    fill(book, book.add_worksheet("Data"))
    book.close()
    return target.getvalue()


def sheet(rows: list[list[Any]]) -> bytes:
    def fill(book: Any, page: Any) -> None:
        for number, row in enumerate(rows):
            page.write_row(number, 0, row)

    return workbook(fill)


def edited(content: bytes, member: str, change: Callable[[bytes], bytes]) -> bytes:
    """An archive of which one member is changed, or made."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(target, "w", 8) as new:
        for name in dict.fromkeys([*old.namelist(), member]):
            text = old.read(name) if name in old.namelist() else b""
            new.writestr(name, change(text) if name == member else text)
    return target.getvalue()


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target.getvalue()


def gzipped(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)
