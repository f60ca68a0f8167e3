"""The page of a release: self-contained files made from its own ekspor.duckdb, and nothing else."""

import base64
import hashlib
from datetime import date
from functools import cache
from importlib.resources import files
from itertools import groupby, pairwise
from operator import itemgetter
from pathlib import Path
from typing import Any

import jinja2

from pipeline import duck, explain, seeds, store
from pipeline.page import charts, texts
from pipeline.page.facts import BASELINES, BASES, KEY, KINDS, LEAGUES, Facts
from pipeline.page.headline import headline
from pipeline.page.texts import DASH, LANGUAGES, Text, month, named, number, same, signed, usd
from pipeline.rankings import Row
from pipeline.settings import settings
from pipeline.words import WORDS, item_name, measured

INDEX = "index.html"
PARTS = ("kota", "kabupaten")  # leagues whose rows are rows of `all`
OWN = ("rank", "moved", "usd_rank")  # what is another in them
MOST_REGIONS = 60  # a scope with more gets a page for each province


def write(con: duck.Connection, folder: Path, previous: Path | None = None) -> None:
    """Write the pages of the release that `con` is open on (read-only) into its folder.

    `previous` is ekspor.duckdb of the release before, if kept. Raises Problem `bad_boundaries`.
    """
    for name, html in render(con, downloads(folder), previous).items():
        store.write_atomic(folder / name, html.encode())


def render(
    con: duck.Connection,
    beside: list[Row],
    previous: Path | None = None,
    scope: str | None = None,
) -> dict[str, str]:
    """Every page by file name: index.html, and one per province where a scope has many regions.

    Names come out as text. `beside`: the files to download, as `downloads` gives them.
    """
    facts = Facts(con, scope or seeds.default_scope())
    shared: dict[str, Any] = {"facts": facts, "beside": beside, "previous": previous}
    shared["moved"] = facts.moved(previous)
    shared["first"] = headline(facts)
    codes = facts.codes()
    if len(codes) <= MOST_REGIONS:
        return {INDEX: _page(codes, **shared)}
    provinces: dict[str, list[str]] = {}
    for code in codes:
        provinces.setdefault(facts.regions[code]["province_code"], []).append(code)
    links = [
        {"code": province, "name": facts.name(province),
         "file": f"province-{store.safe_name(province)}.html"}
        for province in sorted(provinces)
    ]  # fmt: skip
    pages = {INDEX: _page([], links=links, **shared)}
    for province, link in zip(sorted(provinces), links, strict=True):
        pages[link["file"]] = _page(provinces[province], province=province, **shared)
    return pages


def downloads(folder: Path) -> list[Row]:
    """What lies in a release's folder now, by name and size, and its checksums, made after it."""
    found = [
        {"name": file.relative_to(folder).as_posix(), "size": file.stat().st_size}
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.suffix != ".html"
    ]
    return [*found, {"name": "SHA256SUMS", "size": None}]


def _page(
    codes: list[str],
    facts: Facts,
    beside: list[Row],
    previous: Path | None,
    moved: list[Row] | None,
    first: dict[str, dict[str, str]],
    links: list[Row] | None = None,
    province: str | None = None,
) -> str:
    """One page: of a whole scope, of its index (`links`), or of one province."""
    tables = _tables(facts, set(codes), links, province)
    place, marks = province or facts.scope, _marks(facts, codes)
    style, script = source("style.css"), source("script.js")
    file, tiles = settings().boundaries, seeds.rows("tile_grid")
    return template("index.html.j2").render(
        facts=facts,
        place=facts.name(place),
        province=province,
        links=links or [],
        headline=first,
        tables=tables,
        choices=_choices(tables),
        sparks=_sparks(facts, codes),
        bumps=_bumps(facts, set(codes), tables, links),
        map=charts.boundaries(file, marks) if file else charts.tiles(tiles, marks),
        marks=marks,
        homes=_homes(facts, codes, links or []),
        regions=_regions(facts, codes, previous),
        scope_drivers=_by_ranking(d for d in _drivers(facts, []) if not province),
        sensitivity=_by_ranking(facts.sensitivity),
        moved=moved,
        rules={one["rule_name"]: one for one in facts.rules},
        beside=beside,
        style=style,
        script=script,
        policy=policy(style, script),
    )  # fmt: skip


def _tables(
    facts: Facts, codes: set[str], links: list[Row] | None, province: str | None
) -> list[Row]:
    """The rankings that a page carries; of a province, its own regions.

    The leagues of kota and of kabupaten hold rows of `all` with places of their own: each row of
    `all` has them in `places`, and script.js makes the league. Written out they were 0.22 MB.
    """
    found = facts.rankings if facts.headline else []
    if links:  # 514 rows each: months and leagues stand on the provinces' pages and in the files
        found = [one for one in found if one["period_kind"] == "ytd"
                 and one["league"] in ("all", "province")]  # fmt: skip
    if province:
        found = [
            {**one, "rows": [row for row in one["rows"] if row["region_code"] in codes]}
            for one in found if one["league"] == "all"
        ]  # fmt: skip
    places: dict[tuple[str, ...], str] = {}
    leagues: dict[tuple[str, ...], list[str]] = {}
    for one in found:
        key = tuple(one[name] for name in KEY[:3])
        leagues.setdefault(key, []).append(one["league"])
        for row in one["rows"] if one["league"] in PARTS else []:
            cells = _cells(row)
            own = [one["league"], *(cells[name].id for name in OWN)]
            places[*key, row["region_code"]] = "|".join(own)
    return [
        {
            **table,
            "is_start": all(table[name] == facts.headline[name] for name in KEY),
            "leagues": leagues[key] if table["league"] == "all" else [table["league"]],
            "rows": [
                {**_cells(row), "places": places.get((*key, row["region_code"]))}
                for row in table["rows"]
            ],
        }
        for table in found if facts.headline and table["league"] not in PARTS
        for key in [tuple(table[name] for name in KEY[:3])]
    ]  # fmt: skip


def _homes(facts: Facts, codes: list[str], links: list[Row]) -> dict[str, str]:
    """Where each region has a section of its own, or a province its page."""
    if not links:
        return {code: f"#r{code}" for code in codes}
    files = {link["code"]: link["file"] for link in links}
    return files | {
        code: f"{files[row['province_code']]}#r{code}"
        for code, row in facts.regions.items()
        if row["province_code"] in files and code not in files and not code.endswith("99")
    }


def _choices(tables: list[Row]) -> dict[str, list[str]]:
    """What can be chosen of the tables, in the selects' order."""
    told = {name: {table[name] for table in tables} for name in KEY[:3]}
    told["league"] = {one for table in tables for one in table["leagues"]}
    orders = zip(KEY, (BASES, KINDS, BASELINES, LEAGUES), strict=True)
    return {name: [one for one in order if one in told[name]] for name, order in orders}


def _cells(row: Row) -> Row:
    """What the league table says of a row: a dash where there is no figure; its status says why."""
    low, high = row["growth_pct_rank_low"], row["growth_pct_rank_high"]
    moved = row["rank_movement"]
    return {
        "code": row["region_code"],
        "class": charts.growth_class(row),
        "name": named(row["region_name"]),
        "status": row["growth_status"],
        "is_ranked": row["is_ranked"],
        "is_hidden": row["suppression"] != "none",
        "is_stale": row["is_stale"],
        "rank": number(row["growth_pct_rank"], 0),
        "moved": DASH if moved is None else same(
            "=" if not moved else f"{'▲' if moved > 0 else '▼'} {abs(moved)}"
        ),
        "fob_usd": usd(row["fob_usd"]),
        "base_fob_usd": usd(row["base_fob_usd"]),
        "growth_usd": signed(row["growth_usd"], 0),
        "growth_pct": signed(row["growth_pct"]),
        "usd_rank": number(row["growth_usd_rank"], 0),
        "range": DASH if low is None else same(f"{low}–{high}"),
        "contribution_pp": signed(row["contribution_pp"], 2),
        "exporters": number(row["exporters"], 0),
        "yearly": signed(row["growth_pct_yearly"], 1),
    }  # fmt: skip


def _sparks(facts: Facts, codes: list[str]) -> list[Row]:
    lines = facts.rolling
    return [
        {"id": f"s-{basis}-{code}", "path": path}
        for (basis, code), values in lines.items()
        if code in codes and (path := charts.sparkline(values))
    ]


def _bumps(facts: Facts, codes: set[str], tables: list[Row], links: list[Row] | None) -> list[Row]:
    """The newest steps of each January-to-month ranking on the page, drawn and as a table."""
    wanted = {
        (table["basis"], table["baseline"], league)
        for table in tables if table["period_kind"] == "ytd" for league in table["leagues"]
    }  # fmt: skip
    found = []
    steps = sorted(facts.steps, key=itemgetter("basis", "baseline", "league"))
    for key, some in groupby(steps, key=itemgetter("basis", "baseline", "league")):
        if key not in wanted:
            continue
        rows = [row for row in some if not codes or row["region_code"] in codes]
        if links:  # of hundreds, those that are first now
            newest = max(row["period_end"] for row in rows)
            first = {row["region_code"] for row in rows if row["period_end"] == newest
                     and (row["growth_pct_rank"] or MOST_REGIONS) <= MOST_REGIONS // 2}  # fmt: skip
            rows = [row for row in rows if row["region_code"] in first]
        rows = _places(rows)
        if any(row["place"] for row in rows):
            by_step = sorted({row["step"] for row in rows})
            lines = _lines(rows, by_step)
            # In a public release ranks may be shown at no two steps in a row: nothing to draw.
            pairs = (pair for line in lines for pair in pairwise(line["places"]))
            found.append({
                **dict(zip(("basis", "baseline", "league"), key, strict=True)),
                "svg": charts.bump(rows) if any("–" not in pair for pair in pairs) else None,
                "steps": [month(step) for step in by_step],
                "lines": lines,
            })  # fmt: skip
    return found


def _places(rows: list[Row]) -> list[Row]:
    """Places among the regions of the page, step by step, from the first step with any."""
    ranks: dict[date, list[int]] = {}
    for row in rows:
        if row["growth_pct_rank"]:
            ranks.setdefault(row["period_end"], []).append(row["growth_pct_rank"])
    began = min(ranks, default=None)
    return [
        {
            "step": f"{row['period_end']:%Y-%m}",
            "region_code": row["region_code"],
            "region_name": row["region_name"],
            "place": rank and 1 + sum(one < rank for one in ranks[row["period_end"]]),
        }
        for row in rows
        if began and row["period_end"] >= began
        for rank in [row["growth_pct_rank"]]
    ]


def _lines(rows: list[Row], steps: list[str]) -> list[Row]:
    """The table behind a chart: regions by their last place, with the place at each step."""
    places: dict[tuple[str, str], dict[str, int | None]] = {}
    for row in rows:
        line = places.setdefault((row["region_code"], row["region_name"]), {})
        line[row["step"]] = row["place"]
    ordered = sorted(places.items(), key=lambda one: (one[1].get(steps[-1]) or 999, one[0]))
    return [
        {"code": code, "name": name, "places": [line.get(step) or "–" for step in steps]}
        for (code, name), line in ordered
        if any(line.values())
    ]


def _marks(facts: Facts, codes: list[str]) -> dict[str, charts.Mark]:
    """The headline's growth by region, for the map; script.js shows another ranking's on it."""
    rows = facts.headline["rows"] if facts.headline else []
    return {
        row["region_code"]: charts.Mark(
            row["region_name"], _cells(row)["growth_pct"].id,
            charts.growth_class(row), row["is_ranked"],
        )
        for row in rows if row["region_code"] in codes
    }  # fmt: skip


def _drivers(facts: Facts, codes: list[str]) -> list[Row]:
    """Items with their names in both languages."""
    return [
        {**row, "item": Text(*(item_name(row["dimension"], row["item_code"], language)
                               for language in LANGUAGES))}
        for row in facts.drivers(codes)
    ]  # fmt: skip


def _by_ranking(rows: Any) -> list[Row]:
    """Rows under the ranking that they belong to."""
    return [
        {"basis": basis, "baseline": baseline, "league": None, "rows": list(some)}
        for (basis, baseline), some in groupby(rows, key=itemgetter("basis", "baseline"))
    ]


def _regions(facts: Facts, codes: list[str], previous: Path | None) -> list[Row]:
    """What each region's own section holds."""
    if not facts.headline:
        return []
    months, margins = facts.months(codes), _by_region(facts.margins(codes))
    drivers, shares = _by_region(_drivers(facts, codes)), _by_region(facts.shares(codes))
    totals: dict[str, list[Row]] = {}
    wanted = set(codes)
    for ranking in facts.rankings:
        if (ranking["period_kind"], ranking["league"]) == ("ytd", "all"):
            names = {name: ranking[name] for name in ("basis", "baseline")}
            for row in ranking["rows"]:
                if row["region_code"] in wanted:
                    cells = {**_cells(row), **names}
                    totals.setdefault(row["region_code"], []).append(cells)
    question = facts.question()
    told: dict[str, list[Row]] = {}
    own = (facts.headline["basis"], facts.headline["baseline"])
    answer = facts.headline["rows"]
    return [
        {
            "code": row["region_code"],
            "name": row["region_name"],
            "cells": _cells(row),
            "text": {
                language: text.split("\n\n")
                for language, text in explain.in_both(
                    facts.con, row["region_code"], question, answer, previous, told
                ).items()
            },
            "bases": totals.get(row["region_code"], []),
            "months": months.get(row["region_code"], {}),
            "drivers": [
                one for one in drivers.get(row["region_code"], [])
                if (one["basis"], one["baseline"]) == own
            ],
            "margins": margins.get(row["region_code"], []),
            "shares": shares.get(row["region_code"], []),
        }
        for row in answer
        if row["region_code"] in wanted
    ]  # fmt: skip


def _by_region(rows: list[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["region_code"], []).append(row)
    return found


def source(name: str) -> str:
    return (files(__name__) / name).read_text("utf-8")


def policy(style: str, script: str | None = None) -> str:
    """What a browser may load and run: this style and script, and nothing from anywhere."""
    allowed = f"script-src {_hash(script)}; " if script else ""
    return (
        f"default-src 'none'; style-src {_hash(style)}; {allowed}base-uri 'none'; "
        "form-action 'none'"
    )


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def template(name: str) -> jinja2.Template:
    """A template of this folder; whatever is put into it comes out as text."""
    return _environment().get_template(name)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(source),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = ("usd", "number", "signed", "month", "moment", "named", "size")
    environment.filters |= {name: getattr(texts, name) for name in filters}
    constants = {"words": WORDS, "hidden": texts.HIDDEN, "dash": DASH, "bins": charts.BINS}
    environment.globals |= {**constants, "measured": measured}
    return environment
