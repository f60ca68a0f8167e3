"""Feeds: who delivers what, from where, in which layout (seeds/feeds.toml)."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

from pipeline.messages import Problem
from pipeline.periods import Month
from pipeline.settings import settings
from pipeline.store import safe_name


@dataclass(frozen=True)
class Slice:
    """What one delivery covers: an office's month. Written `BGR_2024-09`."""

    office: str
    month: Month

    @property
    def code(self) -> str:
        return f"{self.office}_{self.month}"

    @classmethod
    def parse(cls, code: str) -> "Slice":
        office, _, month = code.rpartition("_")
        return cls(office, Month.parse(month))


@dataclass(frozen=True)
class Feed:
    """One source of deliveries. `url` holds {office}, {period} and, for folders, {deliveries}."""

    name: str
    layout: str
    url: str
    mode: str
    offices: tuple[str, ...]
    first_month: Month
    connection: str | None = None

    def source(self, part: Slice) -> str:
        """The URL (or glob) of a slice, placeholders filled in."""
        return self.url.format(
            office=part.office, period=part.month, deliveries=settings().deliveries.absolute()
        )

    def slices(self, months: list[Month]) -> list[Slice]:
        """Every slice this feed owes for the given months; none before its first month."""
        wanted = [month for month in months if month >= self.first_month]
        return [Slice(office, month) for month in wanted for office in self.offices]


def load_feeds(file: Path | None = None) -> dict[str, Feed]:
    """All feeds by name. Raises Problem `bad_feeds` naming the file, the feed and the key."""
    path = file or settings().feeds_file
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise Problem("bad_feeds", file=path, where="file", error=error) from error
    feeds = {}
    for name, entry in content.items():
        try:
            feed = Feed(
                name=safe_name(name),
                layout=safe_name(entry.pop("layout")),
                url=entry.pop("url"),
                mode=entry.pop("mode"),
                offices=tuple(safe_name(office) for office in entry.pop("offices")),
                first_month=Month.parse(entry.pop("first_month")),
                connection=entry.pop("connection", None),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise Problem("bad_feeds", file=path, where=name, error=f"missing {error}") from error
        if entry:
            raise Problem("bad_feeds", file=path, where=name, error=f"unknown {sorted(entry)}")
        if feed.mode != "snapshot":
            raise Problem("bad_feeds", file=path, where=name, error=f"mode '{feed.mode}'")
        feeds[name] = feed
    return feeds


def chosen(name: str | None) -> list[Feed]:
    """The feed of that name, or all. Raises Problem `unknown_feed`."""
    feeds = load_feeds()
    if name is None:
        return list(feeds.values())
    if name not in feeds:
        raise Problem("unknown_feed", value=name, known=", ".join(sorted(feeds)))
    return [feeds[name]]
