"""How sure a rank is: simulated samples with a known truth, and cases by hand (METHOD.md)."""

from itertools import combinations
from statistics import stdev

import numpy as np
import pytest

from pipeline.rank_sets import Amounts, RankSets, rank_sets

SAMPLES, NOMINAL = 300, 90.0
GROWTH = [1.6, 1.3, 1.3, 1.1, 1.0, 0.7]  # of regions; the second and third are tied


def sample(dice: np.random.Generator, growth: float, firms: int) -> tuple[Amounts, Amounts]:
    """Exporters of a region, drawn from an endless population whose sum grows so."""
    base = dice.lognormal(0, 0.8, firms)
    return base * growth * dice.lognormal(-0.5 * 0.5**2, 0.5, firms), base


@pytest.mark.parametrize("firms", [10, 15, 30])
def test_the_true_rank_is_covered_as_often_as_said(firms: int) -> None:
    dice = np.random.default_rng(2024)
    truth = np.array([1 + sum(other > own for other in GROWTH) for own in GROWTH])
    own, first, wide = np.zeros(len(GROWTH)), 0, 0
    for number in range(SAMPLES):
        regions = [sample(dice, growth, firms) for growth in GROWTH]
        sets = rank_sets(regions, draws=1000, seed=number)
        own += (sets.low <= truth) & (truth <= sets.high)
        first += bool(sets.may_be_first[0])
        wide += int((sets.high - sets.low).sum())
    assert (100 * own / SAMPLES).min() >= NOMINAL - 2  # each region's own range
    assert 100 * first / SAMPLES >= NOMINAL - 2  # the winners' set, for all pairs at once
    # Sets that say "1 to 6" of everybody would cover, too: these don't.
    assert wide < 0.8 * SAMPLES * len(GROWTH) * (len(GROWTH) - 1)


def test_two_tied_regions_are_not_told_apart() -> None:
    dice = np.random.default_rng(7)
    told_apart = 0
    for number in range(SAMPLES):
        regions = [sample(dice, growth, 20) for growth in (1.2, 1.2, 0.4)]
        sets = rank_sets(regions, draws=1000, seed=number)
        told_apart += not (sets.may_be_first[0] and sets.may_be_first[1])
        assert sets.high[0] <= 3 and sets.low[2] <= 3
    assert 100 * told_apart / SAMPLES <= 100 - NOMINAL + 2


def as_lists(sets: RankSets) -> list[list[float]]:
    return [values.tolist() for values in vars(sets).values()]


def test_without_chance_the_places_are_what_they_are() -> None:
    alike = np.ones(12)
    regions = [(growth * alike, alike) for growth in (1.0, 3.0, 2.0)]
    sets = rank_sets(regions, draws=1000, seed=1)
    assert as_lists(sets) == [[3, 1, 2], [3, 1, 2], [0, 100, 0], [False, True, False]]


def test_the_same_seed_gives_the_same_sets_and_ties_share_the_first_place() -> None:
    dice = np.random.default_rng(3)
    regions = [sample(dice, growth, 12) for growth in (1.5, 1.4, 1.0)]
    one, two, other = (rank_sets(regions, draws=1000, seed=seed) for seed in (5, 5, 6))
    assert as_lists(one) == as_lists(two) != as_lists(other)
    assert one.share_first.sum() == pytest.approx(100)
    alike = np.ones(12)
    both = rank_sets([(2 * alike, alike), (2 * alike, alike)], draws=1000, seed=1)
    assert both.share_first.tolist() == [50, 50] and both.may_be_first.all()
    assert both.low.tolist() == [1, 1] and both.high.tolist() == [2, 2]


def test_a_base_resampled_to_zero_is_no_trouble() -> None:
    now, base = np.ones(10), np.array([5.0, *[0.0] * 9])
    sets = rank_sets([(now, base), (np.ones(10), np.ones(10))], draws=1000, seed=1)
    assert np.isfinite(sets.share_first).all() and sets.share_first.sum() == pytest.approx(100)


# --- once more in plain Python, over the same draws ----------------------------------------------


def symmetric(now: list[float], base: list[float]) -> float:
    both = sum(now) + sum(base)
    return 2 * (sum(now) - sum(base)) / both if both else 0.0


def quantile(values: list[float], part: float) -> float:
    """Linear between the two nearest."""
    ordered = sorted(values)
    place = part * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def plainly(
    regions: list[tuple[Amounts, Amounts]], chosen: list[np.ndarray], confidence: float
) -> tuple[list[list[float]], list[bool]]:
    """METHOD.md in loops: as_lists of the sets, and who has the first place in its own range."""
    some = range(len(regions))
    rate = [symmetric(list(now), list(base)) for now, base in regions]
    drawn = [
        [symmetric([now[n] for n in draw], [base[n] for n in draw]) for draw in chosen[i]]
        for i, (now, base) in enumerate(regions)
    ]
    draws = range(len(drawn[0]))
    error, off = {}, {}
    for i, j in combinations(some, 2):
        gaps = [drawn[j][b] - drawn[i][b] for b in draws]
        error[i, j] = error[j, i] = stdev(gaps)
        off[i, j] = off[j, i] = [abs(gap - (rate[j] - rate[i])) / error[i, j] for gap in gaps]
    own = [
        quantile([max(off[i, j][b] for j in some if j != i) for b in draws], confidence)
        for i in some
    ]
    together = quantile([max(one[b] for one in off.values()) for b in draws], confidence)
    low, high, winners, marginal = [], [], [], []
    for i in some:
        others = [j for j in some if j != i]
        low.append(1 + sum(rate[j] - rate[i] > own[i] * error[i, j] for j in others))
        worse = sum(rate[i] - rate[j] > own[i] * error[i, j] for j in others)
        high.append(len(regions) - worse)
        winners.append(not any(rate[j] - rate[i] > together * error[i, j] for j in others))
        marginal.append(low[-1] == 1)
    first = [0.0 for _ in some]
    for b in draws:
        best = max(drawn[i][b] for i in some)
        leaders = [i for i in some if drawn[i][b] == best]
        for i in leaders:
            first[i] += 100 / len(leaders) / len(draws)
    return [low, high, first, winners], marginal


def test_rank_sets_are_what_plain_python_makes_of_the_same_draws() -> None:
    """Several growths and both levels of confidence, so that each part of it decides something."""
    unlike, levels = 0, []
    for number in range(12):
        dice = np.random.default_rng(number)
        regions = [sample(dice, growth, 11 + n) for n, growth in enumerate(GROWTH)]
        chosen = [dice.integers(len(now), size=(120, len(now))) for now, _ in regions]
        for confidence in (0.9, 0.6):
            sets = rank_sets(regions, draws=1, seed=1, confidence=confidence, chosen=chosen)
            (low, high, first, winners), marginal = plainly(regions, chosen, confidence)
            assert as_lists(sets)[:2] == [low, high]
            assert sets.may_be_first.tolist() == winners
            assert sets.share_first.tolist() == pytest.approx(first)
            unlike += winners != marginal
            levels.append(low + high)
    assert unlike > 0, "simultaneous and marginal never differed"
    assert sum(one != other for one, other in zip(levels[::2], levels[1::2], strict=True)) > 6
