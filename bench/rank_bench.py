"""Measure the rank sets: one ranking of 514 regions, and 20 of 27, of lognormal exporters."""

import statistics
import time
from typing import Any


def measure(runs: int) -> None:
    import numpy as np

    from pipeline import rank_sets

    dice = np.random.default_rng(1)

    def regions(count: int, exporters: int) -> list[tuple[Any, Any]]:
        return [
            (dice.lognormal(10, 2, exporters), dice.lognormal(10, 2, exporters))
            for _ in range(count)
        ]

    for name, made in (
        ("514 regions of 60 exporters", [regions(514, 60)]),
        ("20 rankings of 27 regions of 700 exporters", [regions(27, 700)] * 20),
    ):
        found = []
        for _ in range(runs):
            began = time.perf_counter()
            for one in made:
                rank_sets.rank_sets(one, draws=1000, seed=1)
            found.append(time.perf_counter() - began)
        print(f"{name}: {statistics.median(found):.1f} s of 60", flush=True)
