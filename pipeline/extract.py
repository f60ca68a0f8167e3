"""Extract: find the source files of one slice of a feed, and fetch what is new of them."""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import fsspec
from fsspec.implementations.local import LocalFileSystem

from pipeline import sources, store
from pipeline.feeds import Feed, Slice
from pipeline.layouts import load_layout
from pipeline.messages import Problem
from pipeline.settings import settings
from pipeline.sources import SourceFile

T = TypeVar("T")
Manifest = dict[str, Any]
DENIED, PASSING = {401, 403}, {408, 425, 429, 500, 502, 503, 504}


@dataclass(frozen=True)
class Fetched:
    """What a slice's source had: `files` are new or changed, in order of stated extract time."""

    files: list[SourceFile]
    missing: bool
    unchanged: int


def fetch(feed: Feed, part: Slice, known: list[store.Landing], force: bool = False) -> Fetched:
    """Fetch what the source of a slice has beyond `known`, its landings (oldest first).

    "Unchanged" is judged per address against its newest landing only (A → B → A is three
    landings): first by token, without reading, then by SHA-256. With `force` a landing that was
    refused doesn't count as known, so that the same bytes can land again. Raises Problem
    `not_https`, `bad_source`, `no_deliveries`, `source_outside`, `source_unfit`,
    `source_denied`, `source_failed`.
    """
    files: list[SourceFile] = []
    present = 0
    for address in _addresses(feed, part):
        try:
            file = _persist(partial(_changed, address, _newest(address, known, force)), address)
        except sources.Missing:
            continue
        present += 1
        files += [file] if file else []
    return Fetched(files, missing=not present, unchanged=present - len(files))


def probe(
    feed: Feed, part: Slice, known: list[store.Landing], force: bool = False
) -> Iterator[tuple[str, str]]:
    """What `fetch` would find, as (state, source); nothing is stored and nothing downloaded.

    States: new, changed, unchanged, missing, and `unchecked` where a web server gives no token to
    compare. Raises the Problems of `fetch`.
    """
    present = False
    for address in _addresses(feed, part):
        try:
            offer = _persist(partial(sources.offer, address), address)
        except sources.Missing:
            continue
        present = True
        yield _state(address, offer, _newest(address, known, force)), sources.shown(address)
    if not present:
        yield "missing", sources.shown(feed.source(part))


def _newest(address: str, known: list[store.Landing], force: bool) -> Manifest | None:
    """The manifest of the newest landing from this address."""
    source = sources.shown(address)
    manifests = [landing.manifest for landing in known if landing.manifest["source"] == source]
    counting = [one for one in manifests if not (force and one["refusal"])]
    return counting[-1] if counting else None


def _state(address: str, offer: sources.Offer, newest: Manifest | None) -> str:
    if newest is None:
        return "new"
    if offer.token is not None and offer.token == newest["token"]:
        return "unchanged"
    if not sources.is_web(address):
        return "unchanged" if store.sha256_of(Path(address)) == newest["sha256"] else "changed"
    return "changed" if offer.token and newest["token"] else "unchecked"


def _changed(address: str, newest: Manifest | None) -> SourceFile | None:
    """One try: the file behind an address, or None when it is what landed last from there."""
    offer = sources.offer(address)
    if newest and offer.token is not None and offer.token == newest["token"]:
        return None
    path, token, size = sources.read(address, offer)
    sha256 = store.sha256_of(path)
    if newest and sha256 == newest["sha256"]:
        path.unlink()
        return None
    name = sources.file_name(address)
    return SourceFile(path, sources.shown(address), token, name, sha256, size)


def _persist(attempt: Callable[[], T], address: str) -> T:
    """Try, and after a growing pause try again where that can help; then say it as a Problem.

    The errors of aiohttp hold the whole URL, secrets too: they are not chained to the Problem.
    """
    pause = settings().fetch_backoff_s
    for left in range(settings().fetch_retries, -1, -1):
        try:
            return attempt()
        except (OSError, aiohttp.ClientError) as error:
            told = {"source": sources.shown(address), "error": _told(error)}
            status = getattr(error, "status", None)
            if status in DENIED or isinstance(error, PermissionError):
                raise Problem("source_denied", **told) from None
            hopeless = isinstance(error, aiohttp.ClientSSLError | aiohttp.InvalidURL)
            if not left or hopeless or (status is not None and status not in PASSING):
                raise Problem("source_failed", **told) from None
        time.sleep(pause)
        pause *= 2
    raise AssertionError("the last try returns or raises")


def _told(error: Exception) -> str:
    """An error in words that can hold no URL."""
    if status := getattr(error, "status", None):
        return f"HTTP {status}"
    return f"{type(error).__name__} {getattr(error, 'strerror', None) or ''}".strip()


def _addresses(feed: Feed, part: Slice) -> list[str]:
    """The URL of a web feed, or the files that a folder holds for the slice.

    Files come in the order of the extract time that their names state, then by name: so the later
    extract lands later, whatever the files are called.
    """
    url = feed.source(part)
    if sources.is_web(url):
        sources.require_https(url)
        return [url]
    folder, pattern = fsspec.url_to_fs(url)
    if not isinstance(folder, LocalFileSystem):
        raise Problem("bad_source", source=sources.without_secrets(url))
    root = _root(feed)
    if not root.is_dir():  # an unmounted share must not look like offices that sent nothing
        raise Problem("no_deliveries", path=root)
    found = _persist(partial(_listed, folder, pattern), url)
    for name in found:
        _require_inside(Path(name), root)
    layout = load_layout(feed.layout)

    def order(name: str) -> tuple[str, str]:
        return layout.stated_in(sources.file_name(name)).get("extracted", ""), name

    return sorted(found, key=order)


def _listed(folder: LocalFileSystem, pattern: str) -> list[str]:
    """The files that a glob finds; not hidden ones (a Mac adds `._name.csv` to what it copies)."""
    try:
        # Without on_error fsspec skips what it may not read: as if nothing had been sent.
        found = [Path(name) for name in folder.glob(pattern, on_error="raise")]
    except FileNotFoundError:
        return []
    return [str(path) for path in found if not path.is_dir() and not path.name.startswith(".")]


def _root(feed: Feed) -> Path:
    """The part of a folder feed's URL before its first placeholder or glob."""
    url = feed.url.replace("{deliveries}", str(settings().deliveries.absolute()))
    return Path(re.split(r"[{*?\[]", url)[0].rpartition("/")[0] or "/")


def _require_inside(file: Path, root: Path) -> None:
    """A link may not lead out of the folder, and a pipe or device would never end."""
    if not file.resolve().is_relative_to(root.resolve()):
        raise Problem("source_outside", source=sources.shown(str(file)))
    if not file.is_file():
        raise Problem("source_unfit", source=sources.shown(str(file)))
