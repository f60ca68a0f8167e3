"""Feeds: who delivers what, from where, in which layout (seeds/feeds.toml)."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from pipeline.messages import Problem
from pipeline.periods import Month
from pipeline.settings import settings
from pipeline.store import SAFE_NAME

Covers = Literal["month", "year", "all"]
Name = Annotated[str, Field(pattern=f"^{SAFE_NAME.pattern}$")]
FRESH_DAYS = 14  # after a slice's end, until a feed that says nothing else is late
ABSOLUTE = re.compile(r"https?://[^/@]+/|sftp://[^/@]+/|s3://[^/@]+/|/|\{deliveries\}/")


@dataclass(frozen=True)
class Slice:
    """What one delivery covers: an office's month, its year, or all there is.

    Written `BGR_2024-09`, `BPS_2013`, `BPS_all`. `month` is the first month covered.
    """

    office: str
    month: Month
    covers: Covers = "month"

    @property
    def period(self) -> str:
        by = {"month": str(self.month), "year": f"{self.month.year:04d}", "all": "all"}
        return by[self.covers]

    @property
    def code(self) -> str:
        return f"{self.office}_{self.period}"

    @property
    def last_month(self) -> Month | None:
        """The last month covered; None when the slice is open."""
        return {"month": self.month, "year": Month(self.month.year, 12), "all": None}[self.covers]

    @classmethod
    def parse(cls, code: str) -> "Slice":
        """Read the code of a month's slice."""
        office, _, month = code.rpartition("_")
        return cls(office, Month.parse(month))


def _month(value: Any) -> Any:
    try:
        return Month.parse(value) if isinstance(value, str) else value
    except Problem:
        raise ValueError("write it as YYYY-MM") from None


@dataclass(frozen=True)
class Feed:
    """One source of deliveries. `url` holds {office}, {period} and, on a disk, {deliveries}."""

    __pydantic_config__ = ConfigDict(extra="forbid", hide_input_in_errors=True)

    name: Name
    layout: Name
    url: str
    mode: Literal["snapshot", "delta"]
    offices: Annotated[tuple[Name, ...], Field(min_length=1)]
    first_month: Annotated[Month, BeforeValidator(_month)]
    connection: Name | None = None
    covers: Covers = "month"
    fresh_days: Annotated[int, Field(ge=0, strict=True)] = FRESH_DAYS

    def fill(self, template: str, part: Slice) -> str:
        """The URL, or a piece of it, for a slice."""
        deliveries = settings().deliveries.absolute()
        return template.format(office=part.office, period=part.period, deliveries=deliveries)

    def slices(self, months: list[Month]) -> list[Slice]:
        """Every slice this feed owes for the given months; none before its first month."""
        wanted = [month for month in months if month >= self.first_month]
        if self.covers == "year":
            wanted = [Month(year, 1) for year in sorted({month.year for month in wanted})]
        elif self.covers == "all":
            wanted = [self.first_month] if wanted else []
        return [Slice(office, month, self.covers) for month in wanted for office in self.offices]


def load_feeds(file: Path | None = None) -> dict[str, Feed]:
    """All feeds by name. Raises Problem `bad_feeds` naming the file, the feed and the key."""
    path = file or settings().feeds_file
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Problem("bad_feeds", file=path, where="file", error=error) from error
    feeds = {}
    for name, entry in content.items():
        try:
            entry = {**entry, "name": name} if isinstance(entry, dict) else entry
            feeds[name] = TypeAdapter(Feed).validate_python(entry)
            _check_url(feeds[name])
        except ValidationError as error:
            first = error.errors(include_input=False)[0]
            told = f"{(*first['loc'], 'feed')[0]}: {first['msg']}"
            raise Problem("bad_feeds", file=path, where=name, error=told) from None
        except ValueError as error:
            raise Problem("bad_feeds", file=path, where=name, error=f"url: {error}") from None
    return feeds


def _check_url(feed: Feed) -> None:
    """Raises ValueError, without the URL: who wrote a password into it must not see it logged."""
    holes = {hole for _, hole, _, _ in Formatter().parse(feed.url) if hole is not None}
    if unknown := holes - {"office", "period", "deliveries"}:
        raise ValueError(f"unknown placeholder {sorted(unknown)}")
    if not ABSOLUTE.match(feed.url):
        known = "https://, sftp://, s3://, / or {deliveries}/"
        raise ValueError(f"begins with none of {known}; a user or password is a connection's")
    if "**" in feed.url:
        raise ValueError("** is not known; name each level, as in */*.csv")
    if len(feed.offices) > 1 and "office" not in holes:
        raise ValueError("{office} is missing, so all offices would deliver the same file")
    if feed.covers != "all" and "period" not in holes:
        raise ValueError("{period} is missing, so all periods would be the same file")


def chosen(name: str | None) -> list[Feed]:
    """The feed of that name, or all. Raises Problem `unknown_feed`."""
    feeds = load_feeds()
    if name is None:
        return list(feeds.values())
    if name not in feeds:
        raise Problem("unknown_feed", value=name, known=", ".join(sorted(feeds)))
    return [feeds[name]]
