"""Workbooks, JSON, titles, merged headers and columns that are values: each record is read once."""

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

import pytest

from foreign import CELLS, Reader, edited, layout, sheet, workbook
from pipeline import settings
from pipeline.layouts import Drop, Unpivot
from pipeline.messages import Problem

XLSX = layout(format="xlsx")
HEAD = ["no", "nama", "nilai"]
MONTHS = Unpivot(columns=r"(?P<year>\d{4}) / (?P<month>\w+)", value="fob_usd")
SHEET = "xl/worksheets/sheet1.xml"


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    return Reader(tmp_path_factory.mktemp("sheets"))


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """For aggregates: row ids count from 0 in each of the two raw tables."""
    return Reader(tmp_path_factory.mktemp("cells"))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Limits that a test sets hold for it alone."""
    yield monkeypatch
    settings.settings.cache_clear()


# --- workbooks ---


def test_native_cells_are_written_with_the_layout_s_marks(read: Reader) -> None:
    cases: list[tuple[Any, str]] = [
        (1234567.89, "1234567,89"), (5, "5"), (0.1 + 0.2, "0,3"), (-2.5, "-2,5"),
        (999_999_999_999.99, "999999999999,99"), (1e-7, "0,0000001"),
        (1234567890123456, "1,23456789012346E+15"), (1e300, "1E+300"), (True, "true"),
        ("1.234,5", "1.234,5"), (" x\u00a0", " x\u00a0"), ("=1+1", "=1+1"),
        ("two\nlines", "two\nlines"), ("<b>\u202e", "<b>\u202e"),
        ("a \"quoted\" 'one'; [bold]", "a \"quoted\" 'one'; [bold]"),
    ]  # fmt: skip

    def fill(book: Any, page: Any) -> None:
        page.write_row(0, 0, HEAD)
        for n, (value, _) in enumerate(cases, 1):
            page.write_string(n, 0, str(n))
            write = page.write_string if isinstance(value, str) else page.write
            write(n, 2, value)
        day, moment = (book.add_format({"num_format": f}) for f in ("dd/mm/yyyy", "d mmm hh:mm:ss"))
        page.write_datetime(20, 2, dt.datetime(2024, 2, 29), day)
        page.write_datetime(21, 2, dt.datetime(2024, 10, 11, 13, 56, 27), moment)
        page.write_formula(22, 2, "=A1*2", None, 7.5)
        page.write_formula(23, 2, '=HYPERLINK("http://127.0.0.1/")', None, "x")

    found = {line: value for line, _, _, value in read(workbook(fill), XLSX)}
    expected = {n + 1: text for n, (_, text) in enumerate(cases, 1)}
    later = {21: "2024-02-29", 22: "2024-10-11 13:56:27", 23: "7,5", 24: "x"}
    assert found == expected | later


def test_what_calamine_would_lose_in_silence_is_kept_or_refused(read: Reader) -> None:
    content = sheet([HEAD, ["1", "a", 1], ["2", "b", 2], ["3", "c", 3]])
    error = edited(
        content, SHEET, lambda x: x.replace(b'<c r="C3"><v>2', b'<c r="C3" t="e"><f>B1</f><v>#REF!')
    )
    assert read(error, XLSX)[1] == (3, "2", "b", "#REF!")
    for damage in (
        lambda x: x.replace(b'<row r="4"', b'<row r="3"'),
        lambda x: x.replace(b'r="3"', b'r="9"'),
        lambda x: x.replace(b"<sheetData>", b"<sheetData><!-- x -->"),
    ):
        with pytest.raises(Problem, match="bad_workbook"):
            read(edited(content, SHEET, damage), XLSX)
    elsewhere = edited(content, SHEET, lambda x: x.replace(b'"C3"', b'"C9"'))
    with pytest.raises(Problem, match="records_do_not_reconcile"):
        read(elsewhere, XLSX)


def test_numbers_beyond_a_double_stay_unreadable_text(read: Reader) -> None:
    content = edited(
        sheet([HEAD, ["1", "a", 1]]), SHEET, lambda x: x.replace(b'"C2"><v>1', b'"C2"><v>1e400')
    )
    assert read(content, XLSX) == [(2, "1", "a", "Infinity")]


def test_blank_rows_are_none_and_titles_stand_above(read: Reader) -> None:
    rows = [["Laporan SKA"], ["Kantor: BGR", None, "Periode: Oktober 2022"], [], HEAD,
            ["1", "a", 1], [], [None, None, 2], ["Catatan: sementara"]]  # fmt: skip
    how = layout(format="xlsx", header_row=4)
    assert read(sheet(rows), how) == [
        (5, "1", "a", "1"), (7, "", "", "2"), (8, "Catatan: sementara", "", "")
    ]  # fmt: skip
    assert read.opened.table.titles[2, 2] == "Periode: Oktober 2022"


def test_a_sheet_by_name_or_number_and_the_hidden_ones(read: Reader) -> None:
    def fill(book: Any, page: Any) -> None:
        page.hide()
        page.write_row(0, 0, ["secret"])
        book.add_worksheet("Kosong").activate()
        for name in ("SKA", "Lama"):
            other = book.add_worksheet(name)
            other.write_row(0, 0, HEAD)
            other.write_row(1, 0, [name, "a", 1])

    content = workbook(fill)
    assert read(content, layout(format="xlsx", sheet=2))[0][1] == "SKA"
    assert read(content, layout(format="xlsx", sheet="Lama"))[0][1] == "Lama"
    for which, code in (
        (1, "no_header"),
        (9, "no_sheet"),
        ("x", "no_sheet"),
        ("Data", "header_mismatch"),
    ):
        with pytest.raises(Problem, match=code):
            read(content, layout(format="xlsx", sheet=which))


def test_a_table_that_begins_elsewhere_and_stray_cells(read: Reader) -> None:
    def fill(book: Any, page: Any) -> None:
        page.write_row(4, 2, HEAD)
        page.write_row(5, 2, ["1", "a", 1])
        page.write_row(6, 0, ["?", None, "2", "b", 2])
        page.write_row(7, 2, ["3", "c", 3, "beside"])

    found = read(workbook(fill), layout(format="xlsx", header_row=5))
    assert found[0] == (6, "1", "a", "1")
    assert [(line, json.loads(text)) for line, text in found[1:]] == [
        (7, ["?", "", "2", "b", "2", ""]), (8, ["", "", "3", "c", "3", "beside"])
    ]  # fmt: skip


def merged(book: Any, page: Any) -> None:
    """Months over two years under a merged header, a total row and total columns."""
    for n, name in enumerate(("Kode", "Pelabuhan")):
        page.merge_range(1, n, 2, n, name)
    page.merge_range(1, 2, 1, 3, 2013)
    page.merge_range(1, 4, 1, 5, 2014)
    page.write_row(2, 2, ["Januari", "Februari", "Januari", "Februari"])
    page.merge_range(1, 6, 2, 6, "Total")
    page.write_row(3, 0, ["ID431", "TANJUNG PRIOK", 1.5, None, 3, 4, 8.5])
    page.write_row(4, 0, ["ID101", "SABANG", 10, 0, None, None, 10])
    page.write_row(5, 0, ["", "TOTAL", 11.5, 0, 3, 4, 18.5])


WIDE: dict[str, Any] = {
    "header_row": 2, "header_rows": 2, "unpivot": MONTHS, "ignored": ("Total",),
    "drop": (Drop(name="totals", column="Pelabuhan", pattern="(?i)^total"),),
}  # fmt: skip
CELLS_FOUND = [
    (4, "ID431", "TANJUNG PRIOK", "2013", "Januari", "1,5"),
    (4, "ID431", "TANJUNG PRIOK", "2013", "Februari", ""),
    (4, "ID431", "TANJUNG PRIOK", "2014", "Januari", "3"),
    (4, "ID431", "TANJUNG PRIOK", "2014", "Februari", "4"),
    (5, "ID101", "SABANG", "2013", "Januari", "10"),
    (5, "ID101", "SABANG", "2013", "Februari", "0"),
    (5, "ID101", "SABANG", "2014", "Januari", ""),
    (5, "ID101", "SABANG", "2014", "Februari", ""),
]


def test_each_cell_of_a_wide_workbook_is_a_record(cells: Reader) -> None:
    found = cells(workbook(merged), layout(CELLS, format="xlsx", **WIDE))
    assert found == CELLS_FOUND
    assert cells.done.records == 12
    assert cells.done.excluded == {"totals": 4}
    assert not cells.done.warnings, "Total is ignored on purpose"


def test_the_same_as_csv(cells: Reader) -> None:
    content = (
        "Ekspor menurut pelabuhan;;;;;;\nKode;Pelabuhan;2013;;2014;;Total\n"
        ";;Januari;Februari;Januari;Februari;\n"
        "ID431;TANJUNG PRIOK;1,5;;3;4;8,5\nID101;SABANG;10;0;;;10\n;TOTAL;11,5;0;3;4;18,5\n"
        "ID1;torn\n"
    )
    found = cells(content.encode(), layout(CELLS, **WIDE))
    assert found[:-1] == CELLS_FOUND
    assert found[-1] == (7, "ID1;torn")
    assert cells.done.records == 13


def test_no_column_is_a_value(cells: Reader) -> None:
    with pytest.raises(Problem, match="no_value_columns"):
        cells(b"Kode;Pelabuhan;2013\nA;B;1\n", layout(CELLS, unpivot=MONTHS))


def test_titles_above_a_csv(read: Reader) -> None:
    content = 'Laporan "SKA\nKantor;BGR\n\nno;nama;nilai\n1;"a\nb";2\n2;c\n\n3;d;4\n'
    found = read(content.encode(), layout(header_row=4, quote='"'))
    assert found == [(5, "1", "a\nb", "2"), (7, "2;c"), (9, "3", "d", "4")]


# --- hostile workbooks ---


def doctype(text: bytes) -> bytes:
    bomb = b"".join(b'<!ENTITY a%d "%s">' % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 9))
    head = (
        b'<!DOCTYPE x [<!ENTITY a0 "aaaaaaaaaa">'
        + bomb
        + b'<!ENTITY f SYSTEM "file:///etc/passwd">]>'
    )
    start = text.index(b"?>") + 2
    return text[:start] + head + text[start:].replace(b"<t>a</t>", b"<t>&a8;&f;</t>", 1)


@pytest.mark.parametrize(
    "member", [SHEET, "xl/sharedStrings.xml", "xl/workbook.xml", "xl/_rels/workbook.xml.rels"]
)
def test_entities_are_not_expanded_and_files_not_read(read: Reader, member: str) -> None:
    content = edited(sheet([HEAD, ["1", "a", 1]]), member, doctype)
    with pytest.raises(Problem) as raised:
        read(content, XLSX)
    assert raised.value.code == "bad_workbook"
    assert "root:" not in raised.value.text()


def test_external_links_are_left_alone(read: Reader) -> None:
    content = edited(
        sheet([HEAD, ["1", "a", 1]]),
        "xl/externalLinks/_rels/externalLink1.xml.rels",
        lambda _: (
            b'<Relationships><Relationship Id="rId1" Target="http://127.0.0.1:9/" '
            b'TargetMode="External"/></Relationships>'
        ),
    )
    assert read(content, XLSX) == [(2, "1", "a", "1")]


def test_far_cells_and_a_text_repeated_cost_no_memory(
    read: Reader, small: pytest.MonkeyPatch
) -> None:
    small.setenv("IPSKA_READER_MEMORY_MB", "400")
    settings.settings.cache_clear()
    far_cell = b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>'
    one = sheet([HEAD, ["1", "a", 1]])
    far = edited(one, SHEET, lambda x: x.replace(b"</sheetData>", far_cell))
    many = sheet([HEAD, *(["x" * 30_000] * 3 for _ in range(20_000))])
    for content in (far, many):
        with pytest.raises(Problem, match=r"reader_failed|unpacks_too_far"):
            read(content, XLSX)
    assert read(sheet([HEAD, ["1", "a", 1]]), XLSX) == [(2, "1", "a", "1")]


def test_a_reader_that_takes_too_long_is_stopped(read: Reader, small: pytest.MonkeyPatch) -> None:
    small.setenv("IPSKA_READER_TIMEOUT_S", "0.01")
    settings.settings.cache_clear()
    with pytest.raises(Problem, match="reader_failed"):
        read(sheet([HEAD, ["1", "a", 1]]), XLSX)


@pytest.mark.parametrize("cut", [0.3, 0.7, 0.95])
def test_a_cut_workbook_is_refused(read: Reader, cut: float) -> None:
    content = sheet([HEAD, *([str(n), "a", n] for n in range(50))])
    with pytest.raises(Problem, match=r"bad_archive|bad_workbook"):
        read(content[: int(len(content) * cut)], XLSX)


# --- JSON ---

JSON = layout(format="json")


def test_json_in_any_order_with_exact_numbers(read: Reader) -> None:
    content = (
        '[{"no":"1","nama":"a","nilai":1234567.10}, {"nilai":1e400,"no":2}, '
        '{"no":12345678901234567890,"nama":null,"nilai":true}, '
        '{"no":{"x":[1]},"nilai":"1.000,5"}]'
    )
    assert read(content.encode(), JSON) == [
        (1, "1", "a", "1234567,10"), (2, "2", "", "1E+400"),
        (3, "12345678901234567890", "", "true"), (4, '{"x": [1]}', "", "1.000,5"),
    ]  # fmt: skip


def test_json_below_a_name_and_an_empty_one(read: Reader) -> None:
    how = layout(format="json", records_at="data.rows")
    one = {"no": "1", "nama": "a", "nilai": "2"}
    assert read(json.dumps({"n": 1, "data": {"rows": [one]}}).encode(), how) == [(1, *one.values())]
    assert read(b'\xef\xbb\xbf{"data": {"rows": []}}', how) == [], "a nil return"
    assert read(b"[]", JSON) == []
    for content in (b"{}", b'{"data": []}', b'{"error": "unauthorized"}', b'"x"'):
        with pytest.raises(Problem, match="bad_json"):
            read(content, how)


def test_records_that_are_no_objects_or_say_a_name_twice(read: Reader) -> None:
    content = '[{"no":"1","nama":"a","nilai":"2"}, 5, {"no":"1","no":"2"}, {}, ["x"]]'
    found = read(content.encode(), JSON)
    assert [row[0] for row in found] == [1, 2, 3, 4, 5]
    assert [text for _, text in found[1:]] == ["5", '{"no": "2"}', "{}", '["x"]']


@pytest.mark.parametrize(
    "content",
    [b'[{"no":"1","nama":"a","nilai":"2"},{"no":', b'[{"no":1]', b"[1,,2]", b'[{"a":"\xff"}]',
     b"[" * 100_000, b'[{"no":' + b"9" * 5_000 + b"}]"],
    ids=["cut", "bracket", "comma", "bytes", "deep", "digits"],
)  # fmt: skip
def test_broken_json_is_refused(read: Reader, content: bytes) -> None:
    with pytest.raises(Problem) as raised:
        read(content, JSON)
    # ijson's C code dies of so many digits, and takes memory for depth: in a process of its own.
    assert raised.value.code in ("bad_json", "reader_failed")


def test_ndjson_keeps_the_line_and_the_lines_that_are_none(read: Reader) -> None:
    deep = "[" * 100_000
    content = (
        '\ufeff{"no":"1","nama":"a","nilai":1.50}\r\n\r\n{"no":"2","nama":"x\\ud800","nilai":NaN}\n'
        f'{{"no":\n{{"no":1,"no":2}}\n{deep}\n{{"nama":"b\\ny"}}'
    )
    found = read(content.encode(), layout(format="ndjson"))
    assert found == [
        (1, "1", "a", "1,50"), (3, "2", "x\\ud800", "NaN"), (4, '{"no":'),
        (5, '{"no":1,"no":2}'), (6, deep), (7, "", "b\ny", ""),
    ]  # fmt: skip


def test_a_line_of_ndjson_may_not_go_on_for_ever(read: Reader) -> None:
    with pytest.raises(Problem, match="record_too_long"):
        read(b'{"no":"' + b"x" * 1_200_000 + b'"}\n', layout(format="ndjson"))


# --- limits ---


@pytest.mark.parametrize("form", ["csv", "xlsx", "json"])
@pytest.mark.parametrize(
    ("name", "value", "code"),
    [("MAX_ROWS", 3, "too_many_rows"), ("MAX_COLUMNS", 2, "too_many_columns"),
     ("MAX_CELL_CHARS", 40, "cell_too_long")],
)  # fmt: skip
def test_limits(
    read: Reader, small: pytest.MonkeyPatch, form: str, name: str, value: int, code: str
) -> None:
    rows = [[str(n), "y" * 41, "1"] for n in range(5)]
    content = {
        "csv": lambda: "\n".join(map(";".join, [HEAD, *rows])).encode(),
        "xlsx": lambda: sheet([HEAD, *rows]),
        "json": lambda: json.dumps([dict(zip(HEAD, row, strict=True)) for row in rows]).encode(),
    }[form]()
    assert len(read(content, layout(format=form))) == 5
    small.setenv(f"IPSKA_{name}", str(value))
    settings.settings.cache_clear()
    with pytest.raises(Problem, match=code):
        read(content, layout(format=form))


def test_a_name_of_a_megabyte_and_a_line_of_many(read: Reader) -> None:
    too_long = {900_000: "cell", 1_100_000: "record", 40_000_000: "record"}
    for size, what in too_long.items():
        with pytest.raises(Problem, match=f"{what}_too_long"):
            read(b"no;nama;nilai\n1;" + b"x" * size + b";2\n", layout())
