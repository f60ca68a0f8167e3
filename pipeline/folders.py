"""Folders that can be listed: on a disk, on an SFTP server, in an S3 bucket; all by fsspec."""

import asyncio
import os
import posixpath
import re
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import fsspec
from fsspec.asyn import sync

from pipeline import sources, store
from pipeline.connections import Connection
from pipeline.feeds import Feed, Slice
from pipeline.messages import Problem
from pipeline.settings import settings
from pipeline.sources import CHUNK, Offer, Torn

# "created" is, on Linux, when name or rights last changed: no tool that copies can set it, so a
# file replaced by one of the same size and date is read again.
VERSION = ("ETag", "VersionId", "LastModified", "mtime", "created")
S3_BLOCK = 8 << 20  # s3fs reads ahead by a block, in each thread; its own default is 50 MiB
NO_RETRIES = {"max_attempts": 0}  # extract tries again, for every kind of source alike
LIBRARIES = ("asyncssh.", "botocore.", "aiobotocore.", "aiohttp.")
GONE = {"SFTPNoSuchFile", "SFTPNoSuchPath"}
DENIED = {"PermissionDenied", "SFTPPermissionDenied", "NoCredentialsError"}
Listed = dict[tuple[str, ...], list[tuple[str, bool]]]


class Folder:
    """The files that a feed's URL finds for a slice; with the same methods as web.Web.

    The URL is taken apart, not globbed whole: fsspec's glob skips what it may not list, as if
    nothing had been sent, and IPSKA_DELIVERIES may itself hold a `[`. `_root` is the part before
    the first placeholder or glob; no link leads out of it. `listed` keeps what a run has listed:
    the slices of an office lie in one folder.
    """

    def __init__(
        self, feed: Feed, part: Slice, connection: Connection, listed: Listed | None = None
    ) -> None:
        self._listed = {} if listed is None else listed
        self._scheme, _, rest = feed.url.rpartition("://")
        self._server = urlsplit(feed.fill(feed.url, part)) if self._scheme == "sftp" else None
        path = rest[rest.index("/") :] if self._server else rest
        fixed = re.split(r"\{(?!deliveries\})|[*?\[]", path)[0].rpartition("/")[0]
        tail = feed.fill(path.removeprefix(fixed), part).lstrip("/").split("/")
        self._root = feed.fill(fixed, part) or ("" if self._scheme == "s3" else "/")
        self._folder, self._connection = self._root, connection
        while len(tail) > 1 and not re.search(r"[*?\[]", tail[0]):
            self._folder = posixpath.join(self._folder, tail.pop(0))
        self._pattern = tail
        self.wanted = posixpath.join(self._folder, *tail)

    def names(self) -> list[str]:
        """Raises Problem `no_deliveries`, `source_outside`."""
        with self._opened() as files:
            try:
                found = list(self._walk(files, self._folder, *self._pattern))
                root, *real = self._resolved(files, [self._root, *found])
            except FileNotFoundError:
                self._require_root(files)
                return []
        for name, path in zip(found, real, strict=True):
            if not PurePosixPath(path).is_relative_to(root):
                raise Problem("source_outside", source=self.shown(name))
        return found

    def _walk(self, files: Any, folder: str, first: str, *rest: str) -> Iterator[str]:
        """What matches, level by level."""
        for path, is_folder in self._entries(files, folder):
            if not fnmatchcase(posixpath.basename(path), first):
                continue
            if rest and is_folder:
                yield from self._walk(files, path, *rest)
            elif not rest and not is_folder:
                yield path

    def _entries(self, files: Any, folder: str) -> list[tuple[str, bool]]:
        """What a folder holds, and which are folders; not hidden ones (a Mac adds `._name.csv` to
        what it copies), not the folder itself (S3's mark of an empty one)."""
        key = (self._server.netloc if self._server else self._scheme, self._connection.name, folder)
        if key not in self._listed:
            told = files.ls(folder, detail=True, timeout=settings().fetch_timeout_s)
            found = [(info["name"].rstrip("/"), info["type"] == "directory") for info in told]
            self._listed[key] = [
                (path, is_folder)
                for path, is_folder in found
                if path != folder and not posixpath.basename(path).startswith(".")
            ]
        return self._listed[key]

    def _require_root(self, files: Any) -> None:
        """An unmounted share or a lost bucket must not look like offices that sent nothing.

        A prefix of a bucket is there only when something lies under it, so the bucket counts.
        """
        root = self._folder.partition("/")[0] if self._scheme == "s3" else self._root
        try:
            files.info(root, timeout=settings().fetch_timeout_s)
        except FileNotFoundError:
            raise Problem("no_deliveries", path=self.shown(root)) from None

    def _resolved(self, files: Any, names: list[str]) -> list[str]:
        """The paths with links followed, as their server says."""
        if self._server:
            wait = settings().fetch_timeout_s
            try:
                real: list[str] = sync(files.loop, _realpaths, files, names, timeout=wait)
            except Exception as error:
                if type(error).__name__ in GONE:  # since it was listed
                    raise FileNotFoundError from None
                raise
            return real
        return names if self._scheme else [os.path.realpath(name) for name in names]

    def shown(self, name: str) -> str:
        """The address as manifests keep it, a disk's without the place where it is mounted: so
        deliveries that move to another disk are still the same sources and don't land again."""
        deliveries = f"{settings().deliveries.absolute()}/"
        if self._scheme:
            name = f"{self._scheme}://{self._server.netloc if self._server else ''}{name}"
        elif name.startswith(deliveries):
            name = "{deliveries}/" + name.removeprefix(deliveries)
        return sources.as_text(name)

    def file_name(self, name: str) -> str:
        return sources.as_text(posixpath.basename(name))

    def sha256_of(self, name: str) -> str | None:
        """None where that needs a download."""
        return None if self._scheme else store.sha256_of(Path(name))

    def offer(self, name: str) -> Offer:
        """Raises Problem `source_unfit` (a pipe or a device would never end), `no_deliveries` (the
        share may have gone since it was listed)."""
        try:
            with self._opened() as files:
                info = files.info(name, timeout=settings().fetch_timeout_s)
        except FileNotFoundError:
            with self._opened() as files:
                self._require_root(files)
            raise
        if info["type"] != "file":
            raise Problem("source_unfit", source=self.shown(name))
        version = [str(info[key]) for key in VERSION if info.get(key)]
        return Offer(" ".join([str(info["size"]), *version]) if version else None, info["size"])

    def read(self, name: str, seen: Offer) -> tuple[Path, str | None, int]:
        path = sources.fresh()
        try:
            with self._opened() as files, path.open("wb") as sink:
                if self._server:
                    sync(files.loop, _pull, files, name, sink)
                else:
                    with files.open(name, "rb") as source:
                        while sink.tell() <= sources.limit() and (chunk := source.read(CHUNK)):
                            sink.write(chunk)
                got = sink.tell()
            if self.offer(name) != seen:  # an upload that is still running
                raise Torn(0, "the file changed while it was read")
            if got <= sources.limit() and got != seen.size:
                raise Torn(0, f"{got} bytes came, {seen.size} were announced")
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return path, seen.token, seen.size or 0

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        """The file system. What its library raises becomes an OSError or a Problem.

        fsspec hands out one SSH or S3 session for all threads; after a failure it is forgotten,
        so that the next try makes a new one.
        """
        files = None
        try:
            if self._server:
                self._connection.require_host(self._server.hostname)
                files = _sftp(self._server.hostname, self._server.port or 0, self._connection)
            else:
                files = _s3(self._connection) if self._scheme else fsspec.filesystem("file")
            yield files
        except Exception as error:
            if isinstance(error, ImportError):
                raise Problem("extra_missing", extra=self._scheme) from None
            if not files and (isinstance(error, ValueError) or getattr(error, "filename", None)):
                facts = {"connection": self._connection.name, "error": error}  # a key, its file
                raise Problem("bad_connection", **facts) from None
            name = type(error).__name__
            if files and self._scheme and not isinstance(error, FileNotFoundError | Problem):
                files.clear_instance_cache()
            if not type(error).__module__.startswith(LIBRARIES):
                raise
            if name in GONE:
                raise FileNotFoundError from None
            if name in DENIED:
                raise PermissionError from None
            if name == "HostKeyNotVerifiable":
                raise Problem("unknown_host_key", source=self.shown("/")) from None
            # What aiohttp says, under s3fs, may hold the URL and its signature.
            is_plain = not type(error).__module__.startswith("aiohttp.")
            raise OSError(0, f"{name} {error}" if is_plain else name) from None


def _sftp(host: str | None, port: int, connection: Connection) -> Any:
    """An SSH session; the server must be known from ~/.ssh/known_hosts or the connection.

    The host key is checked though sshfs by default doesn't; ~/.ssh/config, which could turn that
    off, is not read.
    """
    from sshfs import SSHFileSystem

    wait, extra = settings().fetch_timeout_s, connection.extra
    options: dict[str, Any] = {"connect_timeout": wait, "login_timeout": wait}
    options |= {"keepalive_interval": wait, "config": None, "known_hosts": ()}
    if key := extra.get("host_key"):
        options["known_hosts"] = ([key.encode()], [], [])
    if key := extra.get("private_key"):
        options["client_keys"] = [key.encode()]
    elif key := extra.get("key_file"):
        options["client_keys"] = [key]
    elif connection.password:
        options["client_keys"] = None
    if connection.login:
        options["username"] = connection.login
    return SSHFileSystem(
        host,
        port=port or connection.port or 22,
        password=connection.password or None,
        passphrase=extra.get("private_key_passphrase"),
        sftp_client_kwargs={"path_errors": "surrogateescape"},
        **options,
    )


async def _realpaths(files: Any, names: list[str]) -> list[str]:
    async with files._pool.get() as channel:
        return [await channel.realpath(name) for name in names]


async def _pull(files: Any, name: str, sink: BinaryIO) -> None:
    """Every answer is waited for in turn: sshfs's own file would wait for ever."""
    wait = settings().fetch_timeout_s
    async with files._pool.get() as channel:
        source = await asyncio.wait_for(channel.open(name, "rb"), wait)
        while sink.tell() <= sources.limit():
            chunk = await asyncio.wait_for(source.read(CHUNK), wait)
            if not chunk:
                break
            sink.write(chunk)
        await asyncio.wait_for(source.close(), wait)


def _s3(connection: Connection) -> Any:
    """An S3 session: with AWS, or the endpoint of the connection."""
    from s3fs import S3FileSystem

    wait, extra = settings().fetch_timeout_s, connection.extra
    if endpoint := extra.get("endpoint_url"):
        sources.require_https(endpoint)
    files = S3FileSystem(
        key=connection.login or None,
        secret=connection.password or None,
        token=extra.get("aws_session_token"),
        endpoint_url=endpoint,
        client_kwargs={"region_name": extra.get("region_name")},
        config_kwargs={"connect_timeout": wait, "read_timeout": wait, "retries": NO_RETRIES},
        use_listings_cache=False,
        default_block_size=S3_BLOCK,
    )
    files.retries = 1
    return files
