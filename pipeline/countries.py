"""Names of countries as they stand in deliveries, and the ISO codes they mean."""

import csv
import unicodedata
from functools import cache

from pipeline.settings import settings


def _plain(name: str) -> str:
    """Without accents: Côte d'Ivoire is also written COTE D'IVOIRE."""
    parts = unicodedata.normalize("NFKD", name)
    return "".join(part for part in parts if not unicodedata.combining(part))


@cache
def _iso_spellings() -> dict[str, str]:
    import pycountry  # 0.2 s, and only where something new is validated

    found: dict[str, str] = {}
    for country in pycountry.countries:
        for kind in ("name", "official_name", "common_name"):
            name = getattr(country, kind, None)
            if name:
                found |= dict.fromkeys((name.upper(), _plain(name).upper()), country.alpha_2)
    return found


def country_spellings() -> list[tuple[str, str]]:
    """(name in capitals, ISO 3166 alpha-2), sorted; seeds/country_aliases.csv has the last word."""
    with (settings().seeds / "country_aliases.csv").open(encoding="utf-8", newline="") as file:
        aliases = {row["spelling"].upper(): row["country_code"] for row in csv.DictReader(file)}
    return sorted((_iso_spellings() | aliases).items())


def currency_codes() -> list[str]:
    """ISO 4217 letter codes that are in use, sorted."""
    import pycountry

    return sorted(currency.alpha_3 for currency in pycountry.currencies)
