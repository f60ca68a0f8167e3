"""What a public release says, as figures over months of regions: what it must hide, and its audit.

On each basis the cells are the months of leaf regions in which something was exported. A span (a
region's period) is a sum of cells, a rate or difference an equation between spans. The last public
release stays known: where a month was revised since, what it said then is a cell of its own.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline import disclosure, duck, suppression
from pipeline.disclosure import Figure
from pipeline.messages import Problem
from pipeline.seeds import default_scope

Span = tuple[str, str, Any]  # region_code, period_kind, period_end
Ranking = list[dict[str, Any]]
HIDDEN_SPAN = """basis VARCHAR, region_code VARCHAR, period_kind VARCHAR, period_end DATE,
    suppression VARCHAR"""
NEVER, TOTAL, NEWEST, RANKED, OTHER, UNALLOCATED = float("inf"), 1000.0, 100.0, 3.0, 1.0, 0.2
SPARSE = 0.3  # a region with more unsafe periods than this shows no value at all
TOLD = 5
SPANS = "SELECT period_kind, period_end, month FROM core.span_month WHERE basis = ? ORDER BY ALL"
# What a file shows of a period and of its base, also where only a rate of theirs stands.
SHOWN = """
    SELECT DISTINCT g.region_code, g.period_kind, g.period_end, s.base_end, g.scope_code,
        g.fob_usd::DOUBLE AS fob_usd, g.base_fob_usd::DOUBLE AS base_fob_usd,
        g.growth_usd::DOUBLE AS growth_usd, g.growth_pct, g.growth_pct_yearly, g.symmetric_rate,
        g.contribution_pp, g.share_pct, s.years
    FROM shown.mart.growth_ranking AS g
    JOIN core.region AS r USING (region_code)
    JOIN core.span_pair AS s USING (basis, region_set, period_kind, period_end, baseline)
    WHERE g.basis = ? AND (coalesce(g.fob_usd, 1) <> 0 OR coalesce(g.base_fob_usd, 1) <> 0)
    ORDER BY ALL
"""
MONTHS = """
    SELECT region_code, last_day(month) FROM shown.mart.region_month
    WHERE basis = $basis AND fob_usd IS NOT NULL
    UNION
    SELECT scope_code, last_day(month) FROM shown.meta.control_total
    WHERE basis = $basis AND fob_usd IS NOT NULL
    ORDER BY ALL
"""


@dataclass
class Known:
    """The cells of one basis in one build: true US$, and how much of it is whose."""

    cells: dict[str, float]
    firms: dict[str, dict[str, float]]
    leaves: dict[str, list[str]]
    months: dict[tuple[str, Any], list[str]]
    names: dict[str, str] = field(default_factory=dict)  # cell → its name where it was revised

    def weights(self, span: Span) -> dict[str, float]:
        """The cells of a span."""
        region, kind, end = span
        found = (
            f"{leaf} {month}"
            for leaf in self.leaves.get(region, [])
            for month in self.months.get((kind, end), [])
        )
        return {self.names.get(one, one): 1.0 for one in found if one in self.cells}


@dataclass
class Attacked:
    """What is known and what is to be protected, of one basis; `spans` of each figure by key."""

    known: Known
    last: Known | None
    figures: dict[str, Figure]
    spans: dict[str, list[Span]]
    rule: Mapping[str, float]  # of core.setting

    @cached_property
    def cells(self) -> dict[str, float]:
        old = self.last
        more = {old.names[one]: old.cells[one] for one in old.names} if old else {}
        return self.known.cells | more

    def is_safe(self, cells: frozenset[str]) -> bool:
        """Whether a sum of cells could be published: as core.region_month says of one."""
        firms: Counter[str] = Counter()
        for cell in cells:
            name, _, then = cell.partition(" then")
            holder = self.last if then and self.last else self.known
            firms.update(holder.firms.get(name, {}))
        total = sum(firms.values())
        largest = sorted((usd for one, usd in firms.items() if one != "unknown"), reverse=True)
        return (
            len(largest) >= self.rule["min_exporters_public"]
            and total > 0
            and largest[0] <= 0.01 * self.rule["dominance_share_pct"] * total
            and total - largest[0] - largest[1] >= 0.01 * self.rule["dominance_p_pct"] * largest[0]
        )


def hidden(build: Path, last: tuple[Path, Path] | None) -> list[dict[str, Any]]:
    """Spans that a public release of a build hides; rows of HIDDEN_SPAN.

    `last`: file and build of the last public release. Raises Problem `cannot_hide` where only
    figures that must stay would protect a firm (METHOD.md: totals complete, and a ranked region's
    newest ytd and year in the first scope).
    """
    rows = []
    with duck.connect(build, read_only=True) as con:
        for basis, known in _bases(con).items():
            attacked = _attacked(con, basis, known, last)
            for span, figure in _of_spans(con, basis, attacked):
                _add(attacked, span, figure)
            _add_last(con, basis, attacked, last)
            figures = list(attacked.figures.values())
            p_pct = attacked.rule["dominance_p_pct"]
            found = suppression.suppress(attacked.cells, figures, p_pct, attacked.is_safe)
            if found.leaks:
                raise _problem("cannot_hide", basis, found.leaks)
            gone = {f.key for f in figures if not f.is_published and not f.must_protect}
            for key, spans in attacked.spans.items():
                kind = "primary" if key in found.primary else "complementary"
                if key in found.primary | found.complementary | gone:
                    rows += [dict(zip(_NAMES, (basis, *span, kind), strict=True)) for span in spans]
    return rows


def audit(build: Path, file: Path, last: tuple[Path, Path] | None) -> None:
    """Hold a public ekspor.duckdb against what its build knows. Raises Problem `leak`.

    Everything that can be computed from it, and from the last public release, is put to the
    attacker's programmes of `disclosure`; hidden figures of one firm must stay open by p % on both
    sides. Also ranks, statuses and shrunken rates must not speak of what is hidden: suite `public`.
    """
    with duck.connect(build, read_only=True) as con:
        for basis, known in _bases(con).items():
            attacked = _attacked(con, basis, known, last)
            for span, figure in _of_spans(con, basis, attacked):
                _add(attacked, span, _as(figure, is_published=False))
            _add_shown(con, basis, attacked, attacked.known, file, "now")
            _add_last(con, basis, attacked, last)
            p_pct = attacked.rule["dominance_p_pct"]
            figures = list(attacked.figures.values())
            if found := disclosure.leaks(attacked.cells, figures, p_pct, attacked.is_safe):
                raise _problem("leak", basis, found)


_NAMES = [column.split()[0] for column in HIDDEN_SPAN.split(",")]


def _bases(con: duck.Connection) -> dict[str, Known]:
    """What a build knows, by basis of certificates. Official statistics have no firm to protect."""
    return {
        basis: _known(con, basis)
        for (basis,) in con.execute(
            "SELECT DISTINCT basis FROM core.region_month WHERE basis <> 'official' ORDER BY ALL"
        ).fetchall()
    }


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
    for kind, end, month in con.execute(SPANS, [basis]).fetchall():
        months[kind, end].append(f"{month:%Y-%m}")
    return Known(dict(cells), firms, leaves, months)


def _attacked(
    con: duck.Connection, basis: str, known: Known, last: tuple[Path, Path] | None
) -> Attacked:
    rule = duck.rows(
        con, "SELECT min_exporters_public, dominance_share_pct, dominance_p_pct FROM core.setting"
    )[0]
    before = None
    if last:
        with duck.connect(last[1], read_only=True) as old:
            before = _known(old, basis)
        before.names = {
            cell: f"{cell} then"
            for cell, usd in before.cells.items()
            if known.cells.get(cell) != usd
        }
    return Attacked(known, before, {}, {}, {name: float(value) for name, value in rule.items()})


def _of_spans(con: duck.Connection, basis: str, attacked: Attacked) -> list[tuple[Span, Figure]]:
    """Every span with something in it: all are published unless hidden, with what that costs."""
    spans = duck.rows(
        con,
        """
        SELECT s.region_code, s.period_kind, s.period_end, s.fob_usd::DOUBLE AS fob_usd,
            s.is_unsafe, s.period_end = max(s.period_end) OVER (PARTITION BY s.period_kind)
                AS is_newest,
            s.region_code IN (SELECT scope_code FROM seed.scope) AS is_total,
            r.region_kind = 'unallocated' AS is_unallocated,
            k.region_code IS NOT NULL AS is_ranked, coalesce(k.is_ours, false) AS is_ours
        FROM core.region_span AS s
        JOIN core.region AS r USING (region_code)
        LEFT JOIN (
            SELECT region_code, period_kind, period_end, bool_or(scope_code = $scope) AS is_ours
            FROM core.ranking
            WHERE basis = $basis AND growth_status = 'ok'
            GROUP BY ALL
        ) AS k USING (region_code, period_kind, period_end)
        WHERE s.basis = $basis AND s.fob_usd <> 0
        ORDER BY ALL
        """,
        {"basis": basis, "scope": default_scope()},
    )
    count, unsafe = Counter[str](), Counter[str]()
    for one in spans:
        count[one["region_code"]] += 1
        unsafe[one["region_code"]] += one["is_unsafe"]
    found = []
    for one in spans:
        region = one["region_code"]
        cost = RANKED if one["is_ranked"] else OTHER
        if one["is_newest"]:
            cost *= RANKED
        if one["is_newest"] and one["is_ranked"] and one["period_kind"] in ("ytd", "year"):
            cost = NEVER if one["is_ours"] else NEWEST
        if one["is_total"]:
            cost = TOTAL
        shown = not one["is_unallocated"] and unsafe[region] <= SPARSE * count[region]
        span = region, one["period_kind"], one["period_end"]
        figure = Figure(
            key=f"{region} {one['period_kind']} {one['period_end']}",
            weights=attacked.known.weights(span),
            value=one["fob_usd"],
            is_published=shown or one["is_total"] or one["is_unsafe"] or cost == NEVER,
            must_protect=one["is_unsafe"],
            cost=UNALLOCATED if one["is_unallocated"] and not one["is_total"] else cost,
        )
        found.append((span, figure))
    return found


def _add(attacked: Attacked, span: Span | None, figure: Figure) -> None:
    """Take a figure in; one of the very same cells is the same figure, with the stricter demands.

    A year is its December's ytd: hidden together, or not at all.
    """
    key = " ".join(f"{weight:g}*{cell}" for cell, weight in sorted(figure.weights.items()))
    if span:
        attacked.spans.setdefault(figure.key, [])
    old = attacked.figures.get(key)
    if old is None:
        attacked.figures[key] = figure
    else:
        attacked.figures[key] = _as(
            old,
            is_published=old.is_published or figure.is_published,
            must_protect=old.must_protect or figure.must_protect,
            cost=max(old.cost, figure.cost),
        )
    if span:
        attacked.spans.setdefault(attacked.figures[key].key, []).append(span)


def _as(figure: Figure, **changes: Any) -> Figure:
    return Figure(**{**vars(figure), **changes})


def _add_last(
    con: duck.Connection, basis: str, attacked: Attacked, last: tuple[Path, Path] | None
) -> None:
    if last and attacked.last:
        with duck.connect(last[1], read_only=True) as old:
            _add_shown(old, basis, attacked, attacked.last, last[0], "last")


def _add_shown(
    con: duck.Connection, basis: str, attacked: Attacked, known: Known, file: Path, when: str
) -> None:
    """Add what a public file shows: spans, and rates and differences of spans it doesn't show."""
    con.execute(f"ATTACH {duck.literal(str(file))} AS shown (READ_ONLY)")
    rows = duck.rows(con, SHOWN, [basis])
    spans = {
        (region, "month", end) for region, end in con.execute(MONTHS, {"basis": basis}).fetchall()
    }
    con.execute("DETACH shown")
    for row in rows:
        spans |= _spans_shown(row)
    for span in sorted(spans, key=str):
        _publish(attacked, known, f"{when}: {' '.join(map(str, span))}", {span: 1.0})
    for row in rows:
        now, base, total, base_total = _spans(row)
        for name, weights in _equations(row, now, base, total, base_total).items():
            if not set(weights) <= spans:
                _publish(attacked, known, f"{when}: {name} of {' '.join(map(str, now))}", weights)


def _spans_shown(row: dict[str, Any]) -> set[Span]:
    """Spans that a row gives: its own, and the scope's that its shares are of."""
    now, base, total, base_total = _spans(row)
    shown = set()
    if row["fob_usd"] is not None:
        shown |= {now} if row["share_pct"] is None else {now, total}
    if row["base_fob_usd"] is not None:
        shown.add(base)
        if row["fob_usd"] is not None and row["contribution_pp"] is not None:
            shown.add(base_total)
    return shown


def _spans(row: dict[str, Any]) -> tuple[Span, Span, Span, Span]:
    region, kind, scope = row["region_code"], row["period_kind"], row["scope_code"]
    end, base = row["period_end"], row["base_end"]
    return (region, kind, end), (region, kind, base), (scope, kind, end), (scope, kind, base)


def _equations(
    row: dict[str, Any], now: Span, base: Span, total: Span, base_total: Span
) -> dict[str, dict[Span, float]]:
    """What each number of a row says of its spans: Σ weight · span = growth_usd, or 0 of a rate."""
    found: dict[str, dict[Span, float]] = {}
    if row["growth_usd"] is not None:
        found["growth_usd"] = {now: 1.0, base: -1.0}
    if row["growth_pct"] is not None:
        found["growth_pct"] = {now: 1.0, base: -(1 + 0.01 * row["growth_pct"])}
    if row["growth_pct_yearly"] is not None:
        factor = (1 + 0.01 * row["growth_pct_yearly"]) ** (row["years"] or 1)
        found["growth_pct_yearly"] = {now: 1.0, base: -factor}
    if (rate := row["symmetric_rate"]) is not None:
        found["symmetric_rate"] = {now: 2.0 - rate, base: -(2.0 + rate)}
    if row["contribution_pp"] is not None:
        found["contribution_pp"] = {
            now: 1.0,
            base: -1.0,
            base_total: -0.01 * row["contribution_pp"],
        }
    if row["share_pct"] is not None:
        found["share_pct"] = {now: 1.0, total: -0.01 * row["share_pct"]}
    return found


def _publish(attacked: Attacked, known: Known, key: str, weights: Mapping[Span, float]) -> None:
    """A published number over spans; nothing when no cell of theirs holds anything."""
    cells: Counter[str] = Counter()
    for span, weight in weights.items():
        for cell in known.weights(span):
            cells[cell] += weight  # type: ignore[assignment]
    told = {cell: weight for cell, weight in cells.items() if abs(weight) > 1e-12}
    if told:
        value = sum(weight * attacked.cells[cell] for cell, weight in told.items())
        _add(attacked, None, Figure(key, told, value, is_published=True))


def _problem(code: str, basis: str, leaks: tuple[disclosure.Leak, ...]) -> Problem:
    told = [f"{one.key}: {', '.join(one.figures[:TOLD])}" for one in leaks[:TOLD]]
    return Problem(code, basis=basis, count=len(leaks), figures="; ".join(told))
