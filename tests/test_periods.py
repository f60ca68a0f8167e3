"""Which month is meant: Jakarta's calendar, clear errors, nothing guessed."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from pipeline import periods
from pipeline.messages import Problem
from pipeline.periods import Month


@pytest.mark.parametrize(
    ("moment", "month"),
    [
        (datetime(2024, 10, 11, 1, 30, tzinfo=UTC), "2024-09"),
        # 30 September 17:00 UTC is midnight, 1 October, in Jakarta: September has ended there.
        (datetime(2024, 9, 30, 16, 59, tzinfo=UTC), "2024-08"),
        (datetime(2024, 9, 30, 17, 0, tzinfo=UTC), "2024-09"),
        (datetime(2024, 12, 31, 18, 0, tzinfo=UTC), "2024-12"),
        (datetime(2024, 3, 1, 0, 0, tzinfo=timezone(timedelta(hours=7))), "2024-02"),
        (datetime(2024, 1, 15), "2023-12"),
    ],
)
def test_newest_expected_month_is_the_last_that_ended_in_jakarta(
    moment: datetime, month: str
) -> None:
    assert str(periods.newest_expected(moment)) == month


def test_due_months_are_the_newest_expected_and_those_before() -> None:
    october = datetime(2024, 10, 11, tzinfo=UTC)
    assert [str(m) for m in periods.due_months(october, 2)] == ["2024-07", "2024-08", "2024-09"]
    assert [str(m) for m in periods.due_months(october, 1, "2024-01")] == ["2023-12", "2024-01"]
    assert [str(m) for m in periods.due_months(october, 0)] == ["2024-09"]


@pytest.mark.parametrize(
    ("code", "first", "last"),
    [
        ("bad_range", "2024-09", "2024-08"),
        ("future_month", "2024-09", "2024-10"),
        ("bad_month", "2024-13", "2024-12"),
        ("bad_month", "2024-9", "2024-10"),
        ("bad_month", "September", "2024-10"),
    ],
)
def test_a_bad_range_is_a_clear_error(code: str, first: str, last: str) -> None:
    with pytest.raises(Problem) as caught:
        periods.checked_range(first, last, datetime(2024, 10, 11, tzinfo=UTC))
    assert caught.value.code == code
    assert caught.value.text("id") != caught.value.text("en")


def test_due_months_refuse_the_future_and_a_negative_count() -> None:
    october = datetime(2024, 10, 11, tzinfo=UTC)
    with pytest.raises(Problem, match="future_month"):
        periods.due_months(october, 0, "2024-10")
    with pytest.raises(Problem, match="bad_range"):
        periods.due_months(october, -1)
    with pytest.raises(Problem, match="before_feed"):
        periods.due_months(october, 9, None, Month(2024, 1))
    assert str(periods.due_months(october, 8, None, Month(2024, 1))[0]) == "2024-01"


def test_months_cross_years_and_know_leap_days() -> None:
    assert str(Month(2023, 11).plus(3)) == "2024-02"
    assert str(Month(2024, 1).plus(-1)) == "2023-12"
    assert Month(2024, 2).last_day.day == 29
    assert Month(2023, 2).last_day.day == 28
    assert len(list(periods.month_range(Month(2021, 1), Month(2024, 9)))) == 45
