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
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.messages import Problem
from pipeline.settings import settings

PRIVATE, PUBLISHED_FILE, PUBLISHED_FOLDER = 0o700, 0o444, 0o755
RESTRICTED = ("landing", "accepted", "quarantine", "verdicts", "ledger", "rules", "builds", "work")
SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,100}")


def home() -> Path:
    """The data root, made on first use; everything but internal/ and public/ is 0700.

    Raises Problem `disk_unfit` when the disk can't rename, link, fsync and lock as needed.
    """
    root = settings().home.absolute()
    # What is made last says that all is there: another thread may be at it.
    if not (root / "public" / "releases").is_dir():
        root.mkdir(parents=True, exist_ok=True)
        _check_disk(root)
        for name in RESTRICTED:
            (root / name).mkdir(mode=PRIVATE, exist_ok=True)
        for audience in ("internal", "public"):
            (root / audience / "releases").mkdir(parents=True, exist_ok=True)
    return root


def _check_disk(root: Path) -> None:
    """Fail now and clearly, not at the first publish, on a disk without POSIX semantics."""
    probe = root / f".probe-{uuid.uuid4().hex}"
    try:
        probe.mkdir()
        write_atomic(probe / "file", b"x")
        for _ in range(2):
            switch_link(probe / "link", probe / "file")
        with (probe / "file").open("rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise Problem("disk_unfit", path=root, error=error) from error
    finally:
        shutil.rmtree(probe, ignore_errors=True)


def safe_name(name: str) -> str:
    """The name if it can be one path component, else Problem `unsafe_name`."""
    if not SAFE_NAME.fullmatch(name):
        raise Problem("unsafe_name", value=name)
    return name


def stamp(moment: datetime) -> str:
    """A moment as it stands in names, UTC, sortable: 20241011T013000123456Z."""
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%S%fZ")


def parse_stamp(text: str) -> datetime:
    return datetime.strptime(text, "%Y%m%dT%H%M%S%fZ").replace(tzinfo=UTC)


def now() -> datetime:
    return datetime.now(UTC)


def fsync(path: Path) -> None:
    """Flush a file or a directory to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file that is either whole or absent."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
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
    final.parent.mkdir(parents=True, exist_ok=True)
    beside = final.with_name(f".{final.name}.{uuid.uuid4().hex}")
    beside.mkdir(mode=PRIVATE)
    try:
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
    finally:
        shutil.rmtree(beside, ignore_errors=True)


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
        return parse_stamp(self.delivery_id.split("/")[2].split("-")[0])


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
