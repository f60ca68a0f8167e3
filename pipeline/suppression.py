"""Complementary suppression: which further figures to hide until nothing unsafe can be computed.

First by counting: a published sum with one hidden cell gives it away, so it goes, or a second cell
of it, whichever leaves the least to be done. Then by proof: as long as the audit bounds a figure
too closely, one of the figures that its bound rests on must go. Last, what turned out to be
unnecessary comes back. Totals stay in the figures, complete, at infinite cost.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline import disclosure
from pipeline.disclosure import DOWN, ENOUGH, UP, Attack, Figure, Flags, Floats, IsSafe, Leak

NEVER = 1e3  # times the dearest figure: what it counts that one which can't be hidden is exposed


@dataclass(frozen=True)
class Suppression:
    """Keys hidden because they are unsafe, keys hidden to protect those, and what still leaks.

    With any leak left, nothing may be published: its figures are all among those never to hide.
    """

    primary: frozenset[str]
    complementary: frozenset[str]
    leaks: tuple[Leak, ...]


def suppress(
    cells: Mapping[str, float],
    figures: Sequence[Figure],
    p_pct: float = 10.0,
    is_safe: IsSafe | None = None,
) -> Suppression:
    """Hide published figures, the cheapest that do, until each to protect can be off by p %.

    Published figures that must be protected are hidden first. The same input gives the same
    answer. Raises what `disclosure.leaks` raises.
    """
    attack = Attack(cells, figures, p_pct)
    primary = attack.published & np.array([one.must_protect for one in figures], dtype=bool)
    attack.hide(np.flatnonzero(primary))
    started = attack.published.copy()
    while True:
        _balance(attack)
        # What was stuck may have come free by what was hidden for others.
        unsolved = _disprove(attack) and _disprove(attack)
        unsafe = disclosure.unsafe_remainders(attack, is_safe) if is_safe else []
        have = {frozenset(figure.weights) for figure in attack.figures if figure.must_protect}
        unsafe = [figure for figure in unsafe if frozenset(figure.weights) not in have]
        if unsolved or not unsafe:
            break
        attack = attack.with_more(unsafe)
        started = np.append(started, np.zeros(len(unsafe), dtype=bool))
    if not unsolved:
        _bring_back(attack, started, is_safe)
    hidden = _keys(attack, started & ~attack.published)
    return Suppression(_keys(attack, primary), hidden, unsolved)


def hide(figures: Sequence[Figure], suppression: Suppression) -> list[Figure]:
    """The figures as they are published after a suppression."""
    gone = suppression.primary | suppression.complementary
    return [replace(f, is_published=f.is_published and f.key not in gone) for f in figures]


def _keys(attack: Attack, which: Flags) -> frozenset[str]:
    return frozenset(attack.figures[n].key for n in np.flatnonzero(which).tolist())


def _cell_costs(attack: Attack) -> Floats:
    """What hiding each cell costs: every published figure of it alone has to go."""
    costs = np.zeros(attack.truth.size)
    alone = np.flatnonzero(attack.published & (attack.single >= 0))
    np.add.at(costs, attack.single[alone], attack.cost[alone])
    return costs


class _Exposure:
    """What stands exposed: published sums of which exactly one cell is hidden."""

    def __init__(self, attack: Attack) -> None:
        self.attack = attack
        pattern = attack.pattern
        self.row_of = np.repeat(np.arange(pattern.shape[0]), np.diff(pattern.indptr))
        self.cell_of = pattern.indices
        finite = attack.cost[np.isfinite(attack.cost)]
        self.never = NEVER * finite.max(initial=1.0)
        self.cost = np.where(np.isfinite(attack.cost), attack.cost, self.never)
        self.refresh()

    def refresh(self) -> None:
        """Count again, after something was hidden."""
        attack = self.attack
        self.known = attack.known()
        self.cell_cost = _cell_costs(attack)
        self.hidden_cells = attack.pattern @ (~self.known).astype(float)
        sums = attack.published & (attack.single < 0) & attack.is_exact
        self.is_exposed = sums & (self.hidden_cells == 1)
        asked = 0.1 * (attack.pattern @ np.where(self.known, 0.0, np.abs(attack.truth)))
        row, cell = self.row_of, self.cell_of
        helps = self.is_exposed[row] & (attack.truth[cell] >= asked[row]) & self.known[cell]
        fresh = (sums & (self.hidden_cells == 0))[row]
        weight = self.cost[row]
        size = attack.truth.size
        self.change = (
            self.cell_cost
            + np.bincount(cell, np.where(fresh, weight, 0.0), size)
            - np.bincount(cell, np.where(helps, weight, 0.0), size)
        )
        self.change[~self.known | ~np.isfinite(self.cell_cost)] = math.inf

    def hide_cell(self, cell: int) -> None:
        """Hide every published figure of a cell alone."""
        attack = self.attack
        attack.hide(np.flatnonzero(attack.published & (attack.single == cell)))


def _balance(attack: Attack) -> None:
    """Leave no published sum with one hidden cell, where that can be had."""
    exposure = _Exposure(attack)
    while exposure.is_exposed.any():
        best = int(np.argmin(exposure.change))
        if exposure.change[best] < 0:
            exposure.hide_cell(best)
        else:
            rows = np.flatnonzero(exposure.is_exposed & np.isfinite(attack.cost))
            if not rows.size:
                return  # the rest is for the proofs: they say which figures it rests on
            attack.hide(int(rows[np.argmin(attack.cost[rows])]))
        exposure.refresh()


def _disprove(attack: Attack) -> tuple[Leak, ...]:
    """Hide one figure of each proof until all to protect are free; gives those that can't be."""
    exposure = _Exposure(attack)
    unsolved = []
    for target in attack.targets():
        stuck = {}
        for place, side in enumerate((UP, DOWN)):
            while not attack.shown(target)[place].any():
                bound = attack.bound(target, side)
                if bound.part >= ENOUGH:
                    break
                exposure.refresh()
                prices = [_price(attack, exposure, n) for n in bound.proof.tolist()]
                if min(prices, default=math.inf) == math.inf:
                    stuck[side] = bound
                    break
                chosen = int(bound.proof[int(np.argmin(prices))])
                if attack.single[chosen] >= 0:
                    exposure.hide_cell(int(attack.single[chosen]))
                else:
                    attack.hide(chosen)
        if stuck:
            unsolved.append(disclosure.leak(attack, target, stuck))
    return tuple(unsolved)


def _price(attack: Attack, exposure: _Exposure, figure: int) -> float:
    """What hiding a figure of a proof costs, with all that it exposes in turn."""
    cell = attack.single[figure]
    if cell < 0:
        return float(attack.cost[figure])
    return float(max(exposure.change[cell], exposure.cell_cost[cell]))


def _bring_back(attack: Attack, started: Flags, is_safe: IsSafe | None) -> None:
    """Publish again what isn't needed, dearest first: deviations that leave it alone do for all.

    With `is_safe`, cells stay hidden (without one of its cells, a hidden part may be unsafe).
    """
    targets = attack.targets()
    if not targets:
        return
    shown = np.array([attack.shown(target) for target in targets]).reshape(len(targets), 2, -1)
    moves = np.abs(attack.matrix @ attack.deviations.T) > disclosure.NOISE
    hidden = np.flatnonzero(started & ~attack.published).tolist()
    for figure in sorted(hidden, key=lambda n: (-attack.cost[n], attack.figures[n].key)):
        if is_safe:
            if attack.single[figure] >= 0:
                continue
            cells = np.flatnonzero(attack.pattern[[figure]].toarray().ravel() * ~attack.known())
            if not is_safe(frozenset(list(attack.cells)[cell] for cell in cells)):
                continue
        left = shown & ~moves[figure]
        if left.any(axis=2).all():
            shown = left
            attack.published[figure] = True
