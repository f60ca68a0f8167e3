"""Layouts: what a delivery's columns are called and how its values are written."""

import re
import tomllib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from pipeline.messages import Problem
from pipeline.settings import settings


@dataclass(frozen=True)
class Layout:
    """A layout as in seeds/layouts/<name>.toml. `columns`: source column → conformed column.

    `constants`: conformed column → the one value it has, where the layout lacks the column.
    """

    name: str
    grain: str
    format: str
    delimiter: str
    quote: str
    encoding: str
    decimal_mark: str
    thousands_mark: str
    nulls: tuple[str, ...]
    timezone: str
    file_name: str
    columns: dict[str, str]
    constants: dict[str, str] = field(default_factory=dict)

    def stated_in(self, file_name: str) -> dict[str, str]:
        """Office, period and extract time as the file name states them; {} if it doesn't fit."""
        found = re.match(self.file_name, file_name)
        return {key: value for key, value in found.groupdict().items() if value} if found else {}

    def extracted_at(self, file_name: str) -> datetime | None:
        """When the office says it made the extract, in UTC; None when the name doesn't say."""
        text = self.stated_in(file_name).get("extracted")
        if text is None:
            return None
        local = datetime.strptime(text, "%Y%m%dT%H%M%S").replace(tzinfo=ZoneInfo(self.timezone))
        return local.astimezone(UTC)


def layout_file(name: str) -> Path:
    return settings().seeds / "layouts" / f"{name}.toml"


@cache
def load_layout(name: str) -> Layout:
    """Read one layout. Raises Problem `bad_layout` naming the file and what is wrong."""
    path = layout_file(name)
    try:
        content = tomllib.loads(path.read_text("utf-8"))
        return Layout(**{**content, "nulls": tuple(content["nulls"])})
    except (OSError, tomllib.TOMLDecodeError, TypeError, KeyError) as error:
        raise Problem("bad_layout", file=path, error=error) from error
