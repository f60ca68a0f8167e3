"""Numbers and dates as each language writes them (Babel), a cell of the page at a time."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any

from babel import Locale
from babel.dates import format_date, format_datetime
from babel.numbers import NumberPattern, parse_pattern

from pipeline import seeds

LOCALES = {"id": Locale.parse("id_ID"), "en": Locale.parse("en_US")}
LANGUAGES = ("id", "en")


@dataclass(frozen=True)
class Text:
    """One cell in both languages; on a page without a switch the Indonesian."""

    id: str
    en: str

    def __str__(self) -> str:
        return self.id


DASH, HIDDEN = Text("–", "–"), Text("tidak ditampilkan", "not shown")


@cache
def _pattern(pattern: str) -> NumberPattern:
    return parse_pattern(pattern)


def same(text: str) -> Text:
    return Text(text, text)


@lru_cache(100_000)  # most figures stand in several places
def _formatted(value: float | Decimal, pattern: str) -> Text:
    return Text(*(_pattern(pattern).apply(value, LOCALES[name]) for name in LANGUAGES))


def number(value: float | int | None, decimals: int = 1, absent: Text = DASH) -> Text:
    """A number with so many decimals, as each language writes it."""
    fraction = "." * bool(decimals) + "0" * decimals
    return absent if value is None else _formatted(value, "#,##0" + fraction)


def signed(value: Any, decimals: int = 1, absent: Text = DASH) -> Text:
    """The same with + or −."""
    if value is None or not round(value, decimals):
        return number(None if value is None else 0, decimals, absent)  # Decimal has a −0
    fraction = "." * bool(decimals) + "0" * decimals
    return _formatted(value, f"+#,##0{fraction};−#,##0{fraction}")


def usd(value: Decimal | None, absent: Text = DASH) -> Text:
    return absent if value is None else _formatted(value, "#,##0")


def month(value: date | datetime | str) -> Text:
    """A month by its name; `value` is a day of it, or as "2024-09"."""
    if isinstance(value, str):
        value = date.fromisoformat(f"{value}-01")
    return Text(*(format_date(value, "MMM y", LOCALES[name]) for name in LANGUAGES))


def moment(value: datetime) -> Text:
    """A moment (UTC) as clocks in the country show it."""
    both = zip(("d MMMM y HH.mm z", "d MMMM y HH:mm z"), LOCALES.values(), strict=True)
    return Text(*(format_datetime(value, how, seeds.time_zone(), local) for how, local in both))


def named(name: str) -> Text:
    """A region's name; only what could not be placed has one in each language."""
    own = name.removesuffix(" / unallocated")
    return Text(own, own.replace("tak teralokasi", "unallocated") if own != name else own)


def size(value: int) -> Text:
    """Bytes as kB or MB."""
    if value < 100_000:
        return Text(*(f"{one} kB" for one in vars(number(value / 1000, 1)).values()))
    return Text(*(f"{one} MB" for one in vars(number(value / 1_000_000, 1)).values()))
