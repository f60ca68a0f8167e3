"""The page's first words: who is first, by how much, by which rule, and how sure that is."""

from pipeline.page.facts import Facts
from pipeline.page.texts import LANGUAGES, number, signed
from pipeline.words import WORDS, ranked_rule


def headline(facts: Facts) -> dict[str, dict[str, str]]:
    """By language `who`, `pct`, `what`, `rule`, `sure`; `what` alone where nobody is ranked."""
    ranking = facts.headline or {"rows": []}
    rows = ranking["rows"]
    first = [row for row in rows if row["growth_pct_rank"] == 1]
    if not first:
        return {language: {"what": WORDS[language]["headline_none"]} for language in LANGUAGES}
    row = first[0]
    count = sum(bool(one["may_be_first"]) for one in rows)
    sure = "unsure" if row["share_first"] is None else "sure" if count > 1 else "alone"
    figures = {
        "of": number(sum(bool(one["is_ranked"]) for one in rows), 0),
        "draws": number(row["share_first"]),
        "count": number(count, 0),
    }
    told = {}
    for language in LANGUAGES:
        words = WORDS[language]
        facts_in_words = {name: getattr(value, language) for name, value in figures.items()} | {
            "period": ranking[f"label_{language}"],
            "baseline": words[ranking["baseline"]],
            "basis": words[ranking["basis"]],
        }
        sentences = {"what": "headline", "sure": f"headline_{sure}"}
        told[language] = {
            "who": " / ".join(one["region_name"] for one in first),
            "pct": f"{getattr(signed(row['growth_pct']), language)} %",
            "rule": ranked_rule(facts.rules, language),
            **{name: words[key].format(**facts_in_words) for name, key in sentences.items()},
        }
    return told
