"""`ipska layout check` and `guess`, as an operator types them on a file nobody has seen before."""

import gzip
import json
import shutil
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deliveries import SOUND, columns, text
from foreign import sheet, workbook, zipped
from pipeline import layouts, settings
from pipeline.cli import app
from pipeline.messages import Problem
from test_sheets import merged

NAME = "SINTETIS_BGR_2022-10_20221105T080000"
# Names of another office, close to those that are known.
OTHER = {"no_ska": "No SKA", "tgl_terbit": "Tgl. Terbit", "fob_dokumen": "FOB Dokumen"}


@pytest.fixture
def seeds(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(settings.settings().seeds, data_root / "seeds")
    monkeypatch.setenv("IPSKA_SEEDS", str(data_root / "seeds"))
    settings.settings.cache_clear()
    return data_root / "seeds"


def ran(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["layout", *map(str, words)])
    if isinstance(result.exception, Problem):
        return 1, result.exception.text()
    return result.exit_code, result.stdout


def test_check_shows_rows_and_problems_and_writes_nothing(data_root: Path) -> None:
    file = data_root / f"{NAME}.csv"
    hostile = "\x1b[31mPT [bold]x[/]\u202e"
    rows = [{"nama_eksportir": hostile}, {"fob_dokumen": "1e400", "no_ska": "0000040/BGR/2022"}]
    file.write_text(
        text([*rows, {"no_ska": "0000041/BGR/2022", "tipe_form": "X"}, "torn"]), "utf-8"
    )
    code, told = ran("check", file, "--layout", "eska_v2")
    assert code == 0
    assert r"exporter_name = \x1b[31mPT [bold]x[/]\u202e" in told and "\x1b" not in told
    assert "issued_on = 2022-10-12" in told
    assert "critical fob_readable: 1, baris / line 3 fob_document" in told
    assert "critical record_split: 1, baris / line 5" in told
    assert "form_known: 1" in told
    assert "all: 4  accepted: 2  quarantined: 2  excluded: 0" in told
    assert not (data_root / "data" / "verdicts").exists(), "nothing is written"


def test_check_of_what_would_be_refused(data_root: Path) -> None:
    file = data_root / f"{NAME}.csv"
    file.write_text(text([{}]).replace("no_ska;", "nomor_ska;", 1), "utf-8")
    code, told = ran("check", file, "--layout", "eska_v2")
    assert code == 1
    assert "no_ska ≈ nomor_ska" in told and '"nomor_ska" = "ska_number"' in told
    assert "DITOLAK / WOULD BE REFUSED" in told
    code, told = ran("check", file, "--layout", "eska_v2", "--json")
    assert code == 1 and json.loads(told)["problems"][0]["code"] == "header_mismatch"
    file.write_bytes(gzip.compress(b"<html>"))
    assert "html_page" in ran("check", file, "--layout", "eska_v2")[1]
    assert ran("check", file, "--layout", "none")[0] == 1


def rows(*some: dict[str, str]) -> list[list[str]]:
    head = [OTHER.get(name, name) for name in columns()]
    return [head, *([{**SOUND, **row}[name] for name in columns()] for row in some)]


def csv_text(delimiter: str) -> str:
    some = rows({}, {"no_ska": "0000039/BGR/2022", "no_aju": "II202210110002"})
    return "\n".join(delimiter.join(f'"{cell}"' for cell in row) for row in some)


FILES = {
    f"{NAME}.xlsx": sheet(rows({})),
    "semicolons.csv": csv_text(";").encode(),
    "commas in gz.csv.gz": gzip.compress(csv_text(",").encode()),
    "tabs, cp1252.txt": csv_text("\t").replace("Contoh", "Café").encode("cp1252"),
    "utf16.csv": csv_text(";").encode("utf-16"),
    "book.xlsx": sheet([["Laporan"], [], *rows({})]),
    "book in zip.zip": zipped({"x.xlsx": sheet(rows({}))}),
    "array.json": json.dumps({"n": 1, "data": [dict(zip(*rows({}), strict=True))]}).encode(),
    "lines.ndjson": json.dumps(dict(zip(*rows({}), strict=True))).encode(),
}


@pytest.mark.parametrize("name", FILES)
def test_what_is_guessed_reads_the_file(name: str, seeds: Path) -> None:
    file = seeds.parent / name
    file.write_bytes(FILES[name])
    code, toml = ran("guess", file)
    assert code == 0, toml
    guessed = tomllib.loads(toml)["name"]
    (seeds / "layouts" / f"{guessed}.toml").write_text(toml, "utf-8")
    layout = layouts.load_layout(guessed)
    known = layouts.load_layout("eska_v2")
    said = {"office": "BGR", "period": "2022-10", "extracted": "20221105T080000"}
    assert layout.stated_in(name) == (said if NAME in name else {})
    assert layout.columns == {OTHER.get(n, n): column for n, column in known.columns.items()}
    assert (layout.decimal_mark, layout.thousands_mark) == (",", ".")
    assert {"d MMMM yyyy, HH:mm:ss", "yyyy-MM-dd HH:mm:ss"} <= set(layout.dates)
    code, told = ran("check", file, "--layout", guessed)
    assert code == 0, told
    assert "quarantined: 0" in told and "fob_document = 1234.50" in told


def test_aggregates_and_dates_by_their_days(seeds: Path) -> None:
    file = seeds.parent / "ports.csv"
    file.write_text("tahun,bulan,kode_pelabuhan,nilai\n2013,January,ID431,1728.5\n", "utf-8")
    _, toml = ran("guess", file)
    assert 'grain = "aggregate"' in toml and '"nilai" = "fob_usd"' in toml
    assert 'decimal_mark = "."' in toml
    file.write_text("no_ska;tgl_terbit\n1;02/03/2024\n2;03/25/2024\n", "utf-8")
    assert 'dates = ["MM/dd/yyyy"]' in ran("guess", file)[1]
    file.write_text("no_ska;tgl_terbit\n1;02/03/2024\n", "utf-8")
    assert 'dates = ["dd/MM/yyyy"]' in ran("guess", file)[1]


@pytest.mark.parametrize(
    "content", [b"", b"\0\xff" * 50, b"<html>", zipped({}), workbook(lambda *_: None), b"{", b"[1"]
)
def test_nothing_to_guess_from(content: bytes, data_root: Path) -> None:
    file = data_root / "x"
    file.write_bytes(content)
    code, told = ran("guess", file)
    assert code in (0, 1) and told


def test_a_wide_workbook_is_guessed_at_least_as_far_as_its_header(data_root: Path) -> None:
    file = data_root / "wide.xlsx"
    file.write_bytes(workbook(merged))
    code, toml = ran("guess", file)
    assert code == 0 and 'format = "xlsx"' in toml and "header_row" in toml
