"""The sample is what it says: its files, its truth, its faults and its story."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipeline import sample, settings, store
from pipeline.layouts import load_layout
from pipeline.messages import Problem
from pipeline.periods import Month
from sample_files import NOTHING, TIME, Row, Sample, amount, counted, moment, newest

WORDED = r"\d{1,2} [A-Z][a-z]+ \d{4}"


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Sample]]:
    """Make a sample; the same one only once."""
    made: dict[str, Sample] = {}

    def written(lines: int, threads: int = 2, **options: Any) -> Sample:
        key = repr((lines, threads, options))
        if key not in made:
            patch.setenv("IPSKA_THREADS", str(threads))
            settings.settings.cache_clear()
            folder = tmp_path_factory.mktemp("sample") / "deliveries"
            summary = sample.write_sample(folder, lines, **options)
            made[key] = Sample(folder, summary, store.read_json(summary.truth))
        return made[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPSKA_HOME", str(tmp_path_factory.mktemp("home")))
        settings.settings.cache_clear()
        yield written
    settings.settings.cache_clear()


@pytest.fixture(scope="module")
def usual(make: Callable[..., Sample]) -> Sample:
    return make(20_000)


def test_same_seed_gives_the_same_bytes_whatever_the_threads(make: Callable[..., Sample]) -> None:
    span = {"first": Month(2024, 5), "last": Month(2024, 8)}
    one, two, other = (
        make(1000, threads, seed=seed, **span).folder for threads, seed in ((1, 7), (2, 7), (2, 8))
    )
    assert store.sha256_of_trees(one) == store.sha256_of_trees(two)
    for office in ("BKS", "JBR"):
        assert store.sha256_of_trees(one / office) != store.sha256_of_trees(other / office)


def test_every_slice_is_there_once_or_twice(usual: Sample) -> None:
    layout = load_layout("eska_v2")
    stated = [layout.stated_in(Path(file).name) for file in usual.files()]
    assert all(file.split("/")[1].startswith("SINTETIS_") for file in usual.files())
    slices = Counter((facts["office"], facts["period"]) for facts in stated)
    assert len(slices) == 12 * 45
    twice = [part for part, count in slices.items() if count == 2]
    assert max(slices.values()) == 2
    assert 0.025 <= len(twice) / len(slices) <= 0.035
    for facts in stated:
        assert facts["extracted"][:6] > facts["period"].replace("-", "")
    assert len(stated) == usual.summary.files


def test_files_have_a_bom_one_kind_of_line_end_and_the_layouts_header(usual: Sample) -> None:
    ends = set()
    for file in usual.files():
        data = (usual.folder / file).read_bytes()
        assert data.startswith(b"\xef\xbb\xbfno_aju;")
        assert data.endswith(b"\n")
        assert data.count(b"\r\n") in (0, data.count(b"\n"))
        ends.add(b"\r\n" in data)
        assert usual.rows(file)[0] == list(load_layout("eska_v2").columns)
    assert ends == {True, False}


def test_records_are_as_many_as_the_truth_says(usual: Sample) -> None:
    counts = {file: len(usual.rows(file)) - 1 for file in usual.files()}
    assert sum(counts.values()) == usual.truth["records"] == usual.summary.records
    assert 0 in counts.values(), "a nil return is a header without rows"
    newest = {file.rsplit("_", 1)[0]: count for file, count in sorted(counts.items())}
    assert sum(counts.values()) - sum(newest.values()) == usual.truth["superseded_records"] > 0
    assert abs(usual.summary.records / 20_000 - 1) < 0.1


def test_values_are_written_as_offices_write_them(usual: Sample) -> None:
    broken = {(fault["file"], fault["line"]) for fault in usual.truth["faults"]}
    seen: dict[str, Counter[str]] = defaultdict(Counter)
    offices: Counter[str] = Counter()
    for file in usual.files():
        for line, row in usual.records(file):
            if (file, line) in broken:
                continue
            assert row["sumber_data"] == "SINTETIS"
            seen["status"][row["status_pengajuan"]] += 1
            seen["kind"][row["jenis_pengajuan"]] += 1
            seen["nothing"].update(value for value in row.values() if value in NOTHING)
            seen["country"][row["negara_importir"]] += 1
            for name in ("tgl_daftar", "tgl_proses", "waktu_status"):
                comma = re.fullmatch(rf"{WORDED}(,?) {TIME}", row[name])
                assert comma, row[name]
                seen["pattern"][comma[1]] += 1
            assert re.fullmatch(rf"\d{{4}}-\d\d-\d\d {TIME}", row["tgl_kirim"])
            for name in ("fob_peb", "fob_invoice", "fob_dokumen", "fob_barang"):
                assert row[name] in NOTHING or amount(row[name]) > 0
            issued = row["tgl_terbit"] not in NOTHING
            assert issued == (row["no_ska"] not in NOTHING)
            if issued:
                offices[row["no_ska"].split("/")[1]] += row["no_urut_barang"] == "1"
                long = moment(row["tgl_terbit"])[:2] >= (2024, 7)
                if row["npwp"] not in NOTHING:
                    assert re.fullmatch(r"0\d{15}" if long else r"\d{15}", row["npwp"])
                    seen["npwp"]["16" if long else "15"] += 1
            seen["identity"][f"{row['nib'] in NOTHING}{row['npwp'] in NOTHING}"] += 1
    assert len(seen["status"]) == 7
    assert set(seen["kind"]) == {"Baru", "Perubahan", "Duplikat"}
    assert set(seen["nothing"]) == NOTHING
    assert set(seen["pattern"]) == {",", ""}
    assert set(seen["npwp"]) == {"15", "16"}
    assert set(seen["identity"]) == {"FalseFalse", "FalseTrue", "TrueFalse"}
    assert 0.15 < offices["JBR"] / offices.total() < 0.25


def test_serials_of_an_issuer_have_no_gaps(usual: Sample) -> None:
    broken = {(fault["file"], fault["line"]) for fault in usual.truth["faults"]}
    serials: dict[tuple[str, str], set[int]] = defaultdict(set)
    for file in usual.files():
        for line, row in usual.records(file):
            if row["no_ska"] not in NOTHING and (file, line) not in broken:
                serial, issuer, year = row["no_ska"].split("/")
                serials[issuer, year].add(int(serial))
    assert len(serials) == 12 * 4
    # A number that was broken, or lost with a broken record, is the only gap.
    gaps = sum(max(found) - len(found) for found in serials.values())
    assert gaps <= len(broken)


def test_each_basis_has_the_same_total_each_month(usual: Sample) -> None:
    totals: dict[tuple[str, str], list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    for row in usual.truth["region_month"]:
        total = totals[row["basis"], row["month"]]
        total[0] += Decimal(row["fob_usd"])
        total[1] += row["certificates"]
        assert 0 < row["exporters"] <= row["certificates"]
    months = {month for _, month in totals}
    assert len(months) == 45
    for month in months:
        assert totals["issuer", month] == totals["domicile", month]
    codes = {row["region_code"] for row in usual.truth["region_month"]}
    assert {"3299", "ID99", "3174", "6303"} <= codes
    assert len([code for code in codes if re.fullmatch(r"32(?!99)\d\d", code)]) == 27


def test_the_files_hold_what_the_truth_says(usual: Sample) -> None:
    """Per month, over all regions: US$ to the cent, and certificates."""
    found: dict[str, list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    for row, value in counted(usual):
        found[row["month"]][0] += value
        found[row["month"]][1] += 1
    expected: dict[str, list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    for row in usual.truth["region_month"]:
        if row["basis"] == "issuer":
            expected[row["month"]][0] += Decimal(row["fob_usd"])
            expected[row["month"]][1] += row["certificates"]
    assert found == expected


def unknown(names: set[str]) -> Callable[[str], bool]:
    return lambda text: text not in names


# What a broken value looks like, for the faults that one field of one line shows.
BROKEN: dict[str, tuple[str, Callable[[str], Any]]] = {
    "number_present": ("no_ska", NOTHING.__contains__),
    "number_format": ("no_ska", lambda text: re.fullmatch(r"\d{1,6}/[A-Z]{3}/\d{4}", text)),
    "status_present": ("status_pengajuan", NOTHING.__contains__),
    "status_known": ("status_pengajuan", "Arsip".__eq__),
    "kind_known": ("jenis_pengajuan", unknown({"Baru", "Perubahan", "Duplikat"})),
    "currency_known": ("mata_uang", unknown({"USD"})),
    "issued_on_not_future": ("tgl_terbit", lambda text: text.startswith("28 Desember")),
    "status_at_not_future": ("waktu_status", lambda text: moment(text)[0] >= 2022),
    "fob_present": ("fob_dokumen", NOTHING.__contains__),
    "fob_not_stated": ("fob_barang", NOTHING.__contains__),
    "application_number_date": ("no_aju", lambda text: text.startswith("ZA")),
    "number_office_match": ("no_ska", lambda text: "/DIT/" in text),
    "hs_in_force": ("kode_hs", lambda text: text.startswith("620199")),
    "hs_old_version": ("kode_hs", lambda text: text.startswith("851770")),
    "dates_not_future": ("tgl_kirim", lambda text: moment(text)[0] >= 2022),
    "line_unique": ("no_urut_barang", "1".__eq__),
    "nib_format": ("nib", lambda text: text not in NOTHING and len(text) != 13),
    "hs_format": ("kode_hs", lambda text: len(text) < 6 or text.startswith("77")),
    "weight_readable": ("berat_bersih_kg", lambda text: not re.fullmatch(r"[\d.,]+", text)),
    "net_le_gross": ("berat_kotor_kg", "0,001".__eq__),
    "form_known": ("tipe_form", "ZZ".__eq__),
    "form_destination": ("negara_importir", "SOUTH AFRICA".__eq__),
    "form_started": ("tipe_form", "RCEP".__eq__),
    "destination_known": ("negara_importir", "NEGERI CONTOH".__eq__),
    "load_port_in_indonesia": ("plb_muat", lambda text: not text.startswith("ID")),
    "number_without_issue": ("no_ska", lambda text: text not in NOTHING),
    "tick_known": ("back_to_back", unknown(NOTHING | {"Ya", "Tidak"})),
    "peb_complete": ("tgl_peb", NOTHING.__contains__),
}
# Those that a sound record may show too.
EVERYWHERE = {"line_unique", "form_started", "number_without_issue", "number_present"}
EVERYWHERE |= {"fob_present", "peb_complete", "issued_on_not_future"}
EVERYWHERE |= {"status_at_not_future", "dates_not_future"}


def test_each_fault_stands_where_the_truth_says(make: Callable[..., Sample]) -> None:
    dirty = make(20_000, dirt=0.04)
    kinds = {line.split(",")[0] for line in (sample.SQL / "fault_kind.csv").open()} - {"rule"}
    injected = {(fault["file"], fault["line"]): fault["rule"] for fault in dirty.truth["faults"]}
    assert len(injected) == len(dirty.truth["faults"]) == dirty.summary.faults
    assert set(injected.values()) == kinds
    assert 0.02 < len(injected) / dirty.summary.records < 0.05
    checked: Counter[str] = Counter()
    for file in dirty.files():
        lengths = {line: len(row) for line, row in enumerate(dirty.rows(file), 1)}
        split = {line for line, length in lengths.items() if length != lengths[1]}
        assert split == {line for line in lengths if injected.get((file, line)) == "record_split"}
        for line, row in dirty.records(file):
            rule = injected.get((file, line))
            for name, (column, is_broken) in BROKEN.items():
                if name == rule:
                    assert is_broken(row[column]), (file, line, name, row[column])
                    checked[name] += 1
                elif name not in EVERYWHERE:
                    assert not is_broken(row[column]), (file, line, name, row[column])
    assert set(checked) == set(BROKEN)


def test_without_dirt_there_are_no_faults(make: Callable[..., Sample]) -> None:
    clean = make(3000, dirt=0, first=Month(2024, 5), last=Month(2024, 8))
    assert clean.truth["faults"] == [] and clean.truth["quarantined_records"] == 0
    width = len(load_layout("eska_v2").columns)
    lines = [row for file in clean.files() for row in clean.rows(file)]
    assert len(lines) > 2000
    assert {len(row) for row in lines} == {width}


def test_second_deliveries_bring_late_withdrawn_and_moved(usual: Sample) -> None:
    pairs = Counter(file.rsplit("_", 1)[0] for file in usual.files())
    first: dict[str, list[tuple[str, Row]]] = defaultdict(list)
    second: dict[str, list[tuple[str, Row]]] = defaultdict(list)
    for file in usual.files():
        if pairs[file.rsplit("_", 1)[0]] == 2:
            target = second if file in newest(usual) else first
            for _, row in usual.records(file):
                target[row["no_aju"]].append((file, row))
    late = set(second) - set(first)
    withdrawn = {
        aju
        for aju in set(first) & set(second)
        if first[aju][0][1]["status_pengajuan"] == "Diterbitkan"
        and any(row["status_pengajuan"] == "Pencabutan" for _, row in second[aju])
    }
    slices = {aju: {file.rsplit("_", 1)[0] for file, _ in rows} for aju, rows in second.items()}
    moved = {
        aju
        for aju in set(first) & set(second)
        if slices[aju] != {file.rsplit("_", 1)[0] for file, _ in first[aju]}
    }
    in_both = {aju for aju in moved if len(slices[aju]) == 2}
    assert len(late) >= 16 and len(withdrawn) >= 16
    assert moved > in_both > set()
    for aju in withdrawn:
        old, new = first[aju][0][1]["waktu_status"], second[aju][0][1]["waktu_status"]
        assert moment(new) > moment(old)


def growth(truth: dict[str, Any], basis: str, base_year: int) -> list[tuple[float, str]]:
    """Growth of January to September 2024 over a base year, %, best first."""
    total: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for row in truth["region_month"]:
        if (
            row["basis"] == basis
            and row["region_code"].startswith("32")
            and row["month"][5:] <= "09"
        ):
            total[row["region_code"], row["month"][:4]] += Decimal(row["fob_usd"])
    codes = {code for code, _ in total} - {"3299"}
    base = {code: total[code, str(base_year)] for code in codes}
    return sorted(
        ((float(100 * (total[code, "2024"] - base[code]) / base[code]), code) for code in codes),
        reverse=True,
    )


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_story_holds(make: Callable[..., Sample], seed: int) -> None:
    truth = make(20_000, seed=seed).truth if seed > 1 else make(20_000).truth
    assert truth["story"]["first_ranked"] == "3276"
    ranks = {
        (row["basis"], row["base_year"], row["region_code"]): row["is_ranked"]
        for row in truth["story"]["growth"]
    }
    for base_year in (2021, 2023):
        domicile = growth(truth, "domicile", base_year)
        assert domicile[0][1] == "3218", "a tiny region is first when nobody looks at the base"
        for basis, ordered in (
            ("domicile", domicile),
            ("issuer", growth(truth, "issuer", base_year)),
        ):
            ranked = [(rate, code) for rate, code in ordered if ranks[basis, base_year, code]]
            assert len(ranked) >= 10
            assert ranked[0][1] == "3276", (basis, base_year)
            assert ranked[0][0] > ranked[1][0] + 10, (basis, base_year, ranked[:2])
        assert not ranks["domicile", base_year, "3210"], "one firm has more than three quarters"
        assert not ranks["domicile", base_year, "3218"]
    paper, goods = (
        next(rate for rate, code in growth(truth, basis, 2021) if code == "3275")
        for basis in ("issuer", "domicile")
    )
    assert paper > goods + 20, "paper moved to Kota Bekasi, goods did not"


def test_magnitudes_dont_depend_on_the_number_of_lines(
    usual: Sample, make: Callable[..., Sample]
) -> None:
    def year(truth: dict[str, Any], code: str = "") -> float:
        return sum(
            float(row["fob_usd"])
            for row in truth["region_month"]
            if row["basis"] == "domicile" and row["month"][:4] == "2023"
            and row["region_code"].startswith(code or "32")
        )  # fmt: skip

    small = make(4000, first=Month(2023, 1), last=Month(2023, 12)).truth
    for truth in (small, usual.truth):
        assert 12e9 < year(truth) < 15e9
        assert 1.9e9 < year(truth, "3216") < 3e9
        assert 100e6 < year(truth, "3276") < 200e6
        assert year(truth, "3218") < 100_000


def test_lean_has_fifteen_columns(make: Callable[..., Sample]) -> None:
    lean = make(4000, layout="eska_lean", first=Month(2024, 1), last=Month(2024, 6))
    assert len(lean.rows(lean.files()[0])[0]) == 15
    size = sum((lean.folder / file).stat().st_size for file in lean.files())
    assert 120 < size / lean.summary.records < 200
    assert len({fault["rule"] for fault in lean.truth["faults"]}) > 5


def test_nothing_that_lies_in_the_folder_is_touched(data_root: Path) -> None:
    folder = data_root / "deliveries"
    folder.mkdir()
    (folder / "mine.csv").write_text("a")
    with pytest.raises(Problem, match="sample_folder_not_empty"):
        sample.write_sample(folder, 1000)
    assert [file.name for file in folder.iterdir()] == ["mine.csv"]


def test_a_broken_off_sample_leaves_no_truth_and_can_be_made_again(
    data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, may = data_root / "deliveries", Month(2024, 5)
    (folder / ".part" / "JBR").mkdir(parents=True)  # killed: not even the clean-up ran
    with monkeypatch.context() as broken, pytest.raises(OSError, match="disk full"):
        broken.setattr(sample, "_truth", lambda _: (_ for _ in ()).throw(OSError("disk full")))
        sample.write_sample(folder, 1000, first=may, last=may)
    assert list(folder.iterdir()) == []
    told: list[tuple[int, int]] = []
    made = sample.write_sample(
        folder, 1000, first=may, last=may, progress=lambda *done: told.append(done)
    )
    assert json.loads(made.truth.read_text("utf-8"))["synthetic"] is True
    assert told[-1] == (made.records, made.records)
    assert "SYNTHETIC" in (folder / "README.txt").read_text("utf-8")
    assert not (folder / ".part").exists()


def test_bad_requests_are_refused(data_root: Path) -> None:
    with pytest.raises(Problem, match="bad_range"):
        sample.write_sample(data_root / "x", 1000, first=Month(2024, 2), last=Month(2024, 1))
    with pytest.raises(Problem, match="bad_layout"):
        sample.write_sample(data_root / "x", 1000, layout="xlsx")
    assert not (data_root / "x").exists()
