"""Reference tables, seeds/<name>.csv, as Python needs them; SQL reads them as seed.<name>."""

import csv
from pathlib import Path
from zoneinfo import ZoneInfo

from pipeline.settings import settings


def path(name: str) -> Path:
    return settings().seeds / f"{name}.csv"


def rows(name: str) -> list[dict[str, str]]:
    """The rows of seeds/<name>.csv in their order, every value text, blank as ''."""
    with path(name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def country() -> dict[str, str]:
    """The one row of seeds/country.csv: whose regions are ranked. Raises ValueError on another."""
    (row,) = rows("country")
    return row


def time_zone() -> ZoneInfo:
    """The zone in which a month ends: the country's."""
    return ZoneInfo(country()["time_zone"])


def default_scope() -> str:
    """What is ranked unless another scope is asked for: the first row of seeds/scope.csv."""
    return rows("scope")[0]["scope_code"]
