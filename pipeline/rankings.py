"""Read a ranking from a published file: the rows, the rule behind them, who is first."""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from pipeline import duck, seeds
from pipeline.messages import Problem

Row = dict[str, Any]


@dataclass(frozen=True)
class Question:
    """Which ranking is meant; `period_end` None asks for the newest with anybody ranked."""

    scope_code: str = field(default_factory=seeds.default_scope)
    basis: str = "domicile"
    league: str = "all"
    period_kind: str = "ytd"
    baseline: str = "years_3"
    period_end: date | None = None


def answer(con: duck.Connection, question: Question) -> list[Row]:
    """Rows of mart.growth_ranking for one question: ranked first, unallocated last.

    Grain: region. Raises Problem `no_ranking` when the release has none such.
    """
    wanted = vars(question)
    fixed = [name for name in wanted if name != "period_end"]
    where = " AND ".join(f"{name} = ${name}" for name in fixed)
    facts = {name: wanted[name] for name in fixed}
    end = question.period_end
    if end is None:
        newest = con.execute(
            f"SELECT max(period_end) FROM mart.growth_ranking WHERE {where} AND is_ranked", facts
        ).fetchone()
        end = newest[0] if newest else None
    rows = duck.rows(
        con,
        f"SELECT * FROM mart.growth_ranking WHERE {where} AND period_end = $period_end "
        "ORDER BY growth_pct_rank NULLS LAST, region_code LIKE '%99', growth_pct DESC NULLS LAST, "
        "region_code",
        {**facts, "period_end": end},
    )
    if not rows:
        raise Problem("no_ranking", wanted=", ".join(f"{k}={v}" for k, v in wanted.items() if v))
    return rows


def rules(con: duck.Connection) -> list[Row]:
    """The rules in force (meta.method): rule_name, rule_value, unit and both notes."""
    return duck.rows(con, "FROM meta.method ORDER BY rule_name")


def has_years(rows: list[Row]) -> bool:
    """Whether the base lies years back, so that the yearly rate says something of its own."""
    pairs = [(row["growth_pct_yearly"], row["growth_pct"]) for row in rows]
    return any(yearly is not None and abs(yearly - pct) > 1e-6 for yearly, pct in pairs)


def as_json(row: Row) -> Row:
    """Money as strings with two decimals, dates as ISO; numbers and NULLs as they are."""
    return {
        name: f"{value:.2f}" if isinstance(value, Decimal)
        else value.isoformat() if isinstance(value, date)
        else value
        for name, value in row.items()
    }  # fmt: skip
