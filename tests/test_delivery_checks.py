"""Deliveries as a whole: each rule on a good and a bad one, stated totals, and how they compare."""

import json
import math
import shutil
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from deliveries import Row, filler, land, text
from golden import deliver, line
from pipeline import duck, layouts, load, quarantine, releases, report, settings, validate
from test_layouts import CSV, toml

DROP = '[[drop]]\nname = "totals"\ncolumn = "%s"\npattern = \'^TOTAL\'\ntotals = %s\n'
SUMMED = toml("summed", *CSV, 'encoding = "utf-8"', 'optional = ["gross_kg"]',
              rest=DROP % ("no_ska", '["line_fob", "net_kg", "gross_kg"]'))  # fmt: skip
ONE = {"fob_barang": "1.234,50", "berat_bersih_kg": "10,123", "berat_kotor_kg": "11"}


def total(fob: str, net: str = "20,246", gross: str = "22", name: str = "TOTAL") -> Row:
    return {"no_ska": name, "fob_barang": fob, "berat_bersih_kg": net, "berat_kotor_kg": gross}


def changed(rows: list[Row], **values: str) -> list[Row]:
    return [{**row, **values} for row in rows if not isinstance(row, str)]


LARGEST = {"fob_barang": "999.999.999.999,99"}
HEAVIEST = {"berat_bersih_kg": "1", "berat_kotor_kg": "999.999.999.999,999"}
TWO, FOREIGN = filler(2), {"no_ska": "0000001/DIT/2022"}
OTHER_MONTH = {"tgl_terbit": "1 November 2022"}
# Rule: name, rows, what differs from a delivery of BGR for 2022-10 in layout `summed`, and what is
# told where it fails. The envelope of BGR is 2 to 30 records.
Case = tuple[str, list[Row], dict[str, str], str]
GOOD: dict[str, list[Case]] = {
    "rejected_share": [
        ("a fifth", [*filler(16), *changed(filler(20)[16:], fob_peb="x"),
                     total("24.690,00", "202,46", "220")], {}, ""),
    ],
    "office_matches": [("one in twenty", [*filler(19), FOREIGN], {"layout": "eska_v2"}, "")],
    "period_share": [("one in 21", [*filler(20), OTHER_MONTH], {"layout": "eska_v2"}, "")],
    "envelope_min": [("just enough", filler(2), {"layout": "eska_v2"}, "")],
    "envelope_max": [
        ("just within", filler(30), {"layout": "eska_v2"}, ""),
        ("its totals don't count", [*filler(29), *changed(filler(30)[29:]),
                                    total("37.035,00", "303,69", "330")], {}, ""),
    ],
    "month_begun": [
        ("begun", changed(TWO, **OTHER_MONTH), {"layout": "eska_v2", "month": "2022-11"}, ""),
    ],
    "control_total_matches": [
        ("equal", [*TWO, total("2.469,00")], {}, ""),
        ("a page each", [*TWO, total("1.234,50", "10,123", "11", "TOTAL 1"),
                         total("1.234,50", "10,123", "11", "TOTAL 2")], {}, ""),
        ("set aside", [*filler(1), *changed(filler(2)[1:], status_pengajuan="?"),
                       total("2.469,00")], {}, ""),
        ("a blank adds nothing", [*filler(1), *changed(filler(2)[1:], fob_barang="-"),
                                  total("1.234,50")], {}, ""),
        ("nil return with a total", [total("0", "0", "0")], {"office": "CRB"}, ""),
    ],
    "control_total_readable": [
        ("nil return without", [], {"office": "CRB"}, ""),
        ("in no layout", TWO, {"layout": "eska_v2"}, ""),
    ],
    "total_fob_plausible": [
        ("a hundred", changed(filler(100), **LARGEST), {"layout": "eska_v2"}, ""),
    ],
    "total_weight_plausible": [
        ("ten", changed(filler(10), **HEAVIEST), {"layout": "eska_v2"}, ""),
    ],
}  # fmt: skip
BAD: dict[str, list[Case]] = {
    "rejected_share": [
        ("more", [*filler(15), *changed(filler(20)[15:], fob_peb="x")], {"layout": "eska_v2"},
         "quarantined_pct is 25.00"),
    ],
    "office_matches": [("all", changed(filler(2), no_ska="0000001/DIT/2022"),
                        {"layout": "eska_v2"}, "own_number_pct is 0.00")],
    "period_share": [("half", [*filler(1), OTHER_MONTH], {"layout": "eska_v2"},
                      "other_month_pct is 50.00")],
    "envelope_min": [
        ("one short", filler(1), {"layout": "eska_v2"},
         "records_below is 1 (records 1, min_records 2)"),
        ("nil return", [], {"layout": "eska_v2"}, "records_below is 2 (records 0, min_records 2)"),
    ],
    "envelope_max": [("one more", filler(31), {"layout": "eska_v2"},
                      "records_above is 1 (records 31, max_records 30)")],
    "month_begun": [("to come", changed(TWO), {"layout": "eska_v2", "month": "2022-12"},
                     "days_early is 26 (month 2022-12-01, extracted 2022-11-05)")],
    "control_total_matches": [
        ("a cent", [*TWO, total("2.469,01")], {},
         "total_difference is 0.01 (line_fob: 2469.01 <> 2469.00)"),
        ("a gram", [*TWO, total("2.469,00", "20,247")], {},
         "total_difference is 0.001 (net_kg: 20.247 <> 20.246)"),
        ("a record lost", [*filler(2)[:1], *filler(3)[2:], total("3.703,50", "30,369", "33")], {},
         "gross_kg: 33.000 <> 22.000, line_fob: 3703.50 <> 2469.00, net_kg: 30.369 <> 20.246"),
        ("more than a record may hold", [*TWO, total("9.000.000.000.000,00")], {},
         "line_fob: 9000000000000.00 <> 2469.00"),
    ],
    "control_total_readable": [
        ("a total", [*TWO, total("2.469,OO")], {},
         "unreadable_totals is 1 (line_fob: ? <> 2469.00)"),
        ("a blank", [*TWO, total("-")], {}, "unreadable_totals is 1 (line_fob: ? <> 2469.00)"),
        ("a record", [*filler(1), *changed(filler(2)[1:], fob_barang="1.234,5O"),
                      total("2.469,00")], {}, "unreadable_totals is 1 (line_fob: 2469.00 <> ?)"),
        ("a record that can't be split", [*TWO, "too;few", total("2.469,00")], {},
         "unreadable_totals is 3 (gross_kg: 22.000 <> ?"),
        ("no totals row", TWO, {}, "unreadable_totals is 3 (gross_kg: ? <> 22.000"),
    ],
    "total_fob_plausible": [
        ("one more", changed(filler(101), **LARGEST), {"layout": "eska_v2"},
         "stated_fob is 10099999999999"),
        ("in headers", changed(filler(101), fob_peb="999.999.999.999,99"), {"layout": "eska_v2"},
         "stated_fob is 10099999999999"),
        # More than DECIMAL(18, 2) holds: it ended the run, and with it every office's night.
        ("in one certificate", changed(filler(1) * 10_001, **LARGEST), {"layout": "eska_v2"},
         "stated_fob is 10000999999999"),
    ],
    "total_weight_plausible": [
        ("one more", changed(filler(11), **HEAVIEST), {"layout": "eska_v2"},
         "stated_kg is 1099999999999"),
    ],
}  # fmt: skip
CASES = {
    (rule, kind, name): (rows, changes, told)
    for kind, table in (("good", GOOD), ("bad", BAD))
    for rule, cases in table.items()
    for name, rows, changes, told in cases
}


def rules() -> dict[str, str]:
    path = settings.ROOT / "expectations" / "delivery.json"
    suite = json.loads(path.read_text("utf-8"))["expectations"]
    return {one["meta"]["rule"]: one["severity"] for one in suite}


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Any, Any]]:
    """Every case in one call of validate."""
    root = tmp_path_factory.mktemp("checks")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPSKA_HOME", str(root / "data"))
        for name in ("seeds", "expectations"):
            shutil.copytree(settings.ROOT / name, root / name)
            patch.setenv(f"IPSKA_{name.upper()}", str(root / name))
        (root / "seeds" / "layouts" / "summed.toml").write_text(SUMMED, "utf-8")
        with (root / "expectations" / "bounds.csv").open("a") as handle:
            handle.write("eska,BGR,2,30,2026-11-01,made for a test\n")
        settings.settings.cache_clear()
        layouts.load_layout.cache_clear()
        landed = []
        for rows, changes, _ in CASES.values():
            how = {"layout": "summed", "month": "2022-10", **changes}
            landed.append(land(text(rows), last_month=how["month"], **how))
        yield dict(zip(CASES, validate.validate(landed), strict=True))
    settings.settings.cache_clear()
    layouts.load_layout.cache_clear()


def test_every_rule_has_a_good_and_a_bad_delivery() -> None:
    """Records are lost only by a fault of ours: test_suites holds that rule against figures."""
    assert set(rules()) - {"records_reconcile"} == set(GOOD) == set(BAD)


@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_a_delivery_as_a_whole(case: tuple[str, str, str], judged: dict[Any, Any]) -> None:
    rule, kind, _ = case
    verdict = judged[case]
    critical = rules()[rule] == "critical"
    assert verdict["verdict"] == ("refused" if kind == "bad" and critical else "accepted")
    told = [one for one in verdict["problems" if critical else "warnings"]
            if f"rule {rule}:" in one["en"]]  # fmt: skip
    found = {one["rule_name"]: one["unexpected"] for one in verdict["checks"]}
    assert len(told) == found[rule] == (kind == "bad")
    if told:
        assert CASES[case][2] in told[0]["en"] and told[0]["id"] != told[0]["en"]


def test_both_sides_of_a_total_stand_in_the_verdict(judged: dict[Any, Any]) -> None:
    """Also where it is refused; money with two decimals, weights with three."""
    verdict = judged["control_total_matches", "bad", "a cent"]
    assert verdict["control_totals"] == [
        {"rule_name": "totals", "column_name": "gross_kg", "stated": "22.000", "ours": "22.000"},
        {"rule_name": "totals", "column_name": "line_fob", "stated": "2469.01", "ours": "2469.00"},
        {"rule_name": "totals", "column_name": "net_kg", "stated": "20.246", "ours": "20.246"},
    ]
    assert verdict["excluded"] == {"totals": 1}
    assert judged["control_total_readable", "good", "nil return without"]["control_totals"] == []
    assert judged["control_total_readable", "bad", "no totals row"]["control_totals"][1] == {
        "rule_name": "totals", "column_name": "line_fob", "stated": None, "ours": "2469.00",
    }  # fmt: skip


@pytest.fixture
def own(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project's seeds, to be changed."""
    folder = data_root / "seeds"
    shutil.copytree(settings.ROOT / "seeds", folder)
    monkeypatch.setenv("IPSKA_SEEDS", str(folder))
    monkeypatch.setenv("IPSKA_EXPECTATIONS", str(settings.ROOT / "expectations"))
    settings.settings.cache_clear()
    return folder


def test_totals_are_of_what_was_received_not_of_what_was_corrected(own: Path) -> None:
    """A correction sets one amount and excludes a record: the office's total still fits."""
    (own / "layouts" / "summed.toml").write_text(SUMMED, "utf-8")
    (own / "corrections.csv").write_text(
        "match,action,value,expect,reason,source,until\n"
        'slice=BGR_2022-10; line=2,set line_fob,"2.000,00","1.234,50",typo,letter 1,2999-12-31\n'
        "slice=BGR_2022-10; line=3,exclude,,1,sent twice,letter 1,2999-12-31\n"
    )
    (verdict,) = validate.validate([land(text([*TWO, total("2.469,00")]), layout="summed")])
    assert [one["applied"] for one in verdict["corrections"]] == [1, 1]
    assert (verdict["problems"], verdict["warnings"]) == ([], [])
    assert verdict["stated_usd"]["accepted"] == "2000.00"


def test_totals_of_aggregates_written_with_exponents(own: Path) -> None:
    ports = (own / "layouts" / "exports_by_port.toml").read_text("utf-8")
    ports = ports.replace('"exports_by_port"', '"ports"')
    drop = DROP % ("nama_pelabuhan", '["fob_usd"]')
    (own / "layouts" / "ports.toml").write_text(ports + drop, "utf-8")
    body = "tahun,bulan,kode_pelabuhan,nama_pelabuhan,nilai,berat\n2012,January,IDTPP,,1.5e+06,1\n"
    facts = {"office": "BPS", "month": "2012-01", "layout": "ports", "file_name": "x.csv"}
    good, bad = (
        land(f"{body}2012,January,IDTPE,,500000.25,1\n2012,January,,TOTAL,{stated},2\n", **facts)
        for stated in ("2000000.25", "2.00000026e+06")
    )
    verdicts = validate.validate([good, bad])
    assert [one["verdict"] for one in verdicts] == ["accepted", "refused"]
    assert "fob_usd: 2000000.26 <> 2000000.25" in verdicts[1]["problems"][0]["en"]


@pytest.mark.parametrize("column", ["importer_name", "hs_code", "fob_nowhere"])
def test_a_total_of_what_is_no_amount_is_a_bad_layout(own: Path, column: str) -> None:
    changed_text = SUMMED.replace('"line_fob", "net_kg"', f'"line_fob", "{column}"')
    (own / "layouts" / "summed.toml").write_text(changed_text, "utf-8")
    with pytest.raises(Exception, match=f"drop.totals.totals: {column}"):
        layouts.load_layout("summed")


# --- after load ---


def built(verdicts: list[dict[str, Any]], **first_months: str) -> duck.Connection:
    con = duck.connect()
    load.load(con, verdicts, {"eska": "2023-01", **first_months})
    return con


def test_totals_are_kept_beside_the_books(data_root: Path) -> None:
    stated = [{"rule_name": "totals", "column_name": "line_fob", "stated": "1.00", "ours": None}]
    one = deliver("BGR_2023-01", [line("0000001/BGR/2023")], control_totals=stated)
    refused = deliver("DPK_2023-01", [], verdict="refused", control_totals=[
        {**stated[0], "ours": "999999999999999999999999.99"}])  # fmt: skip
    with built([one, refused]) as con:
        found = con.execute("FROM core.delivery_total ORDER BY delivery_id").fetchall()
    assert found == [
        (one["delivery_id"], "current", "totals", "line_fob", Decimal("1.000"), None),
        (refused["delivery_id"], "refused", "totals", "line_fob", Decimal("1.000"),
         Decimal("999999999999999999999999.990")),
    ]  # fmt: skip


def numbers(office: str, *serials: int, year: int = 2023, **changes: Any) -> list[dict[str, Any]]:
    return [line(f"{n:07}/{office}/{year}", **changes) for n in serials]


def test_serial_gaps_by_hand(data_root: Path) -> None:
    """BGR: 1 2 4 7 known, 3 5 6 missing; 9 was issued in the last days, so 8 may be under way;
    9000001 is a stray; 2022 lies before the feed. DPK's feed begins in May: 10 is its first.
    """
    verdicts = [
        deliver("BGR_2023-01", [
            *numbers("BGR", 1, 7, 9000001), *numbers("BGR", 2, status="withdrawn"),
            *numbers("BGR", 9, issued_on="2023-01-30"), *numbers("BGR", 5, year=2022),
        ], numbers("BGR", 4, issued_on=None)),
        deliver("DPK_2023-06", numbers("DPK", 10, 12, 15), [
            line("14/DPK/2023"), line("x/DPK/2023"),
        ], feed="late"),
        deliver("CRB_2023-02", numbers("CRB", *range(1, 31), 32)),
        deliver("CRB_2023-02", numbers("CRB", 31), landed_at="2026-10-01T00:00:00+00:00"),
        deliver("KBG_2023-02", numbers("KBG", *range(2, 60, 2))),
    ]  # fmt: skip
    with built(verdicts, late="2023-05") as con:
        found = con.execute("FROM core.serial_gap ORDER BY issuer_code").fetchall()
    assert [(*row[:7], round(row[7], 6), row[8]) for row in found] == [
        ("BGR", 2023, 1, 7, 1, 4, 3, 42.857143, "3, 5-6"),
        ("CRB", 2023, 1, 32, 0, 31, 1, 3.125, "31"),  # the older delivery is superseded
        ("DPK", 2023, 10, 15, 0, 4, 2, 33.333333, "11, 13"),
        ("KBG", 2023, 1, 58, 0, 29, 29, 50.0, "1, 3, 5, 7, 9, 11, 13, 15, 17, 19, …"),
    ]


def month_of(office: str, month: int, count: int, **changes: Any) -> dict[str, Any]:
    day = f"2023-{month:02}-15"
    serials = range(1000 * month, 1000 * month + count)
    rows = numbers(office, *serials, issued_on=day, status_at=day, **changes)
    return deliver(f"{office}_2023-{month:02}", rows)


def test_volume_bands_by_hand(data_root: Path) -> None:
    """BGR is steady: six times 1/√40 is less than ln 3, so a third to three times. BKS doubles and
    doubles again: median ln 20, MAD ln 2, so 20 × or ÷ 2^8.8956. CRB is tiny: 6/√4 = 3.
    """
    steady = [month_of("BGR", month, 40) for month in range(1, 7)]
    wild = [month_of("BKS", m, n) for m, n in enumerate([10, 20, 40, 10, 20, 40, 20], 1)]
    tiny = [month_of("CRB", m, 4) for m in range(1, 8)]
    early = deliver("BGR_2023-08", [], landed_at="2023-08-31T00:00:00+00:00")  # not over yet
    idle = [month_of("DPK", m, 9 * (m == 7)) for m in range(1, 8)]  # no usual month, no band
    verdicts = [*steady, month_of("BGR", 7, 13), early, *wild, *tiny, *idle]
    with built(verdicts) as con:
        found = {row["slice_code"]: row for row in duck.rows(con, "FROM core.delivery_check")}
    names = ("records", "certificates", "past_months", "records_low", "records_high")
    told = {code: tuple(row[name] for name in names) for code, row in found.items()}
    assert told["BGR_2023-06"] == (40, 40, None, None, None), "five months are too few"
    assert told["BGR_2023-07"] == (13, 13, 6, 13, 120)
    assert told["BGR_2023-08"] == (0, 0, None, None, None)
    assert told["BKS_2023-07"] == (20, 20, 6, 0, math.ceil(20 * 2 ** (6 * 1.4826)))
    assert told["CRB_2023-07"] == (4, 4, 6, 0, 81)
    assert told["DPK_2023-07"] == (9, 9, None, None, None)
    assert found["BGR_2023-07"]["fob_usd_low"] == Decimal("13333.00")
    assert found["BGR_2023-07"]["fob_usd_high"] == Decimal("120000.00")
    assert found["BGR_2023-07"]["fob_usd"] == Decimal("13000.00"), "below its band"


def test_unplaced_and_duplicated_by_hand(data_root: Path) -> None:
    """Of 4 × 1,000 one can't be placed; 3 of 5 numbers stand in the next month too, one of them
    withdrawn there; a record without one is no certificate. A delta repeats what it likes.
    """
    first = [*numbers("BGR", 1, 2, 3), *numbers("BGR", 4, exporter_place="Bogor")]
    nameless = numbers("BGR", 6, certificate_key="own line:9", ska_number=None)
    again = numbers("BGR", 1, 2, 3, status="withdrawn", status_at="2023-02-15")
    verdicts = [
        deliver("BGR_2023-01", first, [*numbers("BGR", 5), *nameless]),
        deliver("BGR_2023-02", again),
        deliver("BGR_2023-03", numbers("BGR", 5), mode="delta", feed="late"),
    ]
    with built(verdicts, late="2023-01") as con:
        names = ("slice_code, certificates, fob_usd, unplaced_usd, unplaced_pct, "
                 "duplicated_certificates, duplicated_pct")  # fmt: skip
        found = con.execute(f"SELECT {names} FROM core.delivery_check ORDER BY 1").fetchall()
    assert found == [
        ("BGR_2023-01", 5, Decimal("1000.00"), Decimal("1000.00"), 100.0, 3, 60.0),
        ("BGR_2023-02", 3, Decimal("0.00"), Decimal("0.00"), None, 3, 100.0),
        ("BGR_2023-03", 1, Decimal("1000.00"), Decimal("0.00"), 0.0, 0, 0.0),
    ]


# --- told ---


def test_the_message_names_the_warnings_of_each_suite(
    data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = data_root / "release.duckdb"
    with duck.connect(path) as con:
        con.execute(
            "CREATE SCHEMA meta; CREATE TABLE meta.ledger (state VARCHAR, records BIGINT); "
            "CREATE TABLE meta.release AS SELECT false AS is_synthetic; "
            "CREATE TABLE meta.check_result (suite_name VARCHAR, rule_name VARCHAR, "
            "severity VARCHAR, unexpected BIGINT); INSERT INTO meta.check_result VALUES "
            "('core', 'unplaced_share', 'warning', 1234), ('core', 'rate_gap', 'warning', 0), "
            "('core', 'volume_in_band', 'warning', 2), ('core', 'books', 'critical', 1), "
            "('delivery', 'envelope_max', 'warning', 3); INSERT INTO meta.check_result "
            "SELECT 'row', 'r' || n, 'warning', 10 - n FROM range(7) AS r (n); "
            "INSERT INTO meta.check_result VALUES ('row', 'peb_complete', 'info', 9)"
        )
    monkeypatch.setattr(releases, "database", lambda _: path)
    monkeypatch.setattr(quarantine, "commonest", lambda _: [])
    facts = report.release_facts()
    said = {
        language: [one for one in report.release_lines(facts, language) if "suite" in one
                   or "rangkaian" in one]
        for language in ("en", "id")
    }  # fmt: skip
    assert said == {
        "en": ["Warnings of suite core: unplaced_share 1,234, volume_in_band 2.",
               "Warnings of suite delivery: envelope_max 3.",
               "Warnings of suite row: r0 10, r1 9, r2 8, r3 7, r4 6 … (7)."],
        "id": ["Peringatan rangkaian core: unplaced_share 1.234, volume_in_band 2.",
               "Peringatan rangkaian delivery: envelope_max 3.",
               "Peringatan rangkaian row: r0 10, r1 9, r2 8, r3 7, r4 6 … (7)."],
    }  # fmt: skip
