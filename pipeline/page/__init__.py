"""The page of a release: one self-contained file made from its own ekspor.duckdb."""

from datetime import date
from decimal import Decimal
from importlib.resources import files
from typing import Any

import jinja2
from babel.dates import format_date
from babel.numbers import format_decimal

from pipeline import duck, rankings
from pipeline.messages import Problem

BASELINES = ("years_3", "prev_year")
BASES = ("domicile", "issuer")
LOCALE = "id_ID"
BOOKS = """
    SELECT state, sum(records)::BIGINT AS records, sum(stated_usd) AS stated_usd,
        sum(unreadable_records)::BIGINT AS unreadable_records
    FROM meta.ledger GROUP BY state ORDER BY state
"""
CHECKS = """
    FROM meta.check_result WHERE unexpected > 0
    ORDER BY severity = 'critical' DESC, unexpected DESC, rule_name
"""
SENSITIVITY = """
    FROM mart.rule_sensitivity
    WHERE basis = $basis AND scope_code = $scope_code AND league = $league
        AND period_kind = $period_kind AND period_end = $period_end AND baseline = $baseline
    ORDER BY ALL
"""


def render(con: duck.Connection) -> str:
    """The page of the release that `con` is open on (read-only). Names come out as text."""
    release = duck.rows(con, "FROM meta.release")[0]
    tables = [
        table
        for basis in BASES
        for baseline in BASELINES
        if (table := _league_table(con, basis, baseline))
    ]
    # The books are the office's own: an office's month may be one firm's.
    is_internal = release["audience"] == "internal"
    return template("index.html.j2").render(
        release=release,
        place=_name(con, rankings.Question().scope_code),
        tables=tables,
        rules=rankings.rules(con),
        books=duck.rows(con, BOOKS) if is_internal else [],
        checks=duck.rows(con, CHECKS) if is_internal else [],
    )


def _name(con: duck.Connection, region_code: str) -> str:
    found = duck.rows(con, "FROM mart.region WHERE region_code = $code", {"code": region_code})
    return str(found[0]["region_name"]) if found else region_code


def _league_table(con: duck.Connection, basis: str, baseline: str) -> dict[str, Any] | None:
    """The newest January-to-month ranking of the first scope, and its winner without a rule."""
    try:
        rows = rankings.answer(con, rankings.Question(basis=basis, baseline=baseline))
    except Problem as problem:
        if problem.code != "no_ranking":
            raise
        return None  # e.g. a sample of less than three years has no such baseline
    keys = ("basis", "scope_code", "league", "period_kind", "period_end", "baseline")
    return {
        "basis": basis,
        "baseline": baseline,
        "rows": rows,
        "first": [row for row in rows if row["growth_pct_rank"] == 1],
        "sensitivity": duck.rows(con, SENSITIVITY, {key: rows[0][key] for key in keys}),
    }


def template(name: str) -> jinja2.Template:
    """A template of this folder; whatever is put into it comes out as text."""
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda file: (files(__name__) / file).read_text("utf-8")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["usd"] = _usd
    environment.filters["number"] = _number
    environment.filters["day"] = _day
    return environment.get_template(name)


def _number(value: float | int | None, decimals: int = 1) -> str:
    if value is None:
        return "–"
    return format_decimal(
        value, format="#,##0" + "." * bool(decimals) + "0" * decimals, locale=LOCALE
    )


def _usd(value: Decimal | None) -> str:
    return "–" if value is None else format_decimal(value, format="#,##0", locale=LOCALE)


def _day(value: date) -> str:
    return format_date(value, format="d MMMM y", locale=LOCALE)
