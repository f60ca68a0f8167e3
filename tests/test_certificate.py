"""Certificates: golden rows for what decides which version counts, for how much, and for whom."""

from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from math import ceil, exp, log
from typing import Any

import pytest

from golden import CELL, accept, insert, line, result, seeds, table
from pipeline import duck, models, staging

N1, N2, N3, N4, N8 = (f"000000{n}/BGR/2024" for n in (1, 2, 3, 4, 8))


@pytest.fixture
def con() -> Iterator[duck.Connection]:
    with duck.connect() as connection:
        yield connection


def stage(con: duck.Connection, **by_delivery: list[dict[str, Any]]) -> None:
    """Deliveries d1, d2 … (of 1, 2 … February 2024) with these lines, in q1 … quarantined."""
    con.execute("CREATE SCHEMA IF NOT EXISTS stage; CREATE SCHEMA IF NOT EXISTS core")
    con.execute(
        f"CREATE TABLE stage.quarantine_row ({staging.RECORD}, findings {staging.FINDING}, "
        "raw VARCHAR)"
    )
    days = sorted({name[1:] for name in by_delivery})
    table(
        con,
        "core.delivery",
        "delivery_id VARCHAR, feed VARCHAR, office_code VARCHAR, month DATE, landed_at TIMESTAMP, "
        "extracted_at TIMESTAMP",
        [(f"d{n}", "f", "BGR", "2024-01-01", "2024-03-01", f"2024-02-0{n}") for n in days],
    )
    for name, rows in by_delivery.items():
        for row in rows if name[0] == "q" else ():
            insert(con, "stage.quarantine_row", {"delivery_id": f"d{name[1:]}", **row})
    accept(con, [
        {"delivery_id": f"d{name[1:]}", **row}
        for name, rows in by_delivery.items() for row in rows if name[0] == "a"
    ])  # fmt: skip
    con.execute("CREATE TABLE stage.accepted_line AS SELECT * EXCLUDE (delivery_no) FROM accepted")
    con.execute(
        "CREATE TABLE stage.accepted_certificate AS "
        "SELECT * EXCLUDE (delivery_no) FROM accepted_certificate"
    )
    models.materialise(con, "core", only=("core.certificate_contest",))


@pytest.mark.parametrize(
    ("first", "second", "states"),
    [
        # The later status wins, not the later delivery.
        ({"status_at": "2024-01-20"}, {"status_at": "2024-01-10"}, ["current", "superseded"]),
        ({}, {}, ["superseded", "current"]),
        ({}, {"status_at": None}, ["superseded", "current"]),
        ({"status_at": None}, {}, ["superseded", "current"]),
    ],
)
def test_which_version_wins(
    con: duck.Connection, first: dict[str, Any], second: dict[str, Any], states: list[str]
) -> None:
    stage(con, a1=[line(N1, **first)], a2=[line(N1, **second)])
    assert [r[0] for r in result(con, "core.certificate_version", "delivery_id")] == ["d1", "d2"]
    found = result(con, "core.certificate_version", "delivery_id, state, superseded_by")
    winner = f"d{states.index('current') + 1}"
    assert found == [
        (f"d{n}", state, winner if state == "superseded" else None)
        for n, state in enumerate(states, 1)
    ]


def test_a_quarantined_new_version_takes_the_old_one_out(con: duck.Connection) -> None:
    stage(con, a1=[line(N1)], q2=[line(N1, status_at=None, line_fob=None)])
    assert result(con, "core.certificate_version", "state, stated_usd, unreadable_records") == [
        ("quarantined", "0.00", 1),
        ("superseded", "1000.00", 0),
    ]


def test_a_record_without_a_number_is_told_by_its_line(con: duck.Connection) -> None:
    stage(con, q1=[line(N1), line(N1, certificate_key="d1 line:7", ska_number=None, line=7)])
    con.execute("ALTER TABLE core.delivery ADD COLUMN slice_code VARCHAR DEFAULT 'BGR_2024-01'")
    models.materialise(con, "core", only=("core.certificate_version",))
    columns = "certificate_key, period, line, record_key"
    assert result(con, "core.quarantine_record", columns) == [
        (N1, "2024-01", 2, N1),
        ("d1 line:7", "2024-01", 7, "line:7"),
    ]


VERSION = """certificate_key VARCHAR, replaces_ska_number VARCHAR, status VARCHAR, kind VARCHAR,
    issued_on DATE, status_at TIMESTAMP, peb_on DATE, state VARCHAR"""


def chain(con: duck.Connection, *rows: tuple[Any, ...]) -> dict[str, tuple[Any, ...]]:
    """(number, replaces, status, kind, day of January [, state]) → (is_counted, first day)."""
    whole = [
        (number, replaces, status, kind, f"2024-01-{day:02}", f"2024-01-{day:02}", None,
         state[0] if state else "current")
        for number, replaces, status, kind, day, *state in rows
    ]  # fmt: skip
    table(con, "core.certificate_version", VERSION, whole)
    columns = "certificate_key, chain_key, is_counted, day(first_issued_on)"
    return {row[0]: row[1:] for row in result(con, "core.certificate_chain", columns)}


def test_a_chain_counts_its_latest_link_in_its_first_month(con: duck.Connection) -> None:
    found = chain(
        con,
        (N1, None, "issued", "new", 1),
        (N2, N1, "issued", "replacement", 5),
        (N3, N2, "issued", "replacement", 9),
        (N4, None, "issued", "new", 2),
    )
    assert found == {N1: (N1, False, 1), N2: (N1, False, 1), N3: (N1, True, 1)}


@pytest.mark.parametrize(
    ("rows", "counted", "first"),
    [
        # A loop, and a fork whose original never came.
        ([(N1, N2, "issued", "replacement", 1), (N2, N1, "issued", "replacement", 5)], {N2}, 1),
        ([(N1, N4, "issued", "replacement", 3), (N2, N4, "issued", "replacement", 5)], {N2}, 3),
        # What names itself is a chain of one.
        ([(N1, N1, "issued", "replacement", 3)], {N1}, 3),
        # Withdrawn, or not issued yet: the one before it still counts.
        ([(N1, None, "issued", "new", 1), (N2, N1, "withdrawn", "replacement", 5)], {N1}, 1),
        ([(N1, None, "issued", "new", 1), (N2, N1, "in_process", "replacement", 5)], {N1}, 1),
        ([(N1, None, "withdrawn", "new", 1), (N2, N1, "issued", "replacement", 5)], {N2}, 1),
        # A duplicate counts zero; alone, nothing counts.
        ([(N1, None, "issued", "new", 1), (N2, N1, "issued", "duplicate", 5)], {N1}, 1),
        ([(N2, N1, "issued", "duplicate", 5)], set(), 5),
        # A quarantined link ties its neighbours, and is none itself.
        (
            [
                (N1, None, "issued", "new", 1),
                (N2, N1, "issued", "replacement", 5, "quarantined"),
                (N3, N2, "issued", "replacement", 9),
            ],
            {N3},
            1,
        ),
    ],
)
def test_odd_chains(
    con: duck.Connection, rows: list[tuple[Any, ...]], counted: set[str], first: int
) -> None:
    found = chain(con, *rows)
    assert found
    assert {number for number, row in found.items() if row[1]} == counted
    assert {row[2] for row in found.values()} == {first}


@pytest.mark.parametrize(
    ("rows", "trouble"),
    [
        ([(N2, N1, "issued", "replacement", 5), (N3, N1, "issued", "replacement", 9)], "fork"),
        ([(N2, N1, "withdrawn", "replacement", 5), (N3, N1, "issued", "replacement", 9)], None),
        ([(N2, N1, "issued", "duplicate", 5), (N3, N1, "issued", "replacement", 9)], None),
        ([(N1, N2, "issued", "replacement", 1), (N2, N1, "issued", "replacement", 5)], "loop"),
        ([(N1, N1, "issued", "replacement", 1)], "loop"),
        # A loop that something leads into.
        (
            [
                (N1, N2, "issued", "replacement", 1),
                (N2, N1, "issued", "replacement", 5),
                (N3, N2, "rejected", "replacement", 7),
            ],
            "loop",
        ),
        ([(N2, N1, "issued", "replacement", 5), (N3, N2, "issued", "replacement", 9)], None),
    ],
)
def test_forks_and_loops_are_told_with_their_links(
    con: duck.Connection, rows: list[tuple[Any, ...]], trouble: str | None
) -> None:
    chain(con, *rows)
    links = ", ".join(f"{number} replaces {other}" for number, other, *_ in rows)
    found = set(result(con, "core.certificate_chain", "trouble, link_text"))
    assert found == {(f"chain_{trouble}", links) if trouble else (None, None)}


def test_the_latest_link_is_the_one_that_nothing_replaces(con: duck.Connection) -> None:
    """Not the one with the latest status: the first was asked to be withdrawn after both."""
    rows = [(N1, None, "withdrawal_requested", "new", 9), (N2, N1, "issued", "replacement", 5)]
    found = chain(con, *rows)
    assert {number for number, row in found.items() if row[1]} == {N2}


def test_an_office_replaces_only_its_own(con: duck.Connection) -> None:
    other = "0000001/DPK/2024"
    rows = [(other, None, "issued", "new", 1), (N2, other, "issued", "replacement", 5)]
    assert chain(con, *rows) == {}


def test_a_junk_number_ties_nothing(con: duck.Connection) -> None:
    rows = [(N1, "tidak ada", "issued", "new", 1), (N2, "tidak ada", "issued", "new", 2)]
    assert chain(con, *rows) == {}


FIFTEEN, SIXTEEN = "012345678901000", "0012345678999999"


def test_who_an_exporter_is(con: duck.Connection) -> None:
    seeds(con)
    nib = "1234567890123"
    cases = [
        {"nib": nib, "npwp": FIFTEEN},
        {"nib": None, "npwp": SIXTEEN},  # the same taxpayer after 1 July 2024
        {"nib": "9" * 13, "npwp": "0" * 15, "exporter_name": "PT. Mebel Rotan, Tbk"},  # junk
        {"nib": "12345678901", "npwp": None, "exporter_name": "mebel rotan"},
        {"nib": None, "npwp": "3201234567890001"},  # a person's number
        {"nib": None, "npwp": None, "exporter_name": None},
    ]
    numbers = [f"000000{n}/BGR/2024" for n in range(len(cases))]
    stage(con, a1=[line(n, **case) for n, case in zip(numbers, cases, strict=True)])
    columns = "certificate_key, nib_id, npwp_id, name_id"
    assert [row[1:] for row in result(con, "core.certificate_version", columns)] == [
        (f"nib:{nib}", "npwp:012345678", None),
        (None, "npwp:012345678", None),
        (None, None, "name:BGR:MEBEL ROTAN"),
        (None, None, "name:BGR:MEBEL ROTAN"),
        (None, "person:3201234567890001", None),
        (None, None, None),
    ]
    models.materialise(con, "core", only=("core.certificate_version",))
    assert result(con, "core.exporter_identifier") == [
        (f"nib:{nib}", f"nib:{nib}"),
        ("npwp:012345678", f"nib:{nib}"),
        ("person:3201234567890001", "person:3201234567890001"),
    ]


def test_numbers_seen_together_are_one_exporter(con: duck.Connection) -> None:
    seeds(con)
    columns = "nib_id VARCHAR, npwp_id VARCHAR, is_quarantined BOOLEAN"
    pairs = [("nib:3", "npwp:b"), ("nib:2", "npwp:b"), ("nib:2", "npwp:a"), ("nib:4", None)]
    table(con, "core.certificate_version", columns, [(*pair, False) for pair in pairs])
    con.execute("INSERT INTO core.certificate_version VALUES ('nib:2', 'npwp:quarantined', true)")
    assert result(con, "core.exporter_identifier") == [
        ("nib:2", "nib:2"),
        ("nib:3", "nib:2"),
        ("nib:4", "nib:4"),
        ("npwp:a", "nib:2"),
        ("npwp:b", "nib:2"),
    ]


def test_a_long_chain_across_deliveries_ends(con: duck.Connection) -> None:
    """Sixty links in a circle: each takes the smallest name, then it stops."""
    numbers = [f"{n:07}/BGR/2024" for n in range(1, 61)]
    rows = [(one, numbers[n - 1], "issued", "replacement", 5) for n, one in enumerate(numbers)]
    found = chain(con, *rows)
    assert {row[0] for row in found.values()} == {numbers[0]}
    assert sum(row[1] for row in found.values()) == 1


UP_TO_VALUE = tuple(
    f"core.{name}"
    for name in (
        *("certificate_version", "place", "port_spelling", "certificate_chain"),
        *("certificate_peb", "shared_peb"),
        *("certificate_reason", "same_goods", "exporter_identifier", "exporter_link"),
        "certificate_value",
    )
)
UP_TO_LINE = (
    *(*UP_TO_VALUE, "core.certificate_line", "core.certificate"),
    *("core.unit_value_band", "core.unit_value_outlier", "core.certificate_oddity"),
)


def valued(con: duck.Connection, *rows: dict[str, Any]) -> list[tuple[Any, ...]]:
    """(number, value_source, fob_usd, reason) of these lines."""
    seeds(con)
    stage(con, a1=list(rows))
    models.materialise(con, "core", only=UP_TO_VALUE)
    columns = "certificate_key, value_source, fob_usd, reason"
    return con.execute(f"SELECT {columns} FROM core.certificate_value ORDER BY ALL").fetchall()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"status": "withdrawn"}, "withdrawn"),
        ({"status": "rejected"}, "status"),
        ({"status": "in_process", "kind": "duplicate"}, "status"),
        ({"kind": "duplicate"}, "duplicate"),
        ({"currency_code": "XAF"}, "no_rate"),
        ({"currency_code": "EUR", "peb_on": "2019-12-31"}, "no_rate"),
        ({"fob_document": None}, "no_value"),
        ({"fob_document": 0, "currency_code": None}, "no_value"),
        ({"fob_document": None, "fob_invoice": 1, "is_third_country": True}, "no_value"),
        ({"fob_document": None, "kind": "duplicate"}, "duplicate"),
        ({"kind": None}, None),
        ({"status": "withdrawal_requested"}, None),
    ],
)
def test_why_a_certificate_does_not_count(
    con: duck.Connection, changes: dict[str, Any], reason: str | None
) -> None:
    ((_, source, fob, found),) = valued(con, line(N1, **changes))
    assert found == reason
    assert (source, str(fob)) == (("document", "1000.00") if reason is None else (None, "None"))


PEB = {"peb_number": "000123", "peb_on": "2024-01-10", "customs_office": "040300"}


def test_which_total_is_the_value(con: duck.Connection) -> None:
    alone = valued(
        con,
        line(N1, **PEB, fob_peb=1001, fob_document=1000),
        line(N2, fob_peb=1001, fob_document=1000),
        line(N3, fob_document=None, fob_invoice=999),
        line(N4, fob_document=None, fob_invoice=1500, fob_peb=1001, is_third_country=True),
    )
    assert [(row[1], str(row[2])) for row in alone] == [
        ("peb", "1001.00"),
        ("document", "1000.00"),  # a PEB total without a PEB's number says nothing
        ("invoice", "999.00"),
        ("peb_part", "1001.00"),
    ]


@pytest.mark.parametrize(
    ("numbers", "total", "parts"),
    [
        # Equal parts add up to the PEB's total: what is left over goes round in order of issue.
        (["000123"] * 3, "100.00", ["33.33", "33.33", "33.34"]),
        (["000123"] * 3, "0.02", ["0.00", "0.01", "0.01"]),
        (["000123", "123", " 123 "], "1.00", ["0.33", "0.33", "0.34"]),  # zeros that Excel dropped
    ],
)
def test_parts_of_a_peb_add_up_to_it(
    con: duck.Connection, numbers: list[str], total: str, parts: list[str]
) -> None:
    rows = [
        line(name, net_kg=n, fob_document=None, fob_peb=total, **{**PEB, "peb_number": number})
        for n, (name, number) in enumerate(zip((N1, N2, N3), numbers, strict=True))
    ]
    found = valued(con, *rows)
    assert [(row[1], str(row[2])) for row in found] == [("peb_part", part) for part in parts]


def test_who_shares_a_peb_is_known_only_when_the_goods_are(con: duck.Connection) -> None:
    """The second repeats the first's goods: one certificate is left, and the PEB's total its."""
    same = {**PEB, "fob_peb": 1010}
    found = valued(con, line(N1, **same), line(N2, **same, issued_on="2024-01-16"))
    assert [(row[1], str(row[2]), row[3]) for row in found] == [
        ("peb", "1010.00", None),
        ("document", "1000.00", "same_goods"),
    ]


@pytest.mark.parametrize(
    "text",
    ["000123; 000124", "000124,000123", "000123 & 124", "000123 dan 000124", "000123 000124"],
)
def test_a_certificate_may_draw_on_several_pebs(con: duck.Connection, text: str) -> None:
    several = {**PEB, "peb_number": text, "fob_peb": 3000}
    found = valued(con, line(N1, **several), line(N2, **{**PEB, "peb_number": "9", "fob_peb": 5}))
    assert [(row[1], str(row[2])) for row in found] == [("peb", "3000.00"), ("peb", "5.00")]
    keys = "SELECT peb_keys FROM core.certificate_value WHERE certificate_key = ?"
    assert con.execute(keys, [N1]).fetchall() == [
        (["123 2024-01-10 040300", "124 2024-01-10 040300"],)
    ]


def test_its_peb_total_holds_only_if_nobody_else_draws_on_any_of_them(
    con: duck.Connection,
) -> None:
    other = {**PEB, "peb_number": "000124", "fob_peb": 900}
    found = valued(
        con,
        # Goods lines may name different ones, too.
        line(N1, 1, **PEB, fob_peb=3000, fob_document=2000),
        line(N1, 2, **{**other, "fob_peb": 3000}, fob_document=2000),
        line(N2, **other, fob_document=950, net_kg=1),
    )
    assert [(row[1], str(row[2])) for row in found] == [
        ("document", "2000.00"),
        ("document", "950.00"),
    ]


def test_money_converts_at_the_declarations_date(con: duck.Connection) -> None:
    """1,234.56 EUR × 17,100.10 / 15,400.25; yen per 100; the week of the PEB, else of the issue."""
    seeds(con)
    rates = [
        ("EUR", "2024-01-03", "2024-01-09", "1", "17100.10", "decree 1", "false"),
        ("EUR", "2024-01-10", "2024-01-16", "1", "17000.00", "decree 2", "false"),
        ("JPY", "2024-01-10", "2024-01-16", "100", "10650.33", "decree 2", "true"),
        ("USD", "2024-01-03", "2024-01-09", "1", "15400.25", "decree 1", "false"),
        ("USD", "2024-01-10", "2024-01-12", "1", "15500.00", "decree 2", "false"),
    ]
    columns = ("currency_code", "valid_from", "valid_until", "units", "rupiah", "source",
               "is_synthetic")  # fmt: skip
    table(con, "seed.exchange_rate", ", ".join(f"{name} VARCHAR" for name in columns), rates)
    models.materialise(con, "core", only=("core.exchange_rate",))
    real = {"currency_code": "EUR", "fob_document": "1234.56", "is_synthetic": False}
    yen = {**real, "currency_code": "JPY", "fob_document": "1000000"}
    numbers = [f"{n:07}/BGR/2024" for n in range(1, 7)]
    cases = [
        {**real, "peb_on": "2024-01-09", "issued_on": "2024-01-12"},
        {**real, "peb_on": "2024-01-10", "issued_on": "2024-01-12"},
        {**real, "issued_on": "2024-01-09"},
        {**yen, "issued_on": "2024-01-12"},
        {**real, "issued_on": "2024-01-13"},  # no rate of the US$ any more
        {**real, "issued_on": "2024-01-02"},
    ]
    stage(con, a1=[line(n, **case) for n, case in zip(numbers, cases, strict=True)])
    models.materialise(con, "core", only=UP_TO_LINE)
    found = con.execute(
        "SELECT fob_usd::VARCHAR, rate_on::VARCHAR, usd_rate::VARCHAR, rate_source, reason, "
        "fob_stated::VARCHAR FROM core.certificate ORDER BY certificate_key"
    ).fetchall()
    assert found == [
        ("1370.83", "2024-01-09", "1.1103780783", "decree 1", None, "1234.56"),
        ("1354.03", "2024-01-10", "1.0967741935", "decree 2", None, "1234.56"),
        ("1370.83", "2024-01-09", "1.1103780783", "decree 1", None, "1234.56"),
        ("6871.18", "2024-01-12", "0.0068711806", "decree 2", None, "1000000.00"),
        (None, "2024-01-13", None, None, "no_rate", None),
        (None, "2024-01-02", None, None, "no_rate", None),
    ]
    exact = Decimal("1234.56") * Decimal("17100.10") / Decimal("15400.25")
    assert found[0][0] == str(exact.quantize(Decimal("0.01"), ROUND_HALF_UP))
    models.materialise(con, "core", only=("core.certificate_chain",))
    table(con, "stage.row_rule", "rule_name VARCHAR, severity VARCHAR", [])
    flags = result(con, "core.certificate_flag", "certificate_key, rule_name, severity")
    assert flags == [(numbers[3], "rate_synthetic", "warning")]
    seen = "written_code VARCHAR, written_name VARCHAR, resolution VARCHAR"
    table(con, "core.aggregate_cell", f"{CELL}, {seen}", [])
    listed = result(con, "core.unplaced", "kind, spelling, certificates, fob_usd, stated, seed_row")
    assert [row for row in listed if row[0] == "rate"] == [
        ("rate", "EUR", 1, "0.00", "1234.56",
         "EUR,2023-12-27,2024-01-02,<units>,<rupiah>,<decree>,false"),
        ("rate", "EUR", 1, "0.00", "1234.56",
         "EUR,2024-01-10,2024-01-16,<units>,<rupiah>,<decree>,false"),
    ]  # fmt: skip


def test_totals_of_a_peb_are_compared_in_one_currency(con: duck.Connection) -> None:
    """Goods stated in euro and in US$ are the same where they are worth the same."""
    seeds(con)
    rates = [
        ("EUR", "2024-01-10", "2024-01-16", "1", "20000", "s", "true"),
        ("USD", "2024-01-10", "2024-01-16", "1", "16000", "s", "true"),
    ]
    columns = "c VARCHAR, f VARCHAR, u VARCHAR, n VARCHAR, r VARCHAR, s VARCHAR, i VARCHAR"
    names = "(currency_code, valid_from, valid_until, units, rupiah, source, is_synthetic)"
    table(con, "seed.rates", columns, rates)
    con.execute(
        f"CREATE OR REPLACE TABLE seed.exchange_rate AS SELECT * FROM seed.rates AS t{names}"
    )
    models.materialise(con, "core", only=("core.exchange_rate",))
    euro = {**PEB, "currency_code": "EUR"}
    stage(
        con,
        a1=[
            line(N1, **PEB, fob_peb=1000),
            line(N2, **euro, line_fob=800, fob_document=800, issued_on="2024-01-16"),
            line(N3, **euro, line_fob=200, fob_document=200, issued_on="2024-01-16"),
        ],
    )
    models.materialise(con, "core", only=UP_TO_LINE)
    values = "certificate_key, counted_usd::VARCHAR, reason"
    query = f"SELECT {values} FROM core.certificate ORDER BY certificate_key"
    assert con.execute(query).fetchall() == [
        (N1, "1000.00", None),
        (N2, "0.00", "same_goods"),
        (N3, "250.00", None),
    ]
    table(con, "stage.row_rule", "rule_name VARCHAR, severity VARCHAR", [])
    assert set(result(con, "core.certificate_flag", "certificate_key, rule_name")) == {
        (N1, "peb_exceeded"),
        (N3, "peb_exceeded"),
    }


def test_a_shared_peb_is_no_value(con: duck.Connection) -> None:
    found = valued(
        con,
        line(N1, **PEB, fob_peb=3000, fob_document=1000),
        line(N2, **PEB, fob_peb=3000, fob_document=0, fob_invoice=1200, net_kg=11),
        line(N3, **PEB, fob_peb=3000, fob_document=None, net_kg=12),
        # Not counted, so it shares nothing; nor does the same number at another customs office.
        line(N4, **PEB, fob_peb=3000, status="withdrawn"),
        line("0000005/BGR/2024", **{**PEB, "customs_office": "050100"}, fob_peb=700),
    )
    assert [(row[1], str(row[2])) for row in found] == [
        ("document", "1000.00"),
        ("invoice", "1200.00"),
        ("peb_part", "1000.00"),
        (None, "None"),
        ("peb", "700.00"),
    ]


def test_regions_and_month(con: duck.Connection) -> None:
    valued(
        con,
        line(N1),
        line("0000002/JBR/2024", exporter_place="Kota Depok"),
        line("0000003/DIT/2024", exporter_place=None, exporter_province=None),
        line("0000004/XYZ/2024", exporter_place="Bogor"),
        line(
            "0000005/BGR/2024", kind="replacement", replaces_ska_number=N1, issued_on="2024-03-02"
        ),
    )
    found = con.execute(
        "SELECT issuer_region_code, domicile_region_code, month::VARCHAR, reason "
        "FROM core.certificate_value ORDER BY certificate_key"
    ).fetchall()
    assert found == [
        ("3201", "3201", "2024-01-01", "replaced"),
        ("3299", "3276", "2024-01-01", None),
        ("ID99", "ID99", "2024-01-01", None),
        ("ID99", "3299", "2024-01-01", None),
        ("3201", "3201", "2024-01-01", None),
    ]


def test_the_period_may_be_that_of_the_peb(con: duck.Connection) -> None:
    seeds(con)
    con.execute("UPDATE seed.rule SET value = '1' WHERE rule_name = 'period_by_peb_date'")
    models.materialise(con, "core", only=("core.setting",))
    later = {"kind": "replacement", "replaces_ska_number": N1, "issued_on": "2024-04-02"}
    rows = [
        line(N1, **{**PEB, "peb_on": "2023-12-30"}),
        line(N2, **{**PEB, "peb_on": "2024-03-30"}, **later),
        line(N3, **{**PEB, "peb_number": "9", "peb_on": "2023-11-30"}),
        line(N4),
    ]
    stage(con, a1=rows)
    models.materialise(con, "core", only=UP_TO_VALUE)
    query = "SELECT month::VARCHAR FROM core.certificate_value WHERE reason IS NULL ORDER BY ALL"
    assert con.execute(query).fetchall() == [("2023-11-01",), ("2023-12-01",), ("2024-01-01",)]


def test_branches_are_one_exporter_in_their_own_places(con: duck.Connection) -> None:
    """The last three of the 15 digits name the branch; each has its certificate's place."""
    valued(
        con,
        line(N1, nib=None, npwp="012345678901000"),
        line(N2, nib=None, npwp="012345678055001", exporter_place="Kota Depok"),
        line(N3, nib=None, npwp="0012345678901002", exporter_place="Kab. Bekasi"),
    )
    query = (
        "SELECT exporter_key, domicile_region_code FROM core.certificate_value ORDER BY "
        "certificate_key"
    )
    assert con.execute(query).fetchall() == [
        ("npwp:012345678", "3201"),
        ("npwp:012345678", "3276"),
        ("npwp:012345678", "3216"),
    ]


def test_links_join_for_ever_or_for_a_time(con: duck.Connection) -> None:
    seeds(con)
    nib = [f"111111111111{n}" for n in range(2, 6)]
    con.execute(
        "INSERT INTO seed.exporter_links VALUES (?, ?, NULL, NULL, 'a'), (?, ?, ?, NULL, 'b')",
        [f"nib:{nib[1]}", f"nib:{nib[0]}", f"nib:{nib[3]}", f"nib:{nib[2]}", "2024-01-15"],
    )
    days = {N1: (0, "2024-01-10"), N2: (1, "2024-01-10"), N3: (3, "2024-01-14")}
    days |= {N4: (3, "2024-01-15"), "0000005/BGR/2024": (2, "2024-01-10")}
    stage(con, a1=[line(n, nib=nib[who], issued_on=day) for n, (who, day) in days.items()])
    models.materialise(con, "core", only=UP_TO_VALUE)
    query = "SELECT exporter_key FROM core.certificate_value ORDER BY certificate_key"
    found = [key for (key,) in con.execute(query).fetchall()]
    assert found == [f"nib:{nib[who]}" for who in (0, 0, 3, 2, 2)]


def test_an_issuer_serves_what_it_served_on_the_day(con: duck.Connection) -> None:
    seeds(con)
    con.execute(
        "UPDATE seed.issuer SET valid_until = '2024-01-15' WHERE issuer_code = 'BGR'; "
        "INSERT INTO seed.issuer VALUES "
        "('BGR', 'Kota Bogor', 'region', '3271', '2024-01-16', NULL, 'true', 'a decree')"
    )
    models.materialise(con, "core", only=("core.issuer",))
    stage(con, a1=[line(N1), line(N2, issued_on="2024-01-16")])
    models.materialise(con, "core", only=UP_TO_VALUE)
    columns = "issuer_region_code, is_confirmed"
    found = con.execute(
        f"SELECT {columns} FROM core.certificate_value JOIN core.issuer USING (issuer_code) "
        "WHERE issued_on BETWEEN valid_from AND valid_until ORDER BY certificate_key"
    ).fetchall()
    assert found == [("3201", False), ("3271", True)]


def lines(con: duck.Connection, *rows: dict[str, Any]) -> list[tuple[Any, ...]]:
    """(number, physical line, fob_usd, reason, is_main) of these lines."""
    seeds(con)
    stage(con, a1=list(rows))
    models.materialise(con, "core", only=UP_TO_LINE)
    columns = "certificate_key, line, fob_usd::VARCHAR, reason, is_main"
    return con.execute(f"SELECT {columns} FROM core.certificate_line ORDER BY ALL").fetchall()


@pytest.mark.parametrize(
    ("total", "goods", "parts"),
    [
        # By line FOB: half up, what is left over to the largest line.
        ("100.00", [("1.00", 1), ("1.00", 1), ("1.00", 1)], ["33.34", "33.33", "33.33"]),
        ("100.00", [("1.00", 1), ("2.00", 1), ("1.00", 1)], ["25.00", "50.00", "25.00"]),
        ("0.02", [("1.00", 1), ("1.00", 1), ("5.00", 1)], ["0.00", "0.00", "0.02"]),
        ("0.05", [("1.00", 1), ("1.00", 1), ("2.00", 1)], ["0.01", "0.01", "0.03"]),
        # One line FOB is missing: by net weight; no weight either, or none at all: equally.
        ("90.00", [("1.00", 1), (None, 2)], ["30.00", "60.00"]),
        ("90.00", [("1.00", 1), (None, None)], ["45.00", "45.00"]),
        ("90.00", [("0.00", 0), ("0.00", 0)], ["45.00", "45.00"]),
        # Beyond what a DOUBLE holds.
        (
            "9999999999999999.99",
            [("3333333333333333.33", 1), ("6666666666666666.66", 1)],
            ["3333333333333333.33", "6666666666666666.66"],
        ),
    ],
)
def test_lines_share_the_value_to_the_cent(
    con: duck.Connection, total: str, goods: list[tuple[Any, Any]], parts: list[str]
) -> None:
    rows = [
        line(N1, n, fob_document=total, line_fob=fob, net_kg=net)
        for n, (fob, net) in enumerate(goods, 1)
    ]
    found = lines(con, *rows)
    assert [row[2] for row in found] == parts
    assert [row[4] for row in found].count(True) == 1


def test_identical_goods_under_one_peb_count_once(con: duck.Connection) -> None:
    shared = {**PEB, "fob_peb": 2000}
    found = lines(
        con,
        # The earlier issued keeps them, also twice within itself.
        line(N3, 1, **shared, issued_on="2024-01-11", line_fob=600, fob_document=1200),
        line(N3, 2, **shared, issued_on="2024-01-11", line_fob=600, fob_document=1200),
        line(N1, 1, **shared, line_fob=600, fob_document=1000),
        line(N1, 2, **shared, line_fob=400, fob_document=1000),
        line(N2, 1, **shared, line_fob=600, net_kg=11),
        line(N4, 1, **{**shared, "peb_number": "9"}, line_fob=600),
    )
    assert [(row[0], row[1], row[3]) for row in found] == [
        (N1, 2, "same_goods"),
        (N1, 3, None),
        (N2, 2, None),
        (N3, 2, None),
        (N3, 3, None),
        (N4, 2, None),
    ]
    assert con.execute(
        "SELECT fob_usd::VARCHAR, counted_usd::VARCHAR, is_counted FROM core.certificate "
        "WHERE certificate_key = ?",
        [N1],
    ).fetchall() == [("1000.00", "400.00", True)]


def test_a_certificate_of_goods_counted_elsewhere_does_not_count(con: duck.Connection) -> None:
    shared = {**PEB, "fob_peb": 1000, "fob_document": 1000, "line_fob": 1000}
    found = lines(con, line(N1, **shared), line(N2, **shared, issued_on="2024-01-16"))
    assert [row[2:] for row in found] == [
        ("1000.00", None, True),
        ("1000.00", "same_goods", False),
    ]
    reasons = con.execute(
        "SELECT is_counted, reason, counted_usd::VARCHAR FROM core.certificate ORDER BY ALL"
    ).fetchall()
    assert reasons == [(False, "same_goods", "0.00"), (True, None, "1000.00")]


def test_flags(con: duck.Connection) -> None:
    lines(
        con,
        line(N1, 1, flags=["peb_complete"]),
        line(N1, 2, flags=["nib_format", "peb_complete"]),
        line(N2, status="withdrawal_requested"),
        line(N3, **PEB, fob_peb=1500),
        line(N4, **PEB, fob_peb=1500, net_kg=1),
        line("0000005/BGR/2024", fob_document=None, fob_peb=10),
        line(
            "0000006/BGR/2024",
            is_third_country=True,
            is_back_to_back=True,
            is_retroactive=True,
            office_name="KABUPATEN BOGOR",
        ),
        line("0000007/BGR/2024", office_name="Kota Depok", replaces_ska_number=N8),
        line("0000009/BGR/2024", kind="replacement", replaces_ska_number="0000001/DPK/2024"),
        # A PEB of one's own that says more than the document by over 1 %, and by just 1 %.
        line("0000010/BGR/2024", peb_number="10", peb_on="2024-01-10", fob_peb="1010.01"),
        line("0000011/BGR/2024", peb_number="11", peb_on="2024-01-10", fob_peb="1010.00"),
        # A loop.
        line(N8, replaces_ska_number="0000007/BGR/2024", issued_on="2024-01-02"),
    )
    columns = "rule_name VARCHAR, severity VARCHAR"
    table(con, "stage.row_rule", columns, [("peb_complete", "info"), ("nib_format", "warning")])
    assert result(con, "core.certificate_flag", "certificate_key, rule_name, severity") == [
        (N1, "nib_format", "warning"),
        (N1, "peb_complete", "info"),
        (N2, "withdrawal_requested", "warning"),
        (N3, "peb_exceeded", "warning"),
        (N4, "peb_exceeded", "warning"),
        ("0000005/BGR/2024", "value_from_shared_peb", "warning"),
        ("0000006/BGR/2024", "back_to_back", "info"),
        ("0000006/BGR/2024", "retroactive", "info"),
        ("0000006/BGR/2024", "third_country", "info"),
        ("0000007/BGR/2024", "chain_loop", "warning"),
        ("0000007/BGR/2024", "office_differs", "warning"),
        (N8, "chain_loop", "warning"),
        ("0000009/BGR/2024", "replaces_elsewhere", "warning"),
        ("0000010/BGR/2024", "peb_differs", "warning"),
    ]


def test_unit_values_far_out_of_their_subheading_s_range(con: duck.Connection) -> None:
    """Worth 100, 110 … 390 US$ per kg, twice 7 kg each; lines 61 on: what is tried."""
    tried = [("090360", 7, "1100.00"), ("090360", 7, "1500000.00"), ("090360", 7, "0.01"),
             ("090360", None, "9.00"), ("090360", 0, "9.00"), ("610910", 7, "1500000.00"),
             ("0903600000", 1, "200000.00"), (None, 7, "1500000.00"),
             ("09036000000", 7, "1500000.00")]  # fmt: skip
    plain = [("09036090", 7, f"{700 + 70 * (n % 30)}.00") for n in range(60)]
    rows = [
        line(f"{n:07}/BGR/2024", hs_code=hs, net_kg=kg, fob_document=usd, line_fob=usd)
        for n, (hs, kg, usd) in enumerate([*plain, *tried], 1)
    ]
    alike = [line(f"{n:07}/BGR/2024", hs_code="620342") for n in range(101, 131)]
    # Alike but one: no distance between the quartiles, so nothing can be said.
    alike[0] |= {"fob_document": 9, "line_fob": 9}
    few = [line(f"{n:07}/BGR/2024", hs_code="090111", line_fob=n * n, fob_document=n * n)
           for n in range(201, 230)]  # fmt: skip
    uncounted = line("0000300/BGR/2024", net_kg=7, fob_document=9**9, status="withdrawn")
    lines(con, *rows, *alike, *few, uncounted)
    prices = sorted([100 + 10 * (n % 30) for n in range(60)] + [1100 / 7, 1.5e6 / 7, 0.01 / 7, 2e5])
    q1, q3 = log(prices[ceil(len(prices) * 0.25) - 1]), log(prices[ceil(len(prices) * 0.75) - 1])
    ((hs6, count, low, high),) = result(con, "core.unit_value_band")
    assert (hs6, count) == (90360, 64)
    assert low == pytest.approx(exp(q1 - 3 * (q3 - q1)), rel=1e-6)
    assert high == pytest.approx(exp(q3 + 3 * (q3 - q1)), rel=1e-6)
    far_out = [(f"{n:07}/BGR/2024", "090360") for n in (62, 63, 67)]
    assert result(con, "core.unit_value_outlier", "certificate_key, hs6") == far_out
    table(con, "stage.row_rule", "rule_name VARCHAR, severity VARCHAR", [])
    assert result(con, "core.certificate_flag", "certificate_key, rule_name, severity") == [
        (number, "unit_value", "warning") for number, _ in far_out
    ]
