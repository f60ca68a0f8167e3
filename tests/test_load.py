"""Load: golden rows for deliveries, periods, places and scopes; whole loads with their books."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from golden import CELL, deliver, line, result, seeds, table
from pipeline import duck, load, models, rank, staging

N1, N2, N3, N4 = (f"000000{n}/BGR/2024" for n in (1, 2, 3, 4))


@pytest.fixture
def con() -> Iterator[duck.Connection]:
    with duck.connect() as connection:
        yield connection


def deliveries(con: duck.Connection, *rows: tuple[str, str, str | None, str]) -> None:
    """(slice, landed, extracted, verdict); the id is <slice>@<landed>."""
    seeds(con)
    table(con, "stage.delivery", staging.DELIVERY, [])
    for slice_code, landed, extracted, verdict in rows:
        office, month = slice_code.split("_")
        con.execute(
            "INSERT INTO stage.delivery (delivery_id, feed, slice_code, office_code, grain, mode, "
            "month, last_month, first_month, landed_at, extracted_at, verdict) "
            "VALUES (?, 'f', ?, ?, 'certificate_line', 'snapshot', ?, ?, ?, ?, ?, ?)",
            [f"{slice_code}@{landed}", slice_code, office, f"{month}-01", f"{month}-01",
             "2024-01-01", landed, extracted, verdict],
        )  # fmt: skip


def test_the_newest_accepted_delivery_of_a_slice_is_current(con: duck.Connection) -> None:
    deliveries(
        con,
        ("A_2024-01", "2024-02-01", None, "accepted"),
        ("A_2024-01", "2024-02-05", None, "accepted"),
        ("A_2024-02", "2024-03-02", "2024-03-02", "accepted"),
        ("A_2024-02", "2024-03-09", "2024-03-01", "accepted"),
        ("A_2024-03", "2024-04-01", None, "accepted"),
        ("A_2024-03", "2024-04-02", None, "refused"),
        ("A_2024-04", "2024-05-01", None, "refused"),
    )
    assert result(con, "core.delivery", "delivery_id, state, superseded_by, is_stale") == [
        ("A_2024-01@2024-02-01", "superseded", "A_2024-01@2024-02-05", False),
        ("A_2024-01@2024-02-05", "current", None, False),
        ("A_2024-02@2024-03-02", "current", None, False),
        ("A_2024-02@2024-03-09", "superseded", "A_2024-02@2024-03-02", False),
        ("A_2024-03@2024-04-01", "current", None, True),
        ("A_2024-03@2024-04-02", "refused", None, False),
        ("A_2024-04@2024-05-01", "refused", None, False),
    ]


def test_a_slice_is_complete_when_extracted_after_its_last_day_in_jakarta(
    con: duck.Connection,
) -> None:
    deliveries(
        con,
        ("A_2024-01", "2024-01-31 16:59:59", None, "accepted"),
        ("A_2024-02", "2024-02-29 17:00:00", None, "accepted"),
        ("A_2024-03", "2024-05-01", "2024-03-20", "accepted"),
        ("A_2024-04", "2024-05-01", None, "accepted"),
        ("B_2024-04", "2024-05-01", None, "refused"),
    )
    table(con, "core.aggregate_cell", CELL, [])
    models.materialise(con, "core", only=("core.delivery", "core.basis", "core.calendar_month"))
    assert result(con, "core.slice_month", "office_code, month, is_complete") == [
        ("A", "2024-01-01", False),
        ("A", "2024-02-01", True),
        ("A", "2024-03-01", False),
        ("A", "2024-04-01", True),
        ("B", "2024-01-01", False),
        ("B", "2024-02-01", False),
        ("B", "2024-03-01", False),
        ("B", "2024-04-01", False),
    ]


def calendar(con: duck.Connection, first: str, last: str) -> None:
    months = f"generate_series(DATE '{first}-01', DATE '{last}-01', INTERVAL 1 MONTH)"
    con.execute("CREATE SCHEMA IF NOT EXISTS core")
    con.execute(
        "CREATE OR REPLACE TABLE core.calendar_month AS "
        f"SELECT 'domicile' AS basis, 'ID' AS region_set, unnest({months})::DATE AS month"
    )


def test_periods_lie_whole_within_the_months_covered(con: duck.Connection) -> None:
    calendar(con, "2023-02", "2024-03")
    found = result(con, "core.span", "period_kind, period_start, period_end, months")
    assert [row for row in found if row[0] != "month"] == [
        ("quarter", "2023-04-01", "2023-06-30", 3),
        ("quarter", "2023-07-01", "2023-09-30", 3),
        ("quarter", "2023-10-01", "2023-12-31", 3),
        ("quarter", "2024-01-01", "2024-03-31", 3),
        ("r12m", "2023-02-01", "2024-01-31", 12),
        ("r12m", "2023-03-01", "2024-02-29", 12),
        ("r12m", "2023-04-01", "2024-03-31", 12),
        ("ytd", "2024-01-01", "2024-01-31", 1),
        ("ytd", "2024-01-01", "2024-02-29", 2),
        ("ytd", "2024-01-01", "2024-03-31", 3),
    ]
    assert len(found) == 14 + 10


def test_each_period_knows_its_base_and_the_step_before(con: duck.Connection) -> None:
    calendar(con, "2021-01", "2024-03")
    models.materialise(con, "core", only=("core.span",))
    columns = "period_kind, period_end, baseline, years, base_start, base_end, previous_end"
    found = {row[:3]: row[3:] for row in result(con, "core.span_pair", columns)}
    assert found["month", "2024-02-29", "prev_period"] == (
        None, "2024-01-01", "2024-01-31", "2024-01-31",
    )  # fmt: skip
    assert found["month", "2024-02-29", "prev_year"][:3] == (1, "2023-02-01", "2023-02-28")
    assert found["quarter", "2024-03-31", "prev_period"][1:] == (
        "2023-10-01", "2023-12-31", "2023-12-31",
    )  # fmt: skip
    assert found["ytd", "2024-02-29", "years_3"] == (3, "2021-01-01", "2021-02-28", "2024-01-31")
    assert found["ytd", "2024-01-31", "years_3"][-1] is None
    assert found["r12m", "2024-02-29", "prev_year"][1:] == (
        "2022-03-01", "2023-02-28", "2024-01-31",
    )  # fmt: skip
    assert found["year", "2023-12-31", "prev_year"][1:] == (
        "2022-01-01", "2022-12-31", "2022-12-31",
    )  # fmt: skip
    assert found["year", "2023-12-31", "years_3"][1:3] == (None, None), "before the feeds begin"
    assert {kind for kind, _, baseline in found if baseline == "prev_period"} == {
        "month", "quarter",
    }  # fmt: skip


# --- places, regions ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "province", "region", "resolution"),
    [
        ("Kab. Bogor", "Jawa Barat", "3201", "exact"),
        ("KAB.BOGOR", "", "3201", "exact"),
        ("kota  bogor", "JAWA BARAT", "3271", "exact"),
        ("Kota\u00a0Bogor", "Prov. Jawa Barat", "3271", "exact"),
        ("KOTA ADM. JAKARTA PUSAT", "DKI Jakarta", "3173", "exact"),
        ("Kota Administrasi Jakarta Timur", "", "3172", "exact"),
        ("Kota Depok", "Jabar", "3276", "exact"),
        ("Jakarta Timur", "DKI JAkarta", "3172", "alias"),
        ("kodya depok", "", "3276", "alias"),
        ("Depok", "Jawa Barat", "3276", "unique_in_province"),
        ("Depok", "", "3276", "unique_in_province"),
        ("Banjar", "Jawa Barat", "3279", "unique_in_province"),
        ("Kab. Banjar", "Kalimantan Selatan", "6303", "exact"),
        ("Bogor", "Jawa Barat", "3299", "ambiguous"),
        ("BOGOR", "", "3299", "ambiguous"),
        ("Banjar", "", "ID99", "ambiguous"),
        ("Serang", "", "3699", "ambiguous"),
        ("Kota Jakarta", "", "3199", "unknown"),
        ("DKI JAkarta", "DKI Jakarta", "3199", "unknown"),
        ("Cibinong", "Jawa Barat", "3299", "unknown"),
        ("Cibinong", "", "ID99", "unknown"),
        ("", "Jawa Barat", "3299", "unknown"),
        ("", "", "ID99", "unknown"),
        ("Semarang", "Jawa Tengah", "3399", "ambiguous"),
        # A bare name beside a province that the seeds don't know, or beside another one's.
        ("Depok", "Jawa Barat Daya", "ID99", "unknown"),
        ("Depok", "Jawa Tengah", "ID99", "unknown"),
        ("Kab. Banjar", "Jawa Barat", "ID99", "unknown"),
        ("Kabupaten Depok", "", "ID99", "unknown"),
        # Every way to write what kind of region it is.
        ("KOTA ADMINISTRASI JAKARTA PUSAT", "", "3173", "exact"),
        ("KABUPATEN ADMINISTRASI KEPULAUAN SERIBU", "", "3101", "exact"),
        ("Kab. Adm. Kep. Seribu", "D.K.I. Jakarta", "3101", "exact"),
        ("Kotamadya Bogor", "", "3271", "exact"),
        ("Bogor\tKab", "", "3201", "exact"),
        ("BOGOR, KAB.", "", "3201", "exact"),
        ("Bogor (Kota)", "", "3271", "exact"),
        ("Kab./Kota Depok", "", "3276", "unique_in_province"),
        ("KAB/KOTA BOGOR", "Jawa Barat", "3299", "ambiguous"),
        ("Lima Puluh Kota", "Sumatera Barat", "1308", "unique_in_province"),
        ("Kab. Tojo Una Una", "Sulawesi Tengah", "7209", "exact"),
        ("Kota Yogyakarta", "Daerah Istimewa Yogyakarta", "3471", "exact"),
        # A province after the place counts where the column is blank, and must not contradict it.
        ("Kota Bogor, Jawa Barat", "", "3271", "exact"),
        ("Bogor, Kab., Jawa Barat", "", "3201", "exact"),
        ("Banjar - Jawa Barat", "", "3279", "unique_in_province"),
        ("Cibinong (Jawa Barat)", "", "3299", "unknown"),
        ("Kota Depok, Jawa Barat", "Jawa Tengah", "ID99", "unknown"),
        # A province's own name never means its capital.
        ("Gorontalo", "Gorontalo", "7599", "unknown"),
    ],
)
def test_places(
    con: duck.Connection, place: str, province: str, region: str, resolution: str
) -> None:
    seeds(con)
    columns = "exporter_place VARCHAR, exporter_province VARCHAR"
    table(con, "core.certificate_version", columns, [(place, province)])
    assert result(con, "core.place", "region_code, resolution") == [(region, resolution)]


def test_a_new_alias_places_what_was_ambiguous(con: duck.Connection) -> None:
    seeds(con)
    con.execute("INSERT INTO seed.region_aliases VALUES ('bogor', '32', '3201', 'the office said')")
    columns = "exporter_place VARCHAR, exporter_province VARCHAR"
    table(con, "core.certificate_version", columns, [("Bogor", "Jawa Barat")])
    assert result(con, "core.place", "region_code, resolution") == [("3201", "alias")]


def test_every_official_name_is_its_own_region_and_no_bare_name_is_guessed(
    con: duck.Connection,
) -> None:
    seeds(con)
    query = (
        "SELECT r.region_code, r.region_name, p.region_name FROM core.region AS r "
        "JOIN core.region AS p ON p.region_code = r.province_code "
        "WHERE r.region_kind IN ('kota', 'kabupaten') AND r.valid_until IS NULL"
    )
    regions = con.execute(query).fetchall()
    assert len(regions) == 514
    bare = [(name.split(" ", 1)[1], province) for _, name, province in regions]
    spelled = {(name, province) for _, name, province in regions} | set(bare)
    spelled |= {(name, "") for _, name, _ in regions}
    columns = "exporter_place VARCHAR, exporter_province VARCHAR"
    table(con, "core.certificate_version", columns, sorted(spelled))
    columns = "exporter_place, exporter_province, region_code, resolution"
    found = {row[:2]: row[2:] for row in result(con, "core.place", columns)}
    for code, name, province in regions:
        assert found[name, province] == found[name, ""] == (code, "exact")
    twice = {one for one in bare if bare.count(one) == 2}
    assert len(twice) == 25  # with Banjar, in two provinces, the 26 of the country
    # Gorontalo and the like name the province too.
    assert {found[one][1] for one in twice} <= {"ambiguous", "unknown"}
    assert all(found[one][1] == "ambiguous" for one in twice if one[0] != one[1])


def test_an_alias_holds_in_the_province_it_names(con: duck.Connection) -> None:
    """Merauke stood in Papua before 2022; who still writes so means the region of today."""
    seeds(con)
    con.execute(
        "DELETE FROM seed.region_aliases; INSERT INTO seed.region_aliases VALUES "
        "('Kab. Merauke', '94', '9501', 'before 2022'), ('West Java', '32', '32', 'English'), "
        "('Pusat', '31', '3173', ''), ('Pusat', '32', '3204', '')"
    )
    con.execute("UPDATE core.region SET valid_until = '2020-12-31' WHERE region_code = '3279'")
    columns = "exporter_place VARCHAR, exporter_province VARCHAR"
    places = [
        ("Kab. Merauke", "Papua"), ("Kab. Merauke", "Papua Selatan"), ("Kab. Merauke", "Bali"),
        ("Kota Depok", "West Java"), ("Pusat", "West Java"), ("Pusat", ""), ("Kota Banjar", ""),
    ]  # fmt: skip
    table(con, "core.certificate_version", columns, places)
    columns = "exporter_place, exporter_province, region_code, resolution"
    found = {row[:2]: row[2:] for row in result(con, "core.place", columns)}
    assert [found[place] for place in places] == [
        ("9501", "alias"),
        ("9501", "exact"),
        ("ID99", "unknown"),
        ("3276", "exact"),
        ("3204", "alias"),
        ("ID99", "ambiguous"),
        ("ID99", "unknown"),  # a region that is no more, until an alias says what it became
    ]


def test_scopes(con: duck.Connection) -> None:
    seeds(con)
    query = "SELECT scope_code, league, count(DISTINCT region_code) FROM core.scope_member "
    counts = {row[:2]: row[2] for row in con.execute(query + "GROUP BY ALL").fetchall()}
    assert counts["32", "all"] == 28 and counts["32", "kota"] == 9
    assert counts["32", "kabupaten"] == 18 and ("32", "province") not in counts
    assert counts["ID", "province"] == 38
    assert counts["ID", "all"] == counts["ID", "kota"] + counts["ID", "kabupaten"] + 1
    leaves = con.execute(
        "SELECT leaf_code FROM core.scope_member WHERE scope_code = 'ID' AND league = 'all' "
        "AND region_code = 'ID99' ORDER BY ALL"
    ).fetchall()
    assert len(leaves) == 39 and {("3199",), ("3299",), ("9799",), ("ID99",)} <= set(leaves)
    assert con.execute(
        "SELECT count(*) FROM core.scope_member WHERE league = 'province' AND leaf_code = '3299'"
    ).fetchone() == (1,)


# --- whole loads -------------------------------------------------------------------------------


@pytest.fixture
def build(data_root: Path, con: duck.Connection) -> duck.Connection:
    """A load of five deliveries by hand: chain, move, quarantine, refusal, superseded slice."""
    d1 = "0000001/DPK/2024"
    verdicts = [
        deliver(
            "BGR_2024-01",
            [
                line(N1, 1, hs_code="940360", fob_document=3000, line_fob=1000),
                line(N1, 2, hs_code="90111", fob_document=3000, line_fob=2000),
                line(N2, kind="replacement", replaces_ska_number=N1, issued_on="2024-02-10",
                     status_at="2024-02-10", flags=["nib_format"]),
                line(N3, status="rejected", line_fob=None),
            ],
            [line(N4, line_fob=250, exporter_place="Kota Depok")],
        ),
        deliver("DPK_2024-01", [line(d1), line("0000009/DPK/2024")]),
        # The same certificate again, moved; and one that the office moved and broke.
        deliver(
            "DPK_2024-02",
            [line(d1, issued_on="2024-02-03", status_at="2024-02-03", nib=None, npwp=None)],
            [line("0000009/DPK/2024", status_at="2024-02-04", currency_code=None)],
        ),
        deliver("BGR_2024-02", [line(N3)], landed_at="2026-10-01T00:00:00+00:00"),
        deliver("BGR_2024-02", []),
        deliver(
            "DPK_2024-03", [], verdict="refused", records=7, problems=[{"code": "header_mismatch"}]
        ),
    ]  # fmt: skip
    load.load(con, verdicts, {"eska": "2024-01"})
    return con


def test_books_close(build: duck.Connection) -> None:
    found = build.execute(
        "SELECT split_part(delivery_id, '/', 2), state, state_reason, records, "
        "stated_usd::VARCHAR, unreadable_records, fob_usd::VARCHAR FROM core.ledger ORDER BY ALL"
    ).fetchall()
    assert found == [
        ("BGR_2024-01", "current", "counted", 1, "1000.00", 0, "1000.00"),
        ("BGR_2024-01", "current", "replaced", 2, "3000.00", 0, "0.00"),
        ("BGR_2024-01", "current", "status", 1, "0.00", 1, "0.00"),
        ("BGR_2024-01", "quarantined", "critical_rule", 1, "250.00", 0, "0.00"),
        ("BGR_2024-02", "superseded", "newer_delivery", 1, "1000.00", 0, "0.00"),
        ("DPK_2024-01", "superseded", "newer_version", 2, "2000.00", 0, "0.00"),
        ("DPK_2024-02", "current", "counted", 1, "1000.00", 0, "1000.00"),
        ("DPK_2024-02", "quarantined", "critical_rule", 1, "0.00", 0, "0.00"),
        ("DPK_2024-03", "refused", "refused", 7, "0.00", 7, "0.00"),
    ]


def test_the_neck(build: duck.Connection) -> None:
    columns = (
        "exporter_key, issuer_region_code, domicile_region_code, month::VARCHAR, hs_chapter, "
        "destination_code, form_code, fob_usd::VARCHAR, certificates, flagged_usd::VARCHAR"
    )
    found = build.execute(f"SELECT {columns} FROM core.exporter_month ORDER BY ALL").fetchall()
    assert found == [
        ("name:DPK:CONTOH", "3276", "3201", "2024-02-01", "94", "JP", "B", "1000.00", 1, "0.00"),
        # The chain's value in the month of its first link, with the flag of the last.
        ("nib:1234567890123", "3201", "3201", "2024-01-01", "94", "JP", "B", "1000.00", 1,
         "1000.00"),
    ]  # fmt: skip


def test_quarantined_value_stands_where_it_seems_to_belong(build: duck.Connection) -> None:
    found = build.execute(
        "SELECT basis, region_code, month::VARCHAR, quarantined_usd::VARCHAR, records "
        "FROM core.quarantine_month ORDER BY ALL"
    ).fetchall()
    assert found == [
        ("domicile", "3201", "2024-01-01", "0.00", 1),
        ("domicile", "3276", "2024-01-01", "250.00", 1),
        ("issuer", "3201", "2024-01-01", "250.00", 1),
        ("issuer", "3276", "2024-01-01", "0.00", 1),
        ("port", "IDPORT99", "2024-01-01", "250.00", 2),
    ]


def test_nothing_of_the_stage_stays(build: duck.Connection) -> None:
    query = "SELECT DISTINCT schema_name FROM duckdb_tables() ORDER BY ALL"
    assert build.execute(query).fetchall() == [("core",), ("seed",)]


def test_loads_nothing_but_refusals_and_nil_returns(data_root: Path, con: duck.Connection) -> None:
    verdicts = [
        deliver("BGR_2024-01", []),
        deliver("DPK_2024-01", [], verdict="refused", records=3),
    ]
    load.load(con, verdicts, {"eska": "2024-01"})
    rank.rank(con)
    query = "SELECT count(*), sum(fob_usd) FROM mart.region_month WHERE basis <> 'port'"
    assert con.execute(query).fetchone() == (2 * (514 + 39), 0)
    assert con.execute("FROM mart.growth_ranking").fetchall() == []  # nothing was ever recorded


def test_what_cannot_be_placed_is_listed_with_a_row_to_paste(
    data_root: Path, con: duck.Connection
) -> None:
    rows = [
        line(N1, exporter_place="Bogor"),
        line(N2, exporter_place='Cibinong, "Kab"'),
        line(N3, exporter_place=None, exporter_province=None),
        line("0000001/XYZ/2024"),
    ]
    load.load(con, [deliver("BGR_2024-01", rows)], {"eska": "2024-01"})
    found = con.execute(
        "SELECT kind, spelling, region_code, certificates, fob_usd::VARCHAR, seed_row "
        "FROM core.unplaced ORDER BY ALL"
    ).fetchall()
    assert found == [
        ("issuer", "XYZ", "ID99", 1, "1000.00", "XYZ,<office name>,region,<region_code>,,,false,"),
        ("place", "", "ID99", 1, "1000.00", None),
        ("place", "Bogor", "3299", 1, "1000.00", '"Bogor",32,<3201 or 3271>,'),
        ("place", 'Cibinong, "Kab"', "3299", 1, "1000.00", '"Cibinong, ""Kab""",32,<region_code>,'),
        ("port", "", "IDPORT99", 4, "4000.00", None),
    ]


def built(verdicts: list[dict[str, Any]], query: str) -> list[tuple[Any, ...]]:
    with duck.connect() as con:
        load.load(con, verdicts, {"eska": "2024-01"})
        return con.execute(query).fetchall()


def test_a_withdrawal_takes_back_what_an_earlier_build_counted(data_root: Path) -> None:
    """From the moment it is known; an old month delivered again doesn't bring it back."""
    first = deliver("BGR_2024-01", [line(N1), line(N2, nib="2234567890123")])
    gone = {"status": "withdrawn", "status_at": "2024-02-20", "fob_document": None}
    second = deliver("BGR_2024-02", [line(N1, **gone)])
    again = deliver(
        "BGR_2024-01",
        [line(N1), line(N2, nib="2234567890123")],
        landed_at="2026-12-01T00:00:00+00:00",
    )
    month = (
        "SELECT fob_usd::VARCHAR, certificates, exporters FROM core.region_month "
        "WHERE basis = 'issuer' AND region_code = '3201' AND month = '2024-01-01'"
    )
    books = (
        "SELECT state, state_reason, records, fob_usd::VARCHAR FROM core.ledger "
        "WHERE state_reason <> 'newer_delivery' ORDER BY ALL"
    )
    assert built([first], month) == [("2000.00", 2, 2)]
    for verdicts in ([first, second], [first, second, again]):
        assert built(verdicts, month) == [("1000.00", 1, 1)]
        assert built(verdicts, books) == [
            ("current", "counted", 1, "1000.00"),
            ("current", "withdrawn", 1, "0.00"),
            ("superseded", "newer_version", 1, "0.00"),
        ]


def test_a_chain_goes_on_across_months_and_deliveries(data_root: Path) -> None:
    """Corrected in February and March, of which March is withdrawn: February counts, in January."""
    second = {"kind": "replacement", "replaces_ska_number": N1, "issued_on": "2024-02-10"}
    third = {"kind": "replacement", "replaces_ska_number": N2, "issued_on": "2024-03-10"}
    verdicts = [
        deliver("BGR_2024-01", [line(N1)]),
        deliver("BGR_2024-02", [line(N2, **second, fob_document=1100, line_fob=1100)]),
        deliver("BGR_2024-03", [line(N3, **third, status="withdrawn")]),
    ]
    query = "SELECT month::VARCHAR, fob_usd::VARCHAR, certificates FROM core.exporter_month"
    assert built(verdicts, query) == [("2024-01-01", "1100.00", 1)]
    verdicts[2] = deliver("BGR_2024-03", [line(N3, **third)])
    assert built(verdicts, query) == [("2024-01-01", "1000.00", 1)]


def test_unknown_exporters_are_a_bucket_of_their_region_and_never_count(data_root: Path) -> None:
    nobody = {"nib": None, "npwp": None, "exporter_name": None}
    verdicts = [
        deliver("BGR_2024-01", [
            line(N1), line(N2, nib="2234567890123"), line(N3, **nobody),
            line(N4, **nobody, is_back_to_back=True),
            line("0000005/BGR/2024", **nobody, exporter_place="Kota Depok"),
        ]),
    ]  # fmt: skip
    month = (
        "SELECT region_code, fob_usd::VARCHAR, certificates, exporters, is_unsafe "
        "FROM core.region_month WHERE basis = 'domicile' AND fob_usd > 0 ORDER BY ALL"
    )
    assert built(verdicts, month) == [
        ("3201", "4000.00", 4, 2, True),
        ("3276", "1000.00", 1, 0, True),
    ]
    exporters = "SELECT exporter_key FROM core.exporter ORDER BY ALL"
    assert built(verdicts, exporters) == [("nib:1234567890123",), ("nib:2234567890123",)]
    apart = "SELECT sum(back_to_back_usd)::VARCHAR FROM core.exporter_month"
    assert built(verdicts, apart) == [("1000.00",)]


def test_a_folder_whose_name_has_brackets_is_no_pattern(tmp_path: Path) -> None:
    """DuckDB takes `a [x]` for a pattern as soon as `a x` is there too, and reads that one."""
    with duck.connect() as con:
        for name in ("a x", "a [x]"):
            (tmp_path / name).mkdir()
            file = duck.literal(str(tmp_path / name / "line.parquet"))
            con.execute(f"COPY (SELECT {duck.literal(name)} AS name) TO {file}")
        con.execute("CREATE SCHEMA stage")
        staging._stage(con, "accepted_line", "name VARCHAR", [tmp_path / "a [x]" / "line.parquet"])
        assert con.execute("FROM stage.accepted_line").fetchall() == [("a [x]",)]
