"""What the pipeline says to people, in Indonesian and English, one entry per code."""

import errno
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

LANGUAGES = ("id", "en")
OURS = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.EACCES, errno.EROFS}


@cache
def catalogue() -> dict[str, dict[str, str]]:
    """All messages: code → {en, id, next_en, next_id}; see messages.toml beside this file."""
    return tomllib.loads((Path(__file__).parent / "messages.toml").read_text("utf-8"))


def texts(name: str) -> dict[str, dict[str, str]]:
    """What a module says: language → key → text, of <name>.toml beside this file."""
    return tomllib.loads((Path(__file__).parent / f"{name}.toml").read_text("utf-8"))


class Problem(Exception):
    """Something an operator must know, with what to do next. `code` is a key of messages.toml."""

    def __init__(self, code: str, **facts: Any) -> None:
        self.code, self.facts = code, facts
        super().__init__(code, facts)

    def text(self, language: str = "en") -> str:
        """The message and the next step, in `en` or `id`. Facts have control characters shown."""
        entry = catalogue()[self.code]
        facts = {name: shown(value) for name, value in self.facts.items()}
        return f"{entry[language]} {entry['next_' + language]}".format_map(facts).strip()

    def __str__(self) -> str:
        return f"[{self.code}] {self.text('en')}"

    def as_dict(self) -> dict[str, Any]:
        """For verdicts and the ledger: code, en, id; `paste` where a file can be mended so, `moved`
        line by line."""
        told = {"code": self.code, "en": self.text("en"), "id": self.text("id")}
        return told | {key: self.facts[key] for key in ("paste", "moved") if key in self.facts}

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (self.code, self.facts))


def _rebuild(code: str, facts: dict[str, Any]) -> Problem:
    return Problem(code, **facts)


def shown(value: Any, limit: int = 200) -> str:
    """A value made safe to print: control and bidi characters escaped, cut to `limit`.

    Deliveries are hostile input; a name may hold terminal escapes or newlines.
    """
    text = str(value)
    safe = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return safe if len(safe) <= limit else safe[: limit - 1] + "…"


def is_ours(error: BaseException) -> bool:
    """Whether an error speaks of this machine's disk, and not of the delivery that was read."""
    return isinstance(error, OSError) and error.errno in OURS
