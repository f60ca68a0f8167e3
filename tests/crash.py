"""Kills processes at counted moments: what a power cut leaves, at every door of the disk.

A child forked from a process that has imported everything counts its calls of these doors and kills
itself (SIGKILL: no finally runs) just before or just after the n-th one of a stage. No time is
involved, so a kill can be repeated.
"""

import os
import shutil
import signal
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from markupsafe import Markup

from pipeline import duck, flow, prune, running
from pipeline.page import charts

LIMIT_S = 600  # a child that waits for ever would take the whole suite along
Work = Callable[[], Any]
Each = Callable[[str, str], None]  # stage; door, before or after
# Everything by which a run changes the data root; of DuckDB's own files, that it opens one.
DOORS: tuple[tuple[Any, str], ...] = (
    *((os, name) for name in ("fsync", "rename", "unlink", "rmdir", "mkdir")),
    *((Path, name) for name in ("rename", "mkdir", "touch", "chmod", "symlink_to", "unlink")),
    *((Path, "write_text"), (shutil, "rmtree"), (duck, "connect")),
)


def _watch(each: Each) -> None:
    """Let every door tell before and after it has done its work. In a child only."""
    stage = "start"

    def watched(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def door(*given: Any, **named: Any) -> Any:
            each(stage, f"{name} before")
            done = real(*given, **named)
            each(stage, f"{name} after")
            return done

        return door

    def entered(real: Callable[..., Any], name: str = "") -> Callable[..., Any]:
        def enter(*given: Any, **named: Any) -> Any:
            nonlocal stage
            stage = name or given[1]
            each(stage, "entered")
            return real(*given, **named)

        return enter

    # vl-convert works in threads, which a fork doesn't take along: it would wait for them for ever.
    charts._drawn = lambda *_: Markup()
    for place, name in DOORS:
        setattr(place, name, watched(name, getattr(place, name)))
    running.mark = entered(running.mark)
    flow.conclude = entered(flow.conclude, "conclude")
    prune.prune = entered(prune.prune, "prune")


def _in_a_child(work: Work, each: Each, log: Path) -> int:
    """The exit status of a forked child that does the work: 0, or minus the signal."""
    if child := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status = 1
    try:
        signal.alarm(LIMIT_S)
        quiet = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        _watch(each)
        work()
        status = 0
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(status)


def moments(work: Work, log: Path) -> dict[str, list[str]]:
    """What the work goes through, by stage, when nothing kills it."""
    told = log.with_suffix(".doors")
    with told.open("wb", buffering=0) as sink:
        status = _in_a_child(work, lambda *told: sink.write(f"{' '.join(told)}\n".encode()), log)
    assert status == 0, log.read_text("utf-8")
    found: dict[str, list[str]] = {}
    for line in told.read_text("utf-8").splitlines():
        stage, what = line.split(" ", 1)
        found.setdefault(stage, []).append(what)
    return found


def killed(work: Work, stage: str, at: int, log: Path) -> bool:
    """Do the work in a child that dies at moment `at` of a stage; false when it ended before."""
    seen = 0

    def each(now: str, _: str) -> None:
        nonlocal seen
        seen += now == stage
        if seen == at:
            os.kill(os.getpid(), signal.SIGKILL)

    status = _in_a_child(work, each, log)
    assert status in (0, -signal.SIGKILL), log.read_text("utf-8")
    return status != 0


def done(work: Work, log: Path) -> None:
    """Do the work in a child that nobody kills."""
    status = _in_a_child(work, lambda *_: None, log)
    assert status == 0, log.read_text("utf-8")
