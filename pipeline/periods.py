"""Months and the periods made of them: which are due, which is meant, how they are written."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from pipeline import seeds
from pipeline.messages import Problem


@dataclass(frozen=True, order=True)
class Month:
    """A calendar month; written `2024-09`."""

    year: int
    number: int

    @classmethod
    def parse(cls, text: str) -> "Month":
        """Read `YYYY-MM`. Raises Problem `bad_month`."""
        found = re.fullmatch(r"(\d{4})-(\d{2})", text.strip())
        if not found or not 1 <= int(found[2]) <= 12 or int(found[1]) < 1900:
            raise Problem("bad_month", value=text)
        return cls(int(found[1]), int(found[2]))

    @classmethod
    def of(cls, day: date) -> "Month":
        return cls(day.year, day.month)

    def plus(self, months: int) -> "Month":
        index = self.year * 12 + self.number - 1 + months
        return Month(index // 12, index % 12 + 1)

    def __sub__(self, other: "Month") -> int:
        """Months from the other to this one."""
        return 12 * (self.year - other.year) + self.number - other.number

    @property
    def first_day(self) -> date:
        return date(self.year, self.number, 1)

    @property
    def last_day(self) -> date:
        return self.plus(1).first_day - timedelta(days=1)

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.number:02d}"


def month_range(first: Month, last: Month) -> Iterator[Month]:
    """Every month from `first` to `last`, both included."""
    while first <= last:
        yield first
        first = first.plus(1)


def months_to_base(period_kind: str, baseline: str) -> int | None:
    """How many months earlier the baseline's period lies; None of ranges that were given."""
    if baseline == "prev_period":
        return {"month": 1, "quarter": 3}.get(period_kind)
    return {"prev_year": 12, "years_3": 36}.get(baseline)


def newest_expected(moment: datetime) -> Month:
    """The last month that has ended in the country at `moment` (aware; naive is taken as UTC).

    A run at 18:00 UTC on 30 September happens on 1 October in Jakarta: September is expected.
    """
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return Month.of(aware.astimezone(seeds.time_zone()).date()).plus(-1)


def due_months(
    moment: datetime, back: int, newest: str | None = None, earliest: Month | None = None
) -> list[Month]:
    """The months a nightly run asks for: the newest expected one and `back` before it.

    `newest` (YYYY-MM) overrides the month derived from `moment`. Raises Problem `bad_month`,
    `future_month` when it hasn't ended yet, `bad_range` when `back` is negative, `before_feed` when
    it reaches beyond `earliest`.
    """
    expected = newest_expected(moment)
    last = Month.parse(newest) if newest else expected
    if last > expected:
        raise Problem("future_month", value=str(last), newest=str(expected))
    if back < 0:
        raise Problem("bad_range", first=str(last.plus(-back)), last=str(last))
    if earliest and last.plus(-back) < earliest:
        raise Problem("before_feed", value=str(last.plus(-back)), first=str(earliest))
    return list(month_range(last.plus(-back), last))


def checked_range(first: str, last: str, moment: datetime) -> list[Month]:
    """The months of a backfill, both ends included.

    Raises Problem `bad_month`, `bad_range` (reversed) or `future_month` before anything runs.
    """
    start, end = Month.parse(first), Month.parse(last)
    if start > end:
        raise Problem("bad_range", first=first, last=last)
    expected = newest_expected(moment)
    if end > expected:
        raise Problem("future_month", value=str(end), newest=str(expected))
    return list(month_range(start, end))
