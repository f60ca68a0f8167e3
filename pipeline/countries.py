"""Names of countries as they stand in deliveries, and the ISO codes they mean."""

import unicodedata
from functools import cache

from pipeline import seeds


def _plain(name: str) -> str:
    """Without accents: Côte d'Ivoire is also written COTE D'IVOIRE."""
    parts = unicodedata.normalize("NFKD", name)
    return "".join(part for part in parts if not unicodedata.combining(part)).replace("’", "'")


@cache
def names() -> list[tuple[str, str, str]]:
    """(ISO 3166 alpha-2, everyday English name, everyday Indonesian name), by code."""
    import pycountry  # 0.2 s, and only where something new is validated
    from babel import Locale

    english, indonesian = Locale("en").territories, Locale("id").territories
    codes = sorted(country.alpha_2 for country in pycountry.countries)
    return [(code, english[code], indonesian[code]) for code in codes]


@cache
def _iso_spellings() -> dict[str, str]:
    import pycountry

    found: dict[str, str] = {}
    for code, *everyday in names():
        country = pycountry.countries.get(alpha_2=code)
        kinds = ("name", "official_name", "common_name")
        for name in (*everyday, *(getattr(country, kind, None) for kind in kinds)):
            if name:
                found |= dict.fromkeys((name.upper(), _plain(name).upper()), code)
    return found


def country_spellings() -> list[tuple[str, str]]:
    """(name in capitals, ISO 3166 alpha-2), sorted; seeds/country_aliases.csv has the last word.

    English and Indonesian names of ISO 3166 and of CLDR: "REPUBLIC OF KOREA", "KOREA SELATAN".
    """
    aliases = {
        row["spelling"].upper(): row["country_code"] for row in seeds.rows("country_aliases")
    }
    return sorted((_iso_spellings() | aliases).items())


def currency_codes() -> list[str]:
    """ISO 4217 letter codes that are in use, sorted."""
    import pycountry

    return sorted(currency.alpha_3 for currency in pycountry.currencies)
