"""Kills processes at counted moments: what a power cut leaves, at every door of the disk.

A child forked from a process that has imported everything counts its calls of these doors and kills
itself (SIGKILL: no finally runs) just before or just after the n-th one. No time is involved, so a
kill can be repeated; by time are only the kills of the real command.
"""

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline import duck

Work = Callable[[], Any]
# Everything by which a run changes the data root: of DuckDB's own files, that it opens one.
DOORS = (
    *((os, name) for name in ("fsync", "symlink", "rename", "unlink", "rmdir", "mkdir", "chmod")),
    *((Path, name) for name in ("rename", "mkdir", "touch", "chmod", "symlink_to", "unlink")),
    *((Path, "write_text"), (shutil, "rmtree"), (duck, "connect")),
)


def _counted(each: Callable[[str, bool], None]) -> None:
    """Let every door tell before and after it has done its work. In a child only."""

    def watched(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def door(*given: Any, **named: Any) -> Any:
            each(name, False)
            done = real(*given, **named)
            each(name, True)
            return done

        return door

    for place, name in DOORS:
        setattr(place, name, watched(name, getattr(place, name)))


def _in_a_child(work: Work, each: Callable[[str, bool], None], log: Path) -> int:
    """The exit status of a forked child that does the work: 0, or minus the signal."""
    if child := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        quiet = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        _counted(each)
        work()
        os._exit(0)
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        os._exit(1)


def moments(work: Work, log: Path) -> list[str]:
    """The doors that the work goes through when nothing kills it, before and after each."""
    told = log.with_suffix(".doors")
    with told.open("wb", buffering=0) as sink:

        def each(name: str, is_after: bool) -> None:
            sink.write(f"{name} {'after' if is_after else 'before'}\n".encode())

        status = _in_a_child(work, each, log)
    assert status == 0, log.read_text("utf-8")
    return told.read_text("utf-8").splitlines()


def killed(work: Work, at: int, log: Path) -> bool:
    """Do the work in a child that dies at its moment number `at`; false when it ended before."""
    seen = 0

    def each(_: str, __: bool) -> None:
        nonlocal seen
        seen += 1
        if seen == at:
            os.kill(os.getpid(), signal.SIGKILL)

    status = _in_a_child(work, each, log)
    assert status in (0, -signal.SIGKILL), log.read_text("utf-8")
    return status != 0


def done(work: Work, log: Path) -> None:
    """Do the work in a child that nobody kills."""
    status = _in_a_child(work, lambda *_: None, log)
    assert status == 0, log.read_text("utf-8")
