"""Source files, whatever fetches them: how each is named, and where it lies until it lands."""

import ipaddress
import os
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from yarl import URL

from pipeline import store
from pipeline.messages import Problem
from pipeline.settings import settings

CHUNK = 1 << 20
KEPT_DAYS = 7  # a partial file of an older version is never asked for again


@dataclass(frozen=True)
class Offer:
    """What is known of a source file before a byte of it is read; `size` in bytes."""

    token: str | None
    size: int | None
    validator: str | None = None


@dataclass(frozen=True)
class SourceFile:
    """One fetched file, private to this run until land moves it into landing/.

    `size` in bytes is the source's. Of a file over `max_file_mb` reading stopped just beyond the
    limit: `path` and `sha256` cover what was read.
    """

    path: Path
    source: str
    token: str | None
    file_name: str
    sha256: str
    size: int


class Torn(OSError):
    """The file was cut off or changed while it was read; another try may mend that."""


class Failure(OSError):
    """How a web server failed, told without its URL, which may hold secrets. `status`: what it
    answered, None when nothing; `is_hopeless`: another try can't mend it."""

    def __init__(self, told: str, status: int | None, is_hopeless: bool) -> None:
        super().__init__(0, told)
        self.status, self.is_hopeless = status, is_hopeless


def require_https(url: str) -> None:
    """Deliveries hold personal data: plain http only to this very machine.

    Raises Problem `not_https`, or `bad_source` for what is no URL.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        URL(url)
    except ValueError:
        raise Problem("bad_source", source=url.partition("://")[0] + "://…") from None
    if parts.scheme.lower() != "https" and not is_loopback(host):
        raise Problem("not_https", source=without_secrets(url))


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def without_secrets(url: str) -> str:
    """The URL as it may be shown and stored: no user, password, query or fragment."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "…" if parts.query else "", ""))


def as_text(name: str) -> str:
    """A file name that may hold bytes which are no text."""
    return os.fsencode(name).decode("utf-8", "replace")


def limit() -> int:
    """The largest delivery, in bytes."""
    return settings().max_file_mb * 2**20


def work() -> Path:
    """The folder of fetched and partial files. What a killed run left goes after a week.

    Raises Problem `disk_unfit`: our own folder that is missing is no delivery that is missing.
    """
    folder = store.home() / "work" / "partial"
    try:
        folder.mkdir(mode=store.PRIVATE, exist_ok=True)
    except FileNotFoundError as error:
        raise Problem("disk_unfit", path=folder, error=error) from None
    too_old = time.time() - KEPT_DAYS * 86400
    for file in folder.glob("*"):
        try:
            if file.suffix != ".lock" and file.stat().st_mtime < too_old:
                file.unlink()
        except FileNotFoundError:
            continue  # another process landed or dropped it
    return folder


def fresh() -> Path:
    return work() / uuid.uuid4().hex
