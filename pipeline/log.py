"""The log: one logfmt line per event, saying run, feed, slice and delivery where they are known.

Only what is handed over here is written: ids, counts and the texts of Problems, never an exception
or a connection. Under Airflow the lines go to the log of the task.
"""

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from typing import Any

from pipeline.messages import shown
from pipeline.settings import settings

_known: ContextVar[tuple[tuple[str, Any], ...]] = ContextVar("_known", default=())
_log = logging.getLogger("ipska")
# What these say below a warning is noise, and holds whole addresses and headers, secrets too.
for _library in ("aiobotocore", "aiohttp", "asyncio", "asyncssh", "botocore", "fsspec", "s3fs"):
    logging.getLogger(_library).setLevel(logging.WARNING)


@contextmanager
def about(**facts: Any) -> Iterator[None]:
    """What every line says meanwhile."""
    token = _known.set((*_known.get(), *facts.items()))
    try:
        yield
    finally:
        _known.reset(token)


def context(**facts: Any) -> Context:
    """A context for one piece of work in another thread, whose lines say what ours do and more."""
    with about(**facts):
        return copy_context()


def event(name: str, level: int = logging.INFO, **facts: Any) -> None:
    told = {"event": name, **dict(_known.get()), **facts}
    if _log.isEnabledFor(level):
        _log.log(level, "%s", " ".join(f"{key}={_text(value)}" for key, value in told.items()))


def _text(value: Any) -> str:
    text = shown(value, 500)
    plain = text and not any(sign in text for sign in ' "=')
    return text if plain else json.dumps(text, ensure_ascii=False)


def to_stderr() -> None:
    """What the command does: lines from IPSKA_LOG_LEVEL on, with moment (UTC) and level."""
    handler = logging.StreamHandler()
    form = "ts=%(asctime)s.%(msecs)03dZ level=%(levelname)s %(message)s"
    handler.setFormatter(logging.Formatter(form, "%Y-%m-%dT%H:%M:%S"))
    handler.formatter.converter = time.gmtime  # type: ignore[union-attr]
    _log.handlers[:] = [handler]
    _log.setLevel(settings().log_level.upper())
