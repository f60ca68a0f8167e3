"""The page of a release: what it tells, and how it behaves in a browser without a network.

Screenshots are left in build/, to be looked at.
"""

import itertools
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from nights import query
from pipeline import duck, layouts, page, releases, seeds, settings, words
from pipeline.messages import Problem
from pipeline.page import charts, texts

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'; {{ 7*7 }}"
FORMULA = "=cmd|'/C calc'!A0"
SECTIONS = ["table", "steps", "map", "drivers", "regions", "changes", "method", "quality", "files"]
NAMES = "".join(
    f"UPDATE mart.{table} SET region_name = {duck.literal(name)} WHERE region_code = '{code}';"
    for code, name in (("3276", HOSTILE), ("3213", FORMULA))
    for table in ("growth_ranking", "region")
)
HEADLINE = """scope_code = '32' AND league = 'all' AND basis = 'domicile' AND period_kind = 'ytd'
    AND period_end = DATE '2024-09-30' AND baseline = 'years_3'"""


def altered(night: Path, to: Path, sql: str, audience: str = "internal") -> Path:
    """A copy of that night's ekspor.duckdb, changed."""
    to.mkdir()
    file = to / releases.DATABASE
    shutil.copy(night / "data" / audience / "current" / releases.DATABASE, file)
    file.chmod(0o600)
    with duck.connect(file) as con:
        con.execute(sql)
    return file


def rendered(file: Path, scope: str | None = None, previous: Path | None = None) -> dict[str, str]:
    with duck.connect(file, read_only=True) as con:
        return page.render(con, page.downloads(file.parent), previous, scope)


@pytest.fixture(scope="module")
def internal(night: Path) -> Path:
    """The page as that night published it."""
    return night / "data/internal/current/index.html"


@pytest.fixture(scope="module")
def public(public_night: Path) -> Path:
    """The page of the public release that was made of it."""
    return public_night / "data/public/current/index.html"


def needed(program: str, package: str) -> str:
    """Where a program of Debian's lies; without it a test is skipped, but not in CI."""
    if not (found := shutil.which(program)):
        if os.environ.get("CI"):
            pytest.fail(f"CI must have {program} (apt-get install {package})")
        pytest.skip(f"no {program} on this machine")
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    found = needed("chromium", "chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open a page with the network cut; at the end: no request but its own, no error, no dialog."""
    asked: list[str] = []
    wrong: list[str] = []
    opened: list[str] = []
    contexts = []

    def open_page(file: Path, width: int = 1440, **options: Any) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, offline=True, **options
        )
        contexts.append(context)
        context.on("request", lambda request: asked.append(request.url))
        tab = context.new_page()
        tab.on("console", lambda told: wrong.append(told.text) if told.type != "log" else None)
        tab.on("pageerror", lambda error: wrong.append(str(error)))
        tab.on("dialog", lambda dialog: wrong.append(dialog.message))
        opened.append(file.as_uri())
        tab.goto(file.as_uri())
        return tab

    yield open_page
    assert opened and asked == opened
    assert wrong == []
    for context in contexts:
        context.close()


def shown(tab: Page, what: str) -> list[str]:
    """The text of what is visible."""
    visible: list[str] = tab.eval_on_selector_all(
        what, "all => all.filter(one => one.checkVisibility()).map(one => one.innerText.trim())"
    )
    return visible


def column(tab: Page, number: int) -> list[str]:
    return shown(tab, f"#league tbody:not([hidden]) tr > :nth-child({number})")


def test_the_page_holds_what_is_asked_in_that_order(internal: Path) -> None:
    html = internal.read_text("utf-8")
    assert len(html.encode()) < 1_500_000
    assert re.findall(r'<h2 id="(\w+)">', html) == SECTIONS
    assert html.index('class="headline"') < html.index('<h2 id="table">')
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids)) > 100
    assert set(re.findall(r'href="#([^"]+)"', html)) <= set(ids)
    # Every basis, kind and baseline of the first scope, once each, with every league.
    tables = re.findall(
        r'<tbody data-basis="(\w+)" data-period_kind="(\w+)" data-baseline="(\w+)" '
        r'data-league="([\w ]+)"', html,
    )  # fmt: skip
    assert len(tables) == len(set(tables)) == 2 * 5 * 2
    assert {leagues for *_, leagues in tables} == {"all kota kabupaten"}
    assert len(re.findall(r"<details class=\"region\"", html)) == 27
    assert "DATA SINTETIS" in html and "SYNTHETIC DATA" in html
    assert not re.findall(r">[-−+]0(?:[.,]0+)?<", html)
    assert 'href="ekspor.duckdb"' in html and 'href="control_totals.csv"' in html


def test_the_policy_allows_its_own_style_and_script_alone(internal: Path) -> None:
    html = internal.read_text("utf-8")
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', html)
    assert policy.startswith("default-src &#39;none&#39;; style-src &#39;sha256-")
    assert "unsafe" not in policy and "http" not in policy
    assert len(re.findall(r"<(?:script|style)\b", html)) == 2
    assert not re.findall(r"<[^>]+\s(?:style|on\w+|src)=", html)


def test_the_headline_says_who_by_which_rule_and_how_sure(
    visit: Callable[..., Page], internal: Path
) -> None:
    tab = visit(internal)
    who, much = shown(tab, ".headline strong")
    assert (who, much) == (column(tab, 3)[0], f"{column(tab, 4)[0]} %") == ("Kota Depok", much)
    what, rule, sure = shown(tab, ".headline p:not(.first)")
    assert re.fullmatch(
        r"tumbuh paling cepat dari \d+ daerah yang diperingkat, Januari–September 2024 dibanding "
        r"tiga tahun sebelumnya, menurut kabupaten atau kota eksportir\.", what,
    )  # fmt: skip
    assert "0,1 % dari seluruhnya" in rule and "3 eksportir" in rule and "kiriman lengkap" in rule
    assert re.search(r"\d,\d % undian\.$", sure)
    tab.click("#language")
    what, rule, sure = shown(tab, ".headline p:not(.first)")
    assert "January–September 2024 against three years earlier" in what
    assert "at least 0.1 % of the whole" in rule and "% of the draws." in sure


@pytest.mark.parametrize("width", [390, 820, 1440])
@pytest.mark.parametrize("kind", ["internal", "public"])
def test_no_request_no_error_no_sideways_scroll(
    visit: Callable[..., Page], request: pytest.FixtureRequest, kind: str, width: int
) -> None:
    tab = visit(request.getfixturevalue(kind), width)
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    tab.screenshot(path=settings.ROOT / f"build/page-{kind}-{width}.png", full_page=True)
    tab.click("#unfold")
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    assert tab.locator("details.region[open]").count() == 27


@pytest.mark.parametrize("kind", ["internal", "public"])
def test_nothing_is_cut_on_a_desk(
    visit: Callable[..., Page], request: pytest.FixtureRequest, kind: str
) -> None:
    tab = visit(request.getfixturevalue(kind))
    tab.click("#unfold")
    for basis, period in itertools.product(("domicile", "issuer"), ("ytd", "year", "month")):
        tab.select_option("[name=basis]", basis)
        tab.select_option("[name=period_kind]", period)
        cut = tab.eval_on_selector_all(
            ".scroll",
            """all => all.filter(one => one.checkVisibility()).map(one => [
                one.getAttribute("aria-labelledby"), one.scrollWidth - one.clientWidth])""",
        )
        assert len(cut) > 60
        assert [name for name, over in cut if over > 0] == []


@pytest.mark.parametrize("kind", ["internal", "public"])
def test_the_answer_is_on_the_screen_of_a_phone(
    visit: Callable[..., Page], request: pytest.FixtureRequest, kind: str
) -> None:
    """Two lines a region: rank, name and growth, and what else there is room for."""
    tab = visit(request.getfixturevalue(kind), 390)
    for box in [one.bounding_box() for one in tab.locator(".headline strong:visible").all()]:
        assert box and box["x"] >= 0 and box["x"] + box["width"] <= 390
        assert box["y"] + box["height"] <= 844
    rows = tab.eval_on_selector_all(
        "#league tbody:not([hidden]) tr",
        """all => all.map(row => [row.offsetHeight, ...[0, 2, 3].map(at => {
            const box = row.cells[at].getBoundingClientRect();
            return box.width > 0 && box.left >= 0 && box.right <= 390;
        })])""",
    )
    assert len(rows) == 28
    assert all(all(seen) for _, *seen in rows)
    assert max(height for height, *_ in rows[:20]) < 60
    scroller = tab.locator(".scroll:has(#league)")
    assert scroller.evaluate("one => one.scrollWidth - one.clientWidth") == 0
    assert len(tab.get_by_role("table", name="liga semua").get_by_role("row").all()) == 28 + 1
    assert tab.get_by_role("rowheader", name="Kota Depok").count() >= 1
    tab.get_by_role("button", name="Tumbuh, US$").click()
    growth = [
        int(cell.replace(".", "").replace("−", "-")) for cell in column(tab, 5) if cell != "–"
    ]
    assert growth == sorted(growth, reverse=True) and len(growth) > 20


@pytest.mark.parametrize("width", [820, 1000])
def test_on_a_tablet_name_and_growth_stay_in_sight(
    visit: Callable[..., Page], internal: Path, width: int
) -> None:
    tab = visit(internal, width)
    assert (column(tab, 7) == []) == (width < 960), "the base stands in the region's section"
    tab.eval_on_selector(".scroll:has(#league)", "one => { one.scrollLeft = 999 }")
    for name in ("#league thead th:nth-child(3)", "#league tbody:not([hidden]) th"):
        box = tab.locator(name).first.bounding_box()
        assert box and box["x"] >= 16


def test_a_third_basis_finds_room(night: Path, tmp_path: Path) -> None:
    tables = ("growth_ranking", "region_month", "growth_margin", "growth_driver", "shift_share",
              "rule_sensitivity")  # fmt: skip
    file = altered(night, tmp_path / "three", ";".join(
        f"INSERT INTO mart.{table} SELECT * REPLACE ('official' AS basis) FROM mart.{table} "
        "WHERE basis = 'issuer'" for table in tables
    ))  # fmt: skip
    html = rendered(file)["index.html"]
    assert len(re.findall(r'<tbody data-basis="official"', html)) == 5 * 2
    assert len(html.encode()) < 1_500_000


def test_sorting(visit: Callable[..., Page], internal: Path) -> None:
    tab = visit(internal)
    names = column(tab, 3)
    assert [rank for rank in column(tab, 1) if rank != "–"][:3] == ["1", "2", "3"]
    tab.get_by_role("button", name="Tumbuh, US$").click()
    heads = tab.locator("#league thead th")
    assert heads.nth(4).get_attribute("aria-sort") == "descending"
    assert heads.nth(0).get_attribute("aria-sort") is None
    cells = column(tab, 5)
    growth = [int(cell.replace(".", "").replace("−", "-")) for cell in cells]
    assert growth == sorted(growth, reverse=True) and min(growth) < 0 < max(growth)
    tab.get_by_role("button", name="Tumbuh, US$").press("Enter")
    assert column(tab, 5) == cells[::-1]
    tab.get_by_role("button", name="Daerah").click()
    assert column(tab, 3) == sorted(names) != names
    tab.get_by_role("button", name="Rentang peringkat").click()
    assert column(tab, 9)[-1] == "–" != column(tab, 9)[0]


def test_filters(visit: Callable[..., Page], internal: Path) -> None:
    tab = visit(internal)
    first = column(tab, 4)
    tab.select_option("[name=league]", "kota")
    tab.select_option("[name=basis]", "issuer")
    tab.select_option("[name=baseline]", "prev_year")
    assert [name.partition(" ")[0] for name in column(tab, 3)] == ["Kota"] * 9
    assert "peringkat utama" in tab.inner_text("section[aria-labelledby=regions] > .note")
    (caption,) = shown(tab, "#caption")
    assert "tahun sebelumnya, menurut penerbit SKA; liga kota" in caption
    assert re.fullmatch(r"9 baris, \d diperingkat\.", tab.inner_text("#found"))
    assert tab.get_attribute("#found", "aria-live") == "polite"
    # The chart, the map and the drivers go with it.
    (figure,) = shown(tab, "figure[data-basis] > figcaption")
    assert "menurut penerbit SKA, terhadap tahun sebelumnya; liga kota" in figure
    growth = dict(zip(column(tab, 3), column(tab, 4), strict=True))
    tile = tab.locator(".map text[data-r='3276'][font-weight]")
    assert tile.text_content().strip("()") == growth["Kota Depok"]
    assert tab.locator(".map text[data-r='3201'][font-weight]").text_content() == "–"
    assert all("penerbit" in one for one in shown(tab, ".columns[data-basis] caption"))
    for kind in ("month", "quarter", "r12m", "year", "ytd"):
        tab.select_option("[name=period_kind]", kind)
        assert len(column(tab, 3)) == 9
        assert len(shown(tab, ".absent")) == 0
    for name, value in (("league", "all"), ("basis", "domicile"), ("baseline", "years_3")):
        tab.select_option(f"[name={name}]", value)
    assert column(tab, 4) == first


@pytest.mark.parametrize("kind", ["internal", "public"])
def test_a_league_has_its_own_places(
    visit: Callable[..., Page], request: pytest.FixtureRequest, kind: str
) -> None:
    """They are made of the rows of all: each must be what the release says of that league."""
    file: Path = request.getfixturevalue(kind)
    tab = visit(file)
    compared = 0
    for league, baseline, period in itertools.product(
        ("kota", "kabupaten"), ("years_3", "prev_year"), ("ytd", "year", "month")
    ):
        tab.select_option("[name=league]", league)
        tab.select_option("[name=baseline]", baseline)
        tab.select_option("[name=period_kind]", period)
        told = query(
            file.parent / releases.DATABASE,
            "SELECT region_name, growth_pct_rank, growth_usd_rank, rank_movement, is_ranked "
            "FROM mart.growth_ranking WHERE scope_code = '32' AND basis = 'domicile' "
            f"AND league = '{league}' AND baseline = '{baseline}' AND period_kind = '{period}' "
            "AND period_end = (SELECT coalesce(max(period_end) FILTER (is_ranked), "
            "max(period_end) FILTER (is_complete)) FROM mart.growth_ranking "
            f"WHERE scope_code = '32' AND basis = 'domicile' AND period_kind = '{period}' "
            "AND baseline IN ('years_3', 'prev_year'))",
        )
        wanted = {
            name: (str(place or "–"), str(by_usd or "–"), moved)
            for name, place, by_usd, moved, _ in told
        }
        cells = tab.eval_on_selector_all(
            "#league tbody:not([hidden]) tr:not([hidden])",
            "all => all.map(row => [2, 0, 7, 1].map(at => row.cells[at].textContent))",
        )
        assert len(cells) == len(wanted) == {"kota": 9, "kabupaten": 18}[league]
        for name, place, by_usd, moved in cells:
            steps = {"=": 0, "–": None}.get(moved, int(moved.strip("=▲▼– ") or 0))
            steps = -steps if moved.startswith("▼") and steps else steps
            assert (place, by_usd, steps) == wanted[name]
            compared += place != "–"
        ranked = sum(is_ranked for *_, is_ranked in told)
        assert tab.inner_text("#found") == f"{len(told)} baris, {ranked} diperingkat."
    assert compared > 20


TOO_WIDE = """all => all.map(one => [
    one.dataset.r, one.textContent, one.getBBox().width,
    document.querySelector(`.map path[data-r="${one.dataset.r}"]`).getBBox().width,
]).filter(([code, text, width, tile]) => width > tile)"""


@pytest.mark.parametrize("kind", ["internal", "public"])
def test_what_stands_in_a_tile_stays_in_it(
    visit: Callable[..., Page], request: pytest.FixtureRequest, kind: str
) -> None:
    tab = visit(request.getfixturevalue(kind))
    for baseline in ("years_3", "prev_year"):
        tab.select_option("[name=baseline]", baseline)
        for period in ("ytd", "year", "r12m", "quarter", "month"):
            tab.select_option("[name=period_kind]", period)
            texts = tab.locator(".map text").all_text_contents()
            assert len(texts) > 2 * 26 and "" not in texts
            assert tab.eval_on_selector_all(".map text", TOO_WIDE) == []
    assert kind == "internal" or "–" in texts
    body = "#league tbody:not([hidden]) tr[data-r='3271'] td:nth-child(4)"
    tab.eval_on_selector(body, "cell => { cell.textContent = '+12.345.678.901.234,5' }")
    tab.select_option("[name=region]", "3271")
    tab.evaluate("paint()")
    assert any(
        "+12.345.678.901.234,5" in one for one in tab.locator(".map text").all_text_contents()
    )
    assert tab.eval_on_selector_all(".map text", TOO_WIDE) == []


def test_a_long_name_is_broken_and_a_very_long_one_squeezed() -> None:
    grid = [{"region_code": "1", "column": "0", "row": "0"}]
    for name, lines in (
        ("Kab. Tasikmalaya", ["Kab. Tasikmalaya"]),
        ("Kab. Bandung Barat", ["Kab. Bandung", "Barat"]),
        ("Llanfairpwllgwyngyllgogerychwyrn", ["Llanfairpwllgwyngyllgogerychwyrn"]),
    ):
        drawn = charts.tiles(grid, {"1": charts.Mark(name, "+12.345.678.901,2", "b4", True)})
        assert drawn
        found = re.findall(r"<text([^>]*)>([^<]+)<", drawn.svg)
        assert [text for _, text in found] == [*lines, "+12.345.678.901,2"]
        assert ["textLength" in how for how, _ in found[:-1]] == [len(one) > 16 for one in lines]
        assert "textLength" in found[-1][0]


def test_a_marked_region_stands_out_everywhere(visit: Callable[..., Page], internal: Path) -> None:
    tab = visit(internal)
    assert tab.locator(".marked").count() == 0
    tab.select_option("[name=region]", "3216")
    for what in ("#league tbody:not([hidden]) tr", "figure:not([hidden]) .bump path", ".map path"):
        assert tab.locator(f"{what}.marked").count() >= 1
    assert tab.locator("#r3216").get_attribute("open") is not None
    assert set(tab.eval_on_selector_all(".marked", "all => all.map(one => one.dataset.r)")) == {
        "3216"
    }
    assert len(shown(tab, "#r3216 table")) >= 5
    tab.goto(internal.as_uri() + "#r3271")
    assert tab.locator("#r3271").get_attribute("open") is not None


ABOVE_ALL = """svg => {
    const paths = [...svg.querySelectorAll("path[data-r]")], above = paths.filter(
        one => one.classList.contains("above"));
    return [above.map(one => one.dataset.r), paths.slice(-above.length).every(
        one => above.includes(one))];
}"""


def test_the_marked_line_lies_above_all_others(visit: Callable[..., Page], internal: Path) -> None:
    """One of the grey ones, whose layer is the lowest; and then another instead."""
    tab = visit(internal)
    chart = tab.locator("figure:not([hidden]) .bump svg")
    last = column(tab, 3)[19]
    for name in (last, "Kota Depok"):
        tab.select_option("[name=region]", label=name)
        code = tab.input_value("[name=region]")
        codes, is_last = chart.evaluate(ABOVE_ALL)
        assert set(codes) == {code} and is_last
    tab.select_option("[name=region]", "")
    assert tab.locator(".bump .above").count() == 0


@pytest.mark.parametrize("width", [390, 1440])
def test_labels_of_the_chart_are_whole_and_its_dashes_seen(
    visit: Callable[..., Page], internal: Path, width: int
) -> None:
    tab = visit(internal, width)
    tab.select_option("[name=region]", "3217")
    figure = tab.locator("figure:not([hidden])").first
    assert "Kab. Bandung Barat" in (figure.locator("text.marked").text_content() or "")
    edges = figure.locator(".bump svg").evaluate("""svg => {
        const box = svg.getBoundingClientRect();
        return [...svg.querySelectorAll("text")].map(one => one.getBoundingClientRect()).map(
            one => [box.right - one.right, box.bottom - one.bottom]);
    }""")
    assert len(edges) > 30 and min(min(edge) for edge in edges) >= 0
    scroller = figure.locator(".scroll").first
    right = scroller.evaluate("one => one.scrollWidth - one.clientWidth - one.scrollLeft")
    assert right <= 1, "the newest places, with their names, are in sight"
    lines = figure.locator("path[stroke-width='3']")
    ends = lines.evaluate_all("all => all.map(one => getComputedStyle(one).strokeLinecap)")
    dashes = lines.evaluate_all("all => all.map(one => one.getAttribute('stroke-dasharray'))")
    assert ends == ["butt"] * 5 and len(set(dashes)) == 5


def test_months_are_named_in_each_language(visit: Callable[..., Page], internal: Path) -> None:
    tab = visit(internal)
    for name in ("Mei 2024", "May 2024"):
        figure = tab.locator("figure:not([hidden])").first
        assert name in figure.locator("svg text").all_text_contents()
        assert name in figure.locator("thead th").all_text_contents()
        assert not re.search(r"\b20\d\d-\d\d\b", figure.text_content() or "")
        tab.click("#language")


def test_the_language_is_switched_by_keyboard_and_forgotten(
    visit: Callable[..., Page], internal: Path
) -> None:
    tab = visit(internal)
    before = tab.inner_text("body")
    number = column(tab, 6)[0]
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.className") == "skip"
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.id") == "language"
    tab.keyboard.press("Enter")
    assert tab.get_attribute("html", "lang") == "en"
    assert column(tab, 6)[0] == number.replace(".", ",") != number
    text = tab.inner_text("body")
    assert "grew fastest of" in text and "tumbuh paling cepat" not in text
    assert tab.title().startswith("Export growth, Jawa Barat")
    assert not re.search(r"\b(daerah|dan|dari|yang|peringkat|menurut)\b", visible_words(tab))
    assert re.fullmatch(r"28 rows, \d+ ranked\.", tab.inner_text("#found"))
    tab.keyboard.press("Enter")
    assert tab.inner_text("body") == before
    assert tab.context.storage_state() == {"cookies": [], "origins": []}


def visible_words(tab: Page) -> str:
    """What an English reader reads, without names and the check notes' codes."""
    return tab.inner_text("main").lower()


def test_without_a_script_the_headline_ranking_is_there(
    visit: Callable[..., Page], internal: Path
) -> None:
    tab = visit(internal, java_script_enabled=False)
    assert len(shown(tab, "#league tbody tr")) == 28
    assert shown(tab, ".script") == []
    assert len(shown(tab, "figure[data-basis]")) == 1
    growth = dict(zip(column(tab, 3), column(tab, 4), strict=True))
    tile = tab.locator(".map text[data-r='3276'][font-weight]")
    assert tile.text_content() == growth["Kota Depok"]


def test_it_prints_on_paper(visit: Callable[..., Page], internal: Path) -> None:
    tab = visit(internal)
    pdf = tab.pdf(prefer_css_page_size=True, tagged=True, outline=True)
    count = len(re.findall(rb"/Type\s*/Page[^s]", pdf))
    assert 4 <= count <= 15
    assert b"/StructTreeRoot" in pdf and b"/Outlines" in pdf and b"/MarkInfo" in pdf
    sizes = set(re.findall(rb"/MediaBox \[([^]]+)\]", pdf))
    (box,) = {tuple(round(float(n)) for n in one.split()) for one in sizes}
    assert box == (0, 0, 595, 842)  # A4
    tab.emulate_media(media="print")
    assert shown(tab, ".script, nav") == []
    assert tab.evaluate("getComputedStyle(document.querySelector('thead')).display") == (
        "table-header-group"
    )
    # Nothing is wider than the paper.
    tab.set_viewport_size({"width": 703, "height": 900})
    wide = "all => all.filter(one => one.getBoundingClientRect().right > 704).length"
    assert tab.eval_on_selector_all("table, svg, p", wide) == 0


def test_what_is_open_prints_side_by_side_and_not_over_each_other(
    visit: Callable[..., Page], internal: Path
) -> None:
    tab = visit(internal, 703)
    tab.click("#unfold")
    tab.emulate_media(media="print")
    tables = tab.eval_on_selector_all(
        ".scroll > table",
        """all => all.filter(one => one.checkVisibility()).map(one => [one.id || one.innerText,
            one.getBoundingClientRect().right - one.parentNode.getBoundingClientRect().right])""",
    )
    assert len(tables) > 27 * 6
    assert [one for one, over in tables if over > 1] == []


def test_headings_stand_on_each_page_of_a_table(
    visit: Callable[..., Page], internal: Path, tmp_path: Path
) -> None:
    """The league table alone, long enough for three pages."""
    pdftotext = needed("pdftotext", "poppler-utils")
    tab = visit(internal)
    tab.evaluate("""() => {
        const body = document.querySelector("#league tbody:not([hidden])");
        for (let copies = 3; copies; copies--)
            body.append(...[...body.rows].slice(0, 28).map(row => row.cloneNode(true)));
        document.querySelector("main").replaceChildren(document.querySelector("#league"));
    }""")
    tab.pdf(path=tmp_path / "table.pdf", prefer_css_page_size=True)
    done = subprocess.run(
        [pdftotext, "-layout", tmp_path / "table.pdf", "-"], capture_output=True, check=True
    )
    pages = done.stdout.decode().strip("\f").split("\f")
    with_regions = [page for page in pages if "Kab. " in page]
    assert len(with_regions) >= 3
    assert ["Tumbuh, %" in page for page in with_regions] == [True] * len(with_regions)


@pytest.mark.parametrize(("kind", "width"), [("internal", 390), ("public", 1440)])
def test_no_serious_fault_for_who_can_not_see_or_use_a_mouse(
    visit: Callable[..., Page], request: pytest.FixtureRequest, kind: str, width: int
) -> None:
    tab = visit(request.getfixturevalue(kind), width, bypass_csp=True)
    axe = (files("axe_playwright_python") / "axe.min.js").read_text("utf-8")
    tab.add_script_tag(content=axe)
    tab.select_option("[name=region]", "3271")
    for language in ("id", "en"):
        assert tab.get_attribute("html", "lang") == language
        found = tab.evaluate("axe.run(document, {resultTypes: ['violations']})")
        assert found["passes"]
        serious = [
            (one["id"], [node["html"][:200] for node in one["nodes"]][:3])
            for one in found["violations"] if one["impact"] in ("serious", "critical")
        ]  # fmt: skip
        assert serious == []
        tab.click("#language")


def test_names_come_out_as_text(visit: Callable[..., Page], night: Path, tmp_path: Path) -> None:
    file = altered(night, tmp_path / "names", NAMES)
    (file.parent / "index.html").write_text(rendered(file)["index.html"], "utf-8")
    tab = visit(file.parent / "index.html")
    assert HOSTILE in column(tab, 3) and FORMULA in column(tab, 3)
    tile = tab.locator(".map text[data-r='3276']:not([font-weight])").all_text_contents()
    assert " ".join(tile) == HOSTILE
    lines = tab.locator("figure:not([hidden]) .bump text").all_text_contents()
    assert any(HOSTILE in one for one in lines)
    assert HOSTILE in tab.inner_text(".headline[lang=id]")
    assert tab.locator("img").count() == 0 and tab.locator("script").count() == 1


def test_a_public_page_says_what_it_does_not_show(visit: Callable[..., Page], public: Path) -> None:
    hidden = query(
        public.parent / releases.DATABASE,
        "SELECT region_code, growth_status FROM mart.growth_ranking "
        f"WHERE {HEADLINE} AND suppression <> 'none' AND region_code <> '3299' ORDER BY ALL",
    )
    assert len(hidden) > 1 and "concentrated" in dict(hidden).values()
    tab = visit(public)
    for code, status in hidden:
        row = tab.locator(f"#league tbody:not([hidden]) tr[data-r='{code}']")
        cells = [cell.strip() for cell in row.locator("td").all_inner_texts()]
        assert cells.count("–") >= 8
        if status == "concentrated":
            assert "terkonsentrasi pada satu perusahaan, tidak ditampilkan" in cells
        assert "tidak ditampilkan" in row.inner_text()
        assert tab.locator(f"#r{code} td:text-is('tidak ditampilkan')").count() > 0
    assert tab.locator("#fresh, #checks, [id^=m3], [id^=h3]").count() == 0
    assert "US$ terbaca" not in tab.content()
    tab.click("#language")
    assert "not shown" in row.inner_text()


def test_a_public_page_says_why_a_part_of_it_is_empty(
    visit: Callable[..., Page], public: Path
) -> None:
    assert re.findall(r'<h2 id="(\w+)">', public.read_text("utf-8")) == SECTIONS
    tab = visit(public)
    assert "dapat membuka suatu perusahaan" in tab.inner_text("section[aria-labelledby=drivers]")
    links = tab.locator("section[aria-labelledby=drivers] a")
    assert links.count() > 5
    links.first.click()
    opened = tab.locator("details.region[open]")
    assert opened.count() == 1 and opened.locator("[id^=d32]").count() > 0
    # Ranks of three months in nine: nothing to draw, but the table.
    assert len(shown(tab, "figure:not([hidden]) .bump")) == 0
    assert "tidak ada garis yang dapat ditarik" in tab.inner_text("figure:not([hidden])")
    tab.click("figure:not([hidden]) summary")
    assert len(shown(tab, "figure:not([hidden]) tbody tr")) > 20
    # No places up or down where the step before has no ranks.
    assert column(tab, 2) == []
    for name, value in (
        ("basis", "issuer"), ("league", "kabupaten"), ("period_kind", "year"),
        ("baseline", "prev_year"),
    ):  # fmt: skip
        tab.select_option(f"[name={name}]", value)
    assert {"=", "–"} <= set(column(tab, 2))


def test_a_region_is_told_in_words_and_whole_dollars(
    visit: Callable[..., Page], internal: Path
) -> None:
    tab = visit(internal)
    tab.click("#unfold")
    for among in ("di antara semua daerah di Jawa Barat.", "among all regions of Jawa Barat."):
        told = shown(tab, ".words")
        assert len(told) == 27
        for text in told:
            assert among in text and "32" not in text.partition("\n")[0]
            amounts = re.findall(r"US\$ [\d.,]*\d", text)
            assert amounts and not [one for one in amounts if re.search(r"[.,]\d\d$", one)]
        tab.click("#language")


def test_what_changed_since_the_release_before(night: Path, tmp_path: Path) -> None:
    now = altered(night, tmp_path / "now", """
        ALTER TABLE meta.release ALTER previous_release_id TYPE VARCHAR;
        UPDATE meta.release SET previous_release_id = 'before';
        INSERT INTO mart.release_change VALUES ('domicile', '3276', 'Kota Depok',
            DATE '2024-09-01', 'newer_delivery', 'eska/DPK_2024-09/x', 1, 1000001, 1000000, 3);
        DELETE FROM mart.growth_ranking WHERE region_code = '3201';
    """)  # fmt: skip
    before = altered(night, tmp_path / "before", f"""
        UPDATE mart.growth_ranking SET fob_usd = fob_usd - 1000000, growth_pct_rank = 2
            WHERE region_code = '3276';
        UPDATE mart.growth_ranking SET base_fob_usd = 1 WHERE region_code = '3273' AND {HEADLINE};
        UPDATE mart.growth_ranking SET growth_pct = 1.5 WHERE region_code = '3275' AND {HEADLINE};
        DELETE FROM mart.growth_ranking WHERE region_code = '3204';
    """)  # fmt: skip
    html = rendered(now, previous=before)["index.html"]
    changes = html[html.index('id="changes"') : html.index('id="method"')]
    assert "karena kiriman yang lebih baru" in changes and "eska/DPK_2024-09/x" in changes
    assert "+1.000.000" in changes and 'data-e="+1,000,000"' in changes
    table = changes[: changes.index('id="causes"')]
    rows = dict(re.findall(r'<tr><th scope="row">([^<]+)</th>(.*?)</tr>', table))
    assert set(rows) == {
        "Kota Depok", "Kota Bandung", "Kota Bekasi", "Kab. Bandung", "Kab. Bogor"
    }  # fmt: skip
    assert "<td>2 → 1</td>" in rows["Kota Depok"]
    assert ">1 → " in rows["Kota Bandung"] and ">+1,5 → " in rows["Kota Bekasi"]
    assert rows["Kab. Bandung"].count(">– → ") == 4, "it is new"
    assert rows["Kab. Bogor"].count(" → –<") == 4, "it is gone"
    same = rendered(now, previous=now)["index.html"]
    assert "ranking and its figures have not changed." in same
    assert "This is the first release." not in same


def test_what_changed_between_two_public_releases(public: Path, tmp_path: Path) -> None:
    night = public.parents[3]
    now = altered(night, tmp_path / "now", """
        ALTER TABLE meta.release ALTER previous_release_id TYPE VARCHAR;
        UPDATE meta.release SET previous_release_id = 'before';
    """, "public")  # fmt: skip
    before = altered(night, tmp_path / "before", f"""
        UPDATE mart.growth_ranking SET growth_pct_rank = 2 WHERE region_code = '3276' AND {HEADLINE}
    """, "public")  # fmt: skip
    html = rendered(now, previous=before)["index.html"]
    changes = html[html.index('id="changes"') : html.index('id="method"')]
    assert "<td>2 → 1</td>" in changes and "causes are recorded in the internal" in changes
    assert 'id="causes"' not in changes


def test_many_regions_get_a_page_for_each_province(
    night: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "MOST_REGIONS", 20)
    file = altered(night, tmp_path / "country", "SELECT 1")
    pages = rendered(file, "ID")
    assert {"index.html", "province-32.html", "province-31.html"} <= set(pages)
    index, own = pages["index.html"], pages["province-32.html"]
    listed = index[index.index('id="regions"') : index.index('id="changes"')]
    assert re.findall(r'href="(province-\d+\.html)"', listed) == sorted(set(pages) - {"index.html"})
    assert 'href="province-32.html#r3276">Kota Depok' in index
    assert set(re.findall(r'href="(province-\d+\.html)', index)) <= set(pages)
    assert '<details class="region"' not in index and 'data-league="province"' in index
    assert len(re.findall(r"<details class=\"region\"", own)) == 27
    assert 'href="index.html"' in own and 'data-r="3171"' not in own and 'data-r="3276"' in own


class Counted:
    """A connection that counts what it is asked."""

    def __init__(self, con: duck.Connection) -> None:
        self.con, self.asked = con, 0

    def execute(self, *given: Any) -> Any:
        self.asked += 1
        return self.con.execute(*given)


def test_what_a_page_costs_does_not_grow(night: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted, not timed: questions to the file, and drawings through Vega (0.1 s each)."""
    drawn: list[Any] = []
    honest = charts._drawn
    monkeypatch.setattr(charts, "_drawn", lambda *given: drawn.append(1) or honest(*given))
    file = night / "data/internal/current" / releases.DATABASE
    with duck.connect(file, read_only=True) as con:
        counted = Counted(con)
        page.render(counted, [])  # type: ignore[arg-type]
    assert 27 < counted.asked < 20 + 9 * 27, "nine a region, and what is the same for all, once"
    assert len(drawn) == 12 + 1


def test_a_scope_without_rankings_has_a_page(night: Path, tmp_path: Path) -> None:
    file = altered(night, tmp_path / "none", "DELETE FROM mart.growth_ranking")
    html = rendered(file)["index.html"]
    assert "no region can be ranked" in html and '<h2 id="method">' in html


def test_nobody_ranked_is_said(night: Path, tmp_path: Path) -> None:
    file = altered(night, tmp_path / "nobody", """
        UPDATE mart.growth_ranking SET is_ranked = false, growth_pct_rank = NULL,
            growth_usd_rank = NULL, growth_status = 'incomplete', is_complete = false
    """)  # fmt: skip
    html = rendered(file)["index.html"]
    assert "no region can be ranked" in html and "deliveries missing" in html


def square(x: float, y: float, side: float) -> dict[str, Any]:
    ring = [[x, y], [x + side, y], [x + side, y - side], [x, y - side], [x, y]]
    return {"type": "Polygon", "coordinates": [ring]}


def test_real_boundaries_take_the_tiles_place(
    visit: Callable[..., Page], night: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two large regions with their names, and a small one between them with a number."""
    shapes = [
        {"type": "Feature", "id": "3276", "geometry": square(107, -6, 1), "properties": {}},
        {"type": "Feature", "geometry": square(109, -6, 1), "properties": {"region_code": 3201}},
        {"type": "Feature", "id": "3271", "geometry": square(108.4, -6.4, 0.1)},
        {"type": "Feature", "id": "9999", "geometry": square(107, -6, 1), "properties": {}},
    ]
    file = tmp_path / "map.geojson"
    file.write_text(json.dumps({"type": "FeatureCollection", "features": shapes}))
    monkeypatch.setenv("IPSKA_BOUNDARIES", str(file))
    settings.settings.cache_clear()
    html = rendered(night / "data/internal/current" / releases.DATABASE)["index.html"]
    (tmp_path / "index.html").write_text(html, "utf-8")
    tab = visit(tmp_path / "index.html")
    drawn = tab.locator(".map path[data-r]").evaluate_all("all => all.map(one => one.dataset.r)")
    assert set(drawn) == {"3276", "3201", "3271"}
    rate = dict(zip(column(tab, 3), column(tab, 4), strict=True))
    texts = dict.fromkeys(tab.locator(".map text").all_text_contents())
    assert list(texts) == ["Kab. Bogor", "1", "Kota Depok", rate["Kab. Bogor"], rate["Kota Depok"]]
    assert shown(tab, ".numbered li") == [f"1 Kota Bogor {rate['Kota Bogor']}"]
    caption = tab.inner_text("#map-caption")
    assert "bernomor" in caption and "petak" not in caption.lower()
    tab.select_option("[name=baseline]", "prev_year")
    (told,) = shown(tab, ".numbered li")
    rate = dict(zip(column(tab, 3), column(tab, 4), strict=True))
    assert told == f"1 Kota Bogor {rate['Kota Bogor']}"
    for broken in ("{", '{"features": [{"properties": {}}]}', '{"features": [{"id": 3276, '
                   '"geometry": {"type": "Point", "coordinates": [1, 2]}}]}'):  # fmt: skip
        file.write_text(broken)
        with pytest.raises(Problem, match="bad_boundaries"):
            charts.boundaries(file, {"3276": charts.Mark("Kota Depok", "+1", "b3", True)})
    monkeypatch.undo()
    settings.settings.cache_clear()
    layouts.load_layout.cache_clear()


@pytest.mark.parametrize("packed", [True, False])
def test_a_topojson_draws_what_the_geojson_does(packed: bool, tmp_path: Path) -> None:
    """Two triangles share an arc, which one of them runs backwards; a third region has two."""

    def polygon(*rings: list[list[int]]) -> dict[str, Any]:
        return {"type": "Polygon", "coordinates": list(rings)}

    left = [[0, 0], [10, 0], [10, 20], [0, 0]]
    right = [[10, 20], [10, 0], [30, 0], [10, 20]]
    far = [[[[50, 50], [60, 50], [60, 60], [50, 50]]], [left]]
    plain = {"features": [
        {"id": "3271", "geometry": polygon(left)},
        {"properties": {"region_code": "3276"}, "geometry": polygon(right)},
        {"id": "3201", "geometry": {"type": "MultiPolygon", "coordinates": far}},
    ]}  # fmt: skip
    arcs = [[[10, 0], [10, 20]], [[10, 20], [0, 0], [10, 0]], [[10, 0], [30, 0], [10, 20]],
            [[50, 50], [60, 50], [60, 60], [50, 50]]]  # fmt: skip
    topology: dict[str, Any] = {"type": "Topology", "arcs": arcs, "objects": {"map": {
        "type": "GeometryCollection", "geometries": [
            {"type": "Polygon", "id": "3271", "arcs": [[1, 0]]},
            {"type": "Polygon", "properties": {"region_code": "3276"}, "arcs": [[-1, 2]]},
            {"type": "MultiPolygon", "id": "3201", "arcs": [[[3]], [[1, 0]]]},
            {"type": "Point", "coordinates": [1, 1]},
        ]}}}  # fmt: skip
    if packed:  # whole steps of ten, from (−10, −10)
        topology["transform"] = {"scale": [10, 10], "translate": [-10, -10]}
        steps = [[[(x + 10) // 10, (y + 10) // 10] for x, y in arc] for arc in arcs]
        topology["arcs"] = [
            [arc[0], *([b[0] - a[0], b[1] - a[1]] for a, b in itertools.pairwise(arc))]
            for arc in steps
        ]
    marks = {code: charts.Mark(code, "+1,0", "b3", True) for code in ("3271", "3276", "3201")}
    for number, content in enumerate((plain, topology)):
        file = tmp_path / f"{number}.json"
        file.write_text(json.dumps(content))
        found = charts.boundaries(file, marks)
        assert found and len(re.findall("<path[^>]+data-r=", found.svg)) == 3

    def rings(part: list[Any]) -> list[Any]:
        """Rings opened and turned to begin at their least point."""
        if isinstance(part[0][0], list):
            return [rings(one) for one in part]
        start = part.index(min(part))
        assert part[0] == part[-1]
        return (part[:-1] * 2)[start : start + len(part) - 1]

    unpacked = [rings(one["geometry"]["coordinates"]) for one in charts._unpacked(topology)]
    assert unpacked == [rings(one["geometry"]["coordinates"]) for one in plain["features"]]


@pytest.mark.parametrize(
    ("growth", "colour"),
    [(-80, "b0"), (-25, "b1"), (-5, "b2"), (4.99, "b2"), (5, "b3"), (25, "b4"), (None, "bn")],
)
def test_the_classes_of_the_map(growth: float | None, colour: str) -> None:
    assert charts.growth_class({"growth_pct": growth}) == colour


def test_a_sparkline_has_gaps_where_values_are_hidden() -> None:
    assert charts.sparkline([1, None]) == ""
    assert charts.sparkline([90, 100, None, 95, 100]) == "M0,19.0L24,1.0M72,10.0L96,1.0"


def test_rules_are_sentences_with_their_values(visit: Callable[..., Page], internal: Path) -> None:
    tab = visit(internal)
    rules = seeds.rows("rule")
    for first in ("0,1 % dari nilai pembanding seluruhnya.", "0.1 % of the whole's base."):
        told = shown(tab, ".rules li")
        assert len(told) == len(rules) > 10 and first in told[0]
        assert all(one.endswith(".") and "{" not in one and ": " not in one for one in told)
        for rule in rules:
            if rule["unit"] != "0 or 1":
                value = f"{float(rule['value']):,g}"
                value = value if tab.get_attribute("html", "lang") == "en" else swapped(value)
                assert any(re.search(rf"\b{re.escape(value)}\b", one) for one in told), rule
        tab.click("#language")


def swapped(number: str) -> str:
    return number.translate({ord("."): ",", ord(","): "."})


def test_other_rules_stand_in_order(visit: Callable[..., Page], internal: Path) -> None:
    tab = visit(internal)
    told = shown(tab, "[aria-labelledby^=sensitivity] tbody th")
    shares = [float(found[1].replace(",", ".")) for one in told
              if (found := re.search(r"([\d,]+) %", one))]  # fmt: skip
    assert told[0] == "tanpa aturan" and shares == sorted(shares) and len(shares) > 3
    assert told[-2:] == ["tanpa nilai yang bertanda", "dengan nilai karantina yang terbaca"]


def test_what_could_not_be_placed_has_a_name_in_each_language(
    visit: Callable[..., Page], internal: Path
) -> None:
    tab = visit(internal)
    for name in ("Jawa Barat: tak teralokasi", "Jawa Barat: unallocated"):
        assert name in column(tab, 3)
        assert name in tab.locator("[name=region] option").all_text_contents()
        assert "/ unallocated" not in tab.inner_text("body")
        tab.click("#language")


def test_three_files_come_before_all_others(visit: Callable[..., Page], internal: Path) -> None:
    tab = visit(internal)
    hrefs = tab.locator(".choices a").evaluate_all(
        "all => all.map(one => one.getAttribute('href'))"
    )
    assert hrefs == ["ranking.xlsx", "csv/growth_ranking.id.csv", "ekspor.duckdb"]
    assert all((internal.parent / name).exists() for name in hrefs)
    assert len(shown(tab, ".choices p")) == 3 and shown(tab, ".links a") == []
    tab.get_by_text("Semua berkas").click()
    assert len(shown(tab, "section[aria-labelledby=files] .links a")) > 40


def test_moments_are_those_of_clocks_in_the_country() -> None:
    at = datetime(2026, 12, 31, 18, 5)
    assert texts.moment(at) == texts.Text("1 Januari 2027 01.05 WIB", "1 January 2027 01:05 +0700")
    assert texts.month("2024-05") == texts.Text("Mei 2024", "May 2024")


def test_numbers_in_both_languages() -> None:
    assert texts.usd(None) == texts.DASH
    assert vars(texts.signed(-1234.56)) == {"id": "−1.234,6", "en": "−1,234.6"}
    assert vars(texts.signed(-0.04)) == {"id": "0,0", "en": "0.0"}
    for value in (Decimal("-0.00"), Decimal("0.00"), Decimal("-0.004"), -0.0):
        assert vars(texts.signed(value, 0)) == {"id": "0", "en": "0"}
    assert vars(texts.number(1234567, 0)) == {"id": "1.234.567", "en": "1,234,567"}
    assert texts.size(2_500_000).en == "2.5 MB"


def test_each_unit_of_a_rule_has_an_indonesian_word() -> None:
    units = {row["unit"] for row in seeds.rows("rule")}
    assert len(units) > 4
    assert units - set(words.UNITS["id"]) == {"%"}, "the same in every language"
