"""One file of a web server: HEAD, then a download that goes on where it stopped."""

import fcntl
import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import aiohttp
import fsspec
from fsspec.asyn import sync

from pipeline import sources
from pipeline.connections import Connection
from pipeline.settings import settings
from pipeline.sources import CHUNK, Failure, Offer, Torn, require_https

GONE = {404, 410}


class Web:
    """A web address, and what opens it; with the same methods as folders.Folder.

    The Authorization header goes to this origin only: aiohttp drops it at a redirect elsewhere
    (its session's `auth` is sent along, measured with 3.14.5).
    """

    def __init__(self, url: str, connection: Connection) -> None:
        self.wanted, self._connection = url, connection

    def names(self) -> list[str]:
        require_https(self.wanted)
        self._connection.require_host(urlsplit(self.wanted).hostname)
        return [self.wanted]

    def shown(self, name: str) -> str:
        return sources.without_secrets(name)

    def file_name(self, name: str) -> str:
        return unquote(urlsplit(name).path.rpartition("/")[2], errors="replace")

    def sha256_of(self, name: str) -> None:
        return None

    def offer(self, name: str) -> Offer:
        """HEAD, or GET where HEAD isn't answered. Raises Problem `not_https` for a redirect."""
        with failures():
            try:
                info = self._site().info(name)
            except FileNotFoundError as error:
                # fsspec says "not found" of every failure of a web server; the cause knows better.
                cause = error.__cause__
                if cause is None or getattr(cause, "status", None) in GONE:
                    raise FileNotFoundError from None
                raise cause from None
        require_https(info["url"])  # where redirects led
        return Offer(_token(info), info["size"], _validator(info))

    def read(self, name: str, seen: Offer) -> tuple[Path, str | None, int]:
        """What an earlier try or a killed run left of this version is kept and gone on with.

        Partial files are touched only under the lock; a complete one gets a name of its own.
        """
        with failures(), _alone(name):
            partial, token, size = sync(self._site().loop, self._stream, name, seen)
            return partial.rename(sources.fresh()), token, size

    async def _stream(self, name: str, seen: Offer) -> tuple[Path, str | None, int]:
        """GET with Range and If-Range, in the session of fsspec's HTTP file system.

        fsspec itself can't resume: its get_file doesn't tell 206 from 200, and its seekable file
        takes a whole short answer (the source changed) for the range it asked for.
        """
        site = self._site()
        path = _partial(name, seen.validator)
        have = path.stat().st_size if seen.validator and path.exists() else 0
        if have and (have == seen.size or have > sources.limit()):
            return path, seen.token, seen.size or have
        headers = {"Accept-Encoding": "identity"}
        if have and seen.validator:
            headers |= {"Range": f"bytes={have}-", "If-Range": seen.validator}
        session = await site.set_session()
        async with session.get(site.encode_url(name), headers=headers) as answer:
            require_https(str(answer.url))
            span = re.match(rf"bytes {have}-\d+/(\d+)$", answer.headers.get("Content-Range", ""))
            if answer.status == 416 or (answer.status == 206 and not span):
                path.unlink(missing_ok=True)
                raise Torn(0, "what was there did not fit the range that came")
            answer.raise_for_status()
            if answer.status != 206:  # from the start, and perhaps of a newer version than seen
                path = _partial(name, _validator(answer.headers))
            expected = int(span[1]) if span else answer.content_length or seen.size
            if "Content-Encoding" in answer.headers:
                expected = None  # that of the packed bytes; aiohttp has checked it
            with path.open("ab" if span else "wb") as sink:
                async for chunk in answer.content.iter_chunked(CHUNK):
                    sink.write(chunk)
                    if sink.tell() > sources.limit():
                        break
                got = sink.tell()
        if got <= sources.limit() and expected is not None and got != expected:
            raise Torn(0, f"{got} bytes came, {expected} were announced")
        return path, _token(answer.headers) or seen.token, max(got, expected or 0)

    def _site(self) -> Any:
        """fsspec's HTTP file system. aiohttp's own limit of 5 minutes a file is lifted."""
        wait = settings().fetch_timeout_s
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=wait, sock_read=wait)
        headers = authorization(self._connection)
        options = {"timeout": timeout, "trust_env": True, "headers": headers}
        return fsspec.filesystem("http", client_kwargs=options)


@contextmanager
def failures() -> Iterator[None]:
    """The errors of aiohttp, which hold the whole URL, as Failure."""
    try:
        yield
    except aiohttp.ClientError as error:
        status = getattr(error, "status", None)
        told = f"{type(error).__name__} {getattr(error, 'strerror', None) or ''}".strip()
        is_hopeless = isinstance(error, aiohttp.ClientSSLError | ValueError)
        raise Failure(f"HTTP {status}" if status else told, status, is_hopeless) from None


def authorization(connection: Connection) -> dict[str, str]:
    """Login and password are basic auth, a password alone is a bearer token."""
    if connection.login:
        secret = aiohttp.encode_basic_auth(connection.login, connection.password)
        return {"Authorization": secret}
    token = connection.extra.get("bearer") or connection.password
    return {"Authorization": f"Bearer {token.strip()}"} if token else {}


def _token(headers: Mapping[str, Any]) -> str | None:
    """What a web server says to tell versions apart; None when it says nothing."""
    return headers.get("ETag") or headers.get("Last-Modified")


def _validator(headers: Mapping[str, Any]) -> str | None:
    """What may stand in If-Range: a strong ETag, else a date (RFC 9110, 13.1.5)."""
    etag = headers.get("ETag")
    return etag if etag and not etag.startswith("W/") else headers.get("Last-Modified")


def _partial(address: str, validator: str | None) -> Path:
    """The file in which one version of a web file is collected; with no version, never gone on."""
    return sources.work() / f"{_short(address)}.{_short(validator or '')}"


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@contextmanager
def _alone(address: str) -> Iterator[None]:
    """One process or thread at a time collects a web file; the kernel frees a dead one's lock."""
    with (sources.work() / f"{_short(address)}.lock").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
