"""Disclosure audit: what a reader can compute about the figures that a public release hides.

A reader holds linear equations over cells (US$ of a region's month): each published sum, difference
or rate is one, of this release and the last. For each figure that needs protection two linear
programmes ask how far it could be off the truth with all of them still holding (METHOD.md).

They are put as deviations d from the truth, in units of the deviation asked for: weights · d = 0,
so that no rounding makes them infeasible, coefficients near 1, and a tolerance that means the same
for one dollar and for 10^11. scipy is imported where it is used: it takes as long as all the rest
of a command that only shows something.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Indices = NDArray[np.intp]
IsSafe = Callable[[frozenset[str]], bool]
UP, DOWN = 1.0, -1.0
ENOUGH = 1 - 1e-6  # of the deviation asked for
NOISE = 1e-7  # smaller deviations and multipliers of a programme are its rounding


@dataclass(frozen=True)
class Figure:
    """A number over cells: value = Σ weight · cell, in US$.

    A rate is one too: growth_pct says period − (1 + growth_pct/100) · base = 0, with value 0.
    `cost` is what hiding it costs in `suppress`, infinite where that may not be. `room` is how far
    below and above `value` a reader must think possible: (0, 0) for a number, (value, inf) for
    "not negative", which is what a rank or a status says.
    """

    key: str
    weights: Mapping[str, float]
    value: float
    is_published: bool
    must_protect: bool = False
    cost: float = math.inf
    room: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Leak:
    """A figure known too well: US$ bounds, none wider than was asked for, and what gives them."""

    key: str
    value: float
    lower: float
    upper: float
    figures: tuple[str, ...]


@dataclass(frozen=True)
class Bound:
    """One side of a figure: the part reached of the deviation asked for, how, and what stops it."""

    part: float
    deviation: Floats
    proof: Indices


class Attack:
    """What a reader knows while figures are being hidden. Hiding only ever widens it."""

    def __init__(self, cells: Mapping[str, float], figures: Sequence[Figure], p_pct: float) -> None:
        self.cells, self.figures, self.p_pct = cells, figures, p_pct
        self.truth = np.array(list(cells.values()), dtype=float)
        # A reader takes cells for not negative; one that is, he is taken to know within ± 100 %.
        self.floor = np.minimum(2 * self.truth, 0.0)
        self.matrix = _matrix(cells, figures)
        self.pattern = (self.matrix != 0).astype(float)
        self.is_sum = np.array([set(one.weights.values()) == {1.0} for one in figures], dtype=bool)
        self.value = self.matrix @ self.truth
        for figure, value in zip(figures, self.value, strict=True):
            rounding = 0.01 * (1 + sum(map(abs, figure.weights.values())))
            if not math.isclose(value, figure.value, rel_tol=1e-6, abs_tol=rounding):
                raise ValueError(f"{figure.key} says {figure.value}, its cells {value}")
        self.asked = 0.01 * p_pct * np.abs(self.value)
        self.cost = np.array([figure.cost for figure in figures])
        self.room = np.array([figure.room for figure in figures]).reshape(-1, 2)
        self.published = np.array([figure.is_published for figure in figures], dtype=bool)
        self.is_exact: Flags = np.asarray(~self.room.any(axis=1))
        is_single = (np.diff(self.matrix.indptr) == 1) & self.is_exact
        self.single = np.full(len(figures), -1)
        self.single[is_single] = self.matrix.indices[self.matrix.indptr[:-1][is_single]]
        self.deviations = np.zeros((0, self.truth.size))
        self._reach = np.zeros((0, 2))
        self._view: tuple[Flags, Indices, Indices] | None = None

    def with_more(self, figures: Iterable[Figure]) -> "Attack":
        """The same knowledge, with hidden parts of published sums to protect.

        By a tenth of p only: the sum beside them is itself safe, so closeness to it is no harm,
        but to be told exactly is.
        """
        now = [
            replace(figure, is_published=bool(is_published))
            for figure, is_published in zip(self.figures, self.published, strict=True)
        ]
        more = Attack(self.cells, [*now, *figures], self.p_pct)
        more.asked = np.concatenate([self.asked, 0.1 * more.asked[len(now) :]])
        more.deviations, more._reach = self.deviations, self._reach
        return more

    def hide(self, figures: Indices | int) -> None:
        """Stop publishing figures, by position."""
        self.published[figures] = False
        self._view = None

    def known(self) -> Flags:
        """Cells that stand in what is published themselves."""
        known = np.zeros(self.truth.size, dtype=bool)
        known[self.single[np.flatnonzero(self.published & (self.single >= 0))]] = True
        return known

    def targets(self) -> list[int]:
        """Figures to protect, largest first. A true zero isn't a firm's value: it needs none."""
        wanted = [n for n, one in enumerate(self.figures) if one.must_protect and self.asked[n] > 0]
        return sorted(wanted, key=lambda n: (-self.asked[n], self.figures[n].key))

    def shown(self, target: int) -> Flags:
        """Which deviation found so far protects a figure; shape (2 sides, deviations), UP first.

        A deviation may be reversed and made as large as no cell gets below its floor.
        """
        along = np.asarray(self.deviations @ self._weights(target))
        along[np.abs(along) < 1e-3] = 0.0  # too small to trust beside the rounding of the rest
        forward, backward = self._reach[:, 0] * along, self._reach[:, 1] * along
        least = ENOUGH * self.asked[target]
        reached = np.array([np.maximum(forward, -backward), np.maximum(-forward, backward)])
        return np.asarray(reached >= least)

    def bound(self, target: int, side: float) -> Bound:
        """How far a figure can be off on one side, and the published figures that stop it there.

        Raises ArithmeticError when the solver gives up: nothing is known to be safe then.
        """
        for largest in (1e3, 1e8):  # small multiples do nearly always, and are solved better
            found, is_clipped = self._solve(target, side, largest)
            if found.part >= ENOUGH or not is_clipped:
                break
        if found.part >= ENOUGH:
            self._keep(found.deviation)
        return found

    def proof_of(self, target: int, rows: Indices, multipliers: Floats) -> Indices:
        """The figures behind a bound: the equations used, and the published cells put into them."""
        left = self._weights(target) - self.matrix[rows].T @ multipliers
        used = self.known() & (np.abs(left) > NOISE)
        alone = np.flatnonzero(self.published & (self.single >= 0))
        behind = dict(zip(self.single[alone].tolist(), alone.tolist(), strict=True))
        cells = [behind[cell] for cell in np.flatnonzero(used).tolist()]
        return np.array([*rows[np.abs(multipliers) > NOISE], *cells], dtype=int)

    def _weights(self, figure: int) -> Floats:
        weights = np.zeros(self.truth.size)  # by hand: scipy takes six times as long
        mine = slice(*self.matrix.indptr[figure : figure + 2])
        weights[self.matrix.indices[mine]] = self.matrix.data[mine]
        return weights

    def _solve(self, target: int, side: float, largest: float) -> tuple[Bound, bool]:
        from scipy import optimize, sparse

        cells, rows = self._around(target)
        weights, unit = self._weights(target), self.asked[target]
        nothing = Bound(0.0, np.zeros(self.truth.size), np.zeros(0, dtype=int))
        if not weights[cells].any():
            return replace(nothing, proof=self.proof_of(target, rows[:0], np.zeros(0))), False
        equations = self.matrix[rows][:, cells]
        exact: Flags = np.asarray(self.is_exact[rows])
        below, above = (self.room[rows[~exact]] / unit).T
        loose = equations[~exact]
        goal = side * weights[cells]
        low = np.maximum((self.floor - self.truth)[cells] / unit, -largest)
        solved: Any = optimize.linprog(
            -goal,
            A_ub=sparse.vstack([loose, -loose, sparse.csr_matrix(goal)]),
            b_ub=np.minimum(np.concatenate([above, below, [1.0]]), 2 * largest * cells.size),
            A_eq=equations[exact],
            b_eq=np.zeros(int(exact.sum())),
            bounds=np.column_stack([low, np.full(cells.size, largest)]),
            method="highs",
            # Presolve takes as long again as it saves on thousands of programmes of 1,000 cells.
            options={"primal_feasibility_tolerance": 1e-9, "presolve": False},
        )
        if solved.status != 0:
            key = self.figures[target].key
            raise ArithmeticError(f"no bound for {key}: {solved.message}")
        deviation = np.zeros(self.truth.size)
        deviation[cells] = np.where(np.abs(solved.x) < NOISE, 0.0, solved.x)
        stops = np.abs(np.where(low <= -largest, solved.lower.marginals, 0.0))
        is_clipped = bool((stops + np.abs(solved.upper.marginals) > NOISE).any())
        multipliers = np.zeros(rows.size)
        multipliers[exact] = solved.eqlin.marginals
        uppers, lowers = np.split(solved.ineqlin.marginals[:-1], 2)
        multipliers[~exact] = uppers - lowers
        proof = self.proof_of(target, rows, -side * multipliers)
        return Bound(float(-solved.fun), deviation, proof), is_clipped

    def _around(self, target: int) -> tuple[Indices, Indices]:
        """The hidden cells, and the equations, that a figure's hidden cells hang together with."""
        from scipy import sparse
        from scipy.sparse import csgraph

        if self._view is None:
            known = self.known()
            rows = np.flatnonzero(self.published & (self.pattern @ ~known > 0))
            pattern = self.pattern[rows].multiply(~known).tocsr()
            both = sparse.block_array([[None, pattern], [pattern.T, None]], format="csr")
            labels = csgraph.connected_components(both, directed=False)[1]
            self._view = known, rows, labels
        known, rows, labels = self._view
        of_rows, of_cells = labels[: rows.size], labels[rows.size :]
        mine = of_cells[(self._weights(target) != 0) & ~known]
        return np.flatnonzero(np.isin(of_cells, mine) & ~known), rows[np.isin(of_rows, mine)]

    def _keep(self, deviation: Floats) -> None:
        """Remember a deviation (largest entry 1) and how many US$ of it, each way, are possible."""
        deviation = deviation / np.abs(deviation).max()
        deviation[np.abs(deviation) < NOISE] = 0.0
        moved = self.matrix @ deviation
        loose = self.published & ~self.is_exact & (np.abs(moved) > NOISE)
        reach = []
        for d, m in ((deviation, moved), (-deviation, -moved)):
            down = d < 0
            limits = [(self.floor - self.truth)[down] / d[down]]
            limits += [self.room[loose & (m > 0), 1] / m[loose & (m > 0)]]
            limits += [self.room[loose & (m < 0), 0] / -m[loose & (m < 0)]]
            reach.append(min(1e15, *np.concatenate(limits), 1e15))
        self.deviations = np.vstack([self.deviations, deviation])
        self._reach = np.vstack([self._reach, reach])


def leaks(
    cells: Mapping[str, float],
    figures: Sequence[Figure],
    p_pct: float = 10.0,
    is_safe: IsSafe | None = None,
) -> tuple[Leak, ...]:
    """Each figure to protect that can be bounded closer than p % of its value, on either side.

    `cells` are true US$ values; every weight names one. `is_safe` says whether the sum of some
    cells could be published: what a published sum leaves when its published cells are taken off
    must be, too. Raises ValueError if a figure isn't what its cells say, KeyError for an unknown
    cell, ArithmeticError if a programme isn't solved.
    """
    attack = Attack(cells, figures, p_pct)
    if is_safe:
        attack = attack.with_more(unsafe_remainders(attack, is_safe))
    attack.hide(_repeated(attack))
    found = []
    for target in attack.targets():
        bounds = {}
        for place, side in enumerate((UP, DOWN)):
            if not attack.shown(target)[place].any():
                bounds[side] = attack.bound(target, side)
        if any(bound.part < ENOUGH for bound in bounds.values()):
            found.append(leak(attack, target, bounds))
    return tuple(found)


def unsafe_remainders(attack: Attack, is_safe: IsSafe) -> list[Figure]:
    """What published sums say of their hidden cells, several together, where that is unsafe.

    A firm alone in both hidden months of a quarter is given away by the quarter.
    """
    known = attack.known()
    names = list(attack.cells)
    found: dict[frozenset[str], Figure] = {}
    for n in np.flatnonzero(attack.published & attack.is_exact & attack.is_sum).tolist():
        inside = attack.matrix.indices[attack.matrix.indptr[n] : attack.matrix.indptr[n + 1]]
        rest = inside[~known[inside]]
        cells = frozenset(names[cell] for cell in rest)
        if len(cells) > 1 and cells not in found and not is_safe(cells):
            weights = dict.fromkeys(sorted(cells), 1.0)
            key = f"hidden part of {attack.figures[n].key}: {', '.join(weights)}"
            value = float(attack.truth[rest].sum())
            found[cells] = Figure(key, weights, value, is_published=False, must_protect=True)
    return list(found.values())


def leak(attack: Attack, target: int, bounds: Mapping[float, Bound]) -> Leak:
    """A leak as the operator is told it, from the bounds of one side or both."""
    value, asked = float(attack.value[target]), float(attack.asked[target])
    parts = {side: max(0.0, bound.part) for side, bound in bounds.items()}
    lower, upper = (value + side * min(1.0, parts.get(side, 1.0)) * asked for side in (DOWN, UP))
    proof = {int(n) for b in bounds.values() if b.part < ENOUGH for n in b.proof}
    keys = tuple(sorted(attack.figures[n].key for n in proof))
    return Leak(attack.figures[target].key, value, lower, upper, keys)


def _matrix(cells: Mapping[str, float], figures: Sequence[Figure]) -> Any:
    """Weights, figures × cells."""
    from scipy import sparse

    at = {cell: n for n, cell in enumerate(cells)}
    sizes = [len(figure.weights) for figure in figures]
    columns = [at[cell] for figure in figures for cell in figure.weights]
    data = [float(weight) for figure in figures for weight in figure.weights.values()]
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(int)
    matrix = sparse.csr_array((data, columns, starts), shape=(len(figures), len(cells)))
    matrix.eliminate_zeros()
    return matrix


def _repeated(attack: Attack) -> Indices:
    """Published rates that follow from published sums: most, and the programmes needn't see them.

    A row follows if it has no part in what the sums leave open (their null space).
    """
    hidden = np.flatnonzero(~attack.known())
    rows = attack.matrix[:, hidden]
    wanted = attack.published & attack.is_exact & (np.diff(rows.indptr) > 0)
    sums, rest = wanted & attack.is_sum, np.flatnonzero(wanted & ~attack.is_sum)
    if not rest.size:
        return rest
    size, vectors = np.linalg.eigh((rows[sums].T @ rows[sums]).toarray())
    left_open = vectors[:, size < 1e-9 * max(1.0, size[-1])]
    moved = np.abs(rows[rest] @ left_open).max(axis=1, initial=0.0)
    largest = np.maximum.reduceat(np.abs(rows[rest].data), rows[rest].indptr[:-1])
    return np.asarray(rest[moved < 1e-9 * largest])
