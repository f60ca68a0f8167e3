"""Reading a sample's files in boring Python, and what counts in them by METHOD.md, by hand."""

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from pipeline.sample import SampleSummary

MONTHS = ["Januari", "Februari", "Maret", "April", "Mei", "Juni", "Juli", "Agustus"]
MONTHS += ["September", "Oktober", "November", "Desember"]
NOTHING = {"", "-", "N/A"}
COUNTING = {"Diterbitkan", "Pengajuan Cabut SKA"}
TIME = r"\d\d:\d\d:\d\d"

Row = dict[str, str]


@dataclass(frozen=True)
class Sample:
    folder: Path
    summary: SampleSummary
    truth: dict[str, Any]

    def files(self) -> list[str]:
        return sorted(str(p.relative_to(self.folder)) for p in self.folder.glob("*/*.csv"))

    def rows(self, file: str) -> list[list[str]]:
        """The records of a file, the header first; record n stands on physical line n + 1."""
        text = (self.folder / file).read_text("utf-8-sig")
        return list(csv.reader(text.splitlines(), delimiter=";"))

    def records(self, file: str) -> Iterator[tuple[int, Row]]:
        header, *rows = self.rows(file)
        for line, row in enumerate(rows, 2):
            if len(row) == len(header):
                yield line, dict(zip(header, row, strict=True))


def moment(text: str) -> tuple[int, int, int, str]:
    """Year, month, day and time of either worded pattern, or of an ISO date; sortable."""
    if found := re.fullmatch(rf"(\d{{1,2}}) ([A-Z][a-z]+) (\d{{4}})(?:,? ({TIME}))?", text):
        return int(found[3]), MONTHS.index(found[2]) + 1, int(found[1]), found[4] or ""
    year, month, day = text[:10].split("-")
    return int(year), int(month), int(day), text[11:]


def amount(text: str) -> Decimal:
    assert re.fullmatch(r"\d{1,3}(\.\d{3})*,\d\d", text), text
    return Decimal(text.replace(".", "").replace(",", "."))


def newest(made: Sample) -> list[str]:
    return list({file.rsplit("_", 1)[0]: file for file in made.files()}.values())


def declaration(row: Row) -> str:
    """What names a PEB; empty when there is none. Its number alone begins anew each year."""
    if row["no_peb"] in NOTHING or row["tgl_peb"] in NOTHING:
        return ""
    return f"{row['no_peb']} {moment(row['tgl_peb'])[:3]}"


def counted(made: Sample) -> list[tuple[Row, Decimal]]:
    """Certificates that count, with their value, found in the files alone (METHOD.md, by hand)."""
    broken = defaultdict(set)
    for fault in made.truth["faults"]:
        if fault["severity"] == "critical":
            broken[fault["file"]].add(fault["line"])
    found: dict[str, Row] = {}
    goods: dict[str, list[tuple[str, ...]]] = {}
    for file in newest(made):
        bad = {row["no_aju"] for line, row in made.records(file) if line in broken[file]}
        for line, row in made.records(file):
            if line in broken[file] or row["no_aju"] in bad:
                continue
            key, known = row["no_aju"], found.get(row["no_aju"])
            if known and moment(known["waktu_status"]) > moment(row["waktu_status"]):
                continue
            if not known or known["waktu_status"] != row["waktu_status"]:
                found[key], goods[key] = row, []
            item = (row["kode_hs"][:6], row["berat_bersih_kg"], row["fob_barang"])
            goods[key].append((declaration(row), *item))
    counts = {
        key: row
        for key, row in found.items()
        if row["status_pengajuan"] in COUNTING
        and row["jenis_pengajuan"] != "Duplikat"
        and not {row["fob_peb"], row["fob_dokumen"], row["fob_invoice"]} <= NOTHING
    }
    replaced = {row["no_ska_diganti"] for row in counts.values()} - NOTHING
    first_month = {row["no_ska"]: moment(row["tgl_terbit"])[:2] for row in found.values()
                   if row["tgl_terbit"] not in NOTHING}  # fmt: skip
    origin = {row["no_ska"]: row["no_ska_diganti"] for row in counts.values()}
    counts = {key: row for key, row in counts.items() if row["no_ska"] not in replaced}
    seen: set[tuple[tuple[str, ...], ...]] = set()
    for key in sorted(counts, key=lambda key: moment(counts[key]["tgl_terbit"])[:3]):
        items = tuple(sorted(goods[key]))
        if items[0][0] and items in seen:
            del counts[key]
        seen.add(items)
    sharing = Counter(declaration(row) for row in counts.values())
    result = []
    for row in counts.values():
        totals = [row["fob_peb"], row["fob_dokumen"], row["fob_invoice"]]
        if declaration(row) and sharing[declaration(row)] > 1:
            del totals[0]
        number = row["no_ska"]
        while origin.get(number, "-") not in NOTHING:
            number = origin[number]
        year, month = first_month[number]
        value = next(amount(total) for total in totals if total not in NOTHING)
        result.append(({**row, "month": f"{year}-{month:02d}"}, value))
    return result
