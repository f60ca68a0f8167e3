"""Another country is other seeds: Testland, 5 made-up regions in 2 provinces, whole way through.

tests/country/ holds what differs; rules, HS chapters and the empty lists are those of seeds/.
"""

import csv
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipeline import (
    duck,
    flow,
    layouts,
    periods,
    rankings,
    releases,
    requests,
    seeds,
    settings,
    store,
)
from pipeline.messages import Problem

OWN = Path(__file__).parent / "country"
SHARED = ("rule", "hs_chapter", "exporter_links", "corrections")
HEADER = (
    "Certificate|State|Sort|State since|Issued|Business no.|Town|Province|Destination|Port|Form|"
    "Declaration|Currency|Value|Line|HS|Kilograms"
)
# (office, town, province, port, exporters, US$ of each in January 2023, and of each in 2024)
TRADE = (
    ("NOR", "ALPHAVILLE", "Northland", "XTAAA, Alpha Harbour", 4, 25_000, 30_000),
    ("NOR", "Betaburg", "", "XTAAA, Alpha Harbour", 4, 50_000, 55_000),
    ("NOR", "the shire", "Northland", "XTAAA, Alpha Harbour", 4, 10_000, 20_000),
    ("DLT", "Délta Shire", "Southland", "XTDDD, Delta Docks", 4, 100_000, 90_000),
    ("DLT", "Epsilon on Sea", "Southland", "XT007", 4, 20_000, 25_000),
    ("NOR", "Nowhere", "Northland", "XTAAA, Alpha Harbour", 1, 0, 5_000),
)


def certificates(month: str) -> dict[str, list[str]]:
    """The lines of each office's file of a month; only the two Januaries have any."""
    lines: dict[str, list[str]] = {"NOR": [], "DLT": []}
    for region, (office, town, province, port, firms, before, after) in enumerate(TRADE):
        value = {"2023-01": before, "2024-01": after}.get(month, 0)
        for firm in range(firms if value else 0):
            day = f"1{firm}/01/{month[:4]}"
            lines[office].append("|".join([
                f"{region}{firm:06}/{office}/{month[:4]}", "Granted", "First",
                f"{day} 10:00:00", day, f"12345678{region}{firm}123",
                town, province, ("GERMANY", "The other place", "Prancis", "Jerman")[firm], port,
                ("X1", "Form N")[firm % 2], f"{region}{firm}", "USD", f"{value:,}.00", "1",
                "610910", "1,000.5",
            ]))  # fmt: skip
    # The last firm of Epsilon is paid in euros, 1.25 dollars each.
    if month == "2024-01":
        lines["DLT"][-1] = lines["DLT"][-1].replace("|USD|25,000.00|", "|EUR|20,000.00|")
    return lines


@pytest.fixture(scope="module")
def testland(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The report of one run over thirteen months of Testland; settings stay its own."""
    root = tmp_path_factory.mktemp("testland")
    shutil.copytree(OWN, root / "seeds")
    for name in SHARED:
        shutil.copy(settings.ROOT / "seeds" / f"{name}.csv", root / "seeds")
    for month in periods.month_range(periods.Month(2023, 1), periods.Month(2024, 1)):
        following = month.plus(1)
        # Made at midnight; in December an hour before: in Testland that month had not ended.
        made = "20231231T230000" if str(month) == "2023-12" else f"{following}-01T000000"
        for office, lines in certificates(str(month)).items():
            path = root / f"deliveries/{office}/{month}.{office}.{made.replace('-', '')}.psv"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join([HEADER, *lines, ""]), "windows-1252")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("home", "deliveries", "seeds"):
            patch.setenv(f"IPSKA_{name.upper()}", str(root / name))
        _forget()
        request = requests.backfill("2023-01", "2024-01", None, "all of it", store.now())
        yield flow.run(request, tell=lambda _: None)
    _forget()


def _forget() -> None:
    settings.settings.cache_clear()
    layouts.load_layout.cache_clear()


def ranking(**question: Any) -> dict[str, dict[str, Any]]:
    asked = rankings.Question(**{"period_kind": "ytd", "baseline": "prev_year", **question})
    with duck.connect(releases.database("internal"), read_only=True) as con:
        return {row["region_code"]: row for row in rankings.answer(con, asked)}


def figures(rows: dict[str, dict[str, Any]]) -> dict[str, tuple[Any, ...]]:
    """region_code → base, value, growth in per cent, rank; US$ without cents."""
    for row in rows.values():
        assert row["fob_usd"] == int(row["fob_usd"])
    return {
        code: (
            int(row["base_fob_usd"]), int(row["fob_usd"]),
            None if row["growth_pct"] is None else round(row["growth_pct"], 6),
            row["growth_pct_rank"],
        )
        for code, row in rows.items()
    }  # fmt: skip


def query(sql: str) -> list[tuple[Any, ...]]:
    with duck.connect(releases.database("internal"), read_only=True) as con:
        return con.execute(sql).fetchall()


def test_everything_is_accepted_and_published(testland: dict[str, Any]) -> None:
    assert testland["exit_code"] == 0, testland["text_en"]
    assert query("SELECT state, sum(records) FROM meta.ledger GROUP BY 1 HAVING sum(records) > 0") \
        == [("current", 41)]  # fmt: skip
    # 20 firms in two years and one more; the declaration's port and form are Testland's own.
    assert query("SELECT rule_name FROM meta.check_result WHERE unexpected > 0") == []


def test_the_first_scope_is_what_is_shown(testland: dict[str, Any]) -> None:
    rows = ranking()
    assert {row["scope_code"] for row in rows.values()} == {"XT"}
    assert figures(rows) == {
        "N-G": (40_000, 80_000, 100.0, 1),
        "S-E": (80_000, 100_000, 25.0, 2),
        "N-A": (100_000, 120_000, 20.0, 3),
        "N-B": (200_000, 220_000, 10.0, 4),
        "S-D": (400_000, 360_000, -10.0, 5),
        "XT99": (0, 5_000, None, None),
    }
    assert sum(row["contribution_pp"] for row in rows.values()) == pytest.approx(
        100 * 65_000 / 820_000
    )


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ({"league": "kota"}, {"N-A": (100_000, 120_000, 20.0, 1),
                              "N-B": (200_000, 220_000, 10.0, 2)}),
        ({"league": "province"}, {"N1P": (340_000, 425_000, 25.0, 1),
                                  "S1P": (480_000, 460_000, -4.166667, 2)}),
        ({"scope_code": "N1P"}, {"N-G": (40_000, 80_000, 100.0, 1),
                                 "N-A": (100_000, 120_000, 20.0, 2),
                                 "N-B": (200_000, 220_000, 10.0, 3),
                                 "N1P99": (0, 5_000, None, None)}),
        ({"basis": "issuer"}, {"S-D": (480_000, 460_000, -4.166667, 1),
                               "XT99": (340_000, 425_000, 25.0, None),
                               **dict.fromkeys(("N-A", "N-B", "N-G", "S-E"),
                                               (0, 0, None, None))}),
        ({"basis": "port", "scope_code": "XTPORT"}, {"XTAAA": (340_000, 425_000, 25.0, 1),
                                                     "XTDDD": (480_000, 460_000, -4.166667, 2),
                                                     "XTPORT99": (0, 0, None, None)}),
    ],
    ids=["kota", "provinces", "a province", "issuer", "ports"],
)  # fmt: skip
def test_every_scope_league_and_basis(
    testland: dict[str, Any], question: dict[str, str], expected: dict[str, tuple[Any, ...]]
) -> None:
    assert figures(ranking(**question)) == expected


def test_euros_count_at_testlands_rate(testland: dict[str, Any]) -> None:
    assert ranking()["S-E"]["fob_usd"] == Decimal("100000.00")


def test_a_month_ends_at_testlands_midnight(testland: dict[str, Any]) -> None:
    midnight = datetime(2024, 1, 31, 18, 15, tzinfo=UTC)  # 00:00 on 1 February, UTC+5:45
    assert str(periods.newest_expected(midnight)) == "2024-01"
    assert str(periods.newest_expected(midnight.replace(minute=14))) == "2023-12"
    with pytest.raises(Problem, match="2024-01"):
        requests.backfill("2023-01", "2024-01", None, "early", midnight.replace(minute=14))
    # The file of December was made at 23:00: in Jakarta January had begun.
    complete = dict(
        query(
            "SELECT strftime(period_end, '%Y-%m'), bool_and(is_complete) FROM mart.growth_ranking "
            "WHERE scope_code = 'XT' AND league = 'all' AND basis = 'domicile' "
            "AND region_code = 'S-D' AND period_kind = 'month' AND baseline = 'prev_period' "
            "AND period_end BETWEEN '2023-10-01' AND '2023-12-31' GROUP BY 1"
        )
    )
    assert complete == {"2023-10": True, "2023-11": True, "2023-12": False}


def test_nothing_of_indonesia_is_left(testland: dict[str, Any]) -> None:
    regions = {code for (code,) in query("SELECT region_code FROM mart.region")}
    assert {"XT", "XT99", "N1P", "N1P99", "N-A", "S-E", "XTPORT99"} <= regions
    assert not [code for code in regions if code.startswith(("ID", "32"))]
    names = query("SELECT region_name FROM mart.region WHERE region_code = 'XT'")
    assert names == [("Republik Testland",)]
    page = (releases.link("internal") / "index.html").read_text("utf-8")
    assert "Epsilon-on-Sea" in page and "Republik Testland" in page
    words = page.replace("Bahasa Indonesia", "")  # the switch of languages
    assert "Jawa Barat" not in words and "Indonesia" not in words


def test_its_seeds_have_the_columns_of_ours(testland: dict[str, Any]) -> None:
    own = sorted(path.stem for path in (settings.ROOT / "seeds").glob("*.csv"))
    assert len(own) >= 10
    for name in own:
        with (settings.ROOT / "seeds" / f"{name}.csv").open(encoding="utf-8") as file:
            header = next(csv.reader(file))
        with seeds.path(name).open(encoding="utf-8") as file:
            assert next(csv.reader(file)) == header, name
