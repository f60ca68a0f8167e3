"""What `explain` says, in Indonesian and English; both have the same keys."""

from pipeline.messages import texts

WORDS = texts("words")
# Units of seeds/rule.csv that are not the same in every language.
UNITS: dict[str, dict[str, str]] = {
    "en": {},
    "id": {"exporters": "eksportir", "US$ per 12 months": "US$ per 12 bulan"},
}
