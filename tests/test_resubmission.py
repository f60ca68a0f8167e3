"""Resubmissions of deliveries in every form, and what the warehouse makes of them."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import openpyxl
import pytest

from deliveries import SOUND, columns, land, text
from foreign import sheet
from golden import deliver, line
from pipeline import (
    builds,
    duck,
    load,
    quarantine,
    resubmission,
    returns,
    settings,
    store,
    validate,
)
from pipeline import (
    land as landing_,
)
from pipeline.quarantine import Wanted
from test_aggregate import LAYOUT as AGGREGATE
from test_aggregate import SOUND as CELL
from test_layouts import MADE, TITLE, csv_of, own_seeds, table, toml

FORMS = ("cp1252", "book", "inside", "loose", "ndjson", "eska_v2", "cells")
REQUEST = {"who": "tester", "reason": "a test"}
Facts = dict[str, Any]


def certificates(number: int, **broken: str) -> list[dict[str, str]]:
    """A sound certificate and one in an unknown currency."""
    names = {"nama_eksportir": "PT Café Niño"}
    both = [
        {"no_ska": f"{number}00000{n}/BGR/2022", "no_aju": f"II2022{number}{n}"} for n in (1, 2)
    ]
    return [{**names, **both[0]}, {**names, **both[1], "mata_uang": "XXQ", **broken}]


def content(form: str, number: int) -> bytes:
    rows = certificates(number)
    if form == "cp1252":
        return csv_of(table(*rows)).encode("cp1252")
    if form == "book":
        return sheet([[TITLE], [], *table(*rows)])
    if form == "inside":
        return csv_of(table(*rows), "kantor", "BGR", "BGR").encode()
    if form == "loose":
        return csv_of(table(*rows, without=("npwp", "back_to_back", "berat_kotor_kg"))).encode()
    if form == "ndjson":
        return "".join(json.dumps({**SOUND, **row}) + "\n" for row in rows).encode()
    if form == "eska_v2":  # a record with one field too many
        torn = [{**SOUND, **rows[1]}[name] for name in columns()]
        return text([rows[0], ";".join([*torn, "x"])]).encode()
    cells = [{**CELL, "kode": "IDTPP"}, {**CELL, "kode": "IDSUB", "nilai": "1.2345,0"}]
    return "\n".join([";".join(cells[0]), *(";".join(one.values()) for one in cells), ""]).encode()


def correct(file: Path) -> None:
    book = openpyxl.load_workbook(file)
    page = book[returns.ROWS]
    header = [cell.value for cell in page[1]]
    for row in page.iter_rows(min_row=2):
        now = dict(zip(header, row, strict=True))
        if torn := now[returns.RECORD].value:
            for name, value in zip(columns(), torn.split(";"), strict=False):
                now[name].value = value
        if "nilai" in now:
            now["nilai"].value = "12.345,00"
        else:
            now["mata_uang"].value = "USD"
    book.save(file)


def build(path: Path) -> list[Facts]:
    """Validate and load all landings into a build, and let `quarantine` read it."""
    verdicts = validate.validate(store.landings("eska"))
    with duck.connect(path) as con:
        load.load(con, verdicts, {"eska": "2022-10"})
        con.execute("CREATE SCHEMA meta")
        builds.write_check_results(con, [], verdicts)
    return verdicts


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Facts]:
    """A delivery of every form, each with one record set aside, corrected and sent back."""
    root = tmp_path_factory.mktemp("forms")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPSKA_HOME", str(root / "data"))
        settings.settings.cache_clear()
        for _ in own_seeds(root, patch):
            made = MADE | {"ndjson": toml("ndjson", 'format = "ndjson"'), "cells": AGGREGATE}
            for name, told in made.items():
                (root / "seeds" / "layouts" / f"{name}.toml").write_text(told, "utf-8")
            origin = {}
            for n, form in enumerate(FORMS):
                month = {"book": "2022-10", "cells": "2022-01"}.get(form, f"2023-{n + 1:02}")
                facts = {"file_name": f"SINTETIS_{n}", "extracted_at": None}
                origin[form] = land(content(form, n + 1), month=month, layout=form, **facts)
            before = build(root / "before.duckdb")
            current = SimpleNamespace(database=root / "before.duckdb")
            patch.setattr(quarantine, "current_build", lambda: current)  # noqa: B023
            aside = quarantine.records(Wanted())
            files = [Path(one["file"]) for one in returns.export(root / "out", Wanted())]
            landed = []
            for file in files:
                correct(file)
                with resubmission.opened(file, store.landings("eska"), REQUEST) as parts:
                    landed += [landing_.resubmit(*part, set()) for part in parts]
            after = build(root / "after.duckdb")
            current.database = root / "after.duckdb"
            yield {
                "origin": origin, "before": before, "aside": aside, "landed": landed,
                "after": {one["delivery_id"]: one for one in after}, "root": root,
                "left": quarantine.left(*(
                    SimpleNamespace(database=root / f"{name}.duckdb")  # type: ignore[arg-type]
                    for name in ("before", "after")
                )),
            }  # fmt: skip
    settings.settings.cache_clear()


@pytest.mark.parametrize("form", FORMS)
def test_a_record_comes_back_in_every_form(walked: Facts, form: str) -> None:
    origin = walked["origin"][form].delivery_id
    assert [row["delivery_id"] for row in walked["aside"]].count(origin) == 1
    (landing,) = [
        one for one in walked["landed"] if one.manifest["resubmits"]["delivery_id"] == origin
    ]
    verdict = walked["after"][landing.delivery_id]
    assert (verdict["verdict"], verdict["problems"]) == ("accepted", [])
    assert (verdict["accepted_records"], verdict["quarantined_records"]) == (1, 0)
    assert verdict["is_synthetic"] and verdict["mode"] == "delta"
    with duck.connect(walked["root"] / "after.duckdb", read_only=True) as con:
        states = con.execute(
            "SELECT state, state_reason = 'resubmitted', records FROM core.ledger "
            "WHERE delivery_id = ? ORDER BY ALL", [origin],
        ).fetchall()  # fmt: skip
        assert states == [("current", False, 1), ("superseded", True, 1)]
        lost = con.execute(
            "SELECT delivery_id FROM core.delivery AS d JOIN core.ledger AS l USING (delivery_id) "
            "GROUP BY delivery_id, d.records, d.accepted_usd, d.quarantined_usd "
            "HAVING d.records <> sum(l.records) "
            "OR d.accepted_usd + d.quarantined_usd <> sum(l.stated_usd)"
        ).fetchall()
        assert lost == []
        if form != "cells":
            names = con.execute(
                "SELECT DISTINCT exporter_name FROM core.certificate_version WHERE delivery_id = ?",
                [landing.delivery_id],
            ).fetchall()
            assert names == [("PT Café Niño",)]


def test_what_was_set_aside_is_superseded_and_nothing_is_left(walked: Facts) -> None:
    assert quarantine.records(Wanted()) == []
    assert {one["why"] for one in walked["left"]} == {"resubmitted"}
    assert sum(one["records"] for one in walked["left"]) == len(FORMS)


def test_optional_columns_that_the_office_left_out_stay_out(walked: Facts) -> None:
    origin = walked["origin"]["loose"].delivery_id
    (landing,) = [
        one for one in walked["landed"] if one.manifest["resubmits"]["delivery_id"] == origin
    ]
    header = next(csv.reader(landing.payload.open(encoding="utf-8")))
    assert not {"npwp", "back_to_back", "berat_kotor_kg"} & set(header)


def test_the_shares_of_an_export_say_nothing_of_a_resubmission(data_root: Path) -> None:
    """Twenty-five of twenty-five fail again, of another month and another office's numbers: all of
    them stand in quarantine; as a delivery of its own the file is refused."""
    rows = [
        {"no_ska": f"{n:07}/KBG/2021", "no_aju": f"II{n}", "mata_uang": "XXQ"} for n in range(25)
    ]
    whole = [["" if v is None else v for v in row] for row in table(*rows)]
    quoted = "".join(",".join(f'"{v}"' for v in row) + "\n" for row in whole)
    resubmits = {"delivery_id": "eska/BGR_2022-10/x", "lines": [2]}
    landings = [land(text([*rows])), land(quoted, resubmits=resubmits, mode="delta")]
    refused, taken = validate.validate(landings)
    assert refused["verdict"] == "refused"
    assert (taken["verdict"], taken["quarantined_records"]) == ("accepted", 25)
    assert {one["rule_name"] for one in taken["checks"] if one["suite"] == "delivery"} == {
        *("records_reconcile", "total_fob_plausible", "total_weight_plausible")
    }


def test_amounts_that_overflow_refuse_a_resubmission_too(data_root: Path) -> None:
    """What is no share of a whole export; accepted, what its lines state would be NULL."""
    rows: list[Any] = [{"fob_barang": "999.999.999.999,99"}] * 10_001
    whole = [["" if v is None else v for v in row] for row in table(*rows)]
    quoted = "".join(",".join(f'"{v}"' for v in row) + "\n" for row in whole)
    resubmits = {"delivery_id": "eska/BGR_2022-10/x", "lines": [2]}
    (verdict,) = validate.validate([land(quoted, resubmits=resubmits, mode="delta")])
    (problem,) = verdict["problems"]
    assert verdict["verdict"] == "refused"
    assert "total_fob_plausible" in problem["en"]


def test_corrections_of_a_slice_do_not_touch_a_resubmission(
    data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import date

    from pipeline import corrections

    one = corrections.Correction(
        "slice=BGR_2022-10; line=2", "exclude", "", "1", "r", "s", date(2999, 1, 1)
    )
    monkeypatch.setattr(corrections, "load_corrections", lambda: [one])
    plain, back = land(text([{}])), land(text([{}]), resubmits={"delivery_id": "x", "lines": [2]})
    assert corrections.in_force(plain) == [one] and corrections.in_force(back) == []


# --- the warehouse -------------------------------------------------------------------------------

N1, N2 = "0000001/BGR/2024", "0000002/BGR/2024"
OLD, NEW = "2026-11-02T00:00:00+00:00", "2026-11-03T00:00:00+00:00"


def resubmitted(origin: Facts, lines: list[int], rows: list[Facts], **changes: Any) -> Facts:
    named = {"delivery_id": origin["delivery_id"], "lines": lines}
    facts = {"mode": "delta", "resubmits": named, "landed_at": OLD, **changes}
    return deliver(origin["slice_code"], rows, **facts)


def loaded(path: Path, verdicts: list[Facts], query: str) -> list[tuple[Any, ...]]:
    with duck.connect(path) as con:
        load.load(con, verdicts, {"eska": "2024-01"})
        return con.execute(query).fetchall()


STATES = "SELECT resubmits IS NULL, state, superseded_by, is_stale FROM core.delivery ORDER BY ALL"


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, [("current", False), ("current", False)]),
        ({"verdict": "refused"}, [("refused", False), ("current", False)]),
    ],
)
def test_a_refused_resubmission_makes_no_slice_stale(
    data_root: Path, more: Facts, expected: list[tuple[str, bool]]
) -> None:
    origin = deliver("BGR_2024-01", [line(N1)], [line(N2, line=3, currency_code=None)])
    back = resubmitted(origin, [3], [line(N2)], **more)
    found = loaded(data_root / "w.duckdb", [origin, back], STATES)
    assert [(state, stale) for _, state, _, stale in found] == expected


def test_the_corrected_version_stands_where_the_wrong_one_stood(data_root: Path) -> None:
    """Even if a later rule would accept what was set aside; it is as old as what it corrects."""
    origin = deliver(
        "BGR_2024-01", [line(N1), line(N2, line=3, line_fob=7)], extracted_at="2026-10-30T00:00:00"
    )
    back = resubmitted(origin, [3], [line(N2, line_fob=9)], extracted_at="2026-10-30T00:00:00")
    later = deliver("BGR_2024-02", [line(N1, line_fob=5)], extracted_at="2026-10-31T00:00:00")
    found = loaded(
        data_root / "w.duckdb", [origin, back, later],
        "SELECT certificate_key, stated_usd::INT, state FROM core.certificate_version ORDER BY ALL",
    )  # fmt: skip
    assert found == [(N1, 5, "current"), (N1, 1000, "superseded"), (N2, 9, "current")]


def test_a_month_does_not_become_whole_by_a_resubmission(data_root: Path) -> None:
    """The extract was made before the month ended; its correction landed after."""
    early = {"extracted_at": "2024-01-20T00:00:00+00:00"}
    aside = [line(N2, line=3, currency_code=None)]
    origin = deliver("BGR_2024-01", [line(N1)], aside, **early)
    back = resubmitted(origin, [3], [line(N2)], **early)
    found = loaded(
        data_root / "w.duckdb", [origin, back], "SELECT is_complete FROM core.slice_month"
    )
    assert found == [(False,)]


def test_why_records_leave_quarantine(data_root: Path) -> None:
    """By another delivery's newer version, and with their feed; what stays is not named."""
    aside = [line(N1, line=2, currency_code=None), line(N2, line=3, currency_code=None)]
    for row in aside:
        row["findings"] = [{"rule_name": "currency_known", "column_name": "c", "value": None}]
    origin = deliver("BGR_2024-01", [], aside)
    gone = deliver("DPK_2024-01", [], [{**aside[0], "certificate_key": "0000001/DPK/2024"}])
    newer = deliver("BGR_2024-02", [line(N1, status_at="2024-02-01")], landed_at=NEW)
    for name, verdicts in (("old", [origin, gone]), ("new", [origin, newer])):
        loaded(data_root / f"{name}.duckdb", verdicts, "SELECT 1")
    old, new = (SimpleNamespace(database=data_root / f"{name}.duckdb") for name in ("old", "new"))
    found = quarantine.left(old, new)  # type: ignore[arg-type]
    assert [(one["delivery_id"][:8], one["why"], one["records"]) for one in found] == [
        ("eska/BGR", "newer_version", 1), ("eska/DPK", "feed_removed", 1),
    ]  # fmt: skip
    assert found[0]["rule_names"] == ["currency_known"]
    with duck.connect(data_root / "old.duckdb") as con:
        con.execute("DROP TABLE core.quarantine_line")
    assert quarantine.left(old, new) == []  # type: ignore[arg-type]
