"""What a public release hides, and the audit of what it shows (METHOD.md, "What may be published").

Both put everything that a reader can compute, from it and from the last public release, to the
programmes of `disclosure`: figures of one firm must stay open by p % on both sides.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pipeline import disclosure, drivers, duck, figures, seeds, statements, suppression
from pipeline.disclosure import Figure, Leak
from pipeline.figures import Attacked
from pipeline.messages import Problem
from pipeline.statements import RANKING, Row, Span

HIDDEN_SPAN = """basis VARCHAR, region_code VARCHAR, period_kind VARCHAR, period_end DATE,
    suppression VARCHAR"""
HIDDEN_RANKING = """basis VARCHAR, scope_code VARCHAR, league VARCHAR, period_kind VARCHAR,
    period_end DATE, baseline VARCHAR"""
SPAN = tuple(column.split()[0] for column in HIDDEN_SPAN.split(","))
# Rows of which a place, or that there is none, says something: of the newest ytd of the first scope
# (the headline) only those that are ranked. What is asked of a base bounds the scope's base: where
# is_loose by more than p % of it, so of any firm in it. The audit attacks that bound all the same.
PLACED = f"""
    SELECT {", ".join(RANKING)}, g.region_code, s.base_end, g.growth_status = 'ok' AS is_ranked,
        g.scope_code = $scope AND g.period_kind = 'ytd' AND g.period_end = max(g.period_end)
            FILTER (g.growth_status = 'ok') OVER (PARTITION BY g.period_kind) AS is_headline,
        is_headline AND min(abs(100 * g.base_fob_usd - l.base_share_pct * g.scope_base_usd)
                / (l.base_share_pct * g.scope_base_usd))
            OVER (PARTITION BY {", ".join(RANKING)}) > 0.01 * l.dominance_p_pct AS is_loose
    FROM core.ranking AS g
    JOIN core.region AS r USING (region_code)
    JOIN core.span_pair AS s USING (basis, region_set, period_kind, period_end, baseline)
    CROSS JOIN core.setting AS l
    WHERE g.basis = $basis AND g.growth_status IN ('ok', 'below_base')
    QUALIFY g.growth_status = 'ok' OR NOT is_headline
    ORDER BY ALL
"""
TOLD = 5
Last = tuple[Path, Path]  # file and build of the last public release


@dataclass(frozen=True)
class Hidden:
    """Rows of HIDDEN_SPAN; of HIDDEN_RANKING: rankings that are shown without ranks; and of
    drivers.SHOWN_DRIVER: the items that are shown.
    """

    spans: list[Row] = field(default_factory=list)
    rankings: list[Row] = field(default_factory=list)
    drivers: list[Row] = field(default_factory=list)


def hidden(build: Path, last: Last | None) -> Hidden:
    """What a public release of a build must hide: spans, and ranks where a ranked region is hidden.

    Raises Problem `cannot_hide` where only figures that must stay would protect a firm: a ranked
    region's newest ytd and its bases in the first scope, and what the last release has told.
    """
    found = Hidden()
    with duck.connect(build, read_only=True) as con:
        for basis in figures.bases(con):
            spans, rankings = _hidden_of(con, basis, last)
            found.spans.extend(spans)
            found.rankings.extend(rankings)
            gone = {tuple(row[name] for name in SPAN[1:4]) for row in spans}
            scope, rule = seeds.default_scope(), figures.rule(con)
            found.drivers.extend(drivers.shown(con, basis, scope, gone, rule, last))
    return found


def note(con: duck.Connection, what: Hidden) -> None:
    """Make the temporary tables that the models of schema public read."""
    con.execute(f"CREATE TEMP TABLE hidden_span ({HIDDEN_SPAN})")
    con.execute(f"CREATE TEMP TABLE hidden_ranking ({HIDDEN_RANKING})")
    duck.insert(con, "temp.hidden_span", what.spans)
    con.execute(f"CREATE TEMP TABLE shown_driver ({drivers.SHOWN_DRIVER})")
    duck.insert(con, "temp.hidden_ranking", what.rankings)
    duck.insert(con, "temp.shown_driver", what.drivers)


def audit(build: Path, file: Path, last: Last | None) -> None:
    """Attack a public ekspor.duckdb, knowing what its build knows. Raises Problem `leak`."""
    with duck.connect(build, read_only=True) as con:
        for basis in figures.bases(con):
            attacked = _attacked(con, basis, last)
            for span, figure in figures.of_spans(con, basis, attacked.known):
                attacked.add(replace(figure, is_published=False), span)
            for statement in statements.of_file(con, basis, file):
                if told := attacked.figure(statement, attacked.known):
                    attacked.add(told)
            leaks = _leaks(attacked, attacked.figures.values())
            if leaks := leaks + drivers.audit(con, basis, file, attacked.rule, last):
                raise Problem("leak", **_told(basis, leaks))


def _attacked(con: duck.Connection, basis: str, last: Last | None) -> Attacked:
    """With what the last public release has told already."""
    attacked = figures.attacked(con, basis, last[1] if last else None)
    if last and attacked.last:
        with duck.connect(last[1], read_only=True) as old:
            for statement in statements.of_file(old, basis, last[0], is_last=True):
                if told := attacked.figure(statement, attacked.last, "last release: "):
                    attacked.add(told)
    return attacked


def _hidden_of(con: duck.Connection, basis: str, last: Last | None) -> tuple[list[Row], list[Row]]:
    attacked = _attacked(con, basis, last)
    for span, figure in figures.of_spans(con, basis, attacked.known):
        attacked.add(figure, span)
    all_figures = list(attacked.figures.values())
    hides = suppression.suppress(attacked.cells, all_figures, attacked.rule.p_pct, attacked.is_safe)
    if hides.leaks:
        raise Problem("cannot_hide", **_told(basis, hides.leaks))
    shown = suppression.hide(all_figures, hides)
    gone = {one.key for one in shown if not one.is_published}
    spans = {
        span: "primary" if key in hides.primary else "complementary"
        for key, same in attacked.spans.items()
        if key in gone
        for span in same
    }
    rows = [dict(zip(SPAN, (basis, *span, kind), strict=True)) for span, kind in spans.items()]
    return rows, _without_ranks(con, basis, set(spans))


def _without_ranks(con: duck.Connection, basis: str, hidden: set[Span]) -> list[Row]:
    """Rankings in which places would bound what is hidden: a ranked region's growth by that of its
    neighbours, a base, of a region or its scope, by what is asked of a ranked region's.
    """
    found = {}
    for row in duck.rows(con, PLACED, {"basis": basis, "scope": seeds.default_scope()}):
        kind, now, base = row["period_kind"], row["period_end"], row["base_end"]
        telling = {(row["region_code"], kind, base)}
        if not row["is_loose"]:
            telling.add((row["scope_code"], kind, base))
        if row["is_ranked"]:
            telling.add((row["region_code"], kind, now))
        if telling & hidden:
            found[tuple(row[name] for name in RANKING)] = {name: row[name] for name in RANKING}
    return list(found.values())


def _leaks(attacked: Attacked, said: Iterable[Figure]) -> tuple[Leak, ...]:
    return disclosure.leaks(attacked.cells, list(said), attacked.rule.p_pct, attacked.is_safe)


def _told(basis: str, leaks: tuple[Leak, ...]) -> dict[str, Any]:
    told = [f"{one.key}: {', '.join(one.figures[:TOLD])}" for one in leaks[:TOLD]]
    return {"basis": basis, "count": len(leaks), "figures": "; ".join(told)}
