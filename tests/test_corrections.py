"""Corrections and aliases: reviewed rows change what they name, say so, and touch nothing else."""

import json
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from deliveries import filler, land, text
from golden import written
from pipeline import (
    corrections,
    duck,
    flow,
    ledger,
    load,
    quarantine,
    requests,
    settings,
    store,
    validate,
    verdicts,
)
from pipeline.messages import Problem

HEADER = "match,action,value,expect,reason,source,until\n"
SLICE = "slice=BGR_2022-10"
N1, N2 = "9000000/BGR/2022", "9000001/BGR/2022"
Correct = Callable[..., None]


@pytest.fixture
def seeds(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The project's seeds, to be changed."""
    folder = data_root / "seeds"
    shutil.copytree(settings.ROOT / "seeds", folder)
    monkeypatch.setenv("IPSKA_SEEDS", str(folder))
    settings.settings.cache_clear()
    yield folder
    settings.settings.cache_clear()


@pytest.fixture
def correct(seeds: Path) -> Correct:
    def write(*rows: str, until: str = "2999-12-31") -> None:
        lines = [f"{row},the office said so,letter 1,{until}\n" for row in rows]
        (seeds / "corrections.csv").write_text(HEADER + "".join(lines))

    return write


def rows(folder: str, landing: store.Landing, name: str) -> list[dict[str, Any]]:
    """What a delivery's file of the present rules holds, by line."""
    verdict = verdicts.of(landing)
    assert verdict
    return written(folder, landing.delivery_id, verdict["rules_sha"], name)


def test_a_correction_sets_what_it_names_and_validates_nothing_else_again(
    correct: Correct,
) -> None:
    ours, other = land(text(filler(3))), land(text(filler(2)), month="2022-11")
    before = validate.validate([ours, other])
    correct(f"{SLICE}; ska_number={N1},set exporter_place,Kab. Bogor,Kota Depok")
    after = validate.validate([ours, other])
    assert after[1] == before[1] and after[0]["rules_sha"] != before[0]["rules_sha"]
    assert [(one["matched"], one["applied"]) for one in after[0]["corrections"]] == [(1, 1)]
    found = [
        (row["exporter_place"], row["flags"]) for row in rows("accepted", ours, "line.parquet")
    ]
    assert found == [("Kab. Bogor", ["corrected"]), ("Kota Depok", []), ("Kota Depok", [])]
    assert corrections.troubles(after) == []
    correct()
    assert verdicts.of(ours) == before[0]  # as if it had never been


def test_a_correction_mends_what_was_set_aside(correct: Correct) -> None:
    landing = land(text([{"fob_barang": "1.234.50"}, *filler(1)]))
    assert validate.validate([landing])[0]["quarantined_records"] == 1
    correct(f'{SLICE}; line=2,set line_fob,"1.234,50",1.234.50')
    (verdict,) = validate.validate([landing])
    assert verdict["accepted_records"] == 2
    assert rows("accepted", landing, "line.parquet")[0]["flags"] == ["corrected"]


def test_spaces_around_a_text_do_not_matter_to_what_is_expected(correct: Correct) -> None:
    """Those of spreadsheets neither: a text is what validate makes of it."""
    row = {**filler(1)[0], "kota_eksportir": "\u00a0Kota Depok\t"}
    landing = land(text([row, *filler(3)[1:]]))
    correct(
        f"{SLICE}; ska_number={N1.replace('1/', '0/')},set exporter_place,Kab. Bogor,Kota Depok"
    )
    (verdict,) = validate.validate([landing])
    assert [(one["matched"], one["applied"]) for one in verdict["corrections"]] == [(1, 1)]


def test_an_excluded_record_is_counted_and_listed(
    correct: Correct, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    landing = land(text([*filler(3), "Total;;;"]))
    correct(f"{SLICE}; line=5,exclude,,1", f"{SLICE}; ska_number={N2},exclude,,1")
    (verdict,) = validate.validate([landing])
    assert verdict["excluded"] == {"correction": 2}
    counts = ("records", "accepted_records", "quarantined_records", "excluded_records")
    assert [verdict[name] for name in counts] == [4, 2, 0, 2]
    found = rows("quarantine", landing, "excluded.parquet")
    assert [(row["line"], row["rule_name"]) for row in found] == [
        (3, "correction"), (5, "correction"),
    ]  # fmt: skip
    assert json.loads(found[0]["raw"])["no_ska"] == N2
    assert json.loads(found[1]["raw"]) == {"record": "Total;;;"}
    with duck.connect(tmp_path / "warehouse.duckdb") as con:
        load.load(con, [verdict], {"eska": "2022-10"})
        books = "SELECT state, sum(records)::INTEGER FROM core.ledger GROUP BY ALL ORDER BY ALL"
        assert con.execute(books).fetchall() == [("current", 2), ("excluded", 2)]
    build = SimpleNamespace(database=tmp_path / "warehouse.duckdb")
    monkeypatch.setattr(quarantine, "current_build", lambda: build)
    (listed,) = quarantine.excluded()
    told = {name: listed[name] for name in ("slice", "rule_name", "records")}
    assert told == {"slice": "eska/BGR_2022-10", "rule_name": "correction", "records": 2}
    assert listed["first_record"].startswith("line 3 ") and N2 in listed["first_record"]


@pytest.mark.parametrize(
    ("row", "until", "code", "applied"),
    [
        (f"{SLICE}; ska_number=nobody,exclude,,1", "2999-12-31", "correction_unmatched", 0),
        ("slice=BGR_2031-10; line=2,exclude,,1", "2999-12-31", "correction_unmatched", None),
        (f"{SLICE}; ska_number={N1},set nib,1,2", "2999-12-31", "correction_misfit", 0),
        (f"{SLICE}; nama=x,exclude,,1", "2022-12-31", "correction_expired", None),
        # A total that the office has taken out meanwhile; two where one was meant.
        (f"{SLICE}; status=Diterbitkan,exclude,,1", "2999-12-31", "correction_misfit", 0),
    ],
)
def test_what_does_not_fit_is_not_applied_and_told(
    correct: Correct, row: str, until: str, code: str, applied: int | None
) -> None:
    landing = land(text(filler(2)))
    correct(row, until=until)
    (verdict,) = validate.validate([landing])
    assert verdict["accepted_records"] == 2
    assert [one["applied"] for one in verdict["corrections"]] == [applied] * (applied is not None)
    (trouble,) = corrections.troubles([verdict])
    assert trouble["code"] == code
    assert trouble["is_overdue"] == (code == "correction_expired")  # its date is its first day


@pytest.mark.parametrize(("age", "exit_code"), [(0, 0), (14, 0), (15, 3)])
def test_red_after_fourteen_days(correct: Correct, age: int, exit_code: int) -> None:
    """The ledger knows which run told of it first; a later run carries that day on."""
    correct(f"{SLICE}; line=99,exclude,,1")
    request = {**requests.backfill("2022-10", "2022-10", None, "test", store.now())}
    (first,) = corrections.troubles([])
    first["since"] = str(corrections._today() - timedelta(days=age))
    ledger.record({**request, "validate": {"corrections": [first]}})
    ledger.record({**request, "run_id": ledger.new_run_id("rollback"), "kind": "rollback"})
    (again,) = corrections.troubles([])
    assert again["since"] == first["since"]
    request = {**request, "run_id": ledger.new_run_id("backfill")}
    extracted = {"landed": [], "unchanged": 0, "missing": [], "failed": []}
    validated = {"validated": 0, "records": 0, "corrections": [again]}
    entry = flow.conclude(request, extracted, validated, {}, None)
    assert entry["exit_code"] == 1 and again["id"] in entry["text_id"]
    assert again["is_overdue"] == (exit_code == 3)


@pytest.mark.parametrize(
    "row",
    [
        "line=2,exclude,,1",
        f"{SLICE}; line,exclude,,1",
        f"{SLICE},drop,,1",
        f"{SLICE},exclude,,",
        f"{SLICE},set nib; DROP,1,2",
        f"{SLICE},exclude,,1,too,many",
    ],
)
def test_a_row_that_cannot_be_read_stops_before_anything_is_validated(
    correct: Correct, row: str
) -> None:
    correct(row)
    with pytest.raises(Problem, match="bad_correction"):
        verdicts.of(land(text(filler(1))))


def test_a_column_that_is_none_is_told(correct: Correct) -> None:
    correct(f"{SLICE}; nama=x,exclude,,1")
    with pytest.raises(Problem, match="nama"):
        validate.validate([land(text(filler(1)))])


def test_an_alias_places_without_validating_anything_again(seeds: Path) -> None:
    landing = land(text([{"kota_eksportir": "Cibinong"}, {**filler(1)[0], "kota_eksportir": "?"}]))
    (verdict,) = validate.validate([landing])

    def placed() -> tuple[list[Any], list[dict[str, Any]]]:
        with duck.connect() as con:
            load.load(con, [verdicts.of(landing) or {}], {"eska": "2022-10"})
            certificates = con.execute(
                "SELECT domicile_region_code, issuer_region_code FROM core.certificate ORDER BY 1"
            ).fetchall()
            return certificates, quarantine.suggested(con)

    regions, unplaced = placed()
    assert regions == [("3299", "3201"), ("3299", "3201")]  # on that basis only
    (row,) = [row["seed_row"] for row in unplaced if row["spelling"] == "Cibinong"]
    with (seeds / "region_aliases.csv").open("a") as file:
        file.write(row.replace("<region_code>", "3201") + "\n")
    assert placed()[0] == [("3201", "3201"), ("3299", "3201")]
    assert verdicts.of(landing) == verdict
    assert len(list((store.home() / "verdicts").rglob("*.json"))) == 1
