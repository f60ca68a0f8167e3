"""What a public release tells of a region's drivers: the ten largest safe items, and all others.

Per dimension (HS chapter, destination, form), for the newest ytd and year with anybody ranked and
their bases. The same items in each period, so that no period gives another's remainder away; what
could still be computed, also with the last public release, leaves out that dimension of a region.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from pipeline import disclosure, duck
from pipeline.disclosure import Figure
from pipeline.figures import Rule
from pipeline.statements import Row, Span

MOST = 10
ROWS = ("basis", "region_code", "period_kind", "period_end", "baseline", "dimension", "item_code")
SHOWN_DRIVER = """basis VARCHAR, region_code VARCHAR, period_kind VARCHAR, period_end DATE,
    baseline VARCHAR, dimension VARCHAR, item_code VARCHAR"""
OTHERS = "others"
PERIODS = """
    SELECT g.region_code, g.period_kind, g.period_end, g.baseline, s.base_end
    FROM core.ranking AS g
    JOIN core.region AS r USING (region_code)
    JOIN core.span_pair AS s USING (basis, region_set, period_kind, period_end, baseline)
    WHERE g.basis = $basis AND g.scope_code = $scope AND g.league = 'all'
        AND g.period_kind IN ('ytd', 'year') AND g.growth_status = 'ok'
    QUALIFY g.period_end = max(g.period_end) OVER (PARTITION BY g.period_kind)
    ORDER BY ALL
"""
ITEMS = """
    SELECT r.region_code, d.dimension,
        CASE d.dimension WHEN 'hs_chapter' THEN e.hs_chapter
            WHEN 'destination' THEN e.destination_code ELSE e.form_code END AS item_code,
        p.piece, e.exporter_key, sum(e.fob_usd)::DOUBLE AS usd
    FROM core.exporter_month AS e
    JOIN (SELECT unnest($months::DATE[]) AS month, unnest($pieces::DATE[]) AS piece) AS p
        USING (month)
    JOIN core.region_leaf AS r ON r.leaf_code = CASE $basis
        WHEN 'domicile' THEN e.domicile_region_code
        WHEN 'issuer' THEN e.issuer_region_code ELSE e.port_region_code END
    CROSS JOIN (VALUES ('hs_chapter'), ('destination'), ('form')) AS d (dimension)
    WHERE list_contains($regions, r.region_code)
    GROUP BY ALL
    ORDER BY ALL
"""
MONTHS = """
    SELECT period_kind, period_end, list(month ORDER BY month) FROM core.span_month
    WHERE basis = ? AND period_kind IN ('ytd', 'year') GROUP BY ALL
"""
Items = dict[str, dict[Any, dict[str, float]]]  # item → piece of time → exporter → US$
Dimension = tuple[str, str]  # region_code, dimension
Months = frozenset[Any]
Told = tuple[Months, frozenset[str]]  # months of a period, or its pieces; items shown of it
Pieces = dict[Any, Any]  # month → first month of its piece: months that the same periods hold


def traded(
    con: duck.Connection, basis: str, regions: Collection[str], pieces: Pieces
) -> dict[Dimension, Items]:
    """What was traded in some regions, by dimension, item, piece of time and exporter."""
    items: dict[Dimension, Items] = defaultdict(lambda: defaultdict(lambda: defaultdict(dict)))
    given = {"basis": basis, "regions": sorted(regions)}
    given |= {"months": list(pieces), "pieces": list(pieces.values())}
    for region, dimension, item, piece, exporter, usd in con.execute(ITEMS, given).fetchall():
        items[region, dimension][item][piece][exporter] = usd
    return items


def _pieces(spans: Collection[Months]) -> Pieces:
    """A piece is a sum that nothing told takes apart. With its months one by one, hiding took 2.2
    GB for 0.8 at ten million lines."""
    alike: dict[Months, list[Any]] = defaultdict(list)
    for month in sorted(set().union(*spans)):
        alike[frozenset(span for span in spans if month in span)].append(month)
    return {month: months[0] for months in alike.values() for month in months}


def _months(con: duck.Connection, basis: str) -> dict[tuple[str, Any], Months]:
    found = con.execute(MONTHS, [basis]).fetchall()
    return {(kind, end): frozenset(months) for kind, end, months in found}


def shown(
    con: duck.Connection,
    basis: str,
    scope_code: str,
    hidden: Collection[Span],
    rule: Rule,
    last: tuple[Path, Path] | None,
) -> list[Row]:
    """Rows of SHOWN_DRIVER that a public release of a build can tell."""
    periods = [
        row
        for row in duck.rows(con, PERIODS, {"basis": basis, "scope": scope_code})
        if not {
            (row["region_code"], row["period_kind"], end)
            for end in (row["period_end"], row["base_end"])
        }
        & set(hidden)
    ]
    months = _months(con, basis)
    spans_of: dict[str, set[Months]] = defaultdict(set)
    for row in periods:
        for end in (row["period_end"], row["base_end"]):
            spans_of[row["region_code"]].add(months[row["period_kind"], end])
    known = _Known(con, basis, spans_of, last)
    rows: list[Row] = []
    for (region, dimension), items in known.now.items():
        mine = [row for row in periods if row["region_code"] == region]
        spans = {known.in_pieces(span) for span in spans_of[region]}
        listed = _listed(items, spans, rule)
        told = [(span, frozenset(listed)) for span in spans]
        old, past = known.last(region, dimension)
        if listed and not leaks(region, dimension, items, told, rule, old, past):
            rows += [
                dict(zip(ROWS, (basis, region, row["period_kind"], row["period_end"],
                                row["baseline"], dimension, item), strict=True))
                for row in mine
                for item in listed
            ]  # fmt: skip
    return rows


def audit(
    con: duck.Connection, basis: str, file: Path, rule: Rule, last: tuple[Path, Path] | None
) -> tuple[disclosure.Leak, ...]:
    """What gives a firm away in the drivers that a public file tells; `con` is its build."""
    told = told_by(con, basis, file)
    spans_of: dict[str, set[Months]] = defaultdict(set)
    for (region, _), some in told.items():
        spans_of[region] |= {span for span, _ in some}
    known = _Known(con, basis, spans_of, last)
    found: tuple[disclosure.Leak, ...] = ()
    for (region, dimension), some in told.items():
        items = known.now[region, dimension]
        spans = [(known.in_pieces(span), names) for span, names in some]
        old, past = known.last(region, dimension)
        found += leaks(region, dimension, items, spans, rule, old, past)
    return found


class _Known:
    """What an attack knows of one basis: who traded what in the build, `now`, and in that of the
    last release, and what that one told; all by the pieces that the periods of both leave."""

    def __init__(
        self,
        con: duck.Connection,
        basis: str,
        spans_of: dict[str, set[Months]],
        last: tuple[Path, Path] | None,
    ) -> None:
        self._told: dict[Dimension, list[Told]] = {}
        self._then: dict[Dimension, Items] = {}
        if not last:
            self._pieces = _pieces(set().union(*spans_of.values()))
            self.now = traded(con, basis, spans_of, self._pieces)
            return
        with duck.connect(last[1], read_only=True) as old:
            self._told = told_by(old, basis, last[0])
            before = {span for told in self._told.values() for span, _ in told}
            self._pieces = _pieces(before.union(*spans_of.values()))
            self.now = traded(con, basis, spans_of, self._pieces)
            self._then = traded(old, basis, spans_of, self._pieces)

    def in_pieces(self, span: Months) -> Months:
        return frozenset(self._pieces[month] for month in span)

    def last(self, region: str, dimension: str) -> tuple[Items, list[Told]]:
        told = self._told.get((region, dimension), [])
        return (
            self._then.get((region, dimension), {}),
            [(self.in_pieces(span), names) for span, names in told],
        )


def told_by(con: duck.Connection, basis: str, file: Path) -> dict[Dimension, list[Told]]:
    """The items that a public file tells, by region, dimension and period."""
    con.execute(f"ATTACH {duck.literal(str(file))} AS shown (READ_ONLY)")
    tables = con.execute(
        "SELECT table_name FROM duckdb_tables() WHERE database_name = 'shown'"
    ).fetchall()
    rows = []
    if ("growth_driver",) in tables:
        rows = con.execute(
            "SELECT DISTINCT d.region_code, d.dimension, d.item_code, d.period_kind, "
            "d.period_end, s.base_end FROM shown.mart.growth_driver AS d "
            "JOIN core.region AS r USING (region_code) "
            "JOIN core.span_pair AS s USING (basis, region_set, period_kind, period_end, baseline) "
            "WHERE d.basis = ? ORDER BY ALL",
            [basis],
        ).fetchall()
    con.execute("DETACH shown")
    months = _months(con, basis)
    found: dict[Dimension, dict[Any, set[str]]] = defaultdict(lambda: defaultdict(set))
    for region, dimension, item, kind, *ends in rows:
        for end in ends:
            found[region, dimension][months[kind, end]].add(item)
    return {
        key: [(span, frozenset(items - {OTHERS})) for span, items in spans.items()]
        for key, spans in found.items()
    }


def leaks(
    region: str,
    dimension: str,
    items: Items,
    told: Iterable[Told],
    rule: Rule,
    old: Items,
    told_before: Iterable[Told],
) -> tuple[disclosure.Leak, ...]:
    """Figures of single firms that the drivers told of a region give away.

    Cells are an item's months between those where some period begins or ends. The region's totals
    of these are taken as known. Where the last release was made of other values, these are cells of
    their own.
    """
    told, told_before = list(told), list(told_before)
    spans = {span for span, _ in [*told, *told_before]}
    months = sorted(set().union(*spans))
    pieces: dict[frozenset[Any], set[Any]] = defaultdict(set)
    for month in months:
        pieces[frozenset(span for span in spans if month in span)].add(month)
    attack = _Attack(f"{region} {dimension}", items, old, list(pieces.values()), rule)
    for span, names in told:
        attack.tell(span, names, is_now=True)
    for span, names in told_before:
        attack.tell(span, names, is_now=False)
    return attack.leaks()


class _Attack:
    """Figures over items and pieces of time, for the programmes of `disclosure`."""

    def __init__(
        self, name: str, items: Items, old: Items, pieces: list[set[Any]], rule: Rule
    ) -> None:
        self.name, self.pieces, self.rule = name, pieces, rule
        self.firms: dict[str, Counter[str]] = {}
        self.cell: dict[tuple[str, int, bool], str] = {}
        self.figures: dict[str, Figure] = {}
        for item in {*items, *old}:
            for n, piece in enumerate(pieces):
                now, then = (_firms(one.get(item, {}), piece) for one in (items, old))
                key = f"{item} {min(piece):%Y-%m}"
                for is_now, firms, told in ((True, now, key), (False, then, f"{key} then")):
                    told = key if firms == now else told
                    if sum(firms.values()):
                        self.firms[told] = firms
                        self.cell[item, n, is_now] = told
        self.cells = {cell: sum(firms.values()) for cell, firms in self.firms.items()}

    def tell(self, span: frozenset[Any], names: frozenset[str], is_now: bool) -> None:
        """The items shown of a period, and the region's total of each piece of it."""
        inside = [n for n, piece in enumerate(self.pieces) if piece <= span]
        every = {item for item, _, _ in self.cell}
        for item in names:
            self._add(self._cells([item], inside, is_now), is_published=True)
        for n in inside:
            self._add(self._cells(every, [n], is_now), is_published=True)
            self._add(self._cells(every - names, [n], is_now))
        self._add(self._cells(every - names, inside, is_now))
        for item in every:
            self._add(self._cells([item], inside, is_now))
            for n in inside:
                self._add(self._cells([item], [n], is_now))

    def leaks(self) -> tuple[disclosure.Leak, ...]:
        figures = list(self.figures.values())
        if not any(figure.must_protect for figure in figures):
            return ()
        p_pct = self.rule.p_pct
        return disclosure.leaks(self.cells, figures, p_pct, self._is_safe)

    def _cells(self, items: Iterable[str], pieces: list[int], is_now: bool) -> frozenset[str]:
        found = (self.cell.get((item, n, is_now)) for item in items for n in pieces)
        return frozenset(cell for cell in found if cell)

    def _add(self, cells: frozenset[str], is_published: bool = False) -> None:
        key = " + ".join(sorted(cells))
        if not cells:
            return
        old = self.figures.get(key)
        self.figures[key] = Figure(
            f"{self.name} {key}",
            dict.fromkeys(sorted(cells), 1.0),
            sum(self.cells[cell] for cell in cells),
            is_published=is_published or (old is not None and old.is_published),
            must_protect=not self._is_safe(cells),
        )

    def _is_safe(self, cells: frozenset[str]) -> bool:
        firms: Counter[str] = Counter()
        for cell in cells:
            firms.update(self.firms[cell])
        return self.rule.is_safe(firms)


def _listed(items: Items, spans: Collection[frozenset[Any]], rule: Rule) -> list[str]:
    """The largest items that are safe in each period, so many that the others are safe too."""

    def firms(names: Iterable[str], span: frozenset[Any]) -> Counter[str]:
        found: Counter[str] = Counter()
        for name in names:
            found.update(_firms(items[name], span))
        return found

    def is_safe(names: Collection[str]) -> bool:
        sums = [firms(names, span) for span in spans]
        return all(rule.is_safe(one) for one in sums if sum(one.values()))

    worth = {name: sum(sum(firms([name], span).values()) for span in spans) for name in items}
    largest = sorted(items, key=lambda name: (-worth[name], name))
    listed = [name for name in largest if worth[name] and is_safe([name])][:MOST]
    while listed and not is_safe([name for name in items if name not in listed]):
        listed.pop()
    return listed


def _firms(pieces: dict[Any, dict[str, float]], span: Collection[Any]) -> Counter[str]:
    found: Counter[str] = Counter()
    for piece, firms in pieces.items():
        if piece in span:
            found.update(firms)
    return found
