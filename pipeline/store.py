"""The data root: where everything lies, and the few ways in which it may change.

Write beside, fsync, rename. Every file, every time: a killed process leaves nothing half-made
under a final name. `current` is the only thing that moves.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.messages import Problem
from pipeline.settings import settings

PRIVATE, PUBLISHED_FILE, PUBLISHED_FOLDER = 0o700, 0o444, 0o755
RESTRICTED = ("landing", "accepted", "quarantine", "verdicts", "ledger", "rules", "builds", "work")
HIDDEN = re.compile(r"\..+\.[0-9a-f]{32}")
SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,100}")


def home() -> Path:
    """The data root, made on first use; everything but internal/ and public/ is 0700.

    Raises Problem `disk_unfit` when the disk can't rename, link, fsync and lock as needed.
    """
    root = settings().home.absolute()
    # What is made last says that all is there: another thread may be at it.
    if not (root / "public" / "releases").is_dir():
        _check_disk(root)
        for name in RESTRICTED:
            (root / name).mkdir(mode=PRIVATE, exist_ok=True)
        for audience in ("internal", "public"):
            (root / audience / "releases").mkdir(parents=True, exist_ok=True)
    return root


def _check_disk(root: Path) -> None:
    """Fail now and clearly, not at the first publish, on a disk without POSIX semantics."""
    try:
        with half_made(root / "probe") as probe:
            write_atomic(probe / "file", b"x")  # under a lock, as all that is written
            for _ in range(2):
                switch_link(probe / "link", probe / "file")
    except OSError as error:
        raise Problem("disk_unfit", path=root, error=error) from error


def safe_name(name: str) -> str:
    """The name if it can be one path component, else Problem `unsafe_name`."""
    if not SAFE_NAME.fullmatch(name):
        raise Problem("unsafe_name", value=name)
    return name


def stamp(moment: datetime) -> str:
    """A moment as it stands in names, UTC, sortable: 20241011T013000123456Z."""
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%S%fZ")


def parse_stamp(name: str) -> datetime:
    """The moment that a name begins with."""
    return datetime.strptime(name.split("-")[0], "%Y%m%dT%H%M%S%fZ").replace(tzinfo=UTC)


def now() -> datetime:
    return datetime.now(UTC)


def fsync(path: Path) -> None:
    """Flush a file or a directory to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def half_made(final: Path, make: Callable[[Path], Any] = Path.mkdir) -> Iterator[Path]:
    """A file or folder beside `final` under a hidden name, gone afterwards unless it was renamed.

    It is locked while its maker lives, and the kernel frees the lock of a dead one: so
    `remove_abandoned` knows what nobody will finish, of other hosts and containers too.
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    while True:
        beside = final.with_name(f".{final.name}.{uuid.uuid4().hex}")
        make(beside)
        try:
            handle = os.open(beside, os.O_RDONLY)
        except FileNotFoundError:
            continue
        fcntl.flock(handle, fcntl.LOCK_EX)
        if beside.exists():  # it may have been taken for abandoned before it was locked
            break
        os.close(handle)
    try:
        yield beside
    finally:
        discard(beside)
        os.close(handle)


def discard(path: Path) -> None:
    """Remove what has no final name."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def remove(path: Path) -> None:
    """Take away what has its final name, whole; a killed process leaves it under a hidden one."""
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    path.rename(beside)
    fsync(path.parent)
    discard(beside)


def hidden_under(root: Path) -> Iterator[Path]:
    """Everything under hidden names, as `half_made`, `remove` and `switch_link` give them."""
    for folder, folders, files in os.walk(root):
        hidden = [name for name in (*folders, *files) if HIDDEN.fullmatch(name)]
        yield from (Path(folder) / name for name in sorted(hidden))
        folders[:] = [name for name in folders if name not in hidden]


@contextmanager
def abandoned(beside: Path) -> Iterator[bool]:
    """Whether the maker of something hidden is dead. Links are made under the one lock only: who
    asks must hold that."""
    if beside.is_symlink():
        yield True
        return
    try:
        handle = os.open(beside, os.O_RDONLY)
    except FileNotFoundError:
        yield False
        return
    try:
        yield _is_taken(handle)
    finally:
        os.close(handle)


def _is_taken(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file that is either whole or absent."""
    with half_made(path, Path.touch) as beside:
        with beside.open("wb") as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        beside.rename(path)
        fsync(path.parent)


def write_json(path: Path, value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True, default=str)
    write_atomic(path, text.encode())


def read_json(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


@contextmanager
def new_directory(final: Path, mode: int = PRIVATE) -> Iterator[Path]:
    """Fill a directory beside `final`; it appears under that name whole, or not at all.

    If another process made `final` meanwhile, its copy stays and ours is dropped: names say what
    a thing was made from, so both hold the same.
    """
    with half_made(final) as beside:
        beside.chmod(PRIVATE)
        yield beside
        for file in beside.rglob("*"):
            fsync(file)
        fsync(beside)
        beside.chmod(mode)
        if not final.exists():
            try:
                beside.rename(final)
            except OSError:
                if not final.exists():
                    raise
        fsync(final.parent)


def switch_link(link: Path, target: Path) -> None:
    """Point `link` at `target` (relative) in one step; readers see the old or the new."""
    beside = link.with_name(f".{link.name}.{uuid.uuid4().hex}")
    beside.symlink_to(os.path.relpath(target, link.parent))
    beside.rename(link)
    fsync(link.parent)


def sha256_of(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def sha256_of_trees(*trees: Path) -> str:
    """One hash for the names and contents of all files under the given files and folders."""
    digest = hashlib.sha256()
    for tree in trees:
        files = [tree] if tree.is_file() else sorted(p for p in tree.rglob("*") if p.is_file())
        for file in files:
            if "__pycache__" in file.parts:
                continue
            name = file.name if file == tree else f"{tree.name}/{file.relative_to(tree)}"
            digest.update(f"{name}\0{sha256_of(file)}\n".encode())
    return digest.hexdigest()


@contextmanager
def lock(purpose: str, run_id: str) -> Iterator[None]:
    """Hold the one lock (publish, rollback, prune: seconds). Raises Problem `locked`.

    The kernel frees it when its holder dies; the note inside only says who holds it.
    """
    path = home() / "publish.lock"
    with path.open("a+") as handle:
        deadline = time.monotonic() + settings().lock_timeout_s
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    handle.seek(0)
                    raise Problem("locked", holder=handle.read() or "unknown") from None
                time.sleep(0.1)
        handle.seek(0)
        handle.truncate()
        handle.write(json.dumps({**process(), "run": run_id, "for": purpose}))
        handle.flush()
        yield


@contextmanager
def in_use() -> Iterator[None]:
    """While a step works with builds, downloads and verdicts, prune leaves them all."""
    with (home() / "work" / "steps.lock").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield


@contextmanager
def unused() -> Iterator[bool]:
    """Whether no step works; then none begins before this ends."""
    with (home() / "work" / "steps.lock").open("a") as handle:
        yield _is_taken(handle.fileno())


def lock_holder() -> dict[str, Any] | None:
    """Who holds the lock: pid, host, run, for; None when nobody does."""
    path = home() / "publish.lock"
    if not path.exists():
        return None
    with path.open() as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            text = handle.read()
            return json.loads(text) if text else {}  # it has just been taken
    return None


def process() -> dict[str, Any]:
    """This process, for notes that outlive it."""
    return {"pid": os.getpid(), "host": socket.gethostname()}


def is_alive(note: dict[str, Any]) -> bool:
    """Whether the process of a note is there; one of another host is taken to be."""
    if note["host"] != socket.gethostname():
        return True
    try:
        os.kill(note["pid"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


@dataclass(frozen=True)
class Landing:
    """One delivery as it lies in landing/: `delivery_id` is `<feed>/<slice>/<landed>-<sha8>`."""

    delivery_id: str
    manifest: dict[str, Any]

    @property
    def folder(self) -> Path:
        return home() / "landing" / self.delivery_id

    @property
    def payload(self) -> Path:
        """The original bytes; absent when the delivery was refused for its size."""
        return self.folder / "payload"

    @property
    def feed(self) -> str:
        return self.delivery_id.split("/")[0]

    @property
    def slice_code(self) -> str:
        return self.delivery_id.split("/")[1]

    @property
    def landed_at(self) -> datetime:
        return parse_stamp(self.delivery_id.split("/")[2])


def landing(delivery_id: str) -> Landing:
    return _landing(home() / "landing" / delivery_id / "manifest.json")


def _landing(path: Path) -> Landing:
    manifest = read_json(path)
    # Landings never change: those of before feeds could cover years, be deltas or resubmissions.
    before = {"last_month": manifest["month"], "mode": "snapshot", "resubmits": None}
    return Landing("/".join(path.parent.parts[-3:]), before | manifest)


def landings(feed: str, slice_code: str | None = None) -> list[Landing]:
    """All landings of a feed (or of one slice), oldest first."""
    root = home() / "landing" / feed
    pattern = f"{slice_code or '*'}/[!.]*/manifest.json"
    found = map(_landing, root.glob(pattern))
    return sorted(found, key=lambda landing: (landing.landed_at, landing.delivery_id))
