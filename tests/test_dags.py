"""The DAGs: read by Airflow, and run by Airflow over real deliveries (see dag_runs.py)."""

import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from pipeline.layouts import load_layout
from servers import web_server

Facts = dict[str, Any]
ROOT = Path(__file__).parent.parent
STEPS = ["request", "extract", "validate", "build", "publish", "conclude"]
FEEDS = """
[eska]
layout = "eska_v2"
url = "{{deliveries}}/{{office}}/*_{{office}}_{{period}}_*.csv"
mode = "snapshot"
offices = ["BGR", "CRB"]
first_month = "2024-07"

[web]
layout = "eska_v2"
url = "http://127.0.0.1:{port}/ska/{{office}}/{{period}}.csv"
mode = "snapshot"
offices = ["DPK"]
first_month = "2024-09"
connection = "kantor_web"
"""
PLACES = {"BGR": "Kab. Bogor", "CRB": "Kab. Cirebon", "DPK": "Kota Depok"}
MIDNIGHT_RUN = "2024-09-30T18:30:00+00:00"  # 01:30 on 1 October in Jakarta
MONTHS = {"07": "Juli", "08": "Agustus", "09": "September"}
WANTED = {"from": "2024-07", "to": "2024-09", "reason": "a test"}


def delivery(office: str, month: str, exporters: int = 4) -> str:
    """A small sound delivery: one certificate of one line for each exporter."""
    year, number = month.split("-")
    day = f"11 {MONTHS[number]} {year}"
    rows = []
    for n in range(1, exporters + 1):
        known = {
            "no_aju": f"II{year}{number}11{n:04d}",
            "no_ska": f"{int(number) * 100 + n:07d}/{office}/{year}",
            "status_pengajuan": "Diterbitkan",
            "jenis_pengajuan": "Baru",
            "tgl_daftar": f"{day}, 08:00:00",
            "waktu_status": f"{day}, 13:56:27",
            "tgl_terbit": day,
            "nama_eksportir": f"PT CONTOH {n}",
            "nib": f"812000000{n:04d}",
            "kota_eksportir": PLACES[office],
            "provinsi_eksportir": "Jawa Barat",
            "negara_importir": "JAPAN",
            "plb_muat": "IDTPP, Tanjung Priok",
            "tipe_form": "FORM B",
            "mata_uang": "USD",
            "fob_dokumen": f"{(n - 1) % 4 + 1}0.000,00",
            "no_urut_barang": "1",
            "kode_hs": "85011000",
            "berat_bersih_kg": "100",
            "berat_kotor_kg": "110",
            "fob_barang": f"{(n - 1) % 4 + 1}0.000,00",
            "sumber_data": "SINTETIS",
        }
        rows.append(known)
    columns = list(load_layout("eska_v2").columns)
    lines = [columns, *([row.get(column, "") for column in columns] for row in rows)]
    return "".join(";".join(line) + "\r\n" for line in lines)


def ran(name: str, dag: str, **case: Any) -> Facts:
    return {"name": name, "dag": dag, "how": "run", "run_after": MIDNIGHT_RUN, **case}


def asked(name: str, run_after: str, **params: Any) -> Facts:
    params = {"newest": None, "months_back": None, "accept": None, "reason": None} | params
    return {
        "name": name, "dag": "nightly", "how": "ask",
        "ask": {"run_after": run_after, "params": params},
    }  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dags")


@pytest.fixture(scope="module")
def results(home: Path) -> Facts:
    """Everything is run in one process: Airflow costs 4 s to import and 5 s for its first task."""
    for office in ("BGR", "CRB"):
        (home / "deliveries" / office).mkdir(parents=True)
        for month in ("2024-07", "2024-08", "2024-09"):
            path = home / "deliveries" / office / f"X_{office}_{month}_20241001T000000.csv"
            path.write_text(delivery(office, month), "utf-8")
    later = str(home / "deliveries" / "BGR" / "X_BGR_2024-08_20241001T010000.csv")
    last = str(home / "deliveries" / "BGR" / "X_BGR_2024-08_20241001T020000.csv")
    empty = str(home / "deliveries" / "BGR" / "X_BGR_2024-09_20241001T010000.csv")
    more = str(home / "deliveries" / "BGR" / "X_BGR_2024-09_20241001T020000.csv")
    real = {**WANTED, "dry_run": False}
    cases = [
        asked("before midnight", "2024-09-30T16:59:59+00:00"),
        asked("at midnight", "2024-09-30T17:00:00+00:00"),
        asked("next year", "2025-01-01T18:30:00+00:00", months_back=0),
        asked("newest given", MIDNIGHT_RUN, newest="2024-08", months_back=1),
        asked("before the feeds", MIDNIGHT_RUN, months_back=3),
        asked("not ended", MIDNIGHT_RUN, newest="2024-10"),
        ran("first night", "nightly"),
        ran("second night", "nightly", logical_date="2001-01-01T00:00:00+00:00"),
        ran("dry run", "backfill", conf=WANTED, write={later: delivery("BGR", "2024-08", 5)}),
        ran("dry run fails", "backfill", conf=WANTED, **{"break": "plan.made"}),
        ran("backfill", "backfill", conf=real),
        ran("bad delivery", "nightly", write={empty: ""}),
        ran("known trouble", "nightly"),
        ran("broken step", "nightly", **{"break": "flow.build"}),
        ran("broken extract", "nightly", **{"break": "flow.extract"}),
        ran("too far", "backfill", conf=real, write={last: delivery("BGR", "2024-08", 9)}),
        ran("accepted", "nightly", conf={"accept": "movement", "reason": "the office confirms"}),
        ran(
            "not published",
            "nightly",
            write={more: delivery("BGR", "2024-09", 4)},
            **{"break": "flow.publish"},
        ),
        {"name": "command", "dag": "nightly", "how": "release"},
        ran("after the command", "nightly"),
        ran("on time", "deadline"),
        ran("too late", "deadline", late="2024-10-01T06:00:00+07:00"),
        ran("future", "backfill", conf={**real, "to": "2024-10"}),
        ran("unknown feed", "backfill", conf={**real, "feed": "nobody"}),
        ran("before all", "backfill", conf={**real, "from": "2024-06"}),
        ran("reversed", "backfill", conf={**real, "to": "2024-06"}),
        ran("accepted for no reason", "nightly", conf={"accept": "movement", "reason": None}),
        ran("bad accept", "nightly", conf={"accept": "leak", "reason": "xyz"}),
        ran("no reason", "backfill", conf={"from": "2024-07", "to": "2024-09"}),
        ran("short reason", "backfill", conf={**WANTED, "reason": "x"}),
        ran("bad month", "backfill", conf={**WANTED, "from": "2024-13"}),
        ran("nothing given", "backfill"),
        ran("bad newest", "nightly", conf={"newest": "September"}),
        ran("negative", "nightly", conf={"months_back": -1}),
        ran("a myriad", "nightly", conf={"months_back": 100_000}),
    ]
    (home / "cases.json").write_text(json.dumps(cases), "utf-8")
    outer = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "IPSKA"))}
    inner = {
        "AIRFLOW_HOME": str(home / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        "IPSKA_HOME": str(home / "data"),
        "IPSKA_DELIVERIES": str(home / "deliveries"),
        "IPSKA_FEEDS": str(home / "feeds.toml"),
    }
    with web_server() as site:  # the connection lies in Airflow's database, see dag_runs.py
        site.authorization, site.body = "Bearer t0ken", delivery("DPK", "2024-09").encode()
        (home / "feeds.toml").write_text(FEEDS.format(port=site.port), "utf-8")
        done = subprocess.run(
            [sys.executable, ROOT / "tests/dag_runs.py", home / "cases.json", home / "out.json"],
            env=outer | inner, cwd=home, capture_output=True, text=True, timeout=900, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "t0ken" not in done.stdout + done.stderr
    found: Facts = json.loads((home / "out.json").read_text("utf-8"))
    assert set(found) >= {case["name"] for case in cases}
    return found


@pytest.fixture(scope="module")
def ledger(home: Path, results: Facts) -> list[Facts]:
    files = sorted((home / "data" / "ledger").glob("*.json"))
    assert files
    entries = [json.loads(file.read_text("utf-8")) for file in files]
    return [entry for entry in entries if entry["kind"] != "prune"]  # a night's, at its end


# --- as Airflow reads them ---------------------------------------------------------------------


def test_both_are_found_without_errors(results: Facts) -> None:
    assert results["parsed"]["errors"] == {}
    assert results["parsed"]["dags"] == ["ipska_backfill", "ipska_deadline", "ipska_nightly"]


def test_parsing_loads_nothing_heavy(results: Facts) -> None:
    """The scheduler parses every 30 s; Great Expectations alone takes 6 to 9 s to import."""
    loaded = results["parsed"]["imported"]
    assert [name for name in loaded if name.split(".")[0] == "pipeline"] == [
        "pipeline",
        "pipeline.messages",
    ]
    heavy = {"duckdb", "pandas", "numpy", "great_expectations", "babel", "aiohttp"}
    assert not heavy & {name.split(".")[0] for name in loaded}


@pytest.mark.parametrize("name", ["ipska_nightly", "ipska_backfill"])
def test_steps_stand_in_the_order_of_the_flow(results: Facts, name: str) -> None:
    tasks = results["shape"][name]["tasks"]
    assert set(tasks) - {"dry_run", "announce"} == set(STEPS)
    for step, following in pairwise(STEPS):
        assert following in tasks[step]
        assert not set(tasks[step]) & set(STEPS[: STEPS.index(step)])
    assert tasks["conclude"] == []
    assert all("conclude" in tasks[step] for step in STEPS[:-1])


def test_a_dry_run_is_decided_before_anything_is_pulled(results: Facts) -> None:
    tasks = results["shape"]["ipska_backfill"]["tasks"]
    assert "dry_run" in tasks["request"]
    assert tasks["dry_run"] == ["extract"]


@pytest.mark.parametrize("name", ["ipska_nightly", "ipska_backfill"])
def test_no_catching_up_no_overlap_and_no_useless_retry(results: Facts, name: str) -> None:
    shape = results["shape"][name]
    assert shape["start_date"].startswith("1999-12-31T17:00")  # 2000-01-01 in Jakarta
    assert (shape["catchup"], shape["max_active_runs"]) == (False, 1)
    retries = dict(shape["retries"])
    assert retries.pop("extract") > 0
    assert set(retries.values()) == {0}


@pytest.mark.parametrize("name", ["ipska_nightly", "ipska_backfill"])
def test_words_stand_in_both_languages(results: Facts, name: str) -> None:
    shape = results["shape"][name]
    assert "**en**" in shape["doc"] and "**id**" in shape["doc"]
    assert shape["params"]
    for param in shape["params"].values():
        assert " / " in param["schema"]["title"]
        assert param["description"]


def test_a_backfill_is_dry_and_not_forced_unless_said(results: Facts) -> None:
    params = results["shape"]["ipska_backfill"]["params"]
    assert list(params) == ["from", "to", "feed", "reason", "dry_run", "force", "accept"]
    assert (params["dry_run"]["value"], params["force"]["value"]) == (True, False)
    assert params["reason"]["value"] is None


# --- which months ------------------------------------------------------------------------------


def test_the_scheduled_run_is_at_half_past_one_in_jakarta(results: Facts) -> None:
    assert results["due"] == MIDNIGHT_RUN


def test_the_month_turns_at_midnight_in_jakarta(results: Facts) -> None:
    assert results["before midnight"] == ["2024-05", "2024-06", "2024-07", "2024-08"]
    assert results["at midnight"] == ["2024-06", "2024-07", "2024-08", "2024-09"]
    assert results["next year"] == ["2024-12"]


def test_months_may_be_given_but_not_from_the_future(results: Facts) -> None:
    assert results["newest given"] == ["2024-07", "2024-08"]
    assert results["before the feeds"] == "before_feed"
    assert results["not ended"] == "future_month"


@pytest.mark.parametrize(
    ("case", "word"),
    [
        ("no reason", "reason"),
        ("short reason", "reason"),
        ("bad month", "from"),
        ("nothing given", "from"),
        ("bad newest", "newest"),
        ("negative", "months_back"),
        ("a myriad", "months_back"),
        ("bad accept", "accept"),
    ],
)
def test_bad_params_are_rejected_before_a_run_exists(results: Facts, case: str, word: str) -> None:
    assert results[case]["state"] == "rejected"
    assert f"param {word}" in results[case]["error"]


@pytest.mark.parametrize(
    "case", ["future", "unknown feed", "before all", "reversed", "accepted for no reason"]
)
def test_what_a_form_can_not_check_fails_the_run_at_once(results: Facts, case: str) -> None:
    tasks = dict(results[case]["tasks"])
    assert (tasks.pop("request"), tasks.pop("conclude")) == ("failed", "failed")
    assert set(tasks.values()) == {"upstream_failed"}
    assert results[case]["state"] == "failed"


def test_a_night_that_somebody_starts_wrongly_is_not_the_schedules(
    results: Facts, ledger: list[Facts]
) -> None:
    assert [booked for _, *booked in results["unstarted"]] == [["nightly"], [], []]
    assert all("log of request" in told for told, *_ in results["unstarted"])
    assert [entry for entry in ledger if entry.get("failed_at") == "request"] == []


def test_a_dry_run_that_fails_is_no_failed_backfill(results: Facts, ledger: list[Facts]) -> None:
    done = results["dry run fails"]
    assert (done["tasks"]["dry_run"], done["tasks"]["conclude"]) == ("failed", "failed")
    assert done["tasks"]["extract"] == "upstream_failed" and done["state"] == "failed"
    assert [entry["kind"] for entry in ledger].count("backfill") == 2, "those that were meant"


# --- as Airflow runs them ----------------------------------------------------------------------


def test_the_first_night_pulls_builds_and_publishes(results: Facts, ledger: list[Facts]) -> None:
    night = results["first night"]
    assert night["tasks"] == dict.fromkeys([*STEPS, "announce"], "success"), night["out"]
    entry = ledger[0]
    assert (entry["kind"], entry["exit_code"]) == ("nightly", 0)
    assert entry["months"] == ["2024-06", "2024-07", "2024-08", "2024-09"]
    assert len(entry["extract"]["landed"]) == 7
    assert entry["publish"]["published"]


def test_a_connection_of_airflow_opens_a_feed_and_is_told_nowhere(
    home: Path, results: Facts, ledger: list[Facts]
) -> None:
    landed = [one for one in ledger[0]["extract"]["landed"] if one.startswith("web/")]
    assert [one.split("/")[1] for one in landed] == ["DPK_2024-09"]
    texts = [file.read_bytes() for file in (home / "data").rglob("*.json")]
    assert len(texts) > 20
    assert not [text for text in [*texts, json.dumps(results).encode()] if b"t0ken" in text]


def test_the_message_is_printed_in_both_languages(results: Facts, ledger: list[Facts]) -> None:
    out = results["first night"]["out"]
    assert out.count(ledger[0]["run_id"]) == 2


def test_the_second_night_finds_nothing_to_do(ledger: list[Facts]) -> None:
    """It has a logical date, long ago: that decides nothing."""
    first, second = ledger[:2]
    assert second["months"] == first["months"]
    assert (second["exit_code"], second["extract"]["landed"]) == (0, [])
    assert second["extract"]["unchanged"] == 7
    assert second["publish"]["release_id"] == first["publish"]["release_id"]


def test_a_dry_run_prints_the_plan_and_leaves_no_trace(results: Facts, ledger: list[Facts]) -> None:
    done = results["dry run"]
    skipped = dict.fromkeys([*STEPS[1:], "announce"], "skipped")
    assert done["tasks"] == {"request": "success", "dry_run": "success"} | skipped, done["out"]
    assert done["state"] == "success"
    for said in (
        "Bagian: baru 1, tetap 7.", "Slices: new 1, unchanged 7.",
        "  eska BGR_2024-08  new: ", "(4 records, US$ 100,000.00) → ",
        "(5 records, US$ 110,000.00); accepted, 0 set aside", "A release would follow.",
    ):  # fmt: skip
        assert said in done["out"]
    assert [entry["kind"] for entry in ledger[:3]] == ["nightly", "nightly", "backfill"]


def test_a_backfill_lands_what_the_dry_run_showed(results: Facts, ledger: list[Facts]) -> None:
    assert results["backfill"]["state"] == "success", results["backfill"]["out"]
    entry = ledger[2]
    assert (entry["reason"], entry["who"], entry["force"]) == ("a test", "dag_test", False)
    (landed,) = entry["extract"]["landed"]
    assert landed.startswith("eska/BGR_2024-08/")
    assert entry["publish"]["release_id"] != ledger[1]["publish"]["release_id"]


def test_a_run_is_red_once_when_something_is_newly_wrong(
    results: Facts, ledger: list[Facts]
) -> None:
    new, known = results["bad delivery"], results["known trouble"]
    assert new["state"] == "failed"
    assert {step: new["tasks"][step] for step in STEPS} == {
        **dict.fromkeys(STEPS[:-1], "success"), "conclude": "failed",
    }  # fmt: skip
    assert known["state"] == "success", known["out"]
    assert [entry["exit_code"] for entry in ledger[3:5]] == [3, 0]


def test_a_broken_step_is_told_and_nothing_is_published(
    results: Facts, ledger: list[Facts]
) -> None:
    tasks = results["broken step"]["tasks"]
    assert (tasks["validate"], tasks["build"], tasks["publish"]) == (
        "success",
        "failed",
        "upstream_failed",
    )
    entry = ledger[5]
    assert (entry["exit_code"], entry["failed_at"], entry["publish"]) == (1, "build", None)


def test_what_a_retry_can_not_help_is_not_tried_again(results: Facts, ledger: list[Facts]) -> None:
    tasks = results["broken extract"]["tasks"]
    assert (tasks["extract"], tasks["validate"]) == ("failed", "upstream_failed")
    assert results["broken extract"]["tries"]["extract"] == 1
    assert [entry["failed_at"] for entry in ledger[6:7]] == ["extract"]


def test_a_build_that_moves_too_far_ends_the_run_red_once(
    results: Facts, ledger: list[Facts]
) -> None:
    done, entry = results["too far"], ledger[7]
    assert (done["tasks"]["build"], done["tasks"]["publish"]) == ("success", "failed")
    assert done["tries"]["publish"] == 1 and done["state"] == "failed"
    assert (entry["exit_code"], entry["problem"]["code"]) == (1, "movement")
    assert "--accept movement" in done["out"]


def test_a_night_told_to_accept_publishes_what_only_movement_stopped(
    results: Facts, ledger: list[Facts]
) -> None:
    entry = ledger[8]
    assert results["accepted"]["tasks"]["publish"] == "success", results["accepted"]["out"]
    assert (entry["accept"], entry["reason"]) == ("movement", "the office confirms")
    assert entry["publish"]["published"] and entry["publish"]["accepted"]


def test_each_release_is_an_event_of_the_asset_and_nothing_else_is(
    results: Facts, ledger: list[Facts]
) -> None:
    published = [entry["publish"] for entry in ledger if (entry.get("publish") or {})]
    new = {one["release_id"]: one for one in reversed(published)}  # of each the first that told
    assert 4 <= len(new) < len(published)
    names = ("release_id", "build_id", "is_synthetic")
    assert results["events"] == [
        {"uri": "x-ipska://release/internal", **{name: one[name] for name in names}}
        for one in reversed(new.values())
    ]
    assert results["second night"]["tasks"]["announce"] == "skipped"


def test_a_release_that_a_command_published_is_announced_by_the_next_night(
    results: Facts, ledger: list[Facts]
) -> None:
    assert results["after the command"]["tasks"]["announce"] == "success"
    assert results["events"][-1]["release_id"] == results["command"]
    last = [entry for entry in ledger if entry["kind"] == "nightly"][-1]["publish"]
    assert (last["release_id"], last["published"]) == (results["command"], False)


def test_the_deadline_is_red_and_told_only_when_it_is_missed(
    results: Facts, ledger: list[Facts]
) -> None:
    assert results["on time"]["state"] == "success"
    late = results["too late"]
    assert late["state"] == "failed"
    assert "DEADLINE MISSED" in late["out"] and "TENGGAT TERLEWAT" in late["out"]
    (entry,) = [entry for entry in ledger if entry["kind"] == "deadline"]
    assert entry["exit_code"] == 1
