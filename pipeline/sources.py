"""Source files, in a folder or on the web: how each is named, looked at and read."""

import fcntl
import hashlib
import ipaddress
import os
import re
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import aiohttp
import fsspec
from fsspec.asyn import sync

from pipeline import store
from pipeline.messages import Problem
from pipeline.settings import settings

CHUNK = 1 << 20
GONE = {404, 410}
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


class Missing(Exception):
    """There is nothing at this address: a fact about a delivery, not a failure."""


class Torn(OSError):
    """The file was cut off or changed while it was read; another try may mend that."""


# --- names -------------------------------------------------------------------------------------


def is_web(address: str) -> bool:
    return re.match(r"https?://", address, re.IGNORECASE) is not None


def require_https(url: str) -> None:
    """Deliveries hold personal data: plain http only to this very machine.

    Raises Problem `not_https`, or `bad_source` for what is no URL.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _web().encode_url(url)
    except ValueError:
        raise Problem("bad_source", source=url.partition("://")[0] + "://…") from None
    if parts.scheme.lower() != "https" and not _is_loopback(host):
        raise Problem("not_https", source=without_secrets(url))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def without_secrets(url: str) -> str:
    """The URL as it may be shown and stored: no user, password, query or fragment."""
    if "://" not in url:
        return url
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "…" if parts.query else "", ""))


def shown(address: str) -> str:
    """The address as manifests keep it; a folder's without the place where it is mounted.

    So deliveries that move to another disk are still the same sources and don't land again.
    """
    if is_web(address):
        return without_secrets(address)
    root = f"{settings().deliveries.absolute()}/"
    name = "{deliveries}/" + address.removeprefix(root) if address.startswith(root) else address
    return os.fsencode(name).decode("utf-8", "replace")


def file_name(address: str) -> str:
    if is_web(address):
        return unquote(urlsplit(address).path.rpartition("/")[2], errors="replace")
    return os.fsencode(Path(address).name).decode("utf-8", "replace")


# --- looking -----------------------------------------------------------------------------------


def offer(address: str) -> Offer:
    """Look at a source without reading it: a stat, or a HEAD (GET where HEAD isn't answered).

    Raises Missing, OSError, aiohttp.ClientError, and Problem `not_https` for a redirect.
    """
    try:
        if not is_web(address):
            return _stat(address)
        info = _web().info(address)
    except FileNotFoundError as error:
        # fsspec says "not found" of every failure of a web server; the cause knows better.
        cause = error.__cause__
        if cause is None or getattr(cause, "status", None) in GONE:
            raise Missing from None
        raise cause from None
    require_https(info["url"])  # where redirects led
    return Offer(_token(info), info["size"], _validator(info))


def _stat(address: str) -> Offer:
    """Size, the time of the last change, and the time of the last change of name or rights.

    The third can't be set by a copying tool, so a file replaced by one of the same size and date
    is read again.
    """
    info = Path(address).stat()
    return Offer(f"{info.st_size} {info.st_mtime_ns} {info.st_ctime_ns}", info.st_size)


def _token(headers: Mapping[str, Any]) -> str | None:
    """What a web server says to tell versions apart; None when it says nothing."""
    return headers.get("ETag") or headers.get("Last-Modified")


def _validator(headers: Mapping[str, Any]) -> str | None:
    """What may stand in If-Range: a strong ETag, else a date (RFC 9110, 13.1.5)."""
    etag = headers.get("ETag")
    return etag if etag and not etag.startswith("W/") else headers.get("Last-Modified")


# --- reading -----------------------------------------------------------------------------------


def read(address: str, seen: Offer) -> tuple[Path, str | None, int]:
    """Read a source into a private file: (file, token, size in bytes as the source has it).

    Reading stops just beyond `max_file_mb`. Raises Torn, OSError, aiohttp.ClientError.
    """
    return _download(address, seen) if is_web(address) else _copy(address, seen)


def _copy(address: str, seen: Offer) -> tuple[Path, str | None, int]:
    path = _fresh()
    try:
        with fsspec.filesystem("file").open(address, "rb") as source, path.open("wb") as sink:
            while sink.tell() <= limit() and (chunk := source.read(CHUNK)):
                sink.write(chunk)
        if _stat(address) != seen:  # an upload that is still running
            raise Torn(0, "the file changed while it was read")
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path, seen.token, seen.size or 0


def _download(address: str, seen: Offer) -> tuple[Path, str | None, int]:
    """What an earlier try or a killed run left of this version is kept and gone on with.

    Partial files are touched only under the lock; a complete one gets a name of its own.
    """
    with _alone(address):
        partial, token, size = sync(_web().loop, _stream, address, seen)
        return partial.rename(_fresh()), token, size


async def _stream(address: str, seen: Offer) -> tuple[Path, str | None, int]:
    """GET with Range and If-Range, in the session of fsspec's HTTP file system.

    fsspec itself can't resume: its get_file doesn't tell 206 from 200, and its seekable file
    takes a whole short answer (the source changed) for the range it asked for.
    """
    web = _web()
    path = _partial(address, seen.validator)
    have = path.stat().st_size if seen.validator and path.exists() else 0
    if have and (have == seen.size or have > limit()):
        return path, seen.token, seen.size or have
    headers = {"Accept-Encoding": "identity"}
    if have and seen.validator:
        headers |= {"Range": f"bytes={have}-", "If-Range": seen.validator}
    session = await web.set_session()
    async with session.get(web.encode_url(address), headers=headers) as answer:
        require_https(str(answer.url))
        span = re.match(rf"bytes {have}-\d+/(\d+)$", answer.headers.get("Content-Range", ""))
        if answer.status == 416 or (answer.status == 206 and not span):
            path.unlink(missing_ok=True)
            raise Torn(0, "what was there did not fit the range that came")
        answer.raise_for_status()
        if answer.status != 206:  # from the start, and perhaps of a newer version than was seen
            path = _partial(address, _validator(answer.headers))
        expected = int(span[1]) if span else answer.content_length or seen.size
        if "Content-Encoding" in answer.headers:
            expected = None  # that of the packed bytes; aiohttp has checked it
        with path.open("ab" if span else "wb") as sink:
            async for chunk in answer.content.iter_chunked(CHUNK):
                sink.write(chunk)
                if sink.tell() > limit():
                    break
            got = sink.tell()
    if got <= limit() and expected is not None and got != expected:
        raise Torn(0, f"{got} bytes came, {expected} were announced")
    return path, _token(answer.headers) or seen.token, max(got, expected or 0)


def _web() -> Any:
    """fsspec's HTTP file system. aiohttp's own limit of 5 minutes a file is lifted."""
    wait = settings().fetch_timeout_s
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=wait, sock_read=wait)
    return fsspec.filesystem("http", client_kwargs={"timeout": timeout, "trust_env": True})


# --- where files lie until they land -----------------------------------------------------------


def limit() -> int:
    """The largest delivery, in bytes."""
    return settings().max_file_mb * 2**20


def _work() -> Path:
    """The folder of fetched and partial files. What a killed run left goes after a week."""
    folder = store.home() / "work" / "partial"
    folder.mkdir(mode=store.PRIVATE, exist_ok=True)
    too_old = time.time() - KEPT_DAYS * 86400
    for file in folder.glob("*"):
        try:
            if file.suffix != ".lock" and file.stat().st_mtime < too_old:
                file.unlink()
        except FileNotFoundError:
            continue  # another process landed or dropped it
    return folder


def _fresh() -> Path:
    return _work() / uuid.uuid4().hex


def _partial(address: str, validator: str | None) -> Path:
    """The file in which one version of a web file is collected; with no version, never gone on."""
    return _work() / f"{_short(address)}.{_short(validator or '')}"


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@contextmanager
def _alone(address: str) -> Iterator[None]:
    """One process or thread at a time collects a web file; the kernel frees a dead one's lock."""
    with (_work() / f"{_short(address)}.lock").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
