"""Archives around a delivery: what is inside is read, or it is refused; nothing else happens."""

import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from foreign import Reader, edited, gzipped, layout, sheet, zipped
from pipeline import settings
from pipeline.messages import Problem

CSV = b"no;nama;nilai\n1;PT A;1.234,50\n2;PT B;2\n"
ROWS = [(2, "1", "PT A", "1.234,50"), (3, "2", "PT B", "2")]
PAGE = b"<!DOCTYPE html><html><body>Silakan masuk</body></html>"
XLSX = sheet([["no", "nama", "nilai"], ["1", "PT A", "1"]])


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    monkeypatch.setenv("IPSKA_MAX_UNPACKED_MB", "8")
    settings.settings.cache_clear()
    yield Reader(tmp_path)
    settings.settings.cache_clear()


def linked(name: str) -> bytes:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return edited_info(info, b"/etc/passwd")


def edited_info(info: zipfile.ZipInfo, content: bytes) -> bytes:
    import io

    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr(info, content)
    return target.getvalue()


def locked() -> bytes:
    """Bit 0 of the flags says that a member is encrypted."""
    content = bytearray(zipped({"a.csv": CSV}))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + place] |= 1
    return bytes(content)


@pytest.mark.parametrize(
    "content",
    [CSV, b"\xef\xbb\xbf" + CSV, gzipped(CSV), gzipped(CSV[:20]) + gzipped(CSV[20:]),
     zipped({"BGR 2022-10.csv": CSV}), zipped({"a.csv": CSV}, zipfile.ZIP_STORED),
     zipped({"data/": b"", "data/a.csv": CSV, "__MACOSX/data/._a.csv": b"x", "data/.DS_Store": b"x",
             "Thumbs.db": b"x"})],
    ids=["plain", "bom", "gz", "gz of two", "zip", "stored", "zip of a Mac"],
)  # fmt: skip
def test_what_is_inside_is_read(read: Reader, content: bytes) -> None:
    assert read(content, layout()) == ROWS


def test_a_workbook_may_be_packed_too(read: Reader) -> None:
    for content in (XLSX, zipped({"a.xlsx": XLSX}), gzipped(XLSX)):
        assert read(content, layout(format="xlsx")) == [(2, "1", "PT A", "1")]


HOSTILE = {
    "zip bomb": (zipped({"a.csv": b"\0" * 9_000_000}), "unpacks_too_far"),
    "gz bomb": (gzipped(b"\0" * 9_000_000), "unpacks_too_far"),
    "ratio": (gzipped(b"no;nama;nilai\n" + b" " * 3_000_000), "unpacks_too_far"),
    "workbook bomb": (
        edited(XLSX, "xl/worksheets/sheet1.xml", lambda text: text + b" " * 9_000_000),
        "unpacks_too_far",
    ),
    "several": (zipped({"a.csv": CSV, "b.csv": CSV}), "archive_members"),
    "none": (zipped({"__MACOSX/x": b"x"}), "archive_members"),
    "up": (zipped({"../../a.csv": CSV}), "unsafe_archive"),
    "up, Windows": (zipped({"..\\a.csv": CSV}), "unsafe_archive"),
    "absolute": (zipped({"/etc/cron.d/a": CSV}), "unsafe_archive"),
    "drive": (zipped({"C:\\a.csv": CSV}), "unsafe_archive"),
    "link": (linked("a.csv"), "unsafe_archive"),
    "up in a workbook": (edited(XLSX, "../x", lambda _: b"x"), "unsafe_archive"),
    "password": (locked(), "bad_archive"),
    "method": (zipped({"a.csv": CSV}, zipfile.ZIP_LZMA), "bad_archive"),
    "crc": (zipped({"a.csv": CSV}, zipfile.ZIP_STORED).replace(b"PT A", b"PT X"), "bad_archive"),
    "cut gz": (gzipped(CSV * 50)[:-20], "bad_archive"),
    "gz with a tail": (gzipped(CSV) + b"tail", "bad_archive"),
    "flipped gz": (gzipped(CSV)[:12] + b"\xff\xff\xff" + gzipped(CSV)[15:], "bad_archive"),
    "cut zip": (zipped({"a.csv": CSV})[:-30], "bad_archive"),
    "many entries": (zipped({f"{n:060d}": b"" for n in range(12_000)}), "bad_archive"),
    "zip in zip": (zipped({"a.zip": zipped({"a.csv": CSV})}), "wrong_format"),
    "workbook": (XLSX, "wrong_format"),
    "old workbook": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "wrong_format"),
    "page": (PAGE, "html_page"),
    "page in gz": (gzipped(PAGE), "html_page"),
    "page in zip": (zipped({"a.csv": b"\xef\xbb\xbf \n" + PAGE}), "html_page"),
    "nothing in gz": (gzipped(b""), "no_header"),
    "NUL in gz": (gzipped(CSV + b"3;\0;1\n"), "nul_byte"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile(name: str, read: Reader, tmp_path: Path) -> None:
    content, code = HOSTILE[name]
    with pytest.raises(Problem) as raised:
        read(content, layout())
    assert raised.value.code == code
    assert all(raised.value.text(language) for language in ("en", "id"))
    written = {path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*")}
    assert written <= {"1 payload", "1.unpacked"}, "nothing under a name that an archive states"
    assert sum(path.stat().st_size for path in tmp_path.glob("*.unpacked")) <= 9 << 20


def test_text_where_a_workbook_is_due(read: Reader) -> None:
    with pytest.raises(Problem, match="wrong_format"):
        read(CSV, layout(format="xlsx"))


def test_trouble_with_our_own_disk_is_not_the_office_s(
    read: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> Iterator[bytes]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pipeline.unwrap._pieces", full)
    with pytest.raises(OSError, match="No space"):
        read(gzipped(CSV), layout())
