"""The return file: what an office gets back of its own rows, with the cell at fault and what to do.

A workbook in Indonesian and English. Every value is text: nothing in it is a formula, a link or a
number. It holds names, so only its owner may read it until somebody sends it to that office.
"""

import json
from collections import Counter, defaultdict
from decimal import Decimal
from pathlib import Path

from xlsxwriter import Workbook

from pipeline import quarantine, releases, store
from pipeline.layouts import Layout, load_layout
from pipeline.messages import Problem
from pipeline.quarantine import Row, Wanted
from pipeline.workbook import PLAIN, sent, write_text

MAX_ROWS = 1_048_575  # that a sheet can hold below its header
SUMMARY, ROWS = "ringkasan summary", "baris rows"
DELIVERY, LINE, RECORD = "kiriman / delivery", "baris / line", "baris utuh / whole record"
OURS = {DELIVERY: 44, LINE: 12, "aturan / rules": 24, "alasan dan tindakan": 60,
        "reason and what to do": 60, RECORD: 20}  # fmt: skip
HOW = [
    "Baris di lembar kedua disisihkan dan tidak dihitung. Perbaiki sel yang ditandai, jangan ubah "
    "kolom abu-abu, sertakan semua baris dari SKA yang diperbaiki, lalu kirim kembali berkas ini. "
    "Baris yang belum dapat diperbaiki boleh dihapus, asalkan seluruh SKA-nya.",
    "The rows on the second sheet are set aside and don't count. Correct the marked cells, leave "
    "the grey columns as they are, keep all rows of a certificate that you correct, and send this "
    "file back. Rows that you can't correct yet may be deleted, a whole certificate at a time.",
]
ANEW = [
    "Baris di lembar kedua disisihkan dan tidak dihitung. Perbaiki di sumbernya, lalu kirim ulang "
    "berkas aslinya secara utuh: lembar ini tidak dapat dikirim kembali.",
    "The rows on the second sheet are set aside and don't count. Correct them at their source and "
    "deliver the original file anew and whole: this sheet can't be sent back.",
]


def export(folder: Path, wanted: Wanted) -> list[Row]:
    """Write the return file of each office and layout with anything in quarantine into `folder`.

    A file appears whole or not at all. Gives each one's path, office, records and the US$ that can
    be read on them. Raises Problem `nothing_published`, `return_too_long`.
    """
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    layout_of: dict[str, str] = {}
    for row in quarantine.records(wanted):
        name = row["delivery_id"]
        if name not in layout_of:
            layout_of[name] = store.landing(name).manifest["layout"]
        groups[row["office_code"], layout_of[name]].append(row)
    folder.mkdir(mode=store.PRIVATE, parents=True, exist_ok=True)
    made = []
    for (office, layout), rows in sorted(groups.items()):
        if len(rows) > MAX_ROWS:
            raise Problem("return_too_long", office=office, count=len(rows), limit=MAX_ROWS)
        mark = "SINTETIS_" if any(row["is_synthetic"] for row in rows) else ""
        name = f"{mark}kembalian_{store.safe_name(office)}_{store.safe_name(layout)}.xlsx"
        _write(folder / name, office, load_layout(layout), rows)
        made.append({"file": str(folder / name), "office_code": office, "records": len(rows),
                     "stated_usd": _usd(rows)})  # fmt: skip
    return made


def fields(row: Row) -> dict[str, str | None]:
    """Source column → delivered text of a quarantined record; none if it can't be split."""
    return {} if whole(row) else json.loads(row["raw"])


def whole(row: Row) -> str:
    """The text of a record that can't be split, else blank."""
    is_torn = any(found["rule_name"] == "record_split" for found in row["findings"])
    return str(json.loads(row["raw"])["record"]) if is_torn else ""


def columns(layout: Layout, rows: list[Row]) -> list[str]:
    """Source columns of the layout, then whatever else was delivered."""
    extra = {name: None for row in rows for name in fields(row) if name.strip()}
    return list(dict.fromkeys([*layout.names, *extra]))


def _usd(rows: list[Row]) -> Decimal:
    return sum((row["stated_usd"] or Decimal(0) for row in rows), Decimal("0.00"))


def _write(path: Path, office: str, layout: Layout, rows: list[Row]) -> None:
    beside = path.with_name(f".{path.name}")
    beside.unlink(missing_ok=True)
    beside.touch(mode=0o600)
    with Workbook(beside, {**PLAIN, "constant_memory": True}) as book:
        book.set_properties({"title": f"IPSKA {office}"})
        _summary(book, office, layout, rows)
        _rows(book, rows, columns(layout, rows))
    store.fsync(beside)
    beside.rename(path)


def _summary(book: Workbook, office: str, layout: Layout, rows: list[Row]) -> None:
    sheet = book.add_worksheet(SUMMARY)
    bold = book.add_format({"bold": True})
    wrap = book.add_format({"text_wrap": True, "valign": "top"})
    count = book.add_format({"num_format": "#,##0"})
    money = book.add_format({"num_format": "#,##0.00"})
    sheet.set_column(0, 0, 28)
    sheet.set_column(1, 2, 22)
    sheet.set_column(3, 4, 70, wrap)
    release = releases.current("internal") or {}
    periods = sorted({row["period"] for row in rows})
    mark = any(row["is_synthetic"] for row in rows)
    head = [
        ("IPSKA", "DATA SINTETIS / SYNTHETIC DATA" if mark else ""),
        ("kantor / office", office),
        ("periode / period", f"{periods[0]} – {periods[-1]}"),
        ("tata letak / layout", layout.name),
        ("rilis / release", release.get("release_id", "")),
    ]
    for at, (label, text) in enumerate(head):
        write_text(sheet, at, 0, label, bold)
        write_text(sheet, at, 1, text, bold if not at else None)
        if at < 2:
            write_text(sheet, at, 3 + at, (ANEW if layout.unpivot else HOW)[at], wrap)
    titles = ("aturan / rule", "baris / rows", "US$ terbaca / readable",
              "alasan dan tindakan", "reason and what to do")  # fmt: skip
    for column, text in enumerate(titles):
        write_text(sheet, 6, column, text, bold)
    records, usd, notes = Counter[str](), Counter[str](), dict[str, Row]()
    for row in rows:
        for found in row["findings"]:
            notes[found["rule_name"]] = found
            records[found["rule_name"]] += 1
            usd[found["rule_name"]] += row["stated_usd"] or 0
    lines = [(rule, n, usd[rule], notes[rule]) for rule, n in records.most_common()]
    all_ = ("semua / all", len(rows), _usd(rows), {"note_id": "", "note_en": ""})
    for at, (rule, n, stated, note) in enumerate([*lines, all_], 7):
        write_text(sheet, at, 0, rule)
        sheet.write_number(at, 1, n, count)
        sheet.write_number(at, 2, stated, money)
        write_text(sheet, at, 3, note["note_id"], wrap)
        write_text(sheet, at, 4, note["note_en"], wrap)


def _rows(book: Workbook, rows: list[Row], names: list[str]) -> None:
    """One row per record; of a text cell that somebody edits, a spreadsheet makes no number."""
    sheet = book.add_worksheet(ROWS)
    head = book.add_format({"bold": True, "text_wrap": True, "valign": "top"})
    ours = book.add_format({"bg_color": "#E7E6E6", "text_wrap": True, "valign": "top"})
    plain = book.add_format({"num_format": "@", "valign": "top"})
    fault = book.add_format({"num_format": "@", "valign": "top", "bg_color": "#F8CBAD",
                             "border": 1, "bold": True})  # fmt: skip
    for column, (title, width) in enumerate(OURS.items()):
        sheet.set_column(column, column, width)
        write_text(sheet, 0, column, title, head)
    for column, name in enumerate(names, len(OURS)):
        sheet.set_column(column, column, 18, plain)
        write_text(sheet, 0, column, name, head)
    sheet.freeze_panes(1, 2)
    sheet.autofilter(0, 0, len(rows), len(OURS) + len(names) - 1)
    for at, row in enumerate(rows, 1):
        found, values, torn = row["findings"], fields(row), whole(row)
        notes = ["\n".join(one[key] or "" for one in found) for key in ("note_id", "note_en")]
        rules = ", ".join(one["rule_name"] for one in found)
        for column, text in enumerate(
            (row["delivery_id"], str(row["line"]), rules, *notes, sent(torn))
        ):
            write_text(sheet, at, column, text, fault if torn and text == sent(torn) else ours)
        faulty = {one["column_name"] for one in found if one["column_name"]}
        if faulty - set(names):  # a rule about the record as a whole
            faulty = set(names)
        for column, name in enumerate(names, len(OURS)):
            write_text(
                sheet, at, column, sent(values.get(name)), fault if name in faulty else plain
            )
