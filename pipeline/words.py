"""What `explain` says, in Indonesian and English; both have the same keys."""

from decimal import Decimal
from functools import cache
from typing import Any

from babel import Locale
from babel.numbers import format_decimal

from pipeline import seeds
from pipeline.messages import texts

WORDS = texts("words")
# Units of seeds/rule.csv that are not the same in every language.
UNITS: dict[str, dict[str, str]] = {
    "en": {},
    "id": {"exporters": "eksportir", "US$ per 12 months": "US$ per 12 bulan", "months": "bulan",
           "draws": "undian", "0 or 1": "0 atau 1"},
}  # fmt: skip


def measured(value: float | Decimal, unit: str, language: str) -> str:
    """A rule's value with its unit: "100.000 US$ per 12 bulan"."""
    number = format_decimal(value, "#,##0.##", locale={"en": "en_US", "id": "id_ID"}[language])
    return f"{number} {UNITS[language].get(unit, unit)}"


def ranked_rule(rules: list[dict[str, Any]], language: str) -> str:
    """Who is ranked at all, in a sentence; `rules` are the rows of meta.rule."""
    value = {one["rule_name"]: one["rule_value"] for one in rules}
    locale = {"en": "en_US", "id": "id_ID"}[language]
    return WORDS[language]["rule"].format(
        share=measured(value["eligibility_base_share_pct"], "%", language),
        floor=format_decimal(value["eligibility_floor_usd"], "#,##0", locale=locale),
        exporters=format_decimal(value["eligibility_min_exporters"], "#,##0", locale=locale),
    )


def item_name(dimension: str, code: str, language: str) -> str:
    """A chapter, destination or form in words."""
    if code in ("others", "unknown"):
        return WORDS[language][f"item_{code}"]
    if dimension == "destination":
        return str(Locale(language).territories.get(code, code))
    if dimension == "hs_chapter":
        return f"{code} {_chapters().get((code, language), '')}".strip()
    return code


@cache
def _chapters() -> dict[tuple[str, str], str]:
    return {
        (row["hs_chapter"], language): row[f"name_{language}"]
        for row in seeds.rows("hs_chapter")
        for language in ("en", "id")
    }
