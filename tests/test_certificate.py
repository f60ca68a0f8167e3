"""Certificates: golden rows for what decides which version counts, for how much, and for whom."""

from collections.abc import Iterator
from typing import Any

import pytest
from golden import line, result, seeds, table

from pipeline import duck, load, models

N1, N2, N3, N4 = (f"000000{n}/BGR/2024" for n in (1, 2, 3, 4))


@pytest.fixture
def con() -> Iterator[duck.Connection]:
    with duck.connect() as connection:
        yield connection


def stage(con: duck.Connection, **by_delivery: list[dict[str, Any]]) -> None:
    """Deliveries d1, d2 … (of 1, 2 … February 2024) with these lines, in q1 … quarantined."""
    con.execute("CREATE SCHEMA IF NOT EXISTS stage; CREATE SCHEMA IF NOT EXISTS core")
    con.execute(f"CREATE TABLE stage.accepted_line ({load.LINE})")
    con.execute(
        f"CREATE TABLE stage.quarantine_row ({load.LINE}, findings {load.FINDING}, raw VARCHAR)"
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
        target = "stage.quarantine_row" if name[0] == "q" else "stage.accepted_line"
        for row in rows:
            whole = {"delivery_id": f"d{name[1:]}", **row}
            con.execute(
                f"INSERT INTO {target} ({', '.join(whole)}) VALUES ({', '.join('?' * len(whole))})",
                list(whole.values()),
            )


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


def test_a_record_without_a_number_is_its_delivery_s_own(con: duck.Connection) -> None:
    nameless = line(N1, certificate_key="line:7", ska_number=None)
    stage(con, q1=[nameless], q2=[nameless])
    assert result(con, "core.certificate_version", "certificate_key, state") == [
        ("d1 line:7", "quarantined"),
        ("d2 line:7", "quarantined"),
    ]


VERSION = """certificate_key VARCHAR, replaces_ska_number VARCHAR, status VARCHAR, kind VARCHAR,
    issued_on DATE, status_at TIMESTAMP, state VARCHAR"""


def chain(con: duck.Connection, *rows: tuple[Any, ...]) -> dict[str, tuple[Any, ...]]:
    """(number, replaces, status, kind, day of January [, state]) → (is_counted, first day)."""
    whole = [
        (number, replaces, status, kind, f"2024-01-{day:02}", f"2024-01-{day:02}",
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


def test_a_junk_number_ties_nothing(con: duck.Connection) -> None:
    rows = [(N1, "tidak ada", "issued", "new", 1), (N2, "tidak ada", "issued", "new", 2)]
    assert chain(con, *rows) == {}


FIFTEEN, SIXTEEN = "012345678901000", "0012345678999999"


def test_who_an_exporter_is(con: duck.Connection) -> None:
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
        (f"nib:{nib}", "npwp:012345678", "name:BGR:CONTOH"),
        (None, "npwp:012345678", "name:BGR:CONTOH"),
        (None, None, "name:BGR:MEBEL ROTAN"),
        (None, None, "name:BGR:MEBEL ROTAN"),
        (None, "person:3201234567890001", "name:BGR:CONTOH"),
        (None, None, None),
    ]
    models.materialise(con, "core", only=("core.certificate_version",))
    assert result(con, "core.exporter_identifier") == [
        (f"nib:{nib}", f"nib:{nib}"),
        ("npwp:012345678", f"nib:{nib}"),
        ("person:3201234567890001", "person:3201234567890001"),
    ]


def test_numbers_seen_together_are_one_exporter(con: duck.Connection) -> None:
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


UP_TO_VALUE = (
    "core.certificate_version",
    "core.place",
    "core.certificate_chain",
    "core.exporter_identifier",
    "core.certificate_value",
)
UP_TO_LINE = (*UP_TO_VALUE, "core.certificate_line", "core.certificate")


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
        ({"currency_code": "EUR"}, "no_rate"),
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


def test_a_shared_peb_is_no_value(con: duck.Connection) -> None:
    found = valued(
        con,
        line(N1, **PEB, fob_peb=3000, fob_document=1000),
        line(N2, **PEB, fob_peb=3000, fob_document=0, fob_invoice=1200),
        line(N3, **PEB, fob_peb=3000, fob_document=None),
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
    ]
