"""The figures of one build and basis: what a public release could say, and what it must protect.

The cells are the months of leaf regions in which something was exported. A span (a region's period)
is a sum of cells. The last public release stays known: where a month was revised since, what it
said then is a cell of its own.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline import duck
from pipeline.disclosure import Figure
from pipeline.seeds import default_scope
from pipeline.statements import Span, Statement

NEVER, TOTAL, NEWEST, OTHER, UNALLOCATED = math.inf, 3e3, 1e3, 1.0, 0.2
# A hidden ranked period is a gap in a table that people read. A month hidden saves the longer ones.
RANKED = {"month": 2.0, "quarter": 20.0, "r12m": 20.0, "ytd": 50.0, "year": 200.0}
SPARSE = 0.3  # a region with more unsafe periods than this shows no value at all
SPANS = """
    WITH side AS (
        SELECT g.region_code, g.period_kind,
            unnest([g.period_end, s.base_end]) AS period_end, g.scope_code = $scope AS is_ours,
            g.period_kind IN ('ytd', 'year')
                AND g.period_end = max(g.period_end) OVER (PARTITION BY g.period_kind)
                AS is_newest
        FROM core.ranking AS g
        JOIN core.region AS r USING (region_code)
        JOIN core.span_pair AS s USING (basis, region_set, period_kind, period_end, baseline)
        WHERE g.basis = $basis AND g.growth_status = 'ok'
    ),
    ranked AS (
        SELECT region_code, period_kind, period_end, bool_or(is_newest) AS is_newest,
            bool_or(is_newest AND is_ours) AS is_ours
        FROM side
        GROUP BY ALL
    )
    SELECT s.region_code, s.period_kind, s.period_end, s.fob_usd::DOUBLE AS fob_usd,
        s.is_unsafe, s.region_code IN (SELECT scope_code FROM seed.scope) AS is_total,
        r.region_kind = 'unallocated' AS is_unallocated,
        k.region_code IS NOT NULL AS is_ranked, coalesce(k.is_newest, false) AS is_newest,
        coalesce(k.is_ours, false) AS is_ours
    FROM core.region_span AS s
    JOIN core.region AS r USING (region_code)
    LEFT JOIN ranked AS k USING (region_code, period_kind, period_end)
    WHERE s.basis = $basis AND s.fob_usd <> 0
    ORDER BY ALL
"""


@dataclass(frozen=True)
class Rule:
    """What may be published (METHOD.md), from seeds/rule.csv."""

    min_exporters: int
    dominance_share_pct: float
    p_pct: float

    def is_safe(self, firms: Mapping[str, float]) -> bool:
        """Whether a sum over exporters (US$ of each) could be published: as core.region_month."""
        total = sum(firms.values())
        largest = sorted((usd for one, usd in firms.items() if one != "unknown"), reverse=True)
        return (
            len(largest) >= self.min_exporters
            and total > 0
            and largest[0] <= 0.01 * self.dominance_share_pct * total
            and total - largest[0] - largest[1] >= 0.01 * self.p_pct * largest[0]
        )


@dataclass
class Known:
    """The cells of one basis in one build: true US$, and how much of it is whose."""

    cells: dict[str, float]
    firms: dict[str, dict[str, float]]
    leaves: dict[str, list[str]]
    months: dict[tuple[str, Any], list[str]]
    names: dict[str, str] = field(default_factory=dict)  # cell → its name where it was revised

    def weights(self, spans: dict[Span, float]) -> dict[str, float]:
        """The cells of a combination of spans."""
        found: Counter[str] = Counter()
        for (region, kind, end), weight in spans.items():
            for leaf in self.leaves.get(region, []):
                for month in self.months.get((kind, end), []):
                    if (cell := f"{leaf} {month}") in self.cells:
                        found[self.names.get(cell, cell)] += weight  # type: ignore[assignment]
        return {cell: weight for cell, weight in found.items() if abs(weight) > 1e-12}


@dataclass
class Attacked:
    """Figures of one basis by their cells; `spans` of each by its key;"""

    known: Known
    last: Known | None
    rule: Rule
    figures: dict[str, Figure] = field(default_factory=dict)
    spans: dict[str, list[Span]] = field(default_factory=dict)

    @cached_property
    def cells(self) -> dict[str, float]:
        old = self.last
        more = {old.names[one]: old.cells[one] for one in old.names} if old else {}
        return self.known.cells | more

    def is_safe(self, cells: frozenset[str]) -> bool:
        """Whether a sum of cells could be published."""
        firms: Counter[str] = Counter()
        for cell in cells:
            name, _, then = cell.partition(" then")
            holder = self.last if then and self.last else self.known
            firms.update(holder.firms.get(name, {}))
        return self.rule.is_safe(firms)

    def add(self, figure: Figure, span: Span | None = None) -> None:
        """Take a figure in. One of the very same cells is the same figure, with both demands: a
        year is its December's ytd, hidden together or not at all.
        """
        key = " ".join(f"{weight:g}*{cell}" for cell, weight in sorted(figure.weights.items()))
        key += f" {figure.room}"
        if old := self.figures.get(key):
            figure = replace(
                old,
                is_published=old.is_published or figure.is_published,
                must_protect=old.must_protect or figure.must_protect,
                cost=max(old.cost, figure.cost),
            )
        self.figures[key] = figure
        if span:
            self.spans.setdefault(figure.key, []).append(span)

    def figure(self, statement: Statement, known: Known, when: str = "") -> Figure | None:
        """A statement over cells; None when it says nothing of any."""
        weights = known.weights(statement.weights)
        if not weights:
            return None
        value = sum(weight * self.cells[cell] for cell, weight in weights.items())
        room = (0.0, 0.0)
        if statement.low is not None and statement.high is not None:
            # A rank is rounded where a figure isn't: the truth is never outside.
            room = max(0.0, value - statement.low), max(0.0, statement.high - value)
        return Figure(f"{when}{statement.name}", weights, value, is_published=True, room=room)


def bases(con: duck.Connection) -> list[str]:
    """Bases of certificates in a build. Official statistics have no firm to protect."""
    found = con.execute(
        "SELECT DISTINCT basis FROM core.region_month WHERE basis <> 'official' ORDER BY ALL"
    ).fetchall()
    return [basis for (basis,) in found]


def attacked(con: duck.Connection, basis: str, last: Path | None) -> Attacked:
    """What there is to attack on a basis of a build; `last` is the last public release's build."""
    known, before = _known(con, basis), None
    if last:
        with duck.connect(last, read_only=True) as old:
            before = _known(old, basis)
        before.names = {
            cell: f"{cell} then"
            for cell, usd in before.cells.items()
            if known.cells.get(cell) != usd
        }
    return Attacked(known, before, rule(con))


def rule(con: duck.Connection) -> Rule:
    """The rule in force in a build."""
    (found,) = con.execute(
        "SELECT min_exporters_public, dominance_share_pct, dominance_p_pct FROM core.setting"
    ).fetchall()
    return Rule(int(found[0]), float(found[1]), float(found[2]))


def of_spans(con: duck.Connection, basis: str, known: Known) -> Iterator[tuple[Span, Figure]]:
    """Every span with something in it, whether it is to be protected, and what hiding it costs.

    Published are all but those of unallocated value and of regions that are unsafe too often.
    """
    spans = duck.rows(con, SPANS, {"basis": basis, "scope": default_scope()})
    count, unsafe = Counter[str](), Counter[str]()
    for one in spans:
        count[one["region_code"]] += 1
        unsafe[one["region_code"]] += one["is_unsafe"]
    for one in spans:
        region = one["region_code"]
        cost = RANKED[one["period_kind"]] if one["is_ranked"] else OTHER
        if one["is_newest"]:
            is_headline = one["is_ours"] and one["period_kind"] == "ytd"
            cost = NEVER if is_headline else NEWEST
        if one["is_unallocated"]:
            cost = UNALLOCATED
        if one["is_total"]:
            cost = TOTAL
        is_shown = not one["is_unallocated"] and unsafe[region] <= SPARSE * count[region]
        span = region, one["period_kind"], one["period_end"]
        yield (
            span,
            Figure(
                key=" ".join(map(str, span)),
                weights=known.weights({span: 1.0}),
                value=one["fob_usd"],
                is_published=is_shown or one["is_total"] or one["is_unsafe"] or cost == NEVER,
                must_protect=one["is_unsafe"],
                cost=cost,
            ),
        )


def _known(con: duck.Connection, basis: str) -> Known:
    cells = con.execute(
        "SELECT region_code || ' ' || strftime(month, '%Y-%m'), fob_usd::DOUBLE "
        "FROM core.region_month WHERE basis = ? AND fob_usd <> 0 ORDER BY ALL",
        [basis],
    ).fetchall()
    firms: dict[str, dict[str, float]] = defaultdict(dict)
    for cell, exporter, usd in con.execute(
        "SELECT region_code || ' ' || strftime(month, '%Y-%m'), exporter_key, fob_usd::DOUBLE "
        "FROM core.exporter_region_month WHERE basis = ?",
        [basis],
    ).fetchall():
        firms[cell][exporter] = usd
    leaves: dict[str, list[str]] = defaultdict(list)
    for region, leaf in con.execute("FROM core.region_leaf ORDER BY ALL").fetchall():
        leaves[region].append(leaf)
    months: dict[tuple[str, Any], list[str]] = defaultdict(list)
    for kind, end, month in con.execute(
        "SELECT period_kind, period_end, month FROM core.span_month WHERE basis = ? ORDER BY ALL",
        [basis],
    ).fetchall():
        months[kind, end].append(f"{month:%Y-%m}")
    return Known(dict(cells), firms, leaves, months)
