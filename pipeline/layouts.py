"""Layouts: what a delivery's columns are called and how its values are written."""

import re
import tomllib
from dataclasses import field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from pipeline import dates
from pipeline.messages import Problem
from pipeline.settings import settings

STRICT = ConfigDict(extra="forbid", hide_input_in_errors=True)
EXTRACTED = "yyyyMMdd'T'HHmmss"  # in a file's name
CLOCK_SKEW = timedelta(days=1)  # an office's clock may be wrong by that much
AMOUNT = r"fob_.+|line_fob|.+_kg"  # conformed columns that can be added up
STATED = {"office", "period", "extracted"}
# Words of e-SKA, in small letters, and what they mean; a layout's [values] adds others.
VALUES = {
    "status": {
        "verifikasi": "verification",
        "request revisi": "revision_requested",
        "diproses ipska": "in_process",
        "ditolak": "rejected",
        "diterbitkan": "issued",
        "pengajuan cabut ska": "withdrawal_requested",
        "pencabutan": "withdrawn",
    },
    "kind": {
        "baru": "new",
        "perubahan": "replacement",
        "duplikat": "duplicate",
        "certified true copy": "duplicate",
    },
    "tick": {"ya": "true", "tidak": "false"},
    "office": {},
}
Mark = Annotated[str, Field(pattern=r"^[^\d\s\w]$")]


@dataclass(frozen=True, config=STRICT)
class Drop:
    """Records to leave out: those whose source column `column` matches `pattern` somewhere.

    `totals`: conformed columns in which they state what the records add up to.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    column: str
    pattern: str
    totals: tuple[str, ...] = ()


@dataclass(frozen=True, config=STRICT)
class Unpivot:
    """Columns whose header is a value: those that `columns` matches whole. Its named groups become
    the conformed columns of that name, the cell becomes the conformed column `value`."""

    columns: str
    value: str

    @property
    def names(self) -> list[str]:
        return [*re.compile(self.columns).groupindex, self.value]


@dataclass(frozen=True, config=STRICT)
class Layout:
    """A layout as in seeds/layouts/<name>.toml; docs/layouts.md says what each key means.

    `columns`: source column → conformed column; several spellings may stand for one.
    `constants`: conformed column → the one value it has, where the layout lacks the column.
    `blank`: what a blank value of an aggregate means, `none` traded or figure `missing`.
    `exponents`: numbers may also be written 1.728e+08, as long as they are exact to the cent.
    """

    name: str
    grain: Literal["certificate_line", "aggregate"]
    format: Literal["csv", "xlsx", "json", "ndjson"]
    decimal_mark: Mark
    thousands_mark: Mark | Literal["", " "]
    nulls: tuple[str, ...]
    timezone: str
    file_name: str
    columns: Annotated[dict[str, str], Field(min_length=1)]
    delimiter: Literal[";", ",", "\t", "|"] = ","
    quote: Literal['"', "'", ""] = '"'
    encoding: Literal["utf-8", "windows-1252", "utf-16"] = "utf-8"
    sheet: str | Annotated[int, Field(ge=1)] = 1
    records_at: str = ""
    header_row: Annotated[int, Field(ge=1)] = 1
    header_rows: Annotated[int, Field(ge=1, le=10)] = 1
    dates: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    constants: dict[str, str] = field(default_factory=dict)
    values: dict[Literal["status", "kind", "tick", "office"], dict[str, str]] = field(
        default_factory=dict
    )
    units: dict[str, str] = field(default_factory=dict)
    multipliers: dict[str, Annotated[str, Field(pattern="^10+$")]] = field(default_factory=dict)
    stated: dict[Annotated[str, Field(pattern="^(cell [A-Z]{1,3}[0-9]+|column .+)$")], str] = field(
        default_factory=dict
    )
    drop: tuple[Drop, ...] = ()
    unpivot: Unpivot | None = None
    blank: Literal["none", "missing"] | None = None
    exponents: bool = False

    def __post_init__(self) -> None:
        """Raises ValueError, naming the key, where keys don't fit each other."""
        ZoneInfo(self.timezone)
        dates.check(self.dates)
        for key, pattern in self._patterns().items():
            if unknown := set(re.compile(pattern).groupindex) - STATED:
                raise ValueError(f"{key}: {min(unknown)} is none of {', '.join(sorted(STATED))}")
        sources = {*self.columns, *self.ignored}
        needed = {f"drop.{one.name}": one.column for one in self.drop}
        needed |= {key: key[7:] for key in self.stated if key.startswith("column ")}
        for key, source in needed.items():
            if source not in sources and (not self.unpivot or source not in self.unpivot.names):
                raise ValueError(f"{key}: {source} stands neither in columns nor in ignored")
        for key in self.stated:
            if key.startswith("cell ") and int(re.sub(r"\D", "", key)) >= self.header_row:
                raise ValueError(f"stated.{key}: doesn't stand above the header")
        for one in self.drop:
            re.compile(one.pattern)
            for column in one.totals:
                if column not in self.names.values() or not re.fullmatch(AMOUNT, column):
                    raise ValueError(f"drop.{one.name}.totals: {column} is no amount here")
        for key, meanings in self.values.items():
            known = set(VALUES[key].values())
            if known and (unknown := set(meanings.values()) - known):
                raise ValueError(f"values.{key}: {min(unknown)} is none of {', '.join(known)}")
        conformed = {*self.names.values(), *self.constants}
        for key in ("optional", "units", "multipliers"):
            for column in getattr(self, key):
                if column not in conformed:
                    raise ValueError(f"{key}: {column} is no column of this layout")
        if self.unpivot and len(self.names) < len(set(self.columns.values())) + len(
            self.unpivot.names
        ):
            raise ValueError("unpivot: a column of that name stands in columns already")
        if self.grain == "certificate_line" and not self.dates:
            raise ValueError("dates: no pattern is given")
        if self.grain == "aggregate" and not (self.blank and self.constants.get("region_set")):
            raise ValueError("blank and constants.region_set: aggregates need both")
        if self.thousands_mark == self.decimal_mark:
            raise ValueError("thousands_mark: is the decimal mark")
        if self.exponents and self.multipliers:
            raise ValueError("multipliers: can't be had with exponents")

    def _patterns(self) -> dict[str, str]:
        return {"file_name": self.file_name, **{f"stated.{k}": v for k, v in self.stated.items()}}

    @property
    def raw_table(self) -> str:
        """The table of conform/tables.sql that its records are read into."""
        return {"certificate_line": "raw", "aggregate": "raw_cell"}[self.grain]

    @property
    def names(self) -> dict[str, str]:
        """Source column → conformed column, one each: of several spellings the first."""
        first = {column: source for source, column in reversed(self.columns.items())}
        found = {
            source: column for source, column in self.columns.items() if first[column] == source
        }
        return found | {name: name for name in (self.unpivot.names if self.unpivot else [])}

    @property
    def date_patterns(self) -> tuple[str, ...]:
        """Native dates of a workbook are written as ISO, whatever its texts look like."""
        return tuple(dict.fromkeys([*self.dates, *(dates.ISO if self.format == "xlsx" else ())]))

    @property
    def as_returned(self) -> "Layout":
        """How a resubmission of such records is written: a plain CSV, values as in the delivery."""
        stated = {key: text for key, text in self.stated.items() if key.startswith("column ")}
        return replace(
            self,
            format="csv",
            delimiter=",",
            quote='"',
            encoding="utf-8",
            header_row=1,
            header_rows=1,
            stated=stated,
            dates=self.date_patterns,
        )

    def meanings(self, vocabulary: str) -> dict[str, str]:
        """Words in small letters and what they mean: those of e-SKA and those of the layout."""
        own = self.values.get(vocabulary, {})  # type: ignore[call-overload]
        return VALUES[vocabulary] | {word.lower(): meaning for word, meaning in own.items()}

    def stated_in(self, file_name: str) -> dict[str, str]:
        """Office, period and extract time as the file name states them; {} if it doesn't fit."""
        return _groups(self.file_name, file_name)

    def stated_at(self, place: str, text: str) -> dict[str, str]:
        """The same, as the text at a place of [stated] says: `cell A2`, `column bulan`."""
        found = _groups(self.stated[place], text)
        if office := found.get("office"):
            found["office"] = self.meanings("office").get(office.lower(), office.upper())
        return found

    def extracted_at(self, file_name: str) -> datetime | None:
        """When the office says it made the extract, in UTC; None when the name doesn't say."""
        text = self.stated_in(file_name).get("extracted")
        return self.moment(text) if text else None

    def moment(self, text: str) -> datetime:
        """A stated extract time in UTC. Raises ValueError when it is none."""
        local = dates.read(text, (EXTRACTED, *self.date_patterns))
        if local is None:
            raise ValueError(text)
        return local.replace(tzinfo=ZoneInfo(self.timezone)).astimezone(UTC)


def _groups(pattern: str, text: str) -> dict[str, str]:
    found = re.match(pattern, text)
    return {key: value for key, value in found.groupdict().items() if value} if found else {}


def quoted(text: str) -> str:
    """A TOML string; what doesn't print is written as a code, so that it is safe to show."""
    plain = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08X}" for c in plain) + '"'


def layout_file(name: str) -> Path:
    return settings().seeds / "layouts" / f"{name}.toml"


@cache
def load_layout(name: str) -> Layout:
    """Read one layout. Raises Problem `bad_layout` naming the file, the key and what is wrong."""
    path = layout_file(name)
    try:
        content: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
        needed = {"delimiter", "quote", "encoding"} if content.get("format") == "csv" else set()
        if missing := needed - set(content):
            raise ValueError(f"{min(missing)}: missing")
        layout = TypeAdapter(Layout).validate_python(content)
        if layout.name != name:
            raise ValueError(f"name: is {layout.name}, the file's is {name}")
        return layout
    except ValidationError as error:
        told = "; ".join(
            f"{'.'.join(map(str, one['loc']))}: {one['msg']}".removeprefix(": Value error, ")
            for one in error.errors(include_input=False)[:3]
        )
        raise Problem("bad_layout", file=path, error=told) from None
    except (OSError, ValueError, KeyError, re.error) as error:  # no such zone, no such pattern
        raise Problem("bad_layout", file=path, error=error) from error
