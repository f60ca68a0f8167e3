"""Movement: how far a build is from the current release, and who may let it pass."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline import (
    builds,
    cli,
    duck,
    flow,
    layouts,
    ledger,
    movement,
    releases,
    requests,
    settings,
    store,
)
from pipeline import publish as publishing
from pipeline.messages import Problem

Facts = dict[str, Any]

# --- the rules, on the few columns that they read ------------------------------------------------

RANKING = """basis VARCHAR, scope_code VARCHAR, league VARCHAR, period_kind VARCHAR,
    period_end DATE, baseline VARCHAR, region_code VARCHAR, region_name VARCHAR,
    fob_usd DECIMAL(18, 2), growth_pct_rank INTEGER, is_ranked BOOLEAN, is_complete BOOLEAN"""
REGIONS = 8


def row(region: int, rank: int | None = None, **changes: Any) -> Facts:
    return {
        "basis": "domicile", "scope_code": "32", "league": "all", "period_kind": "month",
        "period_end": "2024-08-31", "baseline": "prev_year", "region_code": f"32{region:02}",
        "region_name": f"Kab. {region}", "fob_usd": 100, "growth_pct_rank": rank,
        "is_ranked": rank is not None, "is_complete": True, **changes,
    }  # fmt: skip


def rows(*ranks: int | None, **changes: Any) -> list[Facts]:
    return [row(number, rank, **changes) for number, rank in enumerate(ranks, 1)]


IN_ORDER = tuple(range(1, REGIONS + 1))
SOUND = (rows(*IN_ORDER), {"2024-08": 800})


def database(path: Path, ranking: list[Facts], totals: dict[str, int]) -> Path:
    with duck.connect(path) as con:
        con.execute(f"CREATE SCHEMA mart; CREATE TABLE mart.growth_ranking ({RANKING})")
        duck.insert(con, "mart.growth_ranking", ranking)
        con.execute(
            "CREATE SCHEMA meta; CREATE TABLE meta.control_total (basis VARCHAR, "
            "scope_code VARCHAR, month DATE, fob_usd DECIMAL(18, 2))"
        )
        for month, usd in totals.items():
            values = ["domicile", "32", f"{month}-01", usd]
            con.execute("INSERT INTO meta.control_total VALUES (?, ?, ?, ?)", values)
    return path


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """movement.found on two small files: `stops` and `warns`."""
    root = tmp_path_factory.mktemp("movement")
    count = 0

    def look(before: tuple[Any, Any], now: tuple[Any, Any]) -> tuple[Any, Any]:
        nonlocal count
        count += 1
        made = [database(root / f"{name}{count}.duckdb", *one)
                for name, one in (("before", before), ("now", now))]  # fmt: skip
        return movement.found(made[1], made[0])

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPSKA_HOME", str(root / "data"))
        settings.settings.cache_clear()
        yield look
        assert list((root / "data" / "work").iterdir()) == []
    settings.settings.cache_clear()


LATE = rows(*IN_ORDER, is_complete=False)
FIRST_DOWN = (6, 1, 2, 3, 4, 5, 7, 8)  # the first moves five places, six others by one
FAR = (7, 1, 2, 3, 4, 5, 6, 8)
OTHER = {"period_end": "2024-07-31"}
# Rule: pairs (before, now) on which it is silent, and such on which it speaks, with its lines.
CASES: dict[str, tuple[list[Any], list[Any]]] = {
    "size_kept": (
        [(SOUND, SOUND), (SOUND, (SOUND[0] + rows(*IN_ORDER, period_end="2024-09-30"), SOUND[1]))],
        [(SOUND, (SOUND[0][:-1], SOUND[1]),
          ["Kab. 8 …: 8 → 7 (domicile 32 month 2024-08-31)"])],
    ),
    "total_moved": (
        [
            (SOUND, (SOUND[0], {"2024-08": 880})),
            (SOUND, (SOUND[0], {"2024-08": 720, "2024-09": 5})),
            ((LATE, {"2024-08": 100}), (SOUND[0], {"2024-08": 800})),  # the rest arrived
            ((LATE, {"2024-08": 0}), (SOUND[0], {"2024-08": 800})),
        ],
        [
            (SOUND, (SOUND[0], {"2024-08": 881}),
             ["32: 800.00 → 881.00 (domicile 2024-08-01)"]),
            (SOUND, (SOUND[0], {"2024-08": 719}),
             ["32: 800.00 → 719.00 (domicile 2024-08-01)"]),
            ((LATE, {"2024-08": 100}), (LATE, {"2024-08": 80}),
             ["32: 100.00 → 80.00 (domicile 2024-08-01)"]),
        ],
    ),
    "rank_moved": (
        [
            (SOUND, (rows(*FIRST_DOWN), SOUND[1])),
            # Older than the newest period that both rank; another league; prev_period; unranked.
            ((SOUND[0] + rows(*IN_ORDER, **OTHER), {}), (SOUND[0] + rows(*FAR, **OTHER), {})),
            ((rows(*IN_ORDER, league="kota"), {}), (rows(*FAR, league="kota"), {})),
            ((rows(*IN_ORDER, baseline="prev_period"), {}),
             (rows(*FAR, baseline="prev_period"), {})),
            (SOUND, (rows(None, *IN_ORDER[:-1]), SOUND[1])),
            # 160 are ranked: 8 places are 5 % of them.
            ((rows(*range(1, 161)), {}), (rows(9, *range(1, 9), *range(10, 161)), {})),
        ],
        [
            (SOUND, (rows(*FAR), SOUND[1]),
             ["Kab. 1: 1 → 7 (domicile 32 month 2024-08-31 prev_year)"]),
            # The newest that both rank is the one before the newest.
            (SOUND, (rows(*FAR) + rows(*IN_ORDER, period_end="2024-09-30"), SOUND[1]),
             ["Kab. 1: 1 → 7 (domicile 32 month 2024-08-31 prev_year)"]),
            ((rows(*range(1, 161)), {}), (rows(10, *range(1, 10), *range(11, 161)), {}),
             ["Kab. 1: 1 → 10 (domicile 32 month 2024-08-31 prev_year)"]),
        ],
    ),
    "rank_shifted": (
        [
            (SOUND, (rows(3, 1, 2, *IN_ORDER[3:]), SOUND[1])),  # two places
            (SOUND, (rows(*FAR), SOUND[1])),  # that stops
        ],
        [
            (SOUND, (rows(4, 1, 2, 3, *IN_ORDER[4:]), SOUND[1]),
             ["Kab. 1: 1 → 4 (domicile 32 month 2024-08-31 prev_year)"]),
            (SOUND, (rows(*FIRST_DOWN), SOUND[1]),
             ["Kab. 1: 1 → 6 (domicile 32 month 2024-08-31 prev_year)"]),
        ],
    ),
    "winner_changed": (
        [(SOUND, (rows(1, 3, 2, *IN_ORDER[3:]), SOUND[1])), (SOUND, SOUND)],
        [
            (SOUND, (rows(2, 1, *IN_ORDER[2:]), SOUND[1]),
             ["#1: Kab. 1 → Kab. 2 (domicile 32 all month 2024-08-31 prev_year)"]),
            (SOUND, (rows(1, 1, *IN_ORDER[2:]), SOUND[1]),
             ["#1: Kab. 1 → Kab. 1 = Kab. 2 (domicile 32 all month 2024-08-31 prev_year)"]),
            (SOUND, (rows(*[None] * REGIONS), SOUND[1]),
             ["#1: Kab. 1 → – (domicile 32 all month 2024-08-31 prev_year)"]),
        ],
    ),
}  # fmt: skip


def test_every_expectation_has_a_good_and_a_bad_case() -> None:
    suite = json.loads((settings.ROOT / "expectations/movement.json").read_text("utf-8"))
    assert {one["meta"]["rule"] for one in suite["expectations"]} == set(CASES)
    assert all(good and bad for good, bad in CASES.values())


@pytest.mark.parametrize("rule", CASES)
def test_a_rule_is_silent_on_a_small_move_and_speaks_on_a_large_one(rule: str, found: Any) -> None:
    good, bad = CASES[rule]
    for before, now in good:
        stops, warns = found(before, now)
        assert rule not in stops | warns, (stops, warns)
    for before, now, lines in bad:
        stops, warns = found(before, now)
        only_warns = rule in ("rank_shifted", "winner_changed")
        assert (warns if only_warns else stops)[rule] == lines
        assert set(stops) <= (set() if only_warns else {rule})


def test_a_name_is_only_text(found: Any) -> None:
    name = "Kab. '; DROP TABLE x; -- <script> {0} %s"
    before = (rows(*IN_ORDER, region_name=name), {})
    stops, _ = found(before, (rows(*FAR, region_name=name), {}))
    assert stops["rank_moved"] == [f"{name}: 1 → 7 (domicile 32 month 2024-08-31 prev_year)"]


# --- the gate, on the path through the whole house -----------------------------------------------

FEEDS = """
[eska]
layout = "eska_v2"
url = "{deliveries}/{office}/*_{office}_{period}_*.csv"
mode = "snapshot"
offices = ["BGR"]
first_month = "2023-08"
"""
MONTHS = ("2023-08", "2023-09")


def delivery(month: str, usd: int) -> str:
    """Four firms of Bogor, one certificate each."""
    year, number = month.split("-")
    day = {"08": "11 Agustus", "09": "11 September"}[number] + f" {year}"
    known = [
        {
            "no_aju": f"II{year}{number}11{n:04d}", "no_ska": f"{number}0000{n}/BGR/{year}",
            "status_pengajuan": "Diterbitkan", "jenis_pengajuan": "Baru",
            "tgl_daftar": f"{day}, 08:00:00", "waktu_status": f"{day}, 13:56:27",
            "tgl_terbit": day, "nama_eksportir": f"PT CONTOH {n}", "nib": f"812000000{n:04d}",
            "kota_eksportir": "Kab. Bogor", "provinsi_eksportir": "Jawa Barat",
            "negara_importir": "JAPAN", "plb_muat": "IDTPP, Tanjung Priok",
            "tipe_form": "FORM B", "mata_uang": "USD", "fob_dokumen": f"{usd},00",
            "no_urut_barang": "1", "kode_hs": "85011000", "berat_bersih_kg": "100",
            "berat_kotor_kg": "110", "fob_barang": f"{usd},00", "sumber_data": "SINTETIS",
        }
        for n in range(1, 5)
    ]  # fmt: skip
    columns = list(layouts.load_layout("eska_v2").columns)
    lines = [columns, *([row.get(column, "") for column in columns] for row in known)]
    return "".join(";".join(line) + "\r\n" for line in lines)


def deliver(root: Path, month: str, usd: int, hour: int = 0) -> None:
    folder = root / "deliveries" / "BGR"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"SINTETIS_BGR_{month}_20241001T{hour:02}0000.csv"
    file.write_text(delivery(month, usd), "utf-8")


def night() -> Facts:
    request = requests.backfill(*MONTHS, None, "a night", store.now())
    return flow.run(request, tell=lambda _: None)


def command(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """The exit code of the command, and all that it prints."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["ipska", *arguments])
        for console in (cli.out, cli.err):
            patch.setattr(console, "_file", None)
        with pytest.raises(SystemExit) as exit_:
            cli.main()
    printed = capsys.readouterr()
    return int(exit_.value.code or 0), printed.out + printed.err


def test_a_build_that_moves_too_far_waits_for_a_person(
    data_root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (data_root / "feeds.toml").write_text(FEEDS, "utf-8")
    monkeypatch.setenv("IPSKA_FEEDS", str(data_root / "feeds.toml"))
    settings.settings.cache_clear()
    for month in MONTHS:
        deliver(data_root, month, 50_000)
    first = night()  # nothing to compare with
    assert first["publish"]["published"] and first["exit_code"] == 0, first["text_en"]
    before = releases.current("internal")
    assert before and not {"accepted", "moved"} & set(before)

    deliver(data_root, "2023-09", 56_000, hour=1)
    refused = night()
    assert (refused["exit_code"], refused["failed_at"]) == (1, "publish")
    assert refused["problem"]["code"] == "movement"
    build_id = refused["build"]["build_id"]
    for language in ("en", "id"):
        text = refused[f"text_{language}"]
        assert f"ipska release {build_id} --accept movement --reason" in text
        assert "total_moved: 32: 200000.00 → 224000.00 (domicile 2023-09-01)" in text
        assert str(builds.folder_of(build_id) / "checks.html") in text
    assert releases.current("internal") == before
    assert ledger.entries()[-1]["problem"]["moved"]

    made = builds.find(build_id).facts
    again = night()  # says the same once more, and builds nothing
    assert again["exit_code"] == 1 and not again["build"]["built"]
    assert again["problem"] == refused["problem"] and builds.find(build_id).facts == made
    assert releases.current("internal") == before

    # A reason is needed, a build too, and no other gate opens.
    assert command(capsys, "release", build_id, "--accept", "movement")[0] == 2
    assert command(capsys, "release", "--accept", "movement", "--reason", "why")[0] == 2
    assert command(capsys, "release", build_id, "--accept", "all", "--reason", "why")[0] == 2
    assert command(capsys, "release", build_id, "--public", "--reason", "why")[0] == 2
    code, printed = command(capsys, "release", build_id, "--reason", "I hope so")
    assert code == 1 and "200000.00 → 224000.00" in printed
    request: Facts = {"run_id": "x", "kind": "release", "who": "y", "reason": "z"}
    failed = builds.Build(build_id, {**made, "gate_failures": ["ranks_follow_growth"]})
    stale = builds.Build(build_id, {**made, "newest_landed_at": "2000-01-01T00:00:00"})
    for build, problem in ((failed, "gate_failed"), (stale, "stale_build")):
        with pytest.raises(Problem, match=problem):
            publishing.publish("internal", build, request, accept="movement")
    assert releases.current("internal") == before

    reason = "Bogor confirmed by letter"
    code, printed = command(capsys, "release", build_id, "--accept", "movement", "--reason", reason)
    now = releases.current("internal")
    assert code == 0 and now and now["release_id"] in printed
    assert (now["build_id"], now["reason"]) == (build_id, reason)
    assert now["published_by"] == ledger.operator() and set(now["accepted"]) == {"total_moved"}
    last = ledger.entries()[-1]
    assert (last["accept"], last["reason"], last["release_id"]) == (
        "movement", reason, now["release_id"],
    )  # fmt: skip
    assert last["accepted"] == now["accepted"]
    with duck.connect(releases.database("internal"), read_only=True) as con:
        (row,) = duck.rows(con, "FROM meta.release")
    assert row["reason"] == reason and not {"accepted", "moved"} & set(row)
    done = night()
    assert done["exit_code"] == 0 and not done["publish"]["published"]


def test_movement_is_judged_again_when_current_changed_meanwhile(
    data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another run published while this one wrote its files: it is compared with that one too."""
    folder = data_root / "data/internal/releases"
    build = builds.Build("b", {**dict.fromkeys(publishing.FROM_BUILD, "2024"), "trouble": [],
                               "gate_failures": []})  # fmt: skip
    store.home()
    for name in ("one", "two"):
        facts = {"release_id": name, "build_id": name, "newest_landed_at": "2023"}
        store.write_json(folder / name / "release.json", facts)
    store.switch_link(releases.link("internal"), folder / "one")
    compared = []

    def found(_: Path, release: Path) -> tuple[Facts, Facts]:
        compared.append(release.parent.name)
        return ({"rank_moved": ["x"]} if release.parent.name == "two" else {}), {}

    def fill(*_: Any) -> None:
        store.switch_link(releases.link("internal"), folder / "two")

    monkeypatch.setattr(movement, "found", found)
    monkeypatch.setattr(publishing, "_fill", fill)
    monkeypatch.setattr(publishing.changes, "between", lambda *_: [])
    request = {"run_id": "r", "kind": "nightly", "who": "w", "reason": "because"}
    with pytest.raises(Problem, match="movement"):
        publishing.publish("internal", build, request)
    assert compared == ["one", "two"]
    current = releases.current("internal")
    assert current and current["release_id"] == "two"
