"""A value is read exactly or not at all, and nothing is too wild for a verdict."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deliveries import land, text
from pipeline import conform, duck, layouts, validate

MONEY = {
    "1.234.567,89": "1234567.89", "1234567,8": "1234567.80", "0": "0.00", "-1.000": "-1000.00",
    "999.999.999.999,99": "999999999999.99", "1.000.000.000.000": None,
    "1.239": "1239.00", "1,239": None, "12.34": None, "1.23.456": None, "1234.567": None,
    "1,234,567.89": None, "1.8509E+11": None, "45634.60 USD": None, "1e400": None, "+1": None,
    "(1)": None, "1,": None, ",5": None, "": None, "9" * 40: None, "１": None, "0x1F": None,
    "NaN": None, "Infinity": None, "1_000": None, "1 000": None, "--1": None,
}  # fmt: skip
DAYS = {
    "11 Oktober 2024": "2024-10-11", "1 Mei 2024, 23:59:59": "2024-05-01",
    "29 FEBRUARI 2024": "2024-02-29", "29 Februari 2023": None, "31 Februari 2024": None,
    "2024-10-11": "2024-10-11", "2024-10-11 00:00:00": "2024-10-11", "2024-13-01": None,
    "11 Okt 2024": None, "11 October 2024": "2024-10-11", "11/10/2024": None, "11 Oktober 24": None,
    "0 Mei 2024": None, "32 Mei 2024": None, "2024-10-11T00:00:00": None, "45567": None,
    "11  Oktober 2024": None, "today": None, "11 Oktober 2024, 24:00:00": None,
}  # fmt: skip
MOMENTS = {
    "11 Oktober 2024, 13:56:27": "2024-10-11 06:56:27",
    "1 Januari 2023 00:00:00": "2022-12-31 17:00:00",
    "2022-10-11 10:35:02": "2022-10-11 03:35:02",
    "11 Oktober 2024": None, "2024-10-11": None, "11 Oktober 2024, 24:00:00": None,
    "11 Oktober 2024, 13:60:00": None, "11 Oktober 2024, 1:56:27": None,
    "2022-10-11 10:35:02+07": None, "30 Februari 2024, 13:56:27": None,
}  # fmt: skip
MONTHS = [
    "Januari", "Februari", "Maret", "April", "Mei", "Juni", "Juli", "Agustus", "September",
    "Oktober", "November", "Desember",
]  # fmt: skip


@pytest.fixture(scope="module")
def macros() -> Iterator[duck.Connection]:
    with duck.connect() as con:
        conform.prepare(con)
        conform.set_variables(con, layouts.load_layout("eska_v2"))
        yield con


@pytest.mark.parametrize(
    ("macro", "table"),
    [("money", MONEY), ("day_of", DAYS), ("moment_of", MOMENTS),
     ("day_of", {f"2 {name} 2024": f"2024-{n:02d}-02" for n, name in enumerate(MONTHS, 1)}),
     ("weight", {"1.234,567": "1234.567", "1,2345": None, "-1": None, "12 kg": None}),
     ("digits", {"12.345-6 7/8": "12345678", "12X": None, "- .": None}),
     ("text_of", {" a b ": "a b", " - ": None, "N/A": None, "n/a": "n/a", "--": "--"})],
)  # fmt: skip
def test_a_value_is_read_exactly_or_not_at_all(
    macro: str, table: dict[str, str | None], macros: duck.Connection
) -> None:
    values = list(table)
    found = macros.execute(
        f"SELECT v, {macro}(v)::VARCHAR FROM (SELECT unnest(?) AS v)", [values]
    ).fetchall()
    assert dict(found) == table


def test_no_row_is_too_wild(data_root: Path) -> None:
    """Every column at its worst, each in a row of its own: set aside or flagged, never an error."""
    wild = [
        "9" * 400,
        "-",
        "𝔘𝔫𝔦",
        "1e400",
        "\\x00",
        "%s{0}",
        "2024-99-99",
        "'",
        "0",
        "-0",
        "a" * 9000,
    ]
    names = [name for name in layouts.load_layout("eska_v2").columns if name != "sumber_data"]
    rows = [
        {"no_ska": f"{n:07d}/BGR/2022", "no_aju": f"II20221011{n:04d}", name: value}
        for n, (name, value) in enumerate((name, value) for name in names for value in wild)
    ]
    verdicts = validate.validate(
        [land(text(rows[start : start + 15])) for start in range(0, len(rows), 15)]
    )
    assert sum(v["records"] for v in verdicts) == len(rows)
    assert {v["verdict"] for v in verdicts} <= {"accepted", "refused"}
    assert sum(v["quarantined_records"] for v in verdicts) > 50
