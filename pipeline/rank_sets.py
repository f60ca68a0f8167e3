"""How sure is a rank: confidence sets for ranks, by resampling exporters.

Mogstad, Romano, Shaikh, Wilhelm, "Inference for Ranks with Applications to Mobility across
Neighbourhoods and Academic Achievement across Countries", Review of Economic Studies, 2024. The
statistic is the symmetric rate 2(V − B)/(V + B): the growth rate has infinite draws whenever a base
is resampled to zero. SKA is a census, so a set says whether the order would survive ordinary luck
at the level of firms, not what a sample missed.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Amounts = NDArray[np.float64]
Indices = NDArray[np.int64]
# What rank writes of them: stage.rank_set, which mart.growth_ranking reads.
TABLE = """
    basis VARCHAR, scope_code VARCHAR, league VARCHAR, period_kind VARCHAR, period_end DATE,
    baseline VARCHAR, region_code VARCHAR, growth_pct_rank_low INTEGER,
    growth_pct_rank_high INTEGER, share_first DOUBLE, may_be_first BOOLEAN
"""
BLOCK = 4_000_000  # amounts gathered at once: 32 MB


@dataclass(frozen=True)
class RankSets:
    """One element per region, in the order given."""

    low: NDArray[np.int64]  # best place that the region's own range allows, 1 is first
    high: NDArray[np.int64]  # worst place
    share_first: Amounts  # share of draws in first place, in per cent; ties share it
    may_be_first: NDArray[np.bool_]  # in the set that holds the true winner


def rank_sets(
    regions: list[tuple[Amounts, Amounts]],
    *,
    draws: int,
    seed: int,
    confidence: float = 0.90,
    chosen: Sequence[Indices] | None = None,
) -> RankSets:
    """Rank sets of regions, each given as its exporters' amounts (now, base) in any one unit.

    low and high hold marginally (each region's own range, at `confidence`), may_be_first
    simultaneously. The same seed and input give the same sets. Needs at least one region, and in
    each at least one exporter and one amount above zero. `chosen` replaces the dice: of each region
    the exporters of each draw (draws × exporters).
    """
    dice = np.random.default_rng(seed)
    drawn = np.array([
        _drawn(now, base, [chosen[n]] if chosen else _dice(len(now), draws, dice))
        for n, (now, base) in enumerate(regions)
    ])  # fmt: skip
    rate = np.array([_rate(now.sum(), base.sum()) for now, base in regions])
    spread = np.atleast_2d(np.cov(drawn))
    variance = np.diag(spread)
    error = np.sqrt(np.maximum(variance[:, None] + variance[None, :] - 2 * spread, 0))
    gap = rate[None, :] - rate[:, None]  # [i, j] above zero: j grew more than i

    # The largest studentised deviation over j, per region and draw.
    shifted = drawn - rate[:, None]
    worst = np.empty_like(drawn)
    for i in range(len(regions)):
        deviation = np.abs(shifted - shifted[i])
        with np.errstate(divide="ignore", invalid="ignore"):
            worst[i] = np.nan_to_num(deviation / error[i][:, None], posinf=0.0).max(axis=0)
    own = np.quantile(worst, confidence, axis=1)[:, None] * error
    together = np.quantile(worst.max(axis=0), confidence) * error
    is_first = drawn == drawn.max(axis=0)
    return RankSets(
        low=1 + (gap > own).sum(axis=1),
        high=len(regions) - (gap < -own).sum(axis=1),
        share_first=100 * (is_first / is_first.sum(axis=0)).mean(axis=1),
        may_be_first=~(gap > together).any(axis=1),
    )


def _rate(now: Amounts, base: Amounts) -> Amounts:
    """The symmetric rate, in [−2, 2]; 0 where nothing was traded in either period."""
    both = now + base
    return np.divide(2 * (now - base), both, out=np.zeros_like(both), where=both != 0)


def _drawn(now: Amounts, base: Amounts, blocks: Iterable[Indices]) -> Amounts:
    """The region's rate in each draw: its exporters with replacement, both periods together."""
    return np.concatenate([_rate(now[some].sum(axis=1), base[some].sum(axis=1)) for some in blocks])


def _dice(size: int, draws: int, dice: np.random.Generator) -> Iterator[Indices]:
    step = max(1, BLOCK // size)
    for start in range(0, draws, step):
        yield dice.integers(size, size=(min(step, draws - start), size))
