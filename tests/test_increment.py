"""A build on top of another is, row for row, what a build from nothing is; it reads no more when
history is longer.

`make test` plays a few random histories, IPSKA_INCREMENT_RUNS says how many. A failure names the
seed, the step and the rows.
"""

import json
import os
import random
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import nights
from golden import Row, cell, deliver, deliver_cells, line
from pipeline import builds, duck, flow, increment, load, models, staging, store, suites
from pipeline.settings import settings

RUNS = int(os.environ.get("IPSKA_INCREMENT_RUNS", "3"))
STEPS = 6
FIRST = {"eska": "2024-01", "bps": "2024-01"}
LIMITS = {"eska": ("month", 14), "bps": ("month", 30)}
OFFICES, MONTHS = ("BGR", "KRW", "DPK"), ("2024-01", "2024-02", "2024-03")
MONEY = ("1000.00", "0.00", "333.33", "1000.00", "77.77", "250000.01")
# Two numbers that name one firm where a record states both.
NIBS = (None, "1234567890123", "9876543210987", "1111111111111", "1234567890124")
NPWPS = (None, None, "012345678901000", "987654321098000", "112233445566000")
Verdicts = dict[str, Row]


class History:
    """Deliveries that arrive one after the other, each with certificates that may be anything: in
    two slices, tied by replacements, declarations and exporters' numbers, withdrawn, set aside."""

    def __init__(self, seed: int) -> None:
        self.dice, self.hour, self.verdicts = random.Random(seed), 0, {}
        self.months = MONTHS

    def number(self, office: str) -> str:
        return f"{self.dice.randrange(1, 25):07}/{office}/2024"

    def certificate(self, office: str, month: str, first: int) -> list[Row]:
        dice = self.dice
        pick = dice.choice
        key = self.number(office)
        currency = pick(("USD", "USD", "USD", "JPY", "XXX"))
        values = [Decimal(pick(MONEY)) for _ in range(dice.randrange(1, 4))]
        peb = f"{dice.randrange(1, 12):06}" if dice.random() < 0.7 else None
        header = {
            "status": pick(("issued",) * 6 + ("withdrawn", "withdrawal_requested", "in_process")),
            "kind": pick(("new", "new", "new", "replacement", "duplicate")),
            "replaces_ska_number": pick((None, None, None, self.number(pick(OFFICES)))),
            "status_at": pick((None, f"{month}-{dice.randrange(10, 28)} 03:00:00")),
            "issued_on": f"{month}-{dice.randrange(10, 28)}",
            "nib": pick(NIBS),
            "npwp": pick(NPWPS),
            "exporter_name": pick(("PT Contoh", "CV Lain", "Toko Bu Siti")),
            "exporter_place": pick(("Kab. Bogor", "Depok", "Karawang", "Di mana", None)),
            "load_port_code": pick((None, "IDTPP", "XXXXX")),
            "form_code": pick(("B", "D", "RCEP")),
            "currency_code": currency,
            "peb_number": peb,
            "peb_on": f"{month}-0{dice.randrange(1, 3)}" if peb else None,
            "fob_peb": pick((None, Decimal("1000.00"), Decimal("5000.00"))),
            "fob_document": pick((sum(values), None, Decimal("1234.56"))),
            "is_third_country": pick((None, False, True)),
            "is_back_to_back": pick((None, False, True)),
        }
        return [
            line(key, number, line=first + number, line_fob=value,
                 hs_code=pick(("940360", "610910")), net_kg=pick((Decimal("10.000"), None)),
                 flags=pick(([], [], ["nib_format"])), **header)
            for number, value in enumerate(values, 1)
        ]  # fmt: skip

    def lines(self, office: str, month: str) -> tuple[list[Row], list[Row]]:
        """Accepted and set aside; each certificate in a delivery once."""
        accepted: list[Row] = []
        aside: list[Row] = []
        seen: set[str] = set()
        for _ in range(self.dice.randrange(0, 14)):
            rows = self.certificate(office, month, len(accepted) + len(aside) + 1)
            if rows[0]["certificate_key"] in seen:
                continue
            seen.add(rows[0]["certificate_key"])
            if self.dice.random() < 0.15:
                found = [{"rule_name": "fob_readable", "column_name": "fob", "value": "x"}]
                if self.dice.random() < 0.3:
                    own = f"{office}_{month}/{self.hour}"
                    rows = [{**row, "certificate_key": f"{own} line:{row['line']}",
                             "ska_number": None} for row in rows]  # fmt: skip
                aside += [{**row, "findings": found, "raw": "{}"} for row in rows]
            else:
                accepted += rows
        return accepted, aside

    def arrive(self) -> None:
        """Something happens: mostly a slice comes, or comes again."""
        dice, self.hour = self.dice, self.hour + 1
        landed_at = f"2024-05-{1 + self.hour // 24:02}T{self.hour % 24:02}:00:00+00:00"
        what = dice.random()
        if what < 0.1 and self.verdicts:  # an operator rejects one
            one = self.verdicts[dice.choice(sorted(self.verdicts))]
            one |= {"verdict": "refused", "problems": [{"code": "rejected", "en": "", "id": ""}]}
            return
        month = dice.choice(self.months)
        if what < 0.2:
            cells = [cell(2, "IDTPP", month, dice.randrange(3)), cell(3, "Merak", month, None)]
            new = deliver_cells(f"ALL_{month}", cells, landed_at=landed_at)
        else:
            office = dice.choice(OFFICES)
            mode = "delta" if what < 0.3 else "snapshot"
            slice_code = f"{office}_{month}"
            new = deliver(slice_code, *self.lines(office, month), landed_at, mode=mode)
            lines = list(range(2, 2 + new["accepted_records"]))
            if what > 0.9 and lines:  # and some of its records are corrected at once
                self.verdicts[new["delivery_id"]] = new
                some = dice.sample(lines, 1 + len(lines) // 3)
                fixed = self.certificate(office, month, 0)
                named = {"delivery_id": new["delivery_id"], "lines": some}
                landed_at = landed_at.replace(":00:00+", ":30:00+")
                new = deliver(slice_code, fixed, None, landed_at, resubmits=named)
        self.verdicts[new["delivery_id"]] = new


def build(name: str) -> builds.Build:
    builds.folder_of(name).mkdir(parents=True)
    return builds.Build(name, {})


def from_nothing(name: str, verdicts: Verdicts) -> builds.Build:
    made = build(name)
    with duck.connect(made.database) as con:
        load.load(con, [*verdicts.values()], FIRST, LIMITS)
    return made


def on_top(name: str, before: builds.Build, verdicts: Verdicts) -> tuple[builds.Build, Any]:
    made = build(name)
    values = [*verdicts.values()]
    return made, increment.load_on(before, made.database, values, FIRST, LIMITS)


def differences(one: Path, other: Path) -> dict[str, list[Any]]:
    """Per table the rows that only one of two files has."""
    with duck.connect() as con:
        for name, file in (("one", one), ("other", other)):
            con.execute(f"ATTACH {duck.literal(str(file))} AS {name} (READ_ONLY)")
        tables = {
            name: con.execute(
                "SELECT schema_name || '.' || table_name FROM duckdb_tables() "
                "WHERE database_name = ? ORDER BY 1", [name],
            ).fetchall()
            for name in ("one", "other")
        }  # fmt: skip
        assert tables["one"] == tables["other"]
        assert len(tables["one"]) > 60
        found = {}
        for (table,) in tables["one"]:
            rows = con.execute(
                f"SELECT 'one', * FROM (FROM one.{table} EXCEPT ALL FROM other.{table}) "
                f"UNION ALL SELECT 'other', * FROM (FROM other.{table} EXCEPT ALL FROM one.{table})"
            ).fetchall()
            if rows:
                found[table] = sorted(rows, key=str)[:4]
    return found


@pytest.mark.parametrize("seed", range(RUNS))
def test_on_top_of_another_a_build_is_what_it_is_from_nothing(
    seed: int, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(increment, "LARGEST_PART", 2)
    history = History(seed)
    for _ in range(4):
        history.arrive()
    before = from_nothing("0", history.verdicts)
    for step in range(1, STEPS):
        for _ in range(history.dice.randrange(0, 3)):
            history.arrive()
        whole = from_nothing(f"{step}-whole", history.verdicts)
        before, checks = on_top(f"{step}", before, history.verdicts)
        found = differences(before.database, whole.database)
        assert not found, f"seed {seed}, step {step}: {found}"
    judged = {check.table for check in checks}
    for check in suites.run_suite("core", whole.database, about=judged.__contains__):
        (same,) = [one for one in checks if one.rule_name == check.rule_name]
        assert (same.evaluated, same.unexpected) == (check.evaluated, check.unexpected)


def test_an_untouched_certificate_that_becomes_an_outlier_is_flagged(data_root: Path) -> None:
    """Unit values are held against all there are: with 30 lines there is a range, and an old
    certificate of another delivery and exporter lies out of it."""

    def sold(first: int, values: list[int], office: str, nib: str) -> list[Row]:
        return [
            line(f"{first + n:07}/{office}/2024", nib=nib, line_fob=Decimal(usd),
                 fob_document=Decimal(usd))
            for n, usd in enumerate(values)
        ]  # fmt: skip

    old = deliver("BGR_2024-01", sold(1, [*range(1000, 1027), 10**7], "BGR", NIBS[1] or ""))
    before = from_nothing("0", {"old": old})
    new = deliver("KRW_2024-01", sold(1, [*range(1000, 1005)], "KRW", NIBS[2] or ""))
    verdicts = {"old": old, "new": new}
    made, checks = on_top("1", before, verdicts)
    assert checks is not None
    flagged = "SELECT sum(flagged_usd)::VARCHAR FROM core.exporter_month"
    assert nights.query(before.database, flagged) == [("0.00",)]
    assert nights.query(made.database, flagged) == [("10000000.00",)]
    assert differences(made.database, from_nothing("2", verdicts).database) == {}


def test_what_a_resubmission_takes_from_an_older_delivery_is_touched(data_root: Path) -> None:
    """The corrected record has another number, so nothing else names the certificate it leaves."""
    rows = [line(f"{n:07}/BGR/2024", line=n + 1, nib=f"{n:013}") for n in range(1, 9)]
    old = deliver("BGR_2024-01", rows)
    other = [line(f"{n:07}/KRW/2024", line=n + 1, nib=f"{n + 50:013}") for n in range(1, 40)]
    verdicts = {"old": old, "other": deliver("KRW_2024-01", other)}
    before = from_nothing("0", verdicts)
    named = {"delivery_id": old["delivery_id"], "lines": [2]}
    late = "2026-11-02T00:00:00+00:00"
    fixed = [line("0000099/BGR/2024", nib=f"{99:013}")]
    verdicts["fixed"] = deliver("BGR_2024-01", fixed, None, late, resubmits=named)
    made, checks = on_top("1", before, verdicts)
    assert checks
    assert differences(made.database, from_nothing("2", verdicts).database) == {}


def test_a_first_delivery_of_a_month_makes_new_periods(data_root: Path) -> None:
    """Their numbers are others then: no row of a period stays what it was."""
    verdicts = {
        month: deliver(f"BGR_{month}", [line(f"{n:07}/BGR/2024", n + 1, issued_on=f"{month}-10",
                                             nib=f"{n:013}") for n in some])
        for month, some in (("2024-01", range(1, 5)), ("2024-02", range(5, 9)))
    }  # fmt: skip
    before = from_nothing("0", verdicts)
    new = [line("0000099/BGR/2024", issued_on="2024-03-10", nib=f"{2:013}")]
    verdicts["2024-03"] = deliver("BGR_2024-03", new)
    made, checks = on_top("1", before, verdicts)
    assert checks
    assert differences(made.database, from_nothing("2", verdicts).database) == {}


def slice_of(month: int) -> str:
    return f"BGR_{2023 + (month - 1) // 12}-{(month - 1) % 12 + 1:02}"


def test_what_is_read_does_not_grow_with_history(
    data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One slice comes again, with seven or with twenty-three others before it."""
    read: list[int] = []
    honest = staging.certificates

    def counted(con: duck.Connection, current: list[Row], only: str = "") -> None:
        read.append(len(current))
        honest(con, current, only)

    found = []
    for name, months in (("short", 8), ("long", 24)):
        verdicts: Verdicts = {}
        for month in range(1, months + 1):
            rows = [line(f"{month:02}{n:05}/BGR/2024", nib=f"{n:013}", peb_number=f"{month}{n}")
                    for n in range(1, 9)]  # fmt: skip
            one = deliver(slice_of(month), rows)
            verdicts[one["delivery_id"]] = one
        before = from_nothing(f"{name}-0", verdicts)
        # Of three certificates one says another value; one's exporter turns out to be one known.
        rows[0] |= {"line_fob": Decimal("7.00"), "fob_document": Decimal("7.00")}
        late = "2026-11-02T00:00:00+00:00"
        again = deliver(slice_of(months), rows[:3], landed_at=late)
        verdicts[again["delivery_id"]] = again
        monkeypatch.setattr(staging, "certificates", counted)
        _, checks = on_top(f"{name}-1", before, verdicts)
        monkeypatch.setattr(staging, "certificates", honest)
        assert checks
        found.append([*read])
        read.clear()
    assert found[0] == found[1] == [1, 1, 1]


def test_too_much_is_made_from_nothing(data_root: Path) -> None:
    first = deliver("BGR_2024-01", [line("0000001/BGR/2024")])
    before = from_nothing("0", {"": first})
    second = deliver("KRW_2024-01", [line(f"000000{n}/KRW/2024") for n in range(1, 4)])
    made, checks = on_top("1", before, {"a": first, "b": second})
    assert checks is None
    assert not made.database.exists()


def test_only_under_the_same_rules_and_code_and_not_for_ever(
    data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_from = {"rules_sha": "r", "code_sha": "c", "duckdb_version": "d"}
    folder = builds.folder_of("b")
    store.write_json(folder / "build.json", {**made_from, "increments": 29})
    assert increment.base(made_from) is None  # there is no release
    monkeypatch.setattr(increment.releases, "current", lambda _: {"build_id": "b"})
    assert increment.base(made_from)
    assert increment.base({**made_from, "code_sha": "other"}) is None
    store.write_json(folder / "build.json", {**made_from, "increments": 30})
    assert increment.base(made_from) is None


def test_rules_that_warn_are_judged_on_whole_tables() -> None:
    """A warning's count is shown: it must not be that of what happened to be touched."""
    parts = {model.full_name: model.part for model in models.all_models()}
    for one in json.loads(suites.suite_file("core").read_text("utf-8"))["expectations"]:
        if parts.get(one["meta"]["table"]) in ("version", "knot") and one["severity"] != "critical":
            assert one["meta"]["table"] in increment.COUNTED_WHOLE


def test_a_night_with_one_slice_is_built_on_the_one_before(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole flow; the same build from nothing has the same tables, marts and books."""
    file = max((root / "deliveries" / "BGR").glob("*_2024-08_*.csv"))
    stem, _ = file.stem.rsplit("_", 1)
    text = file.read_bytes().splitlines(keepends=True)
    file.with_name(f"{stem}_20241120T010203.csv").write_bytes(b"".join(text[:-3]))
    written = {path: path.stat().st_mtime_ns for path in (root / "data").rglob("*.parquet")}
    request = nights.backfill("one slice")
    extracted = flow.extract(request)
    validated = flow.validate(request, extracted)
    made = builds.find(flow.build(request, validated)["build_id"])
    assert (len(extracted["landed"]), validated["validated"], made.facts["increments"]) == (1, 1, 1)
    now = {path: path.stat().st_mtime_ns for path in (root / "data").rglob("*.parquet")}
    (new,) = extracted["landed"]
    assert {new in str(path) for path in set(now.items()) ^ set(written.items())} == {True}
    database = made.database.rename(root / "increment.duckdb")
    shutil.rmtree(builds.folder_of(made.build_id))
    monkeypatch.setenv("IPSKA_INCREMENTS", "0")
    settings.cache_clear()
    assert flow.build(request, {})["build_id"] == made.build_id
    assert builds.find(made.build_id).facts["increments"] == 0
    assert differences(database, made.database) == {}
