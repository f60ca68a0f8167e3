"""Where growth comes from, once more in boring Python straight from METHOD.md.

Shares nothing with the SQL; reads the same rows as reference.py, region by region.
"""

from collections import defaultdict
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

from reference import Row, World

CENT = Decimal("0.01")
Span = tuple[int, int]


def rows_in(world: World, basis: str, leaves: set[str] | None, span: Span) -> list[Row]:
    return [
        row
        for row in world.rows
        if span[0] <= row["month"] <= span[1] and (leaves is None or row[basis] in leaves)
    ]


def by(rows: list[Row], name: str) -> dict[Any, Decimal]:
    found: dict[Any, Decimal] = defaultdict(Decimal)
    for row in rows:
        found[row[name]] += row["fob_usd"]
    return dict(found)


def margins(world: World, basis: str, leaves: set[str], now: Span, base: Span) -> dict[str, Any]:
    """The margins of one region, in US$ and exporters."""
    here, then = (by(rows_in(world, basis, leaves, span), "exporter_key") for span in (now, base))
    everywhere_now = {row["exporter_key"] for row in rows_in(world, basis, None, now)}
    everywhere_then = {row["exporter_key"] for row in rows_in(world, basis, None, base)}
    usd: dict[str, Decimal] = defaultdict(Decimal)
    firms: dict[str, int] = defaultdict(int)
    for key in here.keys() | then.keys():
        one, was = here.get(key, Decimal(0)), then.get(key, Decimal(0))
        if key == "unknown":
            usd["unidentified"] += one - was
            continue
        if key in here and key in then:
            name, amount = "continuing", one - was
        elif key in here:
            name, amount = ("switched_here" if key in everywhere_then else "new"), one
        else:
            name, amount = ("switched_away" if key in everywhere_now else "left"), was
        usd[name] += amount
        firms[name] += 1
    return {"usd": usd, "firms": firms, "growth": sum(here.values()) - sum(then.values())}


def moved_base(world: World, basis: str, now: Span, base: Span) -> dict[str, Decimal]:
    """Base value by leaf, each exporter's shared among its leaves of now by present value."""
    places: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for row in rows_in(world, basis, None, now):
        places[row["exporter_key"]][row[basis]] += row["fob_usd"]
    found: dict[str, Decimal] = defaultdict(Decimal)
    had: dict[str, Decimal] = defaultdict(Decimal)
    at: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for row in rows_in(world, basis, None, base):
        had[row["exporter_key"]] += row["fob_usd"]
        at[row["exporter_key"], row[basis]] += row["fob_usd"]
    for key, total in had.items():
        usable = {leaf: usd for leaf, usd in places.get(key, {}).items() if usd > 0}
        if key == "unknown" or not usable:
            for (other, leaf), usd in at.items():
                if other == key:
                    found[leaf] += usd
            continue
        whole = sum(usable.values(), Decimal(0))
        parts = {
            leaf: (total * usd / whole).quantize(CENT, ROUND_HALF_UP)
            for leaf, usd in usable.items()
        }
        largest = min(usable, key=lambda leaf: (-usable[leaf], leaf))
        parts[largest] += total - sum(parts.values(), Decimal(0))
        for leaf, usd in parts.items():
            found[leaf] += usd
    return found


def drivers(
    world: World, basis: str, leaves: set[str], name: str, now: Span, base: Span
) -> dict[str, tuple[Decimal, Decimal]]:
    """(value, base value) of each chapter, destination or form of a region."""
    one, was = (by(rows_in(world, basis, leaves, span), name) for span in (now, base))
    return {
        item: (one.get(item, Decimal(0)), was.get(item, Decimal(0)))
        for item in one.keys() | was.keys()
    }


def shift_share(
    scope: dict[str, tuple[Decimal, Decimal]], region: dict[str, tuple[Decimal, Decimal]]
) -> dict[str, Fraction]:
    """Dunn 1960, exact: the four parts of a region's growth, from its chapters and its scope's."""
    scope_now = Fraction(sum(one for one, _ in scope.values()))
    scope_then = Fraction(sum(was for _, was in scope.values()))
    rate = scope_now / scope_then - 1 if scope_then else Fraction(0)
    parts = dict.fromkeys(("scope", "mix", "own", "new"), Fraction(0))
    for item, (one, was) in region.items():
        if not was:
            parts["new"] += Fraction(one)
            continue
        item_rate = Fraction(scope[item][0]) / Fraction(scope[item][1]) - 1
        parts["scope"] += Fraction(was) * rate
        parts["mix"] += Fraction(was) * (item_rate - rate)
        parts["own"] += Fraction(was) * (Fraction(one) / Fraction(was) - 1 - item_rate)
    return parts


def bridge(
    world: World, regions: dict[str, str], now: Span, base: Span
) -> dict[tuple[str, str], tuple[Decimal, Decimal, int, int]]:
    """(domicile, issuer) → value, base value, exporters and certificates of now.

    `regions` gives the region of each leaf inside; what isn't is `outside`.
    """
    found: dict[tuple[str, str], list[Any]] = defaultdict(
        lambda: [Decimal(0), Decimal(0), set(), 0]
    )
    for at, span in enumerate((now, base)):
        for row in rows_in(world, "domicile", None, span):
            places = [regions.get(row[basis], "outside") for basis in ("domicile", "issuer")]
            if places != ["outside", "outside"]:
                cell = found[places[0], places[1]]
                cell[at] += row["fob_usd"]
                cell[3] += 0 if at else row["certificates"]
                if not at and row["exporter_key"] != "unknown":
                    cell[2].add(row["exporter_key"])
    return {key: (one, was, len(firms), n) for key, (one, was, firms, n) in found.items()}


def herfindahl(parts: dict[Any, Decimal]) -> tuple[int, float, float] | None:
    """(items, index, largest share in per cent) of what is above zero."""
    above = [float(usd) for usd in parts.values() if usd > 0]
    if not above:
        return None
    shares = [usd / sum(above) for usd in above]
    return len(above), sum(share**2 for share in shares), 100 * max(shares)
