"""Nothing unsafe can be computed from what is published: leaks are planted and found, then hidden.

The audit is held against two others written here: every whole-dollar table tried, and the same
question put to a solver as plain bounds on all cells at once.
"""

import itertools
import math
import time
from collections import Counter
from collections.abc import Mapping

import numpy as np
import pytest
from scipy import optimize

from pipeline.disclosure import Figure, leaks
from pipeline.suppression import hide, suppress

Cells = dict[str, float]


def total(key: str, cells: Cells, *names: str, **more: object) -> Figure:
    """A published sum of cells."""
    value = sum(cells[name] for name in names)
    return Figure(key, dict.fromkeys(names, 1.0), value, **{"is_published": True, **more})  # type: ignore[arg-type]


def each(cells: Cells, hidden: str = "", unsafe: str = "") -> list[Figure]:
    """Every cell as a figure: published, hidden, or hidden because it is unsafe."""
    gone = {*hidden.split(), *unsafe.split()}
    return [
        total(c, cells, c, is_published=c not in gone, must_protect=c in unsafe.split(), cost=1.0)
        for c in cells
    ]


def months(**regions: list[float]) -> Cells:
    return {f"{r}/{t}": v for r, values in regions.items() for t, v in enumerate(values)}


# Each case: cells, figures that together are safe, and the one that gives a hidden figure away.
def difference_of_totals() -> tuple[Cells, list[Figure], Figure]:
    cells = months(a=[500.0], b=[400.0], c=[300.0])
    figures = [*each(cells, "b/0 c/0", "a/0"), total("scope", cells, *cells)]
    return cells, figures, total("league", cells, "b/0", "c/0")


def ytd_minus_ytd() -> tuple[Cells, list[Figure], Figure]:
    cells = months(a=[100.0, 500.0, 400.0, 30.0])
    figures = [*each(cells, "a/2", "a/1"), total("ytd 4", cells, *cells)]
    return cells, figures, total("ytd 2", cells, "a/0", "a/1")


def r12m_minus_r12m() -> tuple[Cells, list[Figure], Figure]:
    cells = months(a=[100.0 + t for t in range(13)])
    names = list(cells)
    hidden = " ".join(names[3:6])
    figures = [*each(cells, hidden, "a/12"), total("r12m now", cells, *names[1:])]
    return cells, figures, total("r12m before", cells, *names[:12])


def growth_times_last_year() -> tuple[Cells, list[Figure], Figure]:
    cells = {"now": 123456.78, "last": 100000.01}
    rate = 100 * (cells["now"] - cells["last"]) / cells["last"]
    growth = Figure("growth_pct", {"now": 1.0, "last": -(1 + rate / 100)}, 0.0, True)
    return cells, each(cells, unsafe="now"), growth


def yearly_growth() -> tuple[Cells, list[Figure], Figure]:
    cells = {"now": 123456.78, "last": 100000.01}
    rate = 100 * ((cells["now"] / cells["last"]) ** (1 / 3) - 1)
    growth = Figure("growth_pct_yearly", {"now": 1.0, "last": -((1 + rate / 100) ** 3)}, 0.0, True)
    return cells, each(cells, unsafe="now"), growth


def symmetric() -> tuple[Cells, list[Figure], Figure]:
    cells = {"now": 1e11, "last": 7e10}
    rate = 2 * 3e10 / 1.7e11
    return (
        cells,
        each(cells, unsafe="now"),
        Figure("symmetric_rate", {"now": 2 - rate, "last": -2 - rate}, 0.0, True),
    )


def contribution() -> tuple[Cells, list[Figure], Figure]:
    cells = months(a=[70.0, 90.0], b=[1000.0, 2000.0], c=[300.0, 500.0])
    figures = [
        *each(cells, "b/1", "a/1"),
        *(total(f"scope {t}", cells, *(f"{r}/{t}" for r in "abc")) for t in (0, 1)),
    ]
    pp = 100 * 20.0 / 1370.0
    return cells, figures, Figure("contribution", {"a/1": 1, "a/0": -1}, pp / 100 * 1370.0, True)


def share() -> tuple[Cells, list[Figure], Figure]:
    cells = months(a=[70.0], b=[1000.0], c=[300.0])
    figures = [*each(cells, "b/0", "a/0"), total("scope", cells, *cells)]
    part = 70.0 / 1370.0
    return cells, figures, Figure("share", {"a/0": 1 - part, "b/0": -part, "c/0": -part}, 0.0, True)


def last_driver() -> tuple[Cells, list[Figure], Figure]:
    cells = {"HS09": 50.0, "HS61": 700.0, "HS85": 60.0, "others": 40.0}
    figures = [*each(cells, "others", "HS09")]
    return cells, [*figures, total("region", cells, *cells)], total("others", cells, "others")


def two_releases() -> tuple[Cells, list[Figure], Figure]:
    cells = months(a=[70.0], b=[1000.0], c=[300.0])
    figures = [*each(cells, "b/0", "a/0"), total("scope", cells, *cells)]
    return cells, figures, total("last release: b/0", cells, "b/0")


def small_company() -> tuple[Cells, list[Figure], Figure]:
    cells = months(a=[1000.0], b=[5.0], c=[300.0])
    return cells, each(cells, "b/0", "a/0"), total("scope", cells, *cells)


def rank() -> tuple[Cells, list[Figure], Figure]:
    """Fourth in growth stands between the third and the fifth."""
    cells = {"now": 1000.0, "last": 500.0}
    between = Figure("rank 4", {"now": 1, "last": -2}, 0.0, True, room=(20.0, 30.0))
    return cells, each(cells, unsafe="now"), between


PLANTED = [
    difference_of_totals,
    ytd_minus_ytd,
    r12m_minus_r12m,
    growth_times_last_year,
    yearly_growth,
    symmetric,
    contribution,
    share,
    last_driver,
    two_releases,
    small_company,
    rank,
]


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_a_planted_leak_is_caught(plant) -> None:  # type: ignore[no-untyped-def]
    cells, figures, planted = plant()
    target = next(figure for figure in figures if figure.must_protect)
    assert not leaks(cells, figures)
    (leak,) = leaks(cells, [*figures, planted])
    assert leak.key == target.key
    assert planted.key in leak.figures
    close = {"small_company": (900.0, 1005.0), "rank": (980.0, 1030.0)}
    exact = (target.value, target.value)
    assert (leak.lower, leak.upper) == pytest.approx(close.get(plant.__name__, exact), rel=1e-9)


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_the_figures_named_are_enough_and_all_needed(plant) -> None:  # type: ignore[no-untyped-def]
    cells, figures, planted = plant()
    (leak,) = leaks(cells, [*figures, planted])
    named = [f for f in [*figures, planted] if f.key in leak.figures or f.must_protect]
    assert leaks(cells, named)
    for without in leak.figures:
        assert not leaks(cells, [f for f in named if f.key != without])


def test_an_unsafe_figure_that_is_published_is_a_leak() -> None:
    cells = {"a": 5.0}
    (leak,) = leaks(cells, [total("a", cells, "a", must_protect=True)])
    assert (leak.lower, leak.upper, leak.figures) == (5.0, 5.0, ("a",))


def test_one_dollar_beside_a_hundred_billion() -> None:
    """Two small cells whose sum is told only by the difference of two huge sums."""
    cells = {"a": 1.0, "b": 2.0, "c": 1e11, "d": 3e10}
    figures = [
        *each(cells, "b c d", "a"),
        total("all", cells, *cells),
        total("cd", cells, "c", "d"),
    ]
    assert not leaks(cells, figures)
    (leak,) = leaks(cells, [*figures, total("bcd", cells, "b", "c", "d")])
    assert leak.upper == pytest.approx(1.0)
    both = total("a and b", cells, "a", "b", is_published=False, must_protect=True)
    (leak,) = leaks(cells, [*figures, both])
    assert (leak.key, leak.figures) == ("a and b", ("all", "cd"))


def test_room_on_one_side_is_not_room_on_the_other() -> None:
    cells = {"a": 1000.0, "b": 1000.0}
    room = Figure("rank", {"b": 1.0}, 1000.0, True, room=(200.0, 20.0))
    (leak,) = leaks(cells, [*each(cells, "b", "a"), total("both", cells, *cells), room])
    assert (leak.lower, leak.upper) == pytest.approx((980.0, 1100.0))


def test_what_is_protected_need_not_be_a_sum() -> None:
    """Of two hidden cells the sum is known, and twice the one less the other is not."""
    cells = {"a": 300.0, "b": 200.0}
    other = Figure("other", {"a": 2.0, "b": -1.0}, 400.0, False, must_protect=True)
    assert leaks(cells, [*each(cells, "a b"), total("sum", cells, "a", "b"), other]) == ()


def test_zero_needs_no_protection_and_a_negative_cell_does() -> None:
    cells = {"a": 0.0, "b": -40.0, "c": 100.0}
    figures = each(cells, unsafe="a b c")
    assert not leaks(cells, figures)
    known = leaks(cells, [*figures, total("ab", cells, "a", "b"), total("a again", cells, "a")])
    assert [leak.key for leak in known] == ["b"]


def test_a_figure_that_its_cells_do_not_bear_out_stops_the_audit() -> None:
    with pytest.raises(ValueError, match="scope says"):
        leaks({"a": 5.0}, [Figure("scope", {"a": 1.0}, 7.0, True)])
    with pytest.raises(KeyError, match="b"):
        leaks({"a": 5.0}, [Figure("scope", {"b": 1.0}, 7.0, True)])


def test_what_a_sum_leaves_of_its_hidden_cells_must_be_safe() -> None:
    """One firm alone in both hidden months: their sum would be its own."""
    cells = months(a=[500.0, 400.0, 300.0])
    figures = [*each(cells, "", "a/1 a/2"), total("quarter", cells, *cells, cost=1.0)]
    assert not leaks(cells, figures)

    def is_safe(hidden: frozenset[str]) -> bool:
        return "a/0" in hidden

    (leak,) = leaks(cells, figures, is_safe=is_safe)
    assert leak.lower == leak.upper == 700.0
    done = suppress(cells, figures, is_safe=is_safe)
    assert len(done.complementary) == 1
    assert not done.leaks
    assert not leaks(cells, hide(figures, done), is_safe=is_safe)


@pytest.mark.parametrize("seed", range(20))
def test_bounds_agree_with_every_table_tried(seed: int) -> None:
    """Whole-dollar tables of 2 × 3: margins known, so the extremes are whole dollars too."""
    random = np.random.default_rng(seed)
    cells = {f"{r}/{t}": float(random.integers(1, 5)) for r in "ab" for t in range(3)}
    hidden = [c for c in cells if random.random() < 0.8] or ["a/0"]
    figures = each(cells, unsafe=" ".join(hidden))
    figures += [total(r, cells, *(f"{r}/{t}" for t in range(3))) for r in "ab"]
    figures += [total(f"month {t}", cells, f"a/{t}", f"b/{t}") for t in range(3)]
    fits = []
    for values in itertools.product(range(9), repeat=len(hidden) - 1):
        # The last one follows from its region's total.
        trial = {**cells, **dict(zip(hidden, values, strict=False))}
        region = hidden[-1][0]
        trial[hidden[-1]] = sum(v for c, v in cells.items() if c[0] == region) - sum(
            v for c, v in trial.items() if c[0] == region and c != hidden[-1]
        )
        if min(trial.values()) >= 0 and all(
            sum(trial[c] for c in f.weights) == f.value for f in figures if f.is_published
        ):
            fits.append(trial)
    assert cells in fits
    found = {leak.key: leak for leak in leaks(cells, figures, p_pct=100.0)}
    for cell in hidden:
        low, high = min(t[cell] for t in fits), max(t[cell] for t in fits)
        asked = (0.0, 2 * cells[cell])
        assert (cell in found) == (low > asked[0] or high < asked[1])
        if cell in found:
            seen = (found[cell].lower, found[cell].upper)
            assert seen == pytest.approx((max(low, asked[0]), min(high, asked[1])), abs=1e-6)


def is_unsafe(firms: np.ndarray) -> bool:
    """METHOD.md: few, dominated, or p %."""
    x = np.sort(firms[firms > 0])[::-1]
    if not x.size:
        return False
    whole = x.sum()
    return bool(x.size < 3 or x[0] > 0.75 * whole or whole - x[0] - x[1] < 0.1 * x[0])


class World:
    """Firms of some regions over some months, and everything published about them."""

    def __init__(self, regions: int, length: int, seed: int) -> None:
        random = np.random.default_rng(seed)
        self.firms: dict[str, np.ndarray] = {}
        for region in [*(f"r{n:02d}" for n in range(regions)), "r99"]:
            count = 40 if region == "r99" else int(np.exp(random.uniform(0.7, 5)))
            size = np.exp(random.normal(11.5, 1.6, count))[:, None]
            is_active = random.random((count, length)) < random.beta(1.2, 1, count)[:, None]
            month = size * np.exp(random.normal(0, 0.5, (count, length))) * is_active
            self.firms[region] = np.round(month, 2)
        self.cells = {
            f"{r}/{t}": round(float(firms[:, t].sum()), 2)
            for r, firms in self.firms.items()
            for t in range(length)
        }
        self.figures: list[Figure] = []
        self.totals: set[str] = set()
        self.never: set[str] = set()
        for kind, first, last in self.spans(length):
            span = range(first, last + 1)
            for region in self.firms:
                self._add(region, kind, span, length)
            scope = total(f"scope {kind} {last}", self.cells, *self.named(*self.firms, span=span))
            self.figures.append(scope)
            self.totals.add(scope.key)

    @staticmethod
    def named(*regions: str, span: range) -> list[str]:
        return [f"{r}/{t}" for r in regions for t in span]

    @staticmethod
    def spans(length: int) -> list[tuple[str, int, int]]:
        found = []
        for t in range(length):
            found += [("month", t, t), ("ytd", t - t % 12, t)]
            found += [("quarter", t - 2, t)] if t % 3 == 2 else []
            found += [("year", t - 11, t)] if t % 12 == 11 else []
            found += [("r12m", t - 11, t)] if t >= 11 else []
        return found

    def _add(self, region: str, kind: str, span: range, length: int) -> None:
        unsafe = is_unsafe(self.firms[region][:, span].sum(axis=1))
        newest = {"ytd": length - 1, "year": length - 1 - length % 12}.get(kind)
        cost = {"month": 2.0, "quarter": 1.5, "ytd": 1.0, "year": 5.0, "r12m": 1.0}[kind]
        cost *= (1 + span[-1] / length) * (0.5 if region == "r99" else 1.0)
        is_ranked = region != "r99" and not unsafe
        if is_ranked and newest is not None and (newest - span[-1]) in (0, 12, 36):
            cost = math.inf
        names = self.named(region, span=span)
        key = f"{region} {kind} {span[-1]}"
        one = total(key, self.cells, *names, must_protect=unsafe, cost=cost)
        self.figures.append(one)
        if math.isinf(cost):
            self.never.add(key)

    def is_safe(self, cells: frozenset[str]) -> bool:
        by_region: dict[str, np.ndarray] = {}
        for cell in sorted(cells):
            region, month = cell.split("/")
            by_region[region] = by_region.get(region, 0) + self.firms[region][:, int(month)]
        return not is_unsafe(np.concatenate(list(by_region.values())))


def plain_bounds(
    cells: Mapping[str, float], figures: list[Figure], target: Figure
) -> tuple[float, float]:
    """The attacker's bounds in thousands of US$, over all cells at once; nothing clever."""
    names = list(cells)
    published = [f for f in figures if f.is_published]
    rows = np.array([[f.weights.get(c, 0.0) for c in names] for f in published])
    goal = np.array([target.weights.get(c, 0.0) for c in names])
    values = rows @ np.array(list(cells.values())) / 1000
    ends = []
    for sign in (1, -1):
        solved = optimize.linprog(sign * goal, A_eq=rows, b_eq=values, bounds=(0, None))
        assert solved.status in (0, 3), solved.message
        ends.append(1000 * sign * solved.fun if solved.status == 0 else math.inf)
    return ends[0], ends[1]


@pytest.mark.parametrize("seed", range(8))
def test_nothing_leaks_after_suppression(seed: int) -> None:
    world = World(regions=4, length=15, seed=seed)
    done = suppress(world.cells, world.figures)
    figures = hide(world.figures, done)
    targets = [f for f in figures if f.must_protect]
    assert targets
    assert done.primary == {f.key for f in targets}
    assert not (done.primary | done.complementary) & (world.totals | world.never)
    found = {leak.key for leak in leaks(world.cells, figures)}
    assert found == {leak.key for leak in done.leaks}
    for target in targets:
        low, high = plain_bounds(world.cells, figures, target)
        slack = 0.001 * abs(target.value)
        is_free = low <= 0.9 * target.value + slack and high >= 1.1 * target.value - slack
        assert is_free == (target.key not in found), target.key
    again = suppress(world.cells, world.figures)
    assert again == done


def test_suppression_is_needed() -> None:
    """The worlds above do leak without it, and not everything is hidden."""
    world = World(regions=4, length=15, seed=1)
    done = suppress(world.cells, world.figures)
    primary_only = [f for f in hide(world.figures, done) if f.key not in done.complementary]
    assert done.complementary
    assert any(f.is_published for f in primary_only)
    bare = [
        f if f.key not in done.primary else Figure(f.key, f.weights, f.value, False, True)
        for f in world.figures
    ]
    assert leaks(world.cells, bare)


def test_what_can_not_be_protected_is_said_with_its_figures() -> None:
    cells = months(a=[70.0], b=[1000.0])
    figures = [
        *each(cells, "", "a/0")[:1],
        total("b/0", cells, "b/0"),
        total("scope", cells, *cells),
    ]
    done = suppress(cells, figures)
    assert [(leak.key, leak.figures) for leak in done.leaks] == [("a/0", ("b/0", "scope"))]


def test_what_the_last_release_told_is_no_cover() -> None:
    """b was published before: hiding it now hides nothing, so c must go."""
    cells = months(a=[500.0], b=[400.0], c=[300.0])
    figures = [*each(cells), total("scope", cells, *cells), total("last b", cells, "b/0")]
    figures[0] = total("a/0", cells, "a/0", must_protect=True, cost=1.0)
    done = suppress(cells, figures)
    assert (done.primary, done.complementary, done.leaks) == ({"a/0"}, {"c/0"}, ())


def test_how_long_it_takes() -> None:
    world = World(regions=12, length=36, seed=3)
    start = time.perf_counter()
    done = suppress(world.cells, world.figures, is_safe=world.is_safe)
    middle = time.perf_counter()
    found = leaks(world.cells, hide(world.figures, done), is_safe=world.is_safe)
    kinds = Counter(key.split()[1] for key in done.complementary)
    print(
        f"\n{len(world.cells)} cells, {len(world.figures)} figures: suppression "
        f"{middle - start:.1f} s, audit {time.perf_counter() - middle:.1f} s; "
        f"{len(done.primary)} primary, complementary {dict(kinds)}, {len(done.leaks)} left"
    )
    assert bool(found) == bool(done.leaks)
