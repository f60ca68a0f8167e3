"""The operator's page: deliveries by feed and month, quarantine by office, what was not placed."""

import re
from pathlib import Path

from deliveries import filler, land, text
from nights import query
from pipeline import duck, flow, operators, quarantine, requests, store
from test_checks import HOSTILE, Page


def test_the_page_of_a_night(night: Path) -> None:
    (folder,) = (night / "data/builds").glob("*/operator.html")
    html = folder.read_text("utf-8")
    found = Page(html)
    assert not {"script", "img", "iframe", "form"} & set(found.tags)
    assert [v for n, v in found.attributes if n == "href"] == ["checks.html"]
    assert (folder.parent / "checks.html").exists()
    assert (night / "data/builds").stat().st_mode & 0o77 == 0
    assert "Operator's page" in found.text and "DATA SINTETIS" in found.text
    words = re.sub(r"\s+", " ", found.text)
    assert "2024-09" in words and "segar · fresh" in words
    assert re.search(r" \d{1,2} \w+ 20\d\d \d\d\.\d\d WIB\.", words)
    months = re.findall(r"<t[hd][^>]*>20\d\d-\d\d<", html)
    assert months and all('class="text when"' in one for one in months), "none is broken"
    aside = query(
        folder.parent / "warehouse.duckdb",
        "SELECT office_code, count(DISTINCT (delivery_id, line, record_key)) "
        "FROM core.quarantine_line GROUP BY ALL",
    )
    assert len(aside) > 3
    for office, records in aside:
        number = f"{records:,}".replace(",", ".")
        assert f'<th scope="row">{office}</th><td>{number}</td>' in html
    with_candidates = query(
        folder.parent / "warehouse.duckdb",
        "SELECT spelling FROM core.unplaced WHERE kind = 'place' ORDER BY fob_usd DESC LIMIT 3",
    )
    assert with_candidates and all(spelling in words for (spelling,) in with_candidates)
    assert not (night / "data/internal/current/operator.html").exists()


def test_what_a_delivery_says_is_text(data_root: Path) -> None:
    hostile = HOSTILE.translate({ord(c): None for c in '";'})
    land(text([{"kota_eksportir": hostile}, {"status_pengajuan": hostile, "no_ska":
         "0000039/BGR/2022", "no_aju": "II202210110002"}, *filler(40)]))  # fmt: skip
    request = requests.backfill("2022-10", "2022-10", "eska", "a test", store.now())
    build_id = flow.build(request, {})["build_id"]
    found = Page(operators.file_of(build_id).read_text("utf-8"))
    assert not {"script", "img"} & set(found.tags)
    assert "<script>alert(1)</script>" in found.text.lower()
    assert not re.search("[\u202e\u200b\x1b]", found.text)


def test_quarantine_by_office_counts_a_record_once(night: Path) -> None:
    (file,) = (night / "data/builds").glob("*/warehouse.duckdb")
    with duck.connect(file, read_only=True) as con:
        rows = quarantine.by_office(con)
        (total,) = con.execute(
            "SELECT count(DISTINCT (delivery_id, line, record_key)) FROM core.quarantine_line"
        ).fetchall()
    assert sum(row["records"] for row in rows) == total[0] > 0
    assert all(row["rule_names"] == sorted(set(row["rule_names"])) for row in rows)
