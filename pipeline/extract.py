"""Extract: find the source files of one slice of a feed, and fetch what is new of them."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from pydantic import SecretStr

from pipeline import connections, disk, sources, store
from pipeline.feeds import Feed, Slice
from pipeline.folders import Folder, Listed
from pipeline.layouts import load_layout
from pipeline.messages import Problem
from pipeline.settings import settings
from pipeline.sources import SourceFile

if TYPE_CHECKING:
    from pipeline.web import Web

T = TypeVar("T")
Manifest = dict[str, Any]
Place: TypeAlias = "Web | Folder"
DENIED, PASSING = {401, 403}, {408, 425, 429, 500, 502, 503, 504}


@dataclass(frozen=True)
class Fetched:
    """What a slice's source had: `files` are new or changed, in order of stated extract time."""

    files: list[SourceFile]
    missing: bool
    unchanged: int


def fetch(
    feed: Feed,
    part: Slice,
    known: list[store.Landing],
    force: bool = False,
    secret: SecretStr | None = None,
    listed: Listed | None = None,
) -> Fetched:
    """Fetch what the source of a slice has beyond `known`, its landings (oldest first).

    "Unchanged" is judged per address against its newest landing only (A → B → A is three
    landings): first by token, without reading, then by SHA-256. With `force` a landing that was
    refused doesn't count as known, so that the same bytes can land again. `secret` is the feed's
    connection as Airflow writes it, `listed` what the run has listed of folders. Raises Problem
    `not_https`, `bad_source`, `no_deliveries`, `source_outside`, `source_unfit`, `source_denied`,
    `source_failed`, `no_connection`, `bad_connection`, `unknown_host_key`, `extra_missing`.
    """
    found: list[SourceFile | None] = []
    place = _place(feed, part, secret, listed)
    for name in _names(place, feed):
        try:
            newest = _newest(place.shown(name), known, force)
            found.append(_persist(partial(_changed, place, name, newest), place.shown(name)))
        except FileNotFoundError:
            continue
    files = [file for file in found if file]
    return Fetched(files, missing=not found, unchanged=len(found) - len(files))


def probe(
    feed: Feed,
    part: Slice,
    known: list[store.Landing],
    force: bool = False,
    secret: SecretStr | None = None,
    listed: Listed | None = None,
) -> Iterator[tuple[str, str]]:
    """What `fetch` would find, as (state, source); nothing is stored and nothing downloaded.

    States: new, changed, unchanged, missing, and `unchecked` where a server gives no token to
    compare. Raises the Problems of `fetch`.
    """
    present = False
    place = _place(feed, part, secret, listed)
    for name in _names(place, feed):
        source = place.shown(name)
        try:
            offer = _persist(partial(place.offer, name), source)
        except FileNotFoundError:
            continue
        present = True
        yield _state(place, name, offer, _newest(source, known, force)), source
    if not present:
        yield "missing", place.shown(place.wanted)


def _place(
    feed: Feed, part: Slice, secret: SecretStr | None, listed: Listed | None = None
) -> Place:
    if feed.connection and secret is None:
        raise Problem("no_connection", connection=feed.connection, feed=feed.name)
    connection = connections.Connection()
    if feed.connection and secret:
        connection = connections.parse(feed.connection, secret.get_secret_value())
    scheme = feed.url.rpartition("://")[0]
    if scheme in ("http", "https"):
        from pipeline.web import Web  # with aiohttp, 0.2 s

        return Web(feed.fill(feed.url, part), connection)
    if scheme in ("", "sftp", "s3"):
        return Folder(feed, part, connection, listed)
    raise Problem("bad_source", source=f"{scheme}://…")


def _names(place: Place, feed: Feed) -> list[str]:
    """The source files in the order of the extract time that their names state, then by name: so
    the later extract lands later, whatever the files are called."""
    layout = load_layout(feed.layout)

    def order(name: str) -> tuple[str, str]:
        return layout.stated_in(place.file_name(name)).get("extracted", ""), name

    return sorted(_persist(place.names, place.shown(place.wanted)), key=order)


def _newest(source: str, known: list[store.Landing], force: bool) -> Manifest | None:
    """The manifest of the newest landing from this address."""
    manifests = [landing.manifest for landing in known if landing.manifest["source"] == source]
    counting = [one for one in manifests if not (force and one["refusal"])]
    return counting[-1] if counting else None


def _state(place: Place, name: str, offer: sources.Offer, newest: Manifest | None) -> str:
    if newest is None:
        return "new"
    if offer.token is not None and offer.token == newest["token"]:
        return "unchanged"
    if sha256 := place.sha256_of(name):
        return "unchanged" if sha256 == newest["sha256"] else "changed"
    return "changed" if offer.token and newest["token"] else "unchecked"


def _changed(place: Place, name: str, newest: Manifest | None) -> SourceFile | None:
    """One try: the file behind an address, or None when it is what landed last from there."""
    offer = place.offer(name)
    if newest and offer.token is not None and offer.token == newest["token"]:
        return None
    path, token, size = place.read(name, offer)
    sha256 = store.sha256_of(path)
    if newest and sha256 == newest["sha256"]:
        path.unlink()
        return None
    return SourceFile(path, place.shown(name), token, place.file_name(name), sha256, size)


def _persist(attempt: Callable[[], T], source: str) -> T:
    """Try, and after a growing pause try again where that can help; then say it as a Problem.

    Errors of libraries may hold the whole URL, secrets too: they are not chained to the Problem.
    """
    pause = settings().fetch_backoff_s
    for left in range(settings().fetch_retries, -1, -1):
        try:
            return attempt()
        except FileNotFoundError:  # a fact about a delivery, not a failure
            raise
        except (OSError, ValueError) as error:
            if disk.problem(error):  # ours, no failing of the office
                raise
            told = {"source": source, "error": _told(error)}
            status = getattr(error, "status", None)
            if status in DENIED or isinstance(error, PermissionError):
                raise Problem("source_denied", **told) from None
            hopeless = isinstance(error, ValueError) or getattr(error, "is_hopeless", False)
            if not left or hopeless or (status is not None and status not in PASSING):
                raise Problem("source_failed", **told) from None
        time.sleep(pause)
        pause *= 2
    raise AssertionError("the last try returns or raises")


def _told(error: Exception) -> str:
    """An error in words that can hold no URL."""
    if isinstance(error, sources.Failure):
        return str(error.strerror)
    return f"{type(error).__name__} {getattr(error, 'strerror', None) or ''}".strip()
