"""No physical record is lost, split or joined without anybody noticing."""

import mmap
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline import conform, duck, opening, reading, records
from pipeline.layouts import Layout
from pipeline.messages import Problem

THREE = Layout(
    name="three", grain="certificate_line", format="csv", delimiter=";",
    quote='"', encoding="utf-8",
    decimal_mark=",", thousands_mark=".", nulls=("",), timezone="Asia/Jakarta", file_name=".*",
    columns={"a": "application_number", "b": "ska_number", "c": "status"}, dates=("d MMMM yyyy",),
)  # fmt: skip
Found = list[tuple[int, list[str] | None]]


@pytest.fixture(scope="module")
def con() -> Iterator[duck.Connection]:
    with duck.connect() as connection:
        connection.execute(conform.sql("macros"))
        connection.execute(conform.sql("tables"))
        yield connection


class Reader:
    """Reads texts one after the other, each as a delivery of its own."""

    def __init__(self, con: duck.Connection, folder: Path) -> None:
        self.con, self.folder, self.number = con, folder, 0

    def __call__(self, content: str | bytes, layout: Layout = THREE) -> Found:
        """Line and values of each record; None for one that can't be split."""
        self.number += 1
        file = self.folder / f"{self.number} payload"
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        facts = {"file_name": file.name, "source": "memory"}
        work = self.folder / str(self.number)
        delivery = opening.opened(file, facts, layout, work)
        taken = reading.take(self.con, self.number, delivery, work)
        done = reading.read(self.con, self.number, taken, facts)
        self.warnings = done.warnings
        rows = self.con.execute(
            "SELECT coalesce(o.line, r.rowid - ? + 2), o.record, application_number, ska_number, "
            "status FROM raw AS r LEFT JOIN odd AS o ON o.row_id = r.rowid "
            "WHERE delivery_no = ? ORDER BY 1",
            [done.first_row, self.number],
        ).fetchall()
        assert len(rows) == done.records
        return [
            (line, None if record is not None else [value or "" for value in values])
            for line, record, *values in rows
        ]


@pytest.fixture(scope="module")
def read(con: duck.Connection, tmp_path_factory: pytest.TempPathFactory) -> Reader:
    return Reader(con, tmp_path_factory.mktemp("deliveries"))


def in_memory(content: bytes) -> mmap.mmap:
    data = mmap.mmap(-1, len(content))
    data.write(content)
    return data


H = "a;b;c\n"
SPLIT = {
    "plain": (H + "1;2;3\n4;5;6\n", [(2, "123"), (3, "456")]),
    "no last line end": (H + "1;2;3\n4;5;6", [(2, "123"), (3, "456")]),
    "byte order mark": ("\ufeff" + H + "1;2;3\n", [(2, "123")]),
    "byte order mark before a quote": ('\ufeff"a";b;c\n1;2;3\n', [(2, "123")]),
    "CRLF": ((H + "1;2;3\n4;5\n7;8;9").replace("\n", "\r\n"), [(2, "123"), (3, None), (4, "789")]),
    "blank lines": (H + "\n1;2;3\n\n\n4;5;6\n\n", [(3, "123"), (6, "456")]),
    "a header and no rows": (H, []),
    "a header without line end": ("a;b;c", []),
    "other order": ("c;a;b\n3;1;2\n", [(2, "123")]),
    "too few and too many": (H + "1;2\n4;5;6\n7;8;9;0\n1;2;3\n", [(2, None), (3, "456"),
                                                              (4, None), (5, "123")]),
    "one too many, and empty": (H + ";1;2;\n4;5;6\n", [(2, None), (3, "456")]),
    "only spaces": (H + "  \n4;5;6\n", [(2, None), (3, "456")]),
    "only an empty quote": (H + '""\n4;5;6\n', [(2, None), (3, "456")]),
    "a line end inside": (H + '"1\n";2;3\n4;5;6\n', [(2, ["1\n", "2", "3"]), (4, "456")]),
    "a line end inside what can't be split": (H + '"1\n";2\n4;5;6\n', [(2, None), (4, "456")]),
    "a delimiter and quotes inside": (H + '1;"x;""y""";3\n', [(2, ["1", 'x;"y"', "3"])]),
    "an inch sign": (H + '1;pipa 5" x;3\n4;6";6\n', [(2, ["1", 'pipa 5" x', "3"]),
                                                      (3, ["4", '6"', "6"])]),
    "spaces before a quote": (H + '1; "x;y";3\n', [(2, ["1", "x;y", "3"])]),
    "text after a quote": (H + '1;"x"z;3\n4;5;6\n', [(2, None), (3, "456")]),
    # The reader names a wrong place for the second one: a sound row was taken for the broken one.
    "text after two quotes": (H + '1;2;3\n1;"x"y;"z"w\n4;5;6\n', [(2, "123"), (3, None),
                                                                (4, "456")]),
    "LF inside, CRLF outside": ('a;b;c\r\n1;"x\ny";3\r\n4;5;6\r\n', [(2, ["1", "x\ny", "3"]),
                                                                   (4, "456")]),
}  # fmt: skip


@pytest.mark.parametrize("name", SPLIT)
def test_every_record_with_its_line(name: str, read: Reader) -> None:
    content, expected = SPLIT[name]
    assert read(content) == [(n, list(v) if v is not None else None) for n, v in expected]


def test_mixed_line_ends_lose_nothing(read: Reader) -> None:
    """An auto-detected read of such a file lost half the rows."""
    ends = ["\n", "\r\n", "\n", "\r\n\r\n"]
    rows = "".join(f"{n};{n};{n}{ends[n % 4]}" for n in range(1000))
    found = read(H + rows)
    assert [values for _, values in found] == [[str(n)] * 3 for n in range(1000)]
    assert found[-1][0] == 1001 + 249, "blank lines count as lines"


REFUSED = {
    "nothing but a byte order mark": (b"\xef\xbb\xbf", "no_header", None),
    "Windows-1252": (H.encode() + b"1;2;3\n1;caf\xe9;3\n", "not_utf8", 3),
    "UTF-16": (H.encode("utf-16"), "not_utf8", 1),
    "cut in a character": (H.encode() + "1;2;é".encode()[:-1], "not_utf8", 2),
    "a NUL byte": (H.encode() + b"1;2;3\n1;\0;3\n", "nul_byte", 3),
    "a CR alone": (H.encode() + b"1;2;3\n1;2\r;3\n", "lone_return", 3),
    "line ends of old Macintoshs": (b"a;b;c\r1;2;3\r", "lone_return", 1),
    "a CR alone at the end": (H.encode() + b"1;2;3\r", "lone_return", 2),
    "a very long record": (H.encode() + b"1;2;3\n1;" + b"x" * 1_000_001 + b";3\n",
                           "record_too_long", 3),
    "a quote that is never closed": (H.encode() + b'1;2;3\n1;"x;3\n1;2;3\n', "quote_unclosed", 3),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_one_clear_refusal(name: str, read: Reader) -> None:
    content, code, line = REFUSED[name]
    with pytest.raises(Problem) as raised:
        read(content)
    assert raised.value.code == code
    assert raised.value.facts.get("line") == line


def test_a_quote_that_swallows_records_refuses_them(read: Reader) -> None:
    """Measured: 3,000 rows gone, one reject, as some later quote closed what this one opened."""
    rows = [f"{n};text;{n}\n" for n in range(3000)]
    rows[10] = '10;"text;10\n'
    for closing in ('2900;"text";2900\n', '2900;text";2900\n'):
        rows[2900] = closing
        with pytest.raises(Problem, match="quote_unclosed") as raised:
            read(H + "".join(rows))
        assert raised.value.facts == {"line": 12}


def test_a_record_longer_than_a_piece_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "CHUNK", 10)
    with pytest.raises(Problem, match="record_too_long"):
        records.scan(in_memory(b"a;b;c\n1;2;3456789;0\n"), ";", '"')


def test_a_piece_of_the_file_may_lie_inside_quotes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "CHUNK", 10)
    found = records.scan(in_memory(b'a;b;c\n1;"xxxxx\nyy;yyyyy\nz";3\n4;5;6\n'), ";", '"')
    assert [found.lines.tolist(), found.fields.tolist()] == [[1, 2, 5], [3, 3, 3]]


def test_a_reader_that_loses_a_row_is_noticed(
    read: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = reading._read_csv
    monkeypatch.setattr(reading, "_read_csv", lambda *given: honest(*given) - 1)
    with pytest.raises(Problem, match="records_do_not_reconcile") as raised:
        read(H + "1;2;3\n4;5;6\n")
    assert raised.value.facts == {"physical": 2, "read": 1, "broken": 0}


def test_without_quoting_a_quote_is_a_character(read: Reader) -> None:
    layout = Layout(**{**vars(THREE), "quote": ""})
    assert read(H + '1;"x;3\n4;5;6\n', layout) == [(2, ["1", '"x', "3"]), (3, ["4", "5", "6"])]


def test_other_delimiter(read: Reader) -> None:
    layout = Layout(**{**vars(THREE), "delimiter": "\t"})
    assert read("a\tb\tc\n1;1\t2\t3\n", layout) == [(2, ["1;1", "2", "3"])]


def test_a_new_column_is_kept_and_told(read: Reader, con: duck.Connection) -> None:
    name = """x'); DROP TABLE raw; --"""
    assert read(f"a;\"{name}\";b;c\n1;'new';2;3\n1;2;3\n") == [(2, ["1", "2", "3"]), (3, None)]
    assert [(w.code, w.facts) for w in read.warnings] == [("new_columns", {"names": name})]
    kept = con.execute("SELECT extra FROM raw WHERE delivery_no = ? AND extra IS NOT NULL",
                       [read.number]).fetchall()  # fmt: skip
    assert kept == [(f'{{"{name}":"\'new\'"}}',)]


HEADERS = {
    "missing": ("a;c\n", {"missing": "b", "unknown": "–", "doubled": "–", "similar": "–"}),
    "twice": ("a;b;c;b\n", {"missing": "–", "unknown": "–", "doubled": "b", "similar": "–"}),
    "a title above it": ("Daftar SKA\na;b;c\n", {"missing": "a, b, c", "unknown": "Daftar SKA"}),
    "blank": ("\na;b;c\n", {"missing": "a, b, c"}),
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_that_does_not_fit(name: str, read: Reader) -> None:
    content, facts = HEADERS[name]
    with pytest.raises(Problem, match="header_mismatch") as raised:
        read(content)
    assert raised.value.facts.items() >= facts.items()


def test_a_renamed_column_is_suggested(read: Reader) -> None:
    layout = Layout(**{**vars(THREE), "columns": {"no_ska": "ska_number", "nib": "nib"}})
    with pytest.raises(Problem, match="header_mismatch") as raised:
        read("nomor_ska;nib\n1;2\n", layout)
    assert raised.value.facts["similar"] == "no_ska ≈ nomor_ska"


def test_another_delimiter_is_explained(read: Reader) -> None:
    with pytest.raises(Problem, match="wrong_delimiter") as raised:
        read("a,b,c\n1,2,3\n")
    assert raised.value.facts == {"found": "','", "expected": "';'"}


@pytest.mark.parametrize(
    "change",
    [{"columns": {"a": "nonsense"}}, {"columns": {"a": "delivery_no"}},
     {"constants": {"nonsense": "x"}}],
)  # fmt: skip
def test_a_layout_that_names_no_column(con: duck.Connection, change: dict[str, str]) -> None:
    reading.check_layout(con, THREE)
    with pytest.raises(Problem, match="bad_layout"):
        reading.check_layout(con, Layout(**{**vars(THREE), **change}))


def boring(content: str) -> Found:
    """The same, character by character: line and values of each record, the header first."""
    found: Found = []
    values, value, state, broken = [], "", "start", False
    line = first = 1
    is_blank = True
    position = 0

    def finish() -> None:
        if not is_blank:
            bad = broken or (found and len(values) != 3)
            found.append((first, None if bad else list(values)))

    while position < len(content):
        character = content[position]
        position += 1
        if state == "inside":
            if character == '"' and content[position : position + 1] == '"':
                value += '"'
                position += 1
            elif character == '"':
                state = "closed"
            else:
                value += character
            line += character == "\n"
            continue
        if character == "\n":
            values.append(value)
            finish()
            line += 1
            values, value, state, broken, is_blank, first = [], "", "start", False, True, line
            continue
        is_blank = False
        if character == ";":
            values.append(value)
            value, state = "", "start"
        elif character == '"' and state == "start":
            value, gap, state = "", "", "inside"
        elif state == "closed" and character == '"' and not broken:
            value, gap, state = value + gap, "", "inside"
        elif state == "closed":
            gap += character
            broken |= character != " "
        else:
            value += character
            state = "start" if state == "start" and character == " " else "middle"
    values.append(value)
    finish()
    return found


@pytest.mark.parametrize("chunk", [70, records.CHUNK])
@given(st.text(alphabet='ab;;;"\n\n ', max_size=60), st.sampled_from(["\n", "\r\n"]))
@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_like_a_reader_that_goes_character_by_character(
    read: Reader, monkeypatch: pytest.MonkeyPatch, chunk: int, body: str, end: str
) -> None:
    monkeypatch.setattr(records, "CHUNK", chunk)
    content = H + body
    try:
        found = read(content.replace("\n", end))
    except Problem as problem:
        assert problem.code == "quote_unclosed" and '"' in body
        return

    def same(rows: Found) -> Found:
        return [(n, v and [x.replace("\r\n", "\n").strip(" ") for x in v]) for n, v in rows]

    assert same(found) == same(boring(content)[1:])
