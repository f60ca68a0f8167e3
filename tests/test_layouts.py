"""A layout says how values are written; a delivery is read by it exactly, or not at all."""

import gzip
import shutil
import tomllib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from deliveries import SOUND, columns, land
from foreign import layout, sheet, zipped
from golden import written
from pipeline import conform, dates, duck, layouts, settings, validate, verdicts
from pipeline.layouts import Layout
from pipeline.messages import Problem

# --- dates ---

PATTERNS = [
    "d MMMM yyyy, HH:mm:ss", "d MMMM yyyy", "yyyy-MM-dd", "yyyy-MM-dd HH:mm:ss", "dd/MM/yyyy",
    "d/M/yyyy HH:mm", "d-MMM-yyyy", "yyyyMMdd", "yyyy-MM-dd'T'HH:mm:ss", "MMMM d, yyyy",
    "d MMM. yyyy HH.mm 'WIB'", "dd.MM.yyyy", "MMM-yyyy-d", "MM/dd/yyyy", "d MMMM yyyyHH:mm",
]  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS)
def test_sql_and_python_read_a_pattern_alike(pattern: str) -> None:
    days = ((2024, 10, 11, 13), (2003, 2, 1, 4), (2024, 2, 29, 0), (1999, 12, 31, 23))
    moments = [datetime(*day, 5, 7) for day in days]
    texts = [dates.written(moment, pattern) for moment in moments]
    texts += [text.upper() for text in texts if "T" not in pattern and "WIB" not in pattern]
    texts += [texts[0] + "x", "x" + texts[0], texts[0][:-1], "31/02/2024", "31 Februari 2024", ""]
    with duck.connect() as con:
        kinds = [dates.sql((pattern,), with_time=with_time) for with_time in (False, True)]
        found = con.execute(
            f"SELECT value, {kinds[0]}, {kinds[1]} FROM (SELECT unnest(?) AS value)", [texts]
        ).fetchall()
    for text, day, moment in found:
        expected = dates.read(text, (pattern,))
        assert day == (expected.date() if expected else None), text
        assert moment == (expected if "HH" in pattern else None), text
    assert sum(day is not None for _, day, _ in found) >= 4


def test_month_names_in_both_languages_and_short() -> None:
    for names, pattern in ((dates.FULL, "d MMMM yyyy"), (dates.SHORT, "d MMM yyyy")):
        texts = [f"2 {name.title()} 2024" for name in names]
        with duck.connect() as con:
            found = con.execute(
                f"SELECT month({dates.sql((pattern,), with_time=False)}) "
                "FROM (SELECT unnest(?) AS value)", [texts],
            ).fetchall()  # fmt: skip
        assert [n for (n,) in found] == [n % 12 + 1 for n in range(len(names))]


BAD_PATTERNS = {
    ("d MMM",): "come first", ("d MMMM yy",): "no token", ("HH:mm d M yyyy",): "come first",
    ("dMMMMyyyy",): "part d from MMMM", ("d 'bulan' MMMM yyyy",): "words in quotes",
    ("dd/MM/yyyy HH",): "the time comes", ("dd/MM/yyyy", "MM/dd/yyyy"): "differently",
    ("yyyy-MM-dd", "yyyy-dd-MM"): "differently", ("d/M/yyyy", "M/d/yyyy HH:mm"): None,
    ("dd/MM/yyyy", "d/M/yyyy"): None,
}  # fmt: skip


@pytest.mark.parametrize(("patterns", "told"), BAD_PATTERNS.items())
def test_a_pattern_that_is_none_or_two_that_disagree(
    patterns: tuple[str, ...], told: str | None
) -> None:
    if told is None:
        dates.check(patterns)
        return
    with pytest.raises(ValueError, match=told):
        dates.check(patterns)


# --- the file ---


@pytest.fixture
def seeds(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    yield from own_seeds(data_root, monkeypatch)


def own_seeds(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Seeds of their own, so that a test may add layouts."""
    shutil.copytree(settings.settings().seeds, root / "seeds")
    monkeypatch.setenv("IPSKA_SEEDS", str(root / "seeds"))
    settings.settings.cache_clear()
    layouts.load_layout.cache_clear()
    yield root / "seeds"
    layouts.load_layout.cache_clear()


LEAN = (layouts.layout_file("eska_lean")).read_text("utf-8")
WRONG = {
    "an unknown key": ('header_row = 1', "header_rw = 1", "header_rw"),
    "a wrong type": ('header_row = 1', 'header_row = "one"', "header_row"),
    "a bad mark": ('decimal_mark = ","', 'decimal_mark = "12"', "decimal_mark"),
    "marks alike": ('thousands_mark = "."', 'thousands_mark = ","', "thousands_mark"),
    "no such format": ('format = "csv"', 'format = "dbf"', "format"),
    "no such encoding": ('"utf-8"', '"latin-2"', "encoding"),
    "no such zone": ('"Asia/Jakarta"', '"Asia/Depok"', "Asia/Depok"),
    "a broken pattern": ("file_name = '(?:", "file_name = '((?:", "missing )"),
    "a group nobody knows": ("P<office>", "P<kantor>", "file_name: kantor"),
    "dates that disagree": ('"d MMMM yyyy",', '"dd/MM/yyyy", "MM/dd/yyyy",', "differently"),
    "no delimiter": ('delimiter = ";"', "", "delimiter: missing"),
    "optional, but no column": ('header_row = 1', 'optional = ["gross_kg"]', "optional: gross_kg"),
    "drop without its column": (
        "[columns]", '[[drop]]\nname = "x"\ncolumn = "nama"\npattern = "x"\n[columns]', "drop.x",
    ),
    "a meaning there isn't": ("[columns]", '[values.status]\nTerbit = "isued"\n[columns]', "isued"),
    "a multiplier that is none": (
        "[columns]", '[multipliers]\nline_fob = "12"\n[columns]', "multipliers",
    ),
    "a cell below the header": (
        "[columns]", "[stated]\n'cell A3' = '.*'\n[columns]", "stated.cell A3",
    ),
    "a place there isn't": ("[columns]", "[stated]\n'row 3' = '.*'\n[columns]", "stated.row 3"),
    "another's name": ('name = "bad"', 'name = "good"', "name: is good"),
    "no TOML": ("[columns]", "[columns", "Expected"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_bad_layout_names_file_and_key(name: str, seeds: Path) -> None:
    old, new, told = WRONG[name]
    text = LEAN.replace('"eska_lean"', '"bad"')
    text = text.replace('format = "csv"', 'format = "csv"\nheader_row = 1', 1)
    assert old in text
    (seeds / "layouts" / "bad.toml").write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(Problem, match="bad_layout") as raised:
        layouts.load_layout("bad")
    assert told in raised.value.text() and "bad.toml" in raised.value.text()


def test_every_key_is_described() -> None:
    text = (Path(__file__).parent.parent / "docs" / "layouts.md").read_text("utf-8")
    keys = set(Layout.__dataclass_fields__)
    assert len(keys) > 20
    assert {key for key in keys if f"`{key}" not in text} == set()


def test_a_string_for_toml_survives_and_is_safe_to_show() -> None:
    hostile = 'a"b\\c\n\x1b[31m\x7f\u202e\U0001f4a5 é'
    text = layouts.quoted(hostile)
    assert tomllib.loads(f"x = {text}")["x"] == hostile
    assert text.isprintable()


# --- numbers and words ---


def conformed(how: Layout, macro: str, values: list[str]) -> list[str | None]:
    with duck.connect() as con:
        conform.prepare(con)
        conform.set_variables(con, how)
        found = con.execute(
            f"SELECT {macro.format('v')}::VARCHAR FROM (SELECT unnest(?) AS v)", [values]
        ).fetchall()
    return [value for (value,) in found]


def test_units_and_multipliers(data_root: Path) -> None:
    how = layout(units={"line_fob": "USD"})
    values = ["1.000,5 USD", "7USD", "7", "7 EUR", "USD"]
    assert conformed(how, "money({}, 'line_fob')", values) == [
        "1000.50", "7.00", "7.00", None, None
    ]  # fmt: skip
    assert conformed(how, "money({}, 'fob_peb')", ["7 USD"]) == [None], "said of one column only"
    how = layout(multipliers={"line_fob": "1000"})
    assert conformed(how, "money({}, 'line_fob')", ["1,23456", "-2", "1,234567", "9" * 12]) == [
        "1234.56", "-2000.00", None, None
    ]  # fmt: skip
    tonnes = layout(
        {**vars(how), "columns": {"no": "ska_number", "berat": "net_kg"}},
        multipliers={"net_kg": "1000"},
        units={"net_kg": "t"},
    )
    assert conformed(tonnes, "weight({}, 'net_kg')", ["1,234567 t", "-1"]) == ["1234.567", None]


def test_tabs_and_hard_spaces_are_trimmed(data_root: Path) -> None:
    values = ["\t a b\u00a0", "\u00a0-\t", "\u00a0\u00a0", " ", "\u00e9", "a\u00a0b", "x\u00a0"]
    assert conformed(layout(), "text_of({})", values) == [
        "a b", None, None, None, "\u00e9", "a\u00a0b", "x"
    ]  # fmt: skip


def test_words_of_an_office(data_root: Path) -> None:
    how = layout(values={"status": {"Terbit": "issued"}, "tick": {"Y": "true", "true": "true"}})
    assert conformed(how, "meaning('status', {})", ["TERBIT", "Ditolak", "?"]) == [
        "issued", "rejected", None
    ]  # fmt: skip
    assert conformed(how, "tick({}, true)", ["y", "Tidak", "TRUE", "x", None]) == [
        "true", "false", "true", None, "false"
    ]  # fmt: skip


# --- through validate ---

TITLE = "Kantor: Kab. Bogor; Periode: Oktober 2022; Ditarik: 5 November 2022, 08:00:00"


def toml(name: str, *top: str, rest: str = "", **columns_: str) -> str:
    names = columns_ or {}
    renamed = {source: names.get(column, source) for source, column in eska().columns.items()}
    return "\n".join([
        f'name = "{name}"', 'grain = "certificate_line"', 'thousands_mark = "."',
        'decimal_mark = ","', 'nulls = ["", "-"]', 'timezone = "Asia/Jakarta"', "file_name = '.*'",
        'dates = ["d MMMM yyyy", "d MMMM yyyy, HH:mm:ss", "d MMMM yyyy HH:mm:ss", '
        '"yyyy-MM-dd", "yyyy-MM-dd HH:mm:ss"]',
        *top, rest, "[columns]",
        *(f'"{renamed[source]}" = "{column}"' for source, column in eska().columns.items()),
    ])  # fmt: skip


def eska() -> Layout:
    return layouts.load_layout("eska_v2")


CSV = ('format = "csv"', 'delimiter = ";"', "quote = '\"'")
MADE = {
    "cp1252": toml("cp1252", *CSV, 'encoding = "windows-1252"'),
    "utf16": toml("utf16", *CSV, 'encoding = "utf-16"'),
    "book": toml("book", 'format = "xlsx"', "header_row = 3",
                 rest="[stated]\n'cell A1' = 'Kantor: (?P<office>[^;]+); Periode: "
                 "(?P<period>[^;]+); Ditarik: (?P<extracted>.+)'\n"
                 "[values.office]\n'Kab. Bogor' = 'BGR'\n"),
    "inside": toml("inside", *CSV, 'encoding = "utf-8"', 'ignored = ["kantor"]',
                   rest="[stated]\n'column kantor' = '(?P<office>.+)'"),
    "numbered": toml("numbered", *CSV, 'encoding = "utf-8"', 'ignored = ["kantor"]',
                     rest="[stated]\n'column kantor' = '(?P<office>[A-Z]+).*'"),
    "stamped": toml("stamped", *CSV, 'encoding = "utf-8"', 'ignored = ["ditarik"]',
                    rest="[stated]\n'column ditarik' = '(?P<extracted>.+)'"),
    "loose": toml("loose", *CSV, 'encoding = "utf-8"',
                  'optional = ["npwp", "is_back_to_back", "gross_kg"]',
                  rest="[[drop]]\nname = \"totals\"\ncolumn = \"nama_eksportir\"\n"
                  "pattern = '(?i)^\\s*total'\n")
    + '\n"nomor_ska" = "ska_number"\n"No. SKA" = "ska_number"',
}  # fmt: skip


def table(*rows: dict[str, str], without: tuple[str, ...] = (), **renamed: str) -> list[list[str]]:
    names = [name for name in columns() if name not in without]
    head = [renamed.get(name, name) for name in names]
    return [head, *([{**SOUND, **row}[name] for name in names] for row in rows)]


def csv_of(rows: list[list[str]], *more: str) -> str:
    """The rows as text; `more`: one column more, its header first."""
    wide = [[*row, value] for row, value in zip(rows, more, strict=True)] if more else rows
    return "".join(";".join(row) + "\n" for row in wide)


ANNE = {"nama_eksportir": "PT Café Niño"}
SAME = {"no_ska": "0000039/BGR/2022", "no_aju": "II202210110002"}
TOTAL = {"nama_eksportir": "Total", "no_ska": "-", "fob_dokumen": "9.999,99"}
MANY = [{"no_ska": f"{n:07d}/BGR/2022", "no_aju": f"II20221011{n:04d}"} for n in range(1, 122)]
LOOSE = ("npwp", "back_to_back", "berat_kotor_kg")
CASES: dict[str, tuple[str, bytes]] = {
    "windows-1252": ("cp1252", csv_of(table(ANNE, SAME)).encode("cp1252")),
    "utf-16 in gz": ("utf16", gzip.compress(csv_of(table(ANNE, SAME)).encode("utf-16"))),
    "not windows-1252": ("cp1252", csv_of(table(ANNE)).encode("cp1252") + b"\x81"),
    "book": ("book", sheet([[TITLE], [], *table(ANNE, SAME)])),
    "book in zip": ("book", zipped({"a.xlsx": sheet([[TITLE], [], *table(ANNE, SAME)])})),
    "another office": ("book", sheet([[TITLE.replace("Bogor", "Bekasi")], [], *table({})])),
    "another period": ("book", sheet([[TITLE.replace("Oktober", "Mei")], [], *table({})])),
    "no title": ("book", sheet([["?"], [], *table({})])),
    "no such time": ("book", sheet([[TITLE.replace("5 Nov", "31 Nov")], [], *table({})])),
    "a time to come": ("book", sheet([[TITLE.replace("2022, 08", "2030, 08")], [], *table({})])),
    "office inside": ("inside", csv_of(table({}, SAME), "kantor", "BGR", " bgr").encode()),
    "two offices inside": ("inside", csv_of(table({}, SAME), "kantor", "BGR", "BKS").encode()),
    "one of many offices": ("numbered", csv_of(
        table(*MANY), "kantor", *(f"BGR {n}" for n in range(len(MANY) - 1)), "ZZZ").encode()),
    "two extract times": ("stamped", csv_of(
        table({}, SAME), "ditarik", "10 November 2022, 08:00:00", "9 Oktober 2022, 08:00:00",
    ).encode()),
    "no column inside": ("inside", csv_of(table({})).encode()),
    "totals": ("loose", csv_of(table({}, TOTAL, SAME, TOTAL)).encode()),
    "renamed": ("loose", csv_of(table({}, no_ska="No. SKA")).encode()),
    "absent": ("loose", csv_of(table({}, without=LOOSE)).encode()),
    "absent, but needed": ("loose", csv_of(table({}, without=("nib",))).encode()),
    "two spellings at once": ("loose", csv_of(table({}), "No. SKA", "1").encode()),
    "unknown name": ("loose", csv_of(table({}, nama_eksportir="nama_eksportr")).encode()),
}  # fmt: skip


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Every case in one call of validate: one bad delivery stops no other."""
    root = tmp_path_factory.mktemp("layouts")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPSKA_HOME", str(root / "data"))
        settings.settings.cache_clear()
        for _ in own_seeds(root, patch):
            for name, text in MADE.items():
                (root / "seeds" / "layouts" / f"{name}.toml").write_text(text, "utf-8")
            landed = [
                land(content, layout=name, extracted_at=None, file_name=f"SINTETIS_{n}")
                for n, (name, content) in enumerate(CASES.values())
            ]
            yield dict(zip(CASES, validate.validate(landed), strict=True))
    settings.settings.cache_clear()


REFUSED = {
    "not windows-1252": "not_in_encoding", "another office": "wrong_slice",
    "another period": "wrong_slice", "no title": "wrong_slice", "no such time": "bad_extract_time",
    "a time to come": "future_extract", "two offices inside": "wrong_slice",
    "no column inside": "header_mismatch", "absent, but needed": "header_mismatch",
    "one of many offices": "wrong_slice", "two spellings at once": "header_mismatch",
    "unknown name": "header_mismatch",
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_delivery_in_another_form(name: str, judged: dict[str, Any]) -> None:
    verdict = judged[name]
    told = [problem["code"] for problem in verdict["problems"]]
    assert (verdict["verdict"], told) == (
        ("refused", [REFUSED[name]]) if name in REFUSED else ("accepted", [])
    )
    if name not in REFUSED:
        assert verdict["quarantined_records"] == 0
        fates = ("accepted_records", "quarantined_records", "excluded_records")
        assert verdict["records"] == sum(verdict[fate] for fate in fates) > 0


def rows_of(verdict: dict[str, Any], folder: str, file: str) -> list[dict[str, Any]]:
    return written(folder, verdict["delivery_id"], verdict["rules_sha"], f"{file}.parquet")


def test_what_is_read_is_the_same_in_every_form(judged: dict[str, Any]) -> None:
    for name, line in (("windows-1252", 2), ("utf-16 in gz", 2), ("book", 4), ("book in zip", 4)):
        first = rows_of(judged[name], "accepted", "line")[0]
        assert (first["line"], first["exporter_name"]) == (line, "PT Café Niño")
        assert (str(first["line_fob"]), str(first["issued_on"])) == ("1234.50", "2022-10-12")


def test_the_extract_time_inside_counts(judged: dict[str, Any]) -> None:
    assert judged["book"]["extracted_at"] == "2022-11-05T01:00:00+00:00"
    assert judged["windows-1252"]["extracted_at"] is None
    assert judged["two extract times"]["extracted_at"] == "2022-11-10T01:00:00+00:00", "the latest"


def test_totals_are_excluded_counted_and_listed(judged: dict[str, Any]) -> None:
    verdict = judged["totals"]
    assert (verdict["records"], verdict["accepted_records"]) == (4, 2)
    assert verdict["excluded"] == {"totals": 2}
    rows = rows_of(verdict, "quarantine", "excluded")
    assert [(row["line"], row["rule_name"]) for row in rows] == [(3, "totals"), (5, "totals")]
    assert set(rows[0]) == {"line", "rule_name", "raw"}
    assert '"fob_dokumen":"9.999,99"' in rows[0]["raw"]


def test_an_optional_column_that_is_absent_trips_no_rule(judged: dict[str, Any]) -> None:
    verdict = judged["absent"]
    assert [check["rule_name"] for check in verdict["checks"] if check["unexpected"]] == []
    row = rows_of(verdict, "accepted", "line")[0]
    assert (row["npwp"], row["is_back_to_back"], row["gross_kg"]) == (None, None, None)
    assert rows_of(judged["renamed"], "accepted", "line")[0]["is_back_to_back"] is False


def test_a_header_that_does_not_fit_comes_with_the_change(judged: dict[str, Any]) -> None:
    (problem,) = judged["unknown name"]["problems"]
    assert "nama_eksportir ≈ nama_eksportr" in problem["en"]
    change = tomllib.loads(problem["paste"])
    assert change == {"columns": {"nama_eksportr": "exporter_name"}}
    (problem,) = judged["absent, but needed"]["problems"]
    assert tomllib.loads(problem["paste"])["optional"] == [
        "npwp",
        "is_back_to_back",
        "gross_kg",
        "nib",
    ]


def test_an_error_of_a_library_refuses_that_delivery_alone(
    data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = validate.judging.reading._read_csv

    def odd(con: Any, number: int, *given: Any) -> int:
        if number == 0:
            con.execute("SELECT 'x\x1b[31m'::INTEGER")
        return honest(con, number, *given)

    monkeypatch.setattr(validate.judging.reading, "_read_csv", odd)
    first, second = validate.validate([land(csv_of(table({}))), land(csv_of(table({}, SAME)))])
    assert [problem["code"] for problem in first["problems"]] == ["unreadable"]
    assert "ConversionException" in first["problems"][0]["en"]
    assert "\x1b" not in first["problems"][0]["en"] and first["records"] == 1
    assert second["verdict"] == "accepted"


def test_a_fault_of_our_own_stops_the_run(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(validate.judging.reading, "_read_csv", full)
    landing = land(csv_of(table({})))
    with pytest.raises(OSError, match="No space"):
        validate.validate([landing])
    assert verdicts.of(landing) is None


def test_a_raised_limit_asks_again(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = verdicts.rules_sha("eska_v2")
    monkeypatch.setenv("IPSKA_MAX_ROWS", "7")
    settings.settings.cache_clear()
    assert verdicts.rules_sha("eska_v2") != before


def test_a_raised_limit_of_the_reader_asks_again_for_what_it_reads(
    data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its message says so: raise it and run again."""
    for _ in own_seeds(data_root, monkeypatch):
        (data_root / "seeds" / "layouts" / "book.toml").write_text(MADE["book"], "utf-8")
        before = {name: verdicts.rules_sha(name) for name in ("book", "eska_v2")}
        monkeypatch.setenv("IPSKA_READER_MEMORY_MB", "4096")
        settings.settings.cache_clear()
        assert verdicts.rules_sha("book") != before["book"]
        assert verdicts.rules_sha("eska_v2") == before["eska_v2"]


def test_an_excluded_record_that_is_not_written_stops(
    data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = validate._write
    for _ in own_seeds(data_root, monkeypatch):
        (data_root / "seeds" / "layouts" / "loose.toml").write_text(MADE["loose"], "utf-8")
        landing = land(csv_of(table({}, TOTAL)), layout="loose")
        monkeypatch.setattr(validate, "_write", lambda *args: {**write(*args), "excluded": 0})
        with pytest.raises(Problem, match="records_lost"):
            validate.validate([landing])
        assert verdicts.of(landing) is None
