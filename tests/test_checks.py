"""The check page: complete, bounded, and nothing that a delivery says is more than text on it."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from deliveries import filler, land, text
from pipeline import builds, checks, duck, flow, releases, requests, store, suites, validate
from pipeline.messages import Problem

STALE = "(VALUES ('eska', '<b>', DATE '2024-01-01', 'stale', 8, 1))"
FRESHNESS = "feed, office_code, month, freshness, records, quarantined_records"
HOSTILE = "<script>alert(1)</script>\"' onload=x &amp; \u202e\u200b\x1b[31m{{ 7*7 }}=1+1"


class Page(HTMLParser):
    """Every tag and attribute of a page, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def refused(_: Any = None) -> None:
    """What a delivery as a whole is refused for names its file."""
    land("a;b\n1;2\n", month="2022-11", file_name=f"SINTETIS_{HOSTILE}.csv")


@pytest.fixture
def page(data_root: Path) -> Page:
    """The page of a build of two deliveries: one with hostile cells and a record without any
    number, one refused."""
    hostile = HOSTILE.translate({ord(c): None for c in '";'})  # they would break the record
    rows = [
        {"status_pengajuan": hostile},
        {"no_ska": "0000039/BGR/2022", "no_aju": "II202210110002", "nib": hostile},
        {"no_ska": "", "no_aju": ""},
    ]
    landed = land(text([*rows, *filler(40)]))
    refused()
    request = requests.backfill("2022-10", "2022-11", "eska", "a test", store.now())
    built = flow.build(request, {})
    file = builds.checks_of(built["build_id"])
    assert file.parent.stat().st_mode & 0o77 == 0
    assert file.parent.parent.stat().st_mode & 0o77 == 0
    found = Page(file.read_text("utf-8"))
    found.landed = landed.delivery_id  # type: ignore[attr-defined]
    return found


def test_a_page_holds_every_rule_with_examples_and_only_text(page: Page) -> None:
    policy = ("content", "default-src 'none'; style-src 'unsafe-inline'")
    assert policy in page.attributes
    assert not {"script", "img", "link", "iframe", "a", "form"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name in ("src", "href", "onload")]
    assert not re.search("[\u202e\u200b\x1b]", page.text)
    assert "DATA SINTETIS" in page.text and "SYNTHETIC DATA" in page.text
    # As delivered: where, which column, what; control characters shown, markup as text.
    landed = page.landed  # type: ignore[attr-defined]
    assert f"{landed} line 2 status_pengajuan = <script>alert(1)</script>" in page.text
    assert r"\u202e" in page.text and r"\x1b[31m{{ 7*7 }}" in page.text
    assert f"{landed} line 3 (0000039/BGR/2022)" in page.text  # a warning: counted, flagged
    assert f"{landed} line 4 no_ska" in page.text and " (line:4)" in page.text
    assert "Kiriman yang ditolak" in page.text and "eska/BGR_2022-11/" in page.text
    for name in ("row", "delivery", "core", "mart"):
        for rule in re.findall(r'"rule": "(\w+)"', suites.suite_file(name).read_text("utf-8")):
            assert rule in page.text


def test_examples_of_a_table_and_the_trend_of_kept_releases(
    data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First rows of what a rule gives, as text; shares of releases before, oldest first."""
    columns = builds.CHECK_RESULT
    monkeypatch.setattr(releases, "every", lambda _: [{"release_id": "a"}, {"release_id": "b"}])
    file_of = lambda _, release_id: data_root / release_id / releases.DATABASE  # noqa: E731
    monkeypatch.setattr(releases, "database_of", file_of)
    for name, unexpected in (("a", 1), ("b", 25)):
        (data_root / name).mkdir()
        with duck.connect(data_root / name / releases.DATABASE) as con:
            con.execute(f"CREATE SCHEMA meta; CREATE TABLE meta.check_result ({columns})")
            con.execute(
                "INSERT INTO meta.check_result VALUES "
                f"('core', 'odd', 'warning', 100, {unexpected}, 'en', 'id')"
            )
    check = suites.Check(
        "core", "odd", "warning", "core.t", None, 4, 2, False,
        "SELECT name, n FROM core.t WHERE n < 5", "do this", "lakukan ini",
    )  # fmt: skip
    with duck.connect() as con:
        con.execute("CREATE SCHEMA meta; CREATE SCHEMA core")
        con.execute(f"CREATE TABLE meta.check_result ({columns})")
        con.execute("CREATE TABLE core.delivery (delivery_id VARCHAR, state VARCHAR)")
        con.execute(f"CREATE TABLE core.freshness AS FROM {STALE} AS f ({FRESHNESS})")
        con.execute("CREATE TABLE core.t AS SELECT ? AS name, n FROM range(9) AS r (n)", [HOSTILE])
        con.execute("INSERT INTO meta.check_result VALUES "
                    "('core', 'odd', 'warning', 4, 2, 'do this', 'lakukan ini'), "
                    "('core', 'new', 'critical', 0, 0, 'x', 'y')")  # fmt: skip
        facts = {"build_id": "b", "made_at": "now", "is_synthetic": False}
        checks.write(con, data_root, facts, [check], [])
    found = Page((data_root / builds.CHECKS).read_text("utf-8"))
    assert "1.00 25.00" in found.text and "50.00" in found.text and "– –" in found.text
    assert found.text.count("name <script>alert(1)</script>") == checks.EXAMPLES
    assert "· n 0" in found.text and "· n 3" not in found.text
    assert "SINTETIS" not in found.text and "script" not in found.tags
    assert "eska2024-010100012,50<b>" in "".join(found.text.split())


def test_a_page_stays_under_a_megabyte(data_root: Path) -> None:
    """Two hundred rules, each with examples of 100,000 characters that escape to five."""
    with duck.connect() as con:
        con.execute("CREATE SCHEMA meta; CREATE SCHEMA core")
        con.execute(f"CREATE TABLE meta.check_result ({builds.CHECK_RESULT})")
        con.execute("CREATE TABLE core.delivery (delivery_id VARCHAR, state VARCHAR)")
        con.execute(f"CREATE TABLE core.freshness AS FROM {STALE} AS f ({FRESHNESS}) LIMIT 0")
        con.execute("CREATE TABLE core.t AS SELECT repeat('\"''', 50000) AS name FROM range(3)")
        made = [
            suites.Check("core", f"rule_{n}", "critical", "core.t", None, 3, 3, False,
                         "FROM core.t", "x" * 200, "y" * 200)
            for n in range(200)
        ]  # fmt: skip
        con.execute(
            "INSERT INTO meta.check_result SELECT 'core', 'rule_' || n, 'critical', 3, 3, "
            "repeat('x', 200), repeat('y', 200) FROM range(200) AS r (n)"
        )
        facts = dict.fromkeys(("layout", "missing", "unknown", "doubled", "similar"), '"' * 100_000)
        problem = Problem("header_mismatch", **facts).as_dict()
        verdict = {"delivery_id": "d", "verdict": "refused", "problems": [problem] * 9,
                   "checks": [], "grain": "certificate_line"}  # fmt: skip
        con.execute("INSERT INTO core.delivery VALUES ('d', 'refused')")
        facts = {"build_id": "b", "made_at": "now", "is_synthetic": True}
        checks.write(con, data_root, facts, made, [verdict] * 500)
    html = (data_root / builds.CHECKS).read_text("utf-8")
    assert 100_000 < len(html.encode()) < 1_000_000
    assert "… 490" in html
    assert "else have it export again." in html, "the advice isn't cut off"


def test_a_page_needs_no_row_set_aside(data_root: Path) -> None:
    land(text(filler(40)))
    (verdict,) = validate.validate(store.landings("eska"))
    assert verdict["quarantined_records"] == 0
    request = requests.backfill("2022-10", "2022-10", "eska", "a test", store.now())
    assert builds.checks_of(flow.build(request, {})["build_id"]).exists()
