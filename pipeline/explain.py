"""One page of text on one region's growth, in the order a minister asks, from a release's mart.

Every number stands in the release of the audience asked for; where it says nothing, neither do we.
"""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from babel.dates import format_date
from babel.numbers import format_decimal

from pipeline import duck, rankings
from pipeline.messages import Problem
from pipeline.periods import Month, months_to_base
from pipeline.rankings import Question, Row
from pipeline.words import WORDS, item_name, ranked_rule

KEY = "basis = $basis AND period_kind = $period_kind AND period_end = $period_end"
RANKING = f"{KEY} AND scope_code = $scope_code AND league = $league AND baseline = $baseline"
CHANGED = """basis = $basis AND month BETWEEN $first AND $last AND region_code IN (
    SELECT region_code FROM mart.region WHERE region_code = $code OR province_code = $code
        OR region_kind = 'unallocated' AND $code = region_set || '99'
)"""
SHOWN_ITEMS = 3
BASES = ("domicile", "issuer", "port")


class _Page:
    """The facts of one region in one release, and the words of one language."""

    money = "#,##0.00"  # to the cent

    def __init__(
        self,
        con: duck.Connection,
        question: Question,
        code: str,
        language: str,
        rows: list[Row] | None = None,
        told: dict[str, list[Row]] | None = None,
    ) -> None:
        self.con, self.code = con, code
        # What was read, for the other language and, where it isn't the region's, for the others.
        self.told = {} if told is None else told
        self.speak(language)
        rows = rows or rankings.answer(con, question)
        found = [row for row in rows if row["region_code"] == code]
        if not found:
            raise Problem("no_region", region_code=code, scope_code=question.scope_code)
        self.row, self.rows = found[0], rows
        names = ("basis", "scope_code", "league", "period_kind", "period_end", "baseline")
        self.key = {name: self.row[name] for name in names}
        tables = self.once("SELECT table_name FROM duckdb_tables()")
        self.tables = {row["table_name"] for row in tables}

    def speak(self, language: str) -> None:
        self.language, self.words = language, WORDS[language]
        self.locale = {"en": "en_US", "id": "id_ID"}[language]

    def rows_of(self, table: str, where: str, columns: str = "*", **more: Any) -> list[Row]:
        """Rows of a mart table for this ranking; none where the audience has no such table."""
        if table not in self.tables:
            return []
        facts = self.key | more
        used = {name: value for name, value in facts.items() if f"${name}" in where}
        return self.once(f"SELECT {columns} FROM mart.{table} WHERE {where}", used)

    def once(self, query: str, used: dict[str, Any] | None = None) -> list[Row]:
        """The rows of a query, asked once."""
        asked = f"{query} {used}"
        if asked not in self.told:
            self.told[asked] = duck.rows(self.con, query, used)
        return self.told[asked]

    def usd(self, value: Decimal | None) -> str:
        if value is None:
            return self.words["hidden"]
        return "US$ " + format_decimal(value, format=self.money, locale=self.locale)

    def signed(self, value: Decimal) -> str:
        return ("+" if value > 0 else "−" if value < 0 else "") + self.usd(abs(value))

    def pct(self, value: float | None) -> str:
        if value is None:
            return self.words["hidden"]
        return format_decimal(value, format="+#,##0.0;−#,##0.0", locale=self.locale) + " %"

    def number(self, value: float, pattern: str = "#,##0") -> str:
        return format_decimal(value, format=pattern, locale=self.locale)

    def day(self, value: date) -> str:
        return format_date(value, format="d MMMM y", locale=self.locale)

    def period(self) -> str:
        """The ranking's period in words, as mart.period has them: "Januari–September 2024"."""
        where = "period_kind = $period_kind AND period_end = $period_end"
        found = self.rows_of("period", where)
        if not found:
            return f"{self.day(self.row['period_start'])} – {self.day(self.row['period_end'])}"
        return str(found[0][f"label_{self.language}"])

    def say(self, key: str, **facts: Any) -> str:
        return self.words[key].format(**facts)


def explain(
    con: duck.Connection,
    region_code: str,
    question: Question,
    language: str = "id",
    previous: Path | None = None,
) -> str:
    """The page, in `id` or `en`; `previous` is ekspor.duckdb of the release before, if kept.

    Raises Problem `no_ranking`, `no_region`.
    """
    return _text(_Page(con, question, region_code, language), previous)


def in_both(
    con: duck.Connection,
    region_code: str,
    question: Question,
    rows: list[Row],
    previous: Path | None = None,
    told: dict[str, list[Row]] | None = None,
) -> dict[str, str]:
    """The same by language, in whole US$; `rows` is what the question asks for.

    All is read once and put into `told`: the next region is given it.
    """
    page, texts = _Page(con, question, region_code, "id", rows, told), {}
    page.money = "#,##0"
    for language in WORDS:
        page.speak(language)
        texts[language] = _text(page, previous)
    return texts


def _text(page: _Page, previous: Path | None) -> str:
    parts = [_place(page), _rule(page), _certainty(page), _origin(page), _first(page)]
    parts += [_bases(page), _change(page, previous), _caveats(page)]
    return "\n\n".join("\n".join(lines) for lines in parts if lines) + "\n"


def _place(page: _Page) -> list[str]:
    row = page.row
    scope = page.rows_of("region", "region_code = $scope_code")
    title = page.say(
        "title",
        region=row["region_name"],
        period=page.period(),
        baseline=page.words[row["baseline"]],
        basis=page.words[row["basis"]],
        league=page.words[f"among_{row['league']}"],
        scope=scope[0]["region_name"] if scope else row["scope_code"],
    )
    ranked = sum(bool(one["is_ranked"]) for one in page.rows)
    if row["is_ranked"]:
        place = page.say(
            "ranked", pct_rank=row["growth_pct_rank"], usd_rank=row["growth_usd_rank"], of=ranked
        )
    else:
        place = page.say("unranked", why=page.words[f"status_{row['growth_status']}"])
    if row["growth_usd"] is None:
        values = page.say("value_only", fob=page.usd(row["fob_usd"]))
    else:
        values = page.say(
            "values_yearly" if rankings.has_years([row]) else "values",
            fob=page.usd(row["fob_usd"]),
            base=page.usd(row["base_fob_usd"]),
            growth=page.signed(row["growth_usd"]),
            pct="–" if row["growth_pct"] is None else page.pct(row["growth_pct"]),
            yearly=page.pct(row["growth_pct_yearly"]),
        )
    return [title, place, values]


def _rule(page: _Page) -> list[str]:
    """The rule in force, and who is first under others."""
    order = "ORDER BY eligibility_rule <> 'none', eligibility_rule NOT LIKE 'with b%', "
    order += "base_share_pct, eligibility_rule"
    lines = [ranked_rule(rankings.rules(page.con), page.language)]
    for one in page.rows_of("rule_sensitivity", f"{RANKING} {order}"):
        if one["region_name"]:
            code, share = one["eligibility_rule"], one["base_share_pct"]
            key = "rule_with_b" if code.startswith("with b") else f"rule_{code.replace(' ', '_')}"
            rule = page.say(key, share=page.number(share or 0, "#,##0.##"))
            lines.append(page.say("under", rule=rule, region=one["region_name"]))
    return lines


def _certainty(page: _Page) -> list[str]:
    row = page.row
    if not row["is_ranked"]:
        return []
    if row["growth_pct_rank_low"] is None:
        return [page.words["unsure"]]
    compared = sum(one["share_first"] is not None for one in page.rows)
    first = sum(bool(one["may_be_first"]) for one in page.rows)
    return [
        page.say(
            "sure",
            low=row["growth_pct_rank_low"],
            high=row["growth_pct_rank_high"],
            of=compared,
            share=page.number(row["share_first"], "#,##0.0"),
        ),
        page.say("winners", count=first) if first > 1 else page.words["winner"],
    ]


def _origin(page: _Page) -> list[str]:
    lines: list[str] = []
    where = f"{KEY} AND baseline = $baseline AND region_code = $code"
    driven = page.rows_of(
        "growth_driver", f"{where} ORDER BY abs(growth_usd) DESC, item_code", code=page.code
    )
    for dimension in ("hs_chapter", "destination", "form"):
        some = [one for one in driven if one["dimension"] == dimension and one["growth_usd"]]
        for one in some[:SHOWN_ITEMS]:
            name = item_name(dimension, one["item_code"], page.language)
            lines.append(f"  {page.words[dimension]} {name}: {page.signed(one['growth_usd'])}")
    for one in page.rows_of("growth_margin", where, code=page.code):
        for name in ("continuing", "new", "switched_here", "left", "switched_away"):
            amount = one[f"{name}_usd"]
            lost = name in ("left", "switched_away")
            if one[f"{name}_exporters"]:
                lines.append(
                    "  "
                    + page.say(
                        name,
                        count=page.number(one[f"{name}_exporters"]),
                        usd=page.signed(-amount if lost else amount),
                    )
                )
        if one["unidentified_usd"]:
            lines.append("  " + page.say("unidentified", usd=page.signed(one["unidentified_usd"])))
        if one["growth_without_migration_pct"] is not None:
            pct = page.pct(one["growth_without_migration_pct"])
            lines.append("  " + page.say("without_migration", pct=pct))
    return [page.words["origin"], *lines] if lines else []


def _first(page: _Page) -> list[str]:
    found = page.rows_of("first_place", RANKING)
    if not found or found[0]["region_code"] != page.code:
        return []
    return [page.words[f"still_first_{found[0]['still_first']}"]]


def _bases(page: _Page) -> list[str]:
    lines = []
    where = RANKING.replace("basis = $basis AND ", "") + " AND region_code = $code"
    for one in page.rows_of("growth_ranking", f"{where} ORDER BY basis", code=page.code):
        if one["basis"] != page.row["basis"] and one["basis"] in BASES:
            place = one["growth_pct_rank"] or page.words["no_place"]
            pct = "–" if one["growth_pct"] is None else page.pct(one["growth_pct"])
            lines.append(
                "  "
                + page.say(
                    "other_basis",
                    basis=page.words[one["basis"]],
                    fob=page.usd(one["fob_usd"]),
                    pct=pct,
                    place=place,
                )
            )
    return [page.words["bases"], *lines] if lines else []


def _change(page: _Page, previous: Path | None) -> list[str]:
    return [*_changed(page, previous), *_causes(page)]


def _causes(page: _Page) -> list[str]:
    """What moved the region's value, and its base, since the release before: the largest causes."""
    row = page.row
    lines: list[str] = []
    base = months_to_base(row["period_kind"], row["baseline"])
    for key, shift in (("cause", 0), ("base_cause", base)):
        if shift is None:
            continue
        first, last = (Month.of(row[day]).plus(-shift) for day in ("period_start", "period_end"))
        found = page.rows_of(
            "release_change",
            f"{CHANGED} GROUP BY ALL HAVING sum(change_usd) <> 0 "
            "ORDER BY abs(sum(change_usd)) DESC, change_cause, delivery_id",
            "change_cause, delivery_id, sum(change_usd)::DECIMAL(18, 2) AS change_usd",
            code=page.code,
            first=first.first_day,
            last=last.first_day,
        )
        lines += [
            "  "
            + page.say(
                key,
                cause=page.words[f"cause_{one['change_cause']}"],
                delivery=one["delivery_id"] or "–",
                usd=page.signed(one["change_usd"]),
            )
            for one in found[:SHOWN_ITEMS]
        ]
    return [page.words["causes"], *lines] if lines else []


def _changed(page: _Page, previous: Path | None) -> list[str]:
    if previous is None or not previous.exists():
        return []
    asked = f"{previous}"
    if asked not in page.told:
        with duck.connect(previous, read_only=True) as con:
            page.told[asked] = duck.rows(
                con,
                "SELECT r.release_id, g.* FROM meta.release AS r LEFT JOIN (FROM "
                f"mart.growth_ranking WHERE {RANKING} AND region_code = $code) AS g ON true",
                page.key | {"code": page.code},
            )
    found = page.told[asked]
    release = found[0]["release_id"]
    if found[0]["region_code"] is None:
        return [page.say("was_absent", release=release)]
    was, row = found[0], page.row
    same = (was["fob_usd"], was["base_fob_usd"], was["growth_pct_rank"])
    if same == (row["fob_usd"], row["base_fob_usd"], row["growth_pct_rank"]):
        return [page.say("unchanged", release=release)]
    return [
        page.say(
            "changed",
            release=release,
            fob_was=page.usd(was["fob_usd"]),
            fob=page.usd(row["fob_usd"]),
            place_was=was["growth_pct_rank"] or page.words["no_place"],
            place=row["growth_pct_rank"] or page.words["no_place"],
        )
    ]


def _caveats(page: _Page) -> list[str]:
    row = page.row
    (release,) = page.once("FROM meta.release")
    lines = [page.words[f"maturity_{row['maturity']}"], page.words["attribution"]]
    if not row["is_complete"]:
        lines.append(page.words["incomplete"])
    if row["is_stale"]:
        lines.append(page.words["stale"])
    if row["suppression"] != "none":
        lines.append(page.words["suppressed"])
    if row["quarantined_usd"]:
        lines.append(page.say("quarantined", usd=page.usd(row["quarantined_usd"])))
    if row["flagged_pct"]:
        lines.append(page.say("flagged", pct=page.number(row["flagged_pct"], "#,##0.0")))
    if release["is_synthetic"]:
        lines.append(page.words["synthetic"])
    lines.append(page.say("source", release=release["release_id"]))
    return [page.words["caveats"], *(f"  {line}" for line in lines)]
