"""The return file and its way back: exported, corrected, resubmitted, published, superseded."""

import csv
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from deliveries import filler, text
from pipeline import (
    duck,
    flow,
    layouts,
    ledger,
    movement,
    quarantine,
    releases,
    requests,
    resubmission,
    returns,
    settings,
    store,
    verify,
    workbook,
)
from pipeline.messages import Problem
from pipeline.quarantine import Wanted
from test_cli import call

HOSTILE = '=HYPERLINK("http://x","y") <b>\x1b[31m'
GOOD, BAD, MISNAMED = "0000001/BGR/2022", "0000002/BGR/2022", "12/BGR/2022"
FILE = "BGR/SINTETIS_BGR_2022-10_20221105T080000.csv"
Facts = dict[str, Any]
Edit = Callable[[Any], None]


def two_lines(number: str, application: str, **second: str) -> list[dict[str, str]]:
    """A certificate of two lines, half its value each."""
    half = {"no_ska": number, "no_aju": application, "fob_barang": "617,25"}
    return [{**half, "no_urut_barang": "1"}, {**half, "no_urut_barang": "2", **second}]


def rows() -> list[Any]:
    """Forty sound certificates, and three that are set aside: five records in all."""
    return [
        *filler(40),
        *two_lines(BAD, "II202210110002", fob_barang="617,2x", nama_eksportir=HOSTILE),
        *two_lines(MISNAMED, "II202210110003"),
        {"no_ska": "0000004/BGR/2022", "no_aju": "II202210110004", "mata_uang": "XXQ"},
    ]


def use(patch: pytest.MonkeyPatch, root: Path) -> None:
    patch.setenv("IPSKA_HOME", str(root / "data"))
    patch.setenv("IPSKA_DELIVERIES", str(root / "deliveries"))
    settings.settings.cache_clear()
    layouts.load_layout.cache_clear()


def deliver(root: Path, some: list[Any], name: str = FILE) -> None:
    path = root / "deliveries" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text(some), "utf-8")


def night() -> Facts:
    request = requests.backfill("2022-10", "2022-10", None, "a night", store.now())
    return flow.run(request, tell=lambda _: None)


def resubmit(file: Path) -> Facts:
    return flow.run(requests.resubmit(file, "corrected"), tell=lambda _: None)


@pytest.fixture(scope="module")
def dirty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data root after a night over that delivery, with its return file. Read only: see `root`."""
    root = tmp_path_factory.mktemp("returns")
    with pytest.MonkeyPatch.context() as patch:
        use(patch, root)
        deliver(root, rows())
        assert night()["exit_code"] == 3
        returns.export(root / "out", Wanted())
    yield root
    settings.settings.cache_clear()


@pytest.fixture
def root(dirty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(dirty, tmp_path / "copy", symlinks=True)
    use(monkeypatch, tmp_path / "copy")
    # Of so few certificates one moves a month by more than a tenth: that gate has its own tests.
    monkeypatch.setattr(movement, "found", lambda *_: ({}, {}))
    return tmp_path / "copy"


def return_file(root: Path) -> Path:
    (file,) = (root / "out").glob("*.xlsx")
    return file


def edited(root: Path, edit: Edit, name: str = "corrected.xlsx") -> Path:
    """The return file, changed as an office would change it."""
    book = openpyxl.load_workbook(return_file(root))
    edit(book[returns.ROWS])
    book.save(root / name)
    return root / name


def put(sheet: Any, line: int, column: str, value: Any) -> None:
    header = [cell.value for cell in sheet[1]]
    (row,) = [one for one in sheet.iter_rows(min_row=2) if one[1].value == str(line)]
    row[header.index(column)].value = value


def correct(sheet: Any) -> None:
    """What an office would do: a value, a number, a currency."""
    put(sheet, 43, "fob_barang", "617,25")
    for line in (44, 45):
        put(sheet, line, "no_ska", "0000003/BGR/2022")
    put(sheet, 46, "mata_uang", "USD")


def query(sql: str) -> list[tuple[Any, ...]]:
    with duck.connect(quarantine.current_build().database, read_only=True) as con:
        return con.execute(sql).fetchall()


def books() -> dict[tuple[str, str], tuple[int, Decimal]]:
    found = query(
        "SELECT state, state_reason, sum(records)::INT, sum(stated_usd) FROM core.ledger "
        "GROUP BY ALL"
    )
    return {(state, reason): (records, usd) for state, reason, records, usd in found}


def current(books: dict[tuple[str, str], tuple[int, Decimal]]) -> int:
    return sum(records for (state, _), (records, _) in books.items() if state == "current")


def cells(file: Path, name: str) -> list[list[Any]]:
    return [[cell.value for cell in row] for row in openpyxl.load_workbook(file)[name].iter_rows()]


# --- the file ------------------------------------------------------------------------------------


def test_the_return_file_shows_rows_as_sent_and_what_to_do(root: Path) -> None:
    file = return_file(root)
    assert file.name == "SINTETIS_kembalian_BGR_eska_v2.xlsx"
    assert file.stat().st_mode & 0o777 == 0o600
    book = openpyxl.load_workbook(file)
    assert book.sheetnames == [returns.SUMMARY, returns.ROWS]
    sheet = book[returns.ROWS]
    header = [cell.value for cell in sheet[1]]
    assert header == [*returns.OURS, *layouts.load_layout("eska_v2").columns]
    found = {row[1].value: row for row in sheet.iter_rows(min_row=2)}
    assert set(found) == {"42", "43", "44", "45", "46"}
    at = header.index
    filled = [cell for row in found.values() for cell in row if cell.value is not None]
    assert {cell.data_type for cell in filled} == {"s"}
    assert not [cell for cell in filled if cell.hyperlink]
    assert found["43"][at("nama_eksportir")].value == workbook.sent(HOSTILE)
    assert "\x1b" not in workbook.sent(HOSTILE)
    marked = {
        (line, header[n])
        for line, row in found.items()
        for n, cell in enumerate(row)
        if cell.fill.fgColor.rgb == "FFF8CBAD"
    }
    assert marked == {
        ("43", "fob_barang"), ("44", "no_ska"), ("45", "no_ska"), ("46", "mata_uang"),
    }  # fmt: skip
    assert found["42"][2].value == "sibling" and "baik" in found["42"][3].value
    assert "Indonesian" not in found["43"][4].value and found["43"][4].value
    told = [value for row in cells(file, returns.SUMMARY) for value in row]
    assert "DATA SINTETIS / SYNTHETIC DATA" in told
    assert returns.HOW[0] in told and returns.HOW[1] in told
    total = [row for row in cells(file, returns.SUMMARY) if row[0] == "semua / all"]
    assert total[0][1:3] == [5, 1851.75]


def office_program() -> str:
    """LibreOffice. Missing: the test is skipped, with the reason; under CI it fails."""
    if found := shutil.which("soffice"):
        return found
    reason = "LibreOffice is not installed: apt-get install libreoffice-calc"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def test_libreoffice_opens_it_without_repair_and_loses_nothing(root: Path, tmp_path: Path) -> None:
    program, file = office_program(), return_file(root)
    profile = f"-env:UserInstallation=file://{tmp_path}/profile"
    # 44,34,76: comma, quote, UTF-8; -1 at the end: every sheet, a file each.
    wanted = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false,false,false,-1"
    for kind in (wanted, "xlsx"):
        done = subprocess.run(
            [program, profile, "--headless", "--convert-to", kind, "--outdir", tmp_path, file],
            capture_output=True, text=True, timeout=180, check=True,
        )  # fmt: skip
        assert "error" not in done.stderr.lower(), done.stderr
    sheet = tmp_path / f"{file.stem}-{returns.ROWS}.csv"
    saved = list(csv.reader(sheet.open(encoding="utf-8", newline="")))
    assert saved == [[value or "" for value in row] for row in cells(file, returns.ROWS)]
    assert cells(tmp_path / file.name, returns.ROWS) == cells(file, returns.ROWS)
    # What LibreOffice wrote can come back.
    (root / "out" / file.name).unlink()
    shutil.copy(tmp_path / file.name, root / "out" / file.name)
    assert resubmit(edited(root, correct))["publish"]["published"]


def test_a_control_character_or_a_text_too_long_comes_back_as_it_was_delivered(root: Path) -> None:
    assert workbook.sent("x" * 40_000) == "x" * (workbook.CELL - 1) + "…"
    resubmit(edited(root, correct))
    (landing,) = [one for one in store.landings("eska") if one.manifest["resubmits"]]
    landed = csv.DictReader(landing.payload.open(encoding="utf-8"))
    assert HOSTILE in [row["nama_eksportir"] for row in landed]


# --- the way back --------------------------------------------------------------------------------


def test_the_whole_way(root: Path) -> None:
    before = books()
    assert before["quarantined", "critical_rule"] == (5, Decimal("1851.75"))
    assert current(before) == 40
    file = edited(root, correct)

    report = resubmit(file)
    assert report["exit_code"] == 0, report["text_en"]
    assert report["publish"]["published"] and len(report["extract"]["landed"]) == 1
    after = books()
    assert ("quarantined", "critical_rule") not in after
    assert after["superseded", "resubmitted"] == before["quarantined", "critical_rule"]
    assert current(after) == 45
    mended = f"SELECT fob_usd FROM core.certificate WHERE certificate_key = '{BAD}'"
    assert query(mended) == [(Decimal("1234.50"),)]
    assert quarantine.listed() == []
    assert query("SELECT count(*) FROM core.quarantine_month") == [(0,)]
    assert verify.verify() == []
    (why,) = releases.current("internal")["left_quarantine"]  # type: ignore[index]
    assert (why["why"], why["records"], why["stated_usd"]) == ("resubmitted", 5, "1851.75")
    assert why["rule_names"] == ["currency_known", "fob_readable", "number_format", "sibling"]
    assert "Left quarantine: resubmitted 5 (US$ 1,851.75)." in report["text_en"]
    assert "Commonest reasons for quarantine: –." in report["text_en"]
    assert "Keluar dari karantina: dikirim kembali 5 (US$ 1.851,75)." in report["text_id"]
    (landing,) = [one for one in store.landings("eska") if one.manifest["resubmits"]]
    assert landing.manifest["resubmits"]["lines"] == [42, 43, 44, 45, 46]
    assert landing.manifest["resubmits"]["reason"] == "corrected"
    kept = store.sha256_of(landing.folder / "return")
    assert kept == landing.manifest["resubmits"]["return_sha256"] == store.sha256_of(file)

    # The old file still lies at the source: it doesn't come back.
    again = night()
    assert again["exit_code"] == 0 and not again["publish"]["published"]
    assert again["extract"]["landed"] == [] and not again["build"]["built"]
    # Neither does the same return file.
    twice = resubmit(file)
    assert twice["exit_code"] == 0 and not twice["publish"]["published"]
    assert twice["extract"] == {"landed": [], "unchanged": 1, "missing": [], "failed": []}

    # A whole new delivery supersedes both.
    deliver(root, rows()[:-1], FILE.replace("20221105T", "20221106T"))
    report = night()
    assert report["publish"]["published"]
    states = query(
        "SELECT resubmits IS NULL, state, superseded_by IS NULL FROM core.delivery ORDER BY ALL"
    )
    assert states == [
        (False, "superseded", False), (True, "current", True), (True, "superseded", False),
    ]  # fmt: skip
    now = books()
    assert now["superseded", "newer_delivery"][0] == 45 + 5
    assert now["quarantined", "critical_rule"][0] == 4


def test_what_is_wrong_again_stands_under_the_resubmission(root: Path) -> None:
    """Also twenty of twenty: the shares of an export say nothing of corrections."""

    def half(sheet: Any) -> None:
        correct(sheet)
        put(sheet, 46, "mata_uang", "XXX1")

    report = resubmit(edited(root, half))
    assert report["exit_code"] == 3 and report["publish"]["published"]
    (row,) = quarantine.records(Wanted())
    assert store.landing(row["delivery_id"]).manifest["resubmits"] and row["line"] == 6
    assert books()["superseded", "resubmitted"][0] == 5
    # It goes out and comes back once more.
    shutil.rmtree(root / "out")
    returns.export(root / "out", Wanted())
    second = edited(root, lambda sheet: put(sheet, 6, "mata_uang", "USD"), "second.xlsx")
    report = resubmit(second)
    assert report["exit_code"] == 0, report["text_en"]
    assert quarantine.listed() == [] and books()["superseded", "resubmitted"][0] == 6
    deliver(root, rows()[:40], FILE.replace("20221105T", "20221106T"))
    assert night()["publish"]["published"]
    states = query("SELECT state FROM core.delivery WHERE resubmits IS NOT NULL")
    assert states == [("superseded",), ("superseded",)]


def test_a_part_may_come_back_and_the_rest_stays(root: Path) -> None:
    def only_the_value(sheet: Any) -> None:
        put(sheet, 43, "fob_barang", "617,25")
        sheet.delete_rows(4, 3)

    report = resubmit(edited(root, only_the_value))
    assert report["exit_code"] == 0  # nothing is newly wrong
    assert sorted(row["line"] for row in quarantine.records(Wanted())) == [44, 45, 46]
    # Another file may bring the rest, but not once more the same.
    with_all = edited(root, correct, "all.xlsx")
    assert problem_of(with_all) == "return_row_unknown"


def test_a_number_typed_into_a_cell_is_read_by_the_layouts_mark(root: Path) -> None:
    def typed(sheet: Any) -> None:
        correct(sheet)
        put(sheet, 43, "fob_barang", 617.25)

    assert resubmit(edited(root, typed))["exit_code"] == 0
    assert quarantine.listed() == []


# --- what is not taken ---------------------------------------------------------------------------


def problem_of(file: Path) -> str:
    before = {one.delivery_id for one in store.landings("eska")}
    report = resubmit(file)
    assert report["exit_code"] == 1 and report["failed_at"] == "extract"
    assert {one.delivery_id for one in store.landings("eska")} == before, "nothing has landed"
    assert report["problem"]["en"] in report["text_en"]
    return str(report["problem"]["code"])


def drop_line(line: int) -> Edit:
    def edit(sheet: Any) -> None:
        correct(sheet)
        (at,) = [row[0].row for row in sheet.iter_rows(min_row=2) if row[1].value == str(line)]
        sheet.delete_rows(at)

    return edit


def setting(row: int, column: int, value: Any) -> Edit:
    def edit(sheet: Any) -> None:
        correct(sheet)
        sheet.cell(row, column).value = value

    return edit


def taken(sheet: Any) -> None:
    correct(sheet)
    for line in (44, 45):
        put(sheet, line, "no_ska", "9000007/BGR/2022")


def doubled(sheet: Any) -> None:
    correct(sheet)
    sheet.append([cell.value for cell in sheet[2]])


@pytest.mark.parametrize(
    ("code", "edit"),
    [
        ("return_unchanged", lambda sheet: None),
        ("return_empty", lambda sheet: sheet.delete_rows(2, 9)),
        ("return_header", setting(1, 2, "line")),
        ("return_header", setting(1, 8, "nomor")),
        ("return_header", lambda sheet: sheet.delete_cols(20)),
        ("return_header", setting(1, 60, "extra")),
        ("return_row_broken", setting(2, 60, "a note")),
        ("return_row_unknown", setting(2, 1, "eska/BGR_2022-11/x")),
        ("return_row_unknown", setting(2, 1, "../../etc/passwd")),
        ("return_row_unknown", setting(2, 2, "2")),
        ("return_row_unknown", setting(2, 2, "=1+1")),
        ("return_row_twice", doubled),
        ("return_incomplete", drop_line(42)),
        ("return_incomplete", drop_line(44)),
        ("return_number_taken", taken),
    ],
)
def test_a_return_file_that_does_not_fit_lands_nothing(root: Path, code: str, edit: Edit) -> None:
    assert problem_of(edited(root, edit)) == code
    assert len(quarantine.records(Wanted())) == 5


@pytest.mark.parametrize(
    ("code", "content"), [("wrong_format", b"no_ska;x\n"), ("bad_archive", b"PK\x03\x04 torn")]
)
def test_another_file_is_no_return_file(root: Path, code: str, content: bytes) -> None:
    (root / "file.xlsx").write_bytes(content)
    assert problem_of(root / "file.xlsx") == code


def test_a_workbook_without_the_sheet_is_no_return_file(root: Path) -> None:
    openpyxl.Workbook().save(root / "other.xlsx")
    assert problem_of(root / "other.xlsx") == "no_sheet"


def test_a_file_over_the_limit_is_not_even_copied(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = edited(root, correct)
    monkeypatch.setenv("IPSKA_MAX_FILE_MB", "0")
    settings.settings.cache_clear()
    assert problem_of(file) == "too_large"


def test_unpivoted_sheets_are_to_be_delivered_anew(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = edited(root, correct)
    sheet = replace(
        layouts.load_layout("eska_v2"),
        unpivot=layouts.Unpivot(r"(?P<month>m\d+)", "value"),
        columns={"tahun": "year"},
    )
    monkeypatch.setattr(resubmission, "load_layout", lambda _: sheet)
    assert problem_of(file) == "return_unpivoted"


def test_two_files_for_one_line_do_not_both_land(root: Path) -> None:
    """The second was exported before the first was built."""
    first = edited(root, correct)
    second = edited(root, lambda s: (correct(s), put(s, 46, "mata_uang", "IDR")), "second.xlsx")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flow, "validate", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            resubmit(first)
    report = resubmit(second)
    assert report["problem"]["code"] == "already_resubmitted" and report["exit_code"] == 1
    # The first, once more, goes on where it was killed.
    report = resubmit(first)
    assert report["publish"]["published"] and quarantine.listed() == []


# --- the command ---------------------------------------------------------------------------------


def test_list_show_and_export_by_the_command(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = call(
        capsys, "quarantine", "list", "--office", "BGR", "--month", "2022-10", "--json"
    )
    assert {row["rule_name"]: row["records"] for row in json.loads(out)} == {
        "sibling": 1, "number_format": 2, "fob_readable": 1, "currency_known": 1,
    }  # fmt: skip
    _, out, _ = call(capsys, "quarantine", "list", "--rule", "currency_known", "--json")
    assert [row["records"] for row in json.loads(out)] == [1]
    assert call(capsys, "quarantine", "list", "--office", "DPK")[1] == "kosong / empty\n"
    assert call(capsys, "quarantine", "list", "--office", "DPK", "--unplaced")[0] == 2
    assert call(capsys, "quarantine", "show")[0] == 2
    code, out, _ = call(capsys, "quarantine", "show", "--certificate", BAD)
    assert code == 0 and "fob_readable fob_barang = 617,2x" in out
    assert "\x1b" not in out and "2 baris / records" in out
    _, out, _ = call(capsys, "quarantine", "show", "--delivery", "BGR_2022-10", "--json")
    shown = json.loads(out)
    assert [row["line"] for row in shown] == [42, 43, 44, 45, 46]
    assert all(one["note_id"] and one["note_en"] for row in shown for one in row["findings"])
    folder = str(root / "by command")
    code, out, _ = call(capsys, "quarantine", "export", "--to", folder, "--office", "BGR", "--json")
    (made,) = json.loads(out)
    assert made["records"] == 5 and Path(made["file"]).exists()
    assert (root / "by command").stat().st_mode & 0o777 == 0o700
    assert call(capsys, "quarantine", "resubmit", str(root / "no.xlsx"), "--reason", "xyz")[0] == 2
    file = str(edited(root, correct))
    assert call(capsys, "quarantine", "resubmit", file, "--reason", " ")[0] == 2
    code, out, _ = call(capsys, "quarantine", "resubmit", file, "--reason", "by letter")
    assert code == 0 and "corrected.xlsx" in out and "Left quarantine: resubmitted 5" in out
    assert ledger.entries()[-1]["reason"] == "by letter"


# --- nothing leaves without a trace --------------------------------------------------------------


def test_a_changed_rule_releases_what_now_passes_and_says_so(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Currency `XXQ` is a warning from now on: one certificate leaves quarantine by that."""
    copy = tmp_path / "expectations"
    shutil.copytree(settings.settings().expectations, copy)
    suite = json.loads((copy / "row.json").read_text("utf-8"))
    (rule,) = [one for one in suite["expectations"] if one["meta"]["rule"] == "currency_known"]
    rule["severity"] = "warning"
    (copy / "row.json").write_text(json.dumps(suite), "utf-8")
    monkeypatch.setenv("IPSKA_EXPECTATIONS", str(copy))
    settings.settings.cache_clear()
    report = night()
    assert report["publish"]["published"] and report["validate"]["validated"] == 1
    (why,) = releases.current("internal")["left_quarantine"]  # type: ignore[index]
    assert (why["why"], why["records"]) == ("rules_changed", 1)
    assert why["rule_names"] == ["currency_known"]
    assert "by a changed rule or correction 1" in report["text_en"]
    assert len(quarantine.records(Wanted())) == 4


def test_a_newer_delivery_is_named_as_the_cause(root: Path) -> None:
    deliver(root, rows()[:40], FILE.replace("20221105T", "20221106T"))
    report = night()
    (why,) = releases.current("internal")["left_quarantine"]  # type: ignore[index]
    assert (why["why"], why["records"]) == ("newer_delivery", 5)
    assert "by a newer delivery 5" in report["text_en"]


def test_a_refused_resubmission_is_in_nobodys_way_and_makes_nothing_stale(root: Path) -> None:
    """A record that can't be split comes back as columns; with a NUL the whole is refused."""
    file = edited(root, correct)
    landing = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flow, "validate", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            resubmit(file)
        (landing,) = [one for one in store.landings("eska") if one.manifest["resubmits"]]
    landing.payload.chmod(0o600)
    landing.payload.write_bytes(b"\0")
    assert night()["exit_code"] == 3
    assert query("SELECT state, is_stale FROM core.delivery ORDER BY ALL") == [
        ("current", False), ("refused", False),
    ]  # fmt: skip
    assert len(quarantine.records(Wanted())) == 5
    other = edited(root, lambda s: (correct(s), put(s, 42, "kode_hs", "61091000")), "other.xlsx")
    assert resubmit(other)["publish"]["published"]
    assert quarantine.listed() == []


def test_a_reason_is_required(data_root: Path) -> None:
    with pytest.raises(Problem, match="no_reason"):
        requests.resubmit(Path("x"), " ")
