"""The ranking once more, in boring Python straight from METHOD.md; shares nothing with the SQL.

Slow on purpose: every figure is summed anew from the rows of core.exporter_month.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from math import floor
from statistics import median
from typing import Any

Key = tuple[Any, ...]
Row = dict[str, Any]

BASELINES = {"prev_period": None, "prev_year": 12, "years_3": 36}
STEP = {"month": 1, "quarter": 3, "ytd": 1, "year": 12, "r12m": 1}
SENSITIVITY = {
    "none": None,
    "with b = 0 %": "0",
    "with b = 0.05 %": "0.05",
    "with b = 0.1 %": "0.1",
    "with b = 0.5 %": "0.5",
    "with b = 1 %": "1",
    "without flagged": "0.1",
    "with quarantined": "0.1",
}


@dataclass
class World:
    """Everything a ranking is made from. Months are counted 12 × year + month − 1."""

    # exporter_key, domicile, issuer, port, month, form, fob_usd, certificates, flagged_usd
    rows: list[Row]
    regions: dict[str, tuple[str, str]]  # code: (kota | kabupaten, province)
    ports: list[str]
    provinces: list[str]
    scopes: list[str]
    first: int
    last: int
    slices: dict[tuple[str, int], tuple[bool, bool]]  # (office, month): (complete, stale)
    office_rows: list[Row]  # office, domicile, issuer, port, month, fob_usd
    quarantined: list[Row]  # basis, region, month, fob_usd
    newest_on: date
    rules: dict[str, Decimal]
    official: list[Row] = field(default_factory=list)  # rows of statistics by port
    blank: set[tuple[str, int]] = field(default_factory=set)  # port and month of missing figures
    cache: dict[Key, "Period"] = field(default_factory=dict)

    def period(self, basis: str, leaves: set[str], first: int, last: int) -> "Period":
        key = (basis, frozenset(leaves), first, last)
        if key not in self.cache:
            self.cache[key] = Period(self, basis, leaves, first, last)
        return self.cache[key]


def last_day(month: int) -> date:
    return date((month + 1) // 12, (month + 1) % 12 + 1, 1) - timedelta(days=1)


def spans(world: World) -> Iterator[tuple[str, int, int]]:
    """(kind, first month, last month) of all periods within the months covered."""
    for end in range(world.first, world.last + 1):
        number = end % 12 + 1
        found = [("month", end, end), ("ytd", end - number + 1, end), ("r12m", end - 11, end)]
        if number % 3 == 0:
            found.append(("quarter", end - 2, end))
        if number == 12:
            found.append(("year", end - 11, end))
        yield from (one for one in found if one[1] >= world.first)


def leagues(world: World, scope: str) -> Iterator[tuple[str, str, set[str], bool]]:
    """(league, region, leaves, is it the unallocated) of a scope."""
    if scope == "IDPORT":
        yield from (("all", port, {port}, False) for port in world.ports)
        yield "all", "IDPORT99", {"IDPORT99"}, True
        return
    inside = {
        code: kind for code, (kind, province) in world.regions.items() if scope in ("ID", province)
    }
    for code, kind in inside.items():
        yield "all", code, {code}, False
        yield kind, code, {code}, False
    if scope == "ID":
        nowhere = {f"{province}99" for province in world.provinces} | {"ID99"}
        yield "all", "ID99", nowhere, True
        for province in world.provinces:
            own = {code for code, (_, other) in world.regions.items() if other == province}
            yield "province", province, own | {f"{province}99"}, False
    else:
        yield "all", f"{scope}99", {f"{scope}99"}, True


class Period:
    """What happened in some leaves between two months, on one basis."""

    def __init__(self, world: World, basis: str, leaves: set[str], first: int, last: int) -> None:
        source = world.official if basis == "official" else world.rows
        rows = [row for row in source if row[basis] in leaves and first <= row["month"] <= last]
        self.usd: Decimal = sum((row["fob_usd"] for row in rows), Decimal(0))
        self.certificates = sum(row["certificates"] for row in rows)
        self.flagged: Decimal = sum((row["flagged_usd"] for row in rows), Decimal(0))
        self.quarantined: Decimal = sum(
            (
                row["fob_usd"]
                for row in world.quarantined
                if row["basis"] == basis and row["region"] in leaves
                and first <= row["month"] <= last
            ),
            Decimal(0),
        )  # fmt: skip
        by_exporter: dict[str, Decimal] = {}
        for row in rows:
            key = row["exporter_key"]
            by_exporter[key] = by_exporter.get(key, Decimal(0)) + row["fob_usd"]
        self.is_empty = not rows
        self.exporters = {key: usd for key, usd in by_exporter.items() if key != "unknown"}

    def is_unsafe(self, rules: dict[str, Decimal]) -> bool:
        if self.is_empty:
            return False
        largest = sorted(self.exporters.values(), reverse=True)
        if len(largest) < rules["min_exporters_public"] or self.usd <= 0:
            return True
        rest = self.usd - largest[0] - largest[1]
        return (
            largest[0] > rules["dominance_share_pct"] / 100 * self.usd
            or rest < rules["dominance_p_pct"] / 100 * largest[0]
        )


def holds(
    world: World, basis: str, leaves: set[str], months: set[int], end: int, what: int
) -> bool:
    """Whether missing (what = 0) or stale (1) slices of these months matter to the leaves."""
    guilty = {
        office
        for (office, month), state in world.slices.items()
        if month in months and (state[1] if what else not state[0])
    }
    if not guilty:
        return False
    brought = [
        row for row in world.office_rows if row[basis] in leaves and end - 24 < row["month"] <= end
    ]
    total = sum((row["fob_usd"] for row in brought), Decimal(0))
    missing = [row["fob_usd"] for row in brought if row["office"] in guilty]
    if not brought or total <= 0:
        return True
    return bool(missing) and sum(missing) >= world.rules["negligible_office_pct"] / 100 * total


def recorded(world: World, leaves: set[str]) -> bool:
    """Whether anything was ever recorded in some leaves on any basis, or set aside there."""
    return any(
        found.usd or found.certificates or found.quarantined
        for basis in ("domicile", "issuer", "port", "official")
        for found in [world.period(basis, leaves, world.first, world.last)]
    )


def percent(part: Decimal, whole: Decimal | None) -> float | None:
    return float(100 * Fraction(part) / Fraction(whole)) if whole else None


def ranking(world: World) -> dict[Key, Row]:
    """All of mart.growth_ranking: its grain → the columns that are figures or judgements."""
    found: dict[Key, Row] = {}
    for basis in ("domicile", "issuer", "port", "official"):
        ports = basis in ("port", "official")
        scopes = [scope for scope in world.scopes if (scope == "IDPORT") == ports]
        for kind, first, last in spans(world):
            for baseline, shift in BASELINES.items():
                if shift is None and kind not in ("month", "quarter"):
                    continue
                back = shift or last - first + 1
                for scope in scopes:
                    rank_one(world, found, (basis, scope), (kind, first, last), (baseline, back))
    for key, row in found.items():
        basis, scope, league, kind, end, baseline, region = key
        month = end.year * 12 + end.month - 1
        before = None
        if kind != "ytd" or end.month > 1:
            earlier = last_day(month - STEP[kind])
            before = found.get((basis, scope, league, kind, earlier, baseline, region))
        ranks = (before["growth_pct_rank"] if before else None, row["growth_pct_rank"])
        row["rank_movement"] = None if None in ranks else ranks[0] - ranks[1]
    return found


def rank_one(
    world: World,
    found: dict[Key, Row],
    place: tuple[str, str],
    period: tuple[str, int, int],
    base: tuple[str, int],
) -> None:
    basis, scope = place
    kind, first, last = period
    baseline, back = base
    has_base = first - back >= world.first
    rules = world.rules
    members = [
        (league, region, leaves, is_nowhere)
        for league, region, leaves, is_nowhere in leagues(world, scope)
        if is_nowhere or scope not in ("ID", "IDPORT") or recorded(world, leaves)
    ]
    if not any(recorded(world, leaves) for _, _, leaves, _ in members):
        return
    now = {region: world.period(basis, leaves, first, last) for _, region, leaves, _ in members}
    then = {
        region: world.period(basis, leaves, first - back, last - back)
        for _, region, leaves, _ in members
    }
    everyone = [region for league, region, _, _ in members if league == "all"]
    nowhere = {region for _, region, _, is_nowhere in members if is_nowhere}
    scope_usd = sum((now[region].usd for region in everyone), Decimal(0))
    scope_base = sum((then[region].usd for region in everyone), Decimal(0))
    bases = [then[region].usd for region in everyone if region not in nowhere]
    positive = [float(usd) for usd in bases if usd > 0]
    kappa = median(positive) if positive else None
    scope_rate = percent(scope_usd - scope_base, scope_base)
    known_then = {
        row["exporter_key"] for row in world.rows if first - back <= row["month"] <= last - back
    }
    debut: dict[str, int] = {}
    for row in world.rows:
        key = row["exporter_key"]
        debut[key] = min(row["month"], debut.get(key, row["month"]))
    is_official = basis == "official"  # nobody counts exporters there
    ours: dict[tuple[str, str], Row] = {}
    months = set(range(first, last + 1))
    if has_base:
        months |= set(range(first - back, last - back + 1))

    for league, region, leaves, is_nowhere in members:
        one, was = now[region], then[region]
        delta = one.usd - was.usd
        blank = any((leaf, month) in world.blank for leaf in leaves for month in months)
        is_complete = not (blank if is_official else holds(world, basis, leaves, months, last, 0))
        floor_usd = rules["eligibility_floor_usd"] * (last - first + 1) / 12
        least = rules["eligibility_base_share_pct"] / 100 * scope_base
        fewest = 99 if is_official else min(len(one.exporters), len(was.exporters))
        is_unsafe = one.is_unsafe(rules) or (has_base and was.is_unsafe(rules))
        is_unsafe = is_unsafe and not is_official
        if not has_base:
            status = "no_base"
        elif is_nowhere:
            status = "unallocated"
        elif not is_complete:
            status = "incomplete"
        elif one.usd == 0 and was.usd == 0:
            status = "no_trade"
        elif was.usd == 0:
            status = "new"
        elif one.usd == 0:
            status = "ceased"
        elif fewest < rules["eligibility_min_exporters"]:
            status = "few_exporters"
        elif was.usd < max(floor_usd, least):
            status = "below_base"
        elif is_unsafe:
            status = "concentrated"
        else:
            status = "ok"
        growth = percent(delta, was.usd) if has_base else None
        yearly = None
        if has_base and baseline != "prev_period" and one.usd > 0 and was.usd > 0:
            yearly = 100 * (float(one.usd / was.usd) ** (12 / back) - 1)
        symmetric = None
        if has_base and one.usd >= 0 and was.usd >= 0 and one.usd + was.usd:
            symmetric = float(2 * delta / (one.usd + was.usd))
        shrunken = None
        if growth is not None and was.usd > 0 and None not in (kappa, scope_rate):
            weight = float(was.usd) / (float(was.usd) + kappa)
            shrunken = weight * growth + (1 - weight) * scope_rate
        age = (world.newest_on.year * 12 + world.newest_on.month - 1, world.newest_on.day)
        limit = [(last + int(rules[f"maturity_{name}_months"]), last_day(last).day)
                 for name in ("provisional", "final")]  # fmt: skip
        limit = [(month, min(day, last_day(month).day)) for month, day in limit]
        ours[league, region] = {
            "fob_usd": one.usd,
            "base_fob_usd": was.usd if has_base else None,
            "growth_usd": delta if has_base else None,
            "growth_pct": growth,
            "growth_pct_yearly": yearly,
            "contribution_pp": percent(delta, scope_base) if has_base else None,
            "share_pct": percent(one.usd, scope_usd),
            "symmetric_rate": symmetric,
            "shrunken_pct": shrunken,
            "certificates": None if is_official else one.certificates,
            "exporters": None if is_official else len(one.exporters),
            "new_exporters": len(set(one.exporters) - known_then)
            if has_base and not is_official else None,
            "first_ever_exporters": sum(debut[key] >= first for key in one.exporters)
            if has_base and not is_official else None,
            "flagged_pct": percent(one.flagged, one.usd),
            "quarantined_usd": one.quarantined,
            "growth_status": status,
            "is_ranked": status == "ok",
            "is_complete": is_complete,
            "is_stale": not is_official and holds(world, basis, leaves, months, last, 1),
            "maturity": "very_provisional" if age < limit[0]
            else "provisional" if age < limit[1] else "final",
            "growth_pct_rank": None,
            "growth_usd_rank": None,
            # For the sensitivity table and the public face only.
            "_values": {
                "without flagged": (one.usd - one.flagged, was.usd - was.flagged),
                "with quarantined": (one.usd + one.quarantined, was.usd + was.quarantined),
            },
            "_is_unsafe": is_unsafe,
            "_fewest": fewest,
            "_floor": floor_usd,
            "_scope_base": scope_base,
            "_is_nowhere": is_nowhere,
        }  # fmt: skip
    for (league, region), row in ours.items():
        if row["is_ranked"]:
            rivals = [r for (other, _), r in ours.items() if other == league and r["is_ranked"]]
            pct, usd = rounded(row["growth_pct"]), row["growth_usd"]
            row["growth_pct_rank"] = 1 + sum(rounded(r["growth_pct"]) > pct for r in rivals)
            row["growth_usd_rank"] = 1 + sum(r["growth_usd"] > usd for r in rivals)
        found[basis, scope, league, kind, last_day(last), baseline, region] = row


def rounded(value: float) -> float:
    """To six decimals, half away from zero."""
    return (floor(abs(value) * 1e6 + 0.5) / 1e6) * (1 if value >= 0 else -1)


def sensitivity(found: dict[Key, Row]) -> dict[Key, tuple[str | None, int, int]]:
    """mart.rule_sensitivity: its grain → (who is first, how many share that, were eligible)."""
    groups: dict[Key, list[tuple[str, Row]]] = {}
    for key, row in found.items():
        groups.setdefault(key[:6], []).append((key[6], row))
    result: dict[Key, tuple[str | None, int, int]] = {}
    for key, regions in groups.items():
        everyone = groups[(*key[:2], "all", *key[3:6])]
        for name, share in SENSITIVITY.items():
            scope_base = sum((valued(row, name)[1] for _, row in everyone), Decimal(0))
            eligible = []
            for region, row in regions:
                usd, base = valued(row, name)
                is_candidate = row["is_complete"] and not row["_is_nowhere"] and base > 0
                if is_candidate and (
                    share is None
                    or (
                        base >= max(row["_floor"], Decimal(share) / 100 * scope_base)
                        and row["_fewest"] >= 3
                        and usd
                        and not row["_is_unsafe"]
                    )
                ):
                    eligible.append((-rounded(percent(usd - base, base) or 0.0), region))
            best = min(eligible, default=(0.0, None))
            tied = sum(rate == best[0] for rate, _ in eligible)
            result[(*key, name)] = (best[1], tied, len(eligible))
    return result


def valued(row: Row, name: str) -> tuple[Decimal, Decimal]:
    """US$ of the period and of its base, as that line of the sensitivity table takes them."""
    if row["base_fob_usd"] is None:
        return row["fob_usd"], Decimal(0)
    found: tuple[Decimal, Decimal] = row["_values"].get(name, (row["fob_usd"], row["base_fob_usd"]))
    return found
