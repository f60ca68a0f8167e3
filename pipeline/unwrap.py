"""Zip and gzip around a delivery: one file comes out, within limits, or the delivery is refused.

Nothing is ever written under a name that an archive states.
"""

import gzip
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from pipeline.messages import Problem, is_ours
from pipeline.settings import settings

Packed = IO[bytes] | gzip.GzipFile
ZIP, GZIP, OLE = b"PK\x03\x04", b"\x1f\x8b", b"\xd0\xcf\x11\xe0"
PIECE, SMALL = 1 << 20, 1 << 20  # the ratio of what unpacks to no more than 1 MB harms nobody
MAX_DIRECTORY = 1 << 20  # bytes of a zip's table of contents: some ten thousand entries
WORKBOOK = "xl/workbook.xml"
HTML = re.compile(
    rb"\s*(?:<!--.*?-->\s*|<\?xml.*?\?>\s*)*<(?:!doctype\s+html|html|head|body|title|script)\b",
    re.IGNORECASE | re.DOTALL,
)


def is_web_page(start: bytes) -> bool:
    """Whether a file that begins so is an HTML page; a log-in page comes with status 200."""
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        start = start.decode("utf-16", "replace").encode()
    return bool(HTML.match(start.removeprefix(b"\xef\xbb\xbf")))


def unwrap(payload: Path, file_name: str, source: str, wanted: str | None, target: Path) -> Path:
    """The file itself, or what one zip or gzip around it holds, written to `target`.

    `wanted` is the layout's format, None when it is to be found out. Raises Problem `bad_archive`,
    `unsafe_archive`, `archive_members`, `unpacks_too_far`, `wrong_format` or `html_page`.
    """
    path, start = payload, _start(payload)
    try:
        if start.startswith(GZIP):
            with gzip.open(payload) as packed:
                path = _unpack(packed, file_name, payload.stat().st_size, target)
        elif start.startswith(ZIP) and not _is_workbook(payload, file_name):
            with zipfile.ZipFile(payload) as archive:
                member = _only_member(archive, file_name)
                with archive.open(member) as packed:
                    path = _unpack(packed, file_name, payload.stat().st_size, target)
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError, ValueError) as error:
        if is_ours(error):
            raise
        raise Problem("bad_archive", file=file_name, error=error) from error
    if is_web_page(_start(path)):
        raise Problem("html_page", file=file_name, source=source)
    found = kind(path, file_name)
    if found in ("xls", "zip") or (wanted and (found == "xlsx") != (wanted == "xlsx")):
        raise Problem("wrong_format", file=file_name, found=found, expected=wanted)
    return path


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4096)


def kind(path: Path, file_name: str) -> str:
    """What a file is by its first bytes: xlsx, xls (or locked), zip or text."""
    start = _start(path)
    if start.startswith(OLE):
        return "xls"
    if start.startswith(ZIP):
        return "xlsx" if _is_workbook(path, file_name) else "zip"
    return "text"


def _is_workbook(path: Path, file_name: str) -> bool:
    """Whether a zip is a workbook, that unpacks within the limits."""
    _check_directory(path, file_name)
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if WORKBOOK not in archive.namelist():
            return False
        for member in members:
            _check_member(member, file_name)
        # Not against the sum of packed sizes: members may overlap.
        _check_size(sum(one.file_size for one in members), path.stat().st_size, file_name)
        return True


def _check_directory(path: Path, file_name: str) -> None:
    """A table of contents of gigabytes would be read into memory as a whole, before any limit."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 65_557))
        tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    size = int.from_bytes(tail[at + 12 : at + 16], "little")
    if at < 0 or size > MAX_DIRECTORY or tail[max(0, at - 20) : at].startswith(b"PK\x06\x07"):
        told = "the table of contents is missing or too large"
        raise Problem("bad_archive", file=file_name, error=told)


def _check_member(member: zipfile.ZipInfo, file_name: str) -> None:
    parts = re.split(r"[/\\]", member.filename)
    is_link = stat.S_ISLNK(member.external_attr >> 16)
    if is_link or ".." in parts or parts[0] == "" or ":" in parts[0]:
        raise Problem("unsafe_archive", file=file_name, member=member.filename)
    if member.flag_bits & 1:
        raise Problem("bad_archive", file=file_name, error="it is locked with a password")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        told = f"compression method {member.compress_type} is not taken"
        raise Problem("bad_archive", file=file_name, error=told)


def _only_member(archive: zipfile.ZipFile, file_name: str) -> zipfile.ZipInfo:
    """The one file that matters: what Macs and Windows put beside it doesn't."""
    members = archive.infolist()
    for member in members:
        _check_member(member, file_name)
    files = [
        one
        for one in members
        if not one.is_dir()
        and not one.filename.startswith("__MACOSX/")
        and not Path(one.filename).name.startswith(".")
        and Path(one.filename).name.lower() not in ("thumbs.db", "desktop.ini")
    ]
    if len(files) != 1:
        names = ", ".join(one.filename for one in files) or "–"
        raise Problem("archive_members", file=file_name, count=len(files), names=names)
    return files[0]


def _unpack(packed: Packed, file_name: str, packed_size: int, target: Path) -> Path:
    """Write it piece by piece: what an archive says of its own size is not believed."""
    unpacked = 0
    with target.open("wb") as file:
        for piece in _pieces(packed):
            unpacked += len(piece)
            _check_size(unpacked, packed_size, file_name)
            file.write(piece)
    return target


def _pieces(packed: Packed) -> Iterator[bytes]:
    while piece := packed.read(PIECE):
        yield piece


def _check_size(unpacked: int, packed: int, file_name: str) -> None:
    limit = settings()
    if unpacked > limit.max_unpacked_mb << 20 or (
        unpacked > SMALL and unpacked > packed * limit.max_ratio
    ):
        raise Problem(
            "unpacks_too_far",
            file=file_name,
            packed=packed,
            limit=limit.max_unpacked_mb,
            ratio=limit.max_ratio,
        )
