"""What is running: each step of a run leaves a note in work/, and the run's end takes it away.

And how it is cancelled: by a signal.
"""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from pipeline import store

Facts = dict[str, Any]
T = TypeVar("T")
SIGNALS = (signal.SIGINT, signal.SIGTERM)  # Ctrl-C; Airflow's "mark failed"
FORGOTTEN_S = 86_400  # the note of a dead process goes a day after its step began


def file_of(request: Facts) -> Path:
    return store.home() / "work" / f"{store.safe_name(request['run_id'])}.running.json"


def mark(request: Facts, step: str) -> None:
    """Say that this process begins a step of a run."""
    for known in found():
        if is_forgotten(known):
            clear(known)
    names = ("run_id", "kind", "who", "reason", "started_at")
    facts = {name: request[name] for name in names}
    since = store.now().isoformat()
    store.write_json(file_of(request), {**facts, "step": step, "since": since, **store.process()})


def is_forgotten(note: Facts) -> bool:
    began = datetime.fromisoformat(note["since"])
    return not note["is_alive"] and (store.now() - began).total_seconds() > FORGOTTEN_S


def clear(request: Facts) -> None:
    file_of(request).unlink(missing_ok=True)


def found() -> list[Facts]:
    """Runs that have begun and not ended, oldest first. `is_alive`: whether the process of the last
    step is there; under Airflow none is between two steps, and a killed run has none any more."""
    notes = []
    for path in sorted((store.home() / "work").glob("2*.running.json")):
        with contextlib.suppress(FileNotFoundError):  # it has just ended
            note = store.read_json(path)
            notes.append({**note, "is_alive": store.is_alive(note)})
    return notes


_before: dict[signal.Signals, Any] = {}
_state = {"is_cancelled": False, "is_held": False}


@contextlib.contextmanager
def cancellable(said: Callable[[], object]) -> Iterator[None]:
    """A signal calls `said` and raises KeyboardInterrupt inside, whatever libraries make of that;
    a second one does what it did before. Inside another such block, that one is in charge."""
    if _before or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        _state["is_cancelled"] = True
        _restore()
        said()
        if not _state["is_held"]:
            raise KeyboardInterrupt

    _state.update(is_cancelled=False, is_held=False)
    _before.update({number: signal.signal(number, stop) for number in SIGNALS})
    try:
        yield
    finally:
        _restore()
        _before.clear()


def _restore() -> None:
    for number, handler in _before.items():
        signal.signal(number, handler)


def is_cancelled() -> bool:
    """Whether a signal came in the present or the last `cancellable`."""
    return _state["is_cancelled"]


def in_threads(count: int, work: Callable[..., T], *given: Iterable[Any]) -> list[T]:
    """What `work` gives for each of the given, as map does, several at a time.

    Nothing is at work any more when this returns or raises: what a thread wrote later would land in
    whatever data root is set by then. So a signal is held back while threads are begun and waited
    for (an interrupted join takes its thread for ended): none begins after it, those at work end.
    """

    def one(*arguments: Any) -> T:
        _obey()
        return work(*arguments)

    _state["is_held"] = True
    try:
        with ThreadPoolExecutor(count) as pool:
            futures = [pool.submit(one, *each) for each in zip(*given, strict=True)]
            try:
                return [future.result() for future in futures]
            finally:
                for future in futures:
                    future.cancel()
    finally:
        _state["is_held"] = False
        _obey()


def _obey() -> None:
    if _before and is_cancelled():
        raise KeyboardInterrupt


def past_cancelling() -> None:
    """There is no way back from here: a signal that came is obeyed, one that comes is not."""
    if _before:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        _obey()
