"""Deliveries made at random, sound and hostile, with the number of records where it is known.

The count comes from how a delivery was made, never from a reader, so that it can be held against
the pipeline's. Everything follows from the seed of one `random.Random`.
"""

import gzip
import io
import json
import random
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import xlsxwriter

from deliveries import SOUND

OFFICES = ("JBR", "BGR", "BDG", "CRB", "SBG", "PWK", "BKS", "KBK", "KRW", "KBD", "DPK", "KBG")
STATUSES = (
    *("Diterbitkan",) * 6,
    "Verifikasi",
    "Request Revisi",
    "Diproses IPSKA",
    "Ditolak",
    "Pengajuan Cabut SKA",
    "Pencabutan",
)
HOSTILE = (
    "",
    "-",
    " ",
    "\u00a0",
    "\t",
    "'; DROP TABLE raw; --",
    "\"); COPY (SELECT 1) TO '/tmp/x'; --",
    "<script>alert(1)</script>",
    '=HYPERLINK("http://127.0.0.1/","x")',
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "+1+1",
    "\x1b[2J\x1b]0;x\x07",
    "[bold red]x[/] [link=file:///etc/passwd]y[/link]",
    "two\nlines",
    "two\r\nlines",
    'a "quoted" word',
    "{office} %s ${HOME} $(id)",
    "../../../../etc/passwd",
    "\u202egpj.exe",
    "\ufeff",
    "\U0001f4a5" * 40,
    "x" * 5_000,
    "1e400",
    "-1e400",
    "NaN",
    "inf",
    "1.8509E+11",
    "45634.60 USD",
    "1,234,567.89",
    "9" * 40,
    "-0,01",
    "0,001",
    "31/02/2024",
    "31 Februari 2024",
    "2024-13-45",
    "0001-01-01",
    "9999-12-31",
    "null",
    "N/A",
)


@dataclass(frozen=True)
class Generated:
    """One delivery: `records` is None where damage makes the true number a matter of opinion."""

    layout: str
    office: str
    month: str
    file_name: str
    content: bytes
    records: int | None


def batch(seed: int, count: int) -> list[Generated]:
    """So many deliveries, two in five sound in form; some slices are delivered more than once."""
    dice = random.Random(seed)
    made = []
    for _ in range(count):
        office = dice.choice(OFFICES)
        month = f"{dice.choice((2021, 2022))}-{dice.randint(1, 12):02d}"
        make = dice.choices(list(MAKERS), list(MAKERS.values()))[0]
        layout, ending, content, records = make(dice, office, month)
        stated = f"2023{dice.randint(1, 12):02d}{dice.randint(1, 28):02d}T080000"
        name = f"SINTETIS_{office}_{month}_{stated}.{ending}"
        made.append(Generated(layout, office, month, name, content, records))
    return made


def rows(dice: random.Random, office: str, month: str) -> list[dict[str, str]]:
    """Goods lines of up to a dozen certificates; numbers are few, so that they meet elsewhere too:
    in other months, as replacements of one another, in loops."""
    found = []
    for _ in range(dice.choice((0, 1, 2, 5, 12))):
        number = f"{dice.randint(1, 60):07d}/{office}/{month[:4]}"
        status = dice.choice(STATUSES)
        day = f"{dice.randint(1, 28)} Oktober {month[:4]}"
        header = {
            **SOUND,
            "no_aju": f"II{month[:4]}1011{dice.randint(0, 9999):04d}",
            "no_ska": number,
            "status_pengajuan": status,
            "jenis_pengajuan": dice.choice(("Baru", "Baru", "Perubahan", "Duplikat")),
            "no_ska_diganti": dice.choice(("-", f"{dice.randint(1, 60):07d}/{office}/{month[:4]}")),
            "waktu_status": f"{day}, 09:00:00",
            "tgl_terbit": day,
            "nib": f"{dice.randint(10**12, 10**12 + 9)}",
            "kota_eksportir": dice.choice(("Kota Depok", "Bogor", "Kab. Bekasi", "Atlantis")),
            "no_peb": f"{dice.randint(1, 30):06d}",
            "mata_uang": dice.choice(("USD", "USD", "EUR", "JPY")),
        }
        for line in range(dice.choice((1, 1, 2, 4))):
            found.append({**header, "no_urut_barang": str(line + 1)})
    for row in found:
        while dice.random() < 0.15:
            row[dice.choice(list(SOUND))] = dice.choice(HOSTILE)
    return found


def as_csv(
    dice: random.Random, some: list[dict[str, str]], names: list[str], *, odd: bool
) -> tuple[bytes, int]:
    """Text of a CSV delivery and its number of records; `odd` adds records that can't be split."""
    end = dice.choice(("\n", "\r\n"))
    lines = [_csv_line(names)]
    for row in some:
        fields = [row[name] for name in names]
        if odd and dice.random() < 0.3:
            fields = dice.choice((fields[:-1], [*fields, "x"], fields[:3], [*fields, ""]))
        lines.append(_csv_line(fields))
    text = "".join(line + (dice.choice(("\n", "\r\n")) if odd else end) for line in lines)
    if odd and dice.random() < 0.5:
        text += end * dice.randint(1, 3)  # blank lines are no records
    if dice.random() < 0.3:
        text = "\ufeff" + text
    return text.encode(), len(some)


def _csv_line(fields: list[str]) -> str:
    return ";".join(
        '"' + field.replace('"', '""') + '"' if set(field) & set(';"\r\n') else field
        for field in fields
    )


Made = tuple[str, str, bytes, int | None]


def sound(dice: random.Random, office: str, month: str) -> Made:
    names = list(SOUND)
    if dice.random() < 0.3:
        dice.shuffle(names)  # the order of columns is free
    return "eska_v2", "csv", *as_csv(dice, rows(dice, office, month), names, odd=False)


def unsplittable(dice: random.Random, office: str, month: str) -> Made:
    return "eska_v2", "csv", *as_csv(dice, rows(dice, office, month), list(SOUND), odd=True)


def wrong_header(dice: random.Random, office: str, month: str) -> Made:
    names = list(SOUND)
    some = rows(dice, office, month)
    content, _ = as_csv(dice, some, names, odd=False)
    head, _, tail = content.partition(b"\n")
    fields = head.decode().rstrip("\r").split(";")
    damage: Callable[[], object] = dice.choice(
        (
            lambda: fields.pop(),
            lambda: fields.__setitem__(3, fields[4]),
            lambda: fields.__setitem__(0, "<b>nama</b>"),
            lambda: fields.clear(),
        )
    )
    damage()
    return "eska_v2", "csv", ";".join(fields).encode() + b"\n" + tail, None


def damaged(dice: random.Random, office: str, month: str) -> Made:
    """Bytes cut off, flipped, put in or doubled anywhere."""
    content, _ = as_csv(dice, rows(dice, office, month), list(SOUND), odd=dice.random() < 0.5)
    return "eska_v2", "csv", damage(dice, content), None


def damage(dice: random.Random, content: bytes) -> bytes:
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(content) + 1)
        to = min(len(content), at + dice.randint(1, 200))
        content = dice.choice(
            (
                lambda at=at, content=content: content[:at],
                lambda at=at, to=to, content=content: content[:at] + content[to:],
                lambda at=at, content=content: content[:at] + dice.randbytes(3) + content[at:],
                lambda at=at, content=content: content[:at] + b'"' + content[at:],
                lambda at=at, content=content: content[:at] + b"\0" + content[at:],
                lambda at=at, content=content: content[:at] + b"\r" + content[at:],
                lambda at=at, to=to, content=content: content[:to] + content[at:],
            )
        )()
    return content


def no_delivery(dice: random.Random, office: str, month: str) -> Made:
    """What arrives instead of a delivery."""
    content = dice.choice(
        (
            b"",
            b"\xef\xbb\xbf",
            b"\n\n\n",
            b"<!DOCTYPE html><html><body>Silakan masuk</body></html>",
            b'{"error": "unauthorized"}',
            dice.randbytes(2_000),
            "Café;Niño\n".encode("cp1252"),
            b"a;b\n" + b"x" * 1_500_000,
        )
    )
    return "eska_v2", "csv", content, None


def packed(dice: random.Random, office: str, month: str) -> Made:
    """A CSV delivery inside a gzip or a zip, sound or damaged."""
    content, records = as_csv(dice, rows(dice, office, month), list(SOUND), odd=False)
    if dice.random() < 0.5:
        ending, content = "csv.gz", gzip.compress(content, mtime=0)
    else:
        sink = io.BytesIO()
        with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
            name = dice.choice(
                ("a.csv", "a/b.csv", "../../etc/cron.d/x", "/etc/passwd", "C:\\x.csv")
            )
            archive.writestr(name, content)
        ending, content = "csv.zip", sink.getvalue()
        records = records if name in ("a.csv", "a/b.csv") else None
    if dice.random() < 0.2:
        return "eska_v2", ending, damage(dice, content), None
    return "eska_v2", ending, content, records


def as_ndjson(dice: random.Random, office: str, month: str) -> Made:
    """One object a line, fields in any order, some lines that are none."""
    lines = []
    for row in rows(dice, office, month):
        fields = list(row.items())
        dice.shuffle(fields)
        text = json.dumps(dict(fields), ensure_ascii=dice.random() < 0.5)
        if dice.random() < 0.1:
            text = dice.choice((text[:-1], "[1, 2]", "null", text + text, '{"a": {"b": 1}}', "{}"))
        lines.append(text)
    content = "".join(f"{line}\n" for line in lines).encode()
    if dice.random() < 0.1:
        return "made_ndjson", "ndjson", damage(dice, content), None
    return "made_ndjson", "ndjson", content, len(lines)


def as_xlsx(dice: random.Random, office: str, month: str) -> Made:
    """A workbook whose cells are all text."""
    sink, some = io.BytesIO(), rows(dice, office, month)
    with xlsxwriter.Workbook(sink, {"in_memory": True}) as book:
        sheet = book.add_worksheet()
        for at, fields in enumerate([list(SOUND), *(list(row.values()) for row in some)]):
            for column, text in enumerate(fields):
                sheet.write_string(at, column, text)
    content = sink.getvalue()
    if dice.random() < 0.2:
        return "made_xlsx", "xlsx", damage(dice, content), None
    return "made_xlsx", "xlsx", content, len(some)


def aggregates(dice: random.Random, office: str, month: str) -> Made:
    """Official statistics by port and month, with blanks, doubles and what is no number."""
    lines = ["tahun,bulan,kode_pelabuhan,nama_pelabuhan,nilai,berat"]
    for _ in range(dice.randint(0, 30)):
        port = dice.choice(("IDTPP", "431", "IDXXX", "", '"<b>"'))
        name = dice.choice(("TANJUNG PRIOK", '"GALELA , MALUKU"', "=1+1", ""))
        value = dice.choice(("", "0", "262", "1.728e+08", "1e400", "-5", "12,5", "NaN", "9" * 30))
        when = f"{month[:4]},{dice.choice(('January', 'Juni', '6', '13', 'Smarch'))}"
        lines.append(f"{when},{port},{name},{value},{dice.choice(('', '157500'))}")
    return "exports_by_port", "csv", "\r\n".join([*lines, ""]).encode(), len(lines) - 1


def write_layouts(seeds: Path) -> None:
    """The layouts that these deliveries need beside those of seeds/, and a feed for each."""
    text = (seeds / "layouts" / "eska_v2.toml").read_text("utf-8")
    head, _, columns = text.partition("[columns]")
    for form in ("xlsx", "ndjson"):
        kept = [
            line
            for line in head.splitlines()
            if not line.startswith(
                ("name", "format", "delimiter", "quote", "encoding", "file_name")
            )
        ]
        name = [f'name = "made_{form}"', f'format = "{form}"', "file_name = '.*'"]
        path = seeds / "layouts" / f"made_{form}.toml"
        path.write_text("\n".join([*name, *kept, "[columns]"]) + columns, "utf-8")
    with (seeds / "feeds.toml").open("a", encoding="utf-8") as file:
        for layout in ("made_xlsx", "made_ndjson", "exports_by_port"):
            offices = json.dumps(OFFICES)
            file.write(
                f'\n[{layout}]\nlayout = "{layout}"\nurl = "{{deliveries}}/{{office}}/{{period}}"\n'
                f'mode = "snapshot"\noffices = {offices}\nfirst_month = "2021-01"\n'
            )


MAKERS: dict[Callable[[random.Random, str, str], Made], int] = {
    sound: 32,
    unsplittable: 20,
    packed: 10,
    as_ndjson: 6,
    as_xlsx: 3,
    aggregates: 8,
    wrong_header: 4,
    damaged: 10,
    no_delivery: 7,
}
