"""The ten commonest troubles of docs/runbook.md: each is made, and what an operator then sees
has its entry there. One night has most of them at once.
"""

import errno
import os
import re
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import nights
import two_months
from pipeline import docs, flow, freshness, outcome, releases, requests, settings, store
from pipeline.messages import Problem, catalogue
from test_cli import call
from test_dags import delivery

Facts = dict[str, Any]
RUNBOOK = Path(__file__).parent.parent / "docs/runbook.md"
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
"""


def section(number: int) -> str:
    """What the runbook says of a trouble."""
    by_hand = RUNBOOK.read_text("utf-8").split(docs.MARK)[0]
    (found,) = re.findall(rf"^### {number}\. (.*?)(?=^##)", by_hand + "\n##", re.M | re.S)
    return str(found)


def entry(code: str) -> str:
    """The entry of a message, which is its place when a command prints docs/runbook.md#code."""
    told = RUNBOOK.read_text("utf-8").split(docs.MARK)[1]
    assert f"\n### {code}\n" in told
    return told.split(f"\n### {code}\n")[1].split("\n### ")[0]


def write(root: Path, office: str, month: str, text: str, hour: int = 0) -> None:
    file = root / f"deliveries/{office}/X_{office}_{month}_20241001T{hour:02}0000.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, "utf-8")


def use(patch: pytest.MonkeyPatch, root: Path) -> None:
    patch.setenv("IPSKA_FEEDS", str(root / "feeds.toml"))
    patch.setenv("IPSKA_FETCH_RETRIES", "0")
    patch.setenv("IPSKA_LOCK_TIMEOUT_S", "0.2")
    nights.use(patch, root)


def night() -> Facts:
    request = requests.backfill("2024-07", "2024-09", None, "a night", store.now())
    return flow.run(request, tell=lambda _: None)


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Facts]]:
    """A data root after a night with troubles 1 to 5 and 10, and its report."""
    root = tmp_path_factory.mktemp("runbook")
    shut = socket.socket()  # bound, so that nobody else takes the port, and not listening
    shut.bind(("127.0.0.1", 0))
    (root / "feeds.toml").write_text(FEEDS.format(port=shut.getsockname()[1]), "utf-8")
    for month in ("2024-07", "2024-08", "2024-09"):
        write(root, "CRB", month, delivery("CRB", month))
    write(root, "CRB", "2024-09", delivery("CRB", "2024-09").replace("no_ska", "nomor"), hour=1)
    write(root, "BGR", "2024-07", delivery("BGR", "2024-07").replace("10.000,00", "x", 1))
    sound = delivery("BGR", "2024-08").replace("Kab. Bogor", "Kota Nirwana", 1)
    first, second, third = sound.split(";USD;", 2)  # what has no rate has no value to place
    write(root, "BGR", "2024-08", f"{first};USD;{second};CHF;{third}")
    with pytest.MonkeyPatch.context() as patch:
        use(patch, root)
        report = night()
        for part in ("landing", "ledger", "rules"):  # what a backup must hold
            shutil.copytree(root / "data" / part, root / "backup" / part)
        yield root, report
    shut.close()
    settings.settings.cache_clear()


@pytest.fixture
def root(troubled: tuple[Path, Facts], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that root for one test to spoil."""
    use(monkeypatch, two_months.copy(troubled[0], tmp_path / "copy"))
    return tmp_path / "copy"


def told(troubled: tuple[Path, Facts]) -> str:
    return str(troubled[1]["text_en"])


def test_1_a_column_was_renamed(
    root: Path, troubled: tuple[Path, Facts], capsys: pytest.CaptureFixture[str]
) -> None:
    assert troubled[1]["exit_code"] == 3 and troubled[1]["publish"]["published"]
    assert "CRB_2024-09: refused" in told(troubled)
    (bad,) = (root / "deliveries/CRB").glob("*_2024-09_20241001T01*")
    code, out, err = call(capsys, "layout", "check", str(bad), "--layout", "eska_v2")
    assert code == 1 and "no_ska" in out + err
    assert "header_mismatch" in section(1) and "layout check" in entry("header_mismatch")
    assert "Refused CRB_2024-09: " in told(troubled)
    assert "docs/runbook.md#header_mismatch" in told(troubled)
    command, _ = re.findall(r"^    ipska (.*)$", section(1), re.M)
    assert command.split() == ["quarantine", "list", "--refused"]
    code, out, _ = call(capsys, *command.split())
    assert code == 0 and "CRB_2024-09" in out and "else have it export again" in out


def test_2_rows_are_set_aside(
    root: Path, troubled: tuple[Path, Facts], capsys: pytest.CaptureFixture[str]
) -> None:
    assert "BGR_2024-07: 1 records set aside" in told(troubled)
    code, out, _ = call(capsys, "quarantine", "show", "--delivery", "BGR_2024-07")
    assert code == 0 and "fob_readable" in out
    folder = root / "returns"
    assert call(capsys, "quarantine", "export", "--to", str(folder), "--office", "BGR")[0] == 0
    assert list(folder.glob("*BGR*.xlsx"))
    assert "quarantine export" in section(2) and "quarantine resubmit" in section(2)


def test_3_a_source_is_out_of_reach(root: Path, troubled: tuple[Path, Facts]) -> None:
    assert "Could not fetch DPK_2024-09" in told(troubled)
    assert "docs/runbook.md#source_failed" in told(troubled)
    assert [one["code"] for one in troubled[1]["extract"]["failed"]] == ["source_failed"]
    assert "source_failed" in section(3) and "ipska plan" in entry("source_failed")


@pytest.mark.parametrize(("number", "kind", "value"), [(4, "rate", "CHF"), (5, "place", "NIRWANA")])
def test_4_and_5_no_rate_and_no_place(
    root: Path, number: int, kind: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = call(capsys, "quarantine", "list", "--unplaced", "--json")
    assert code == 0 and value in out.upper() and kind in out
    assert "quarantine list --unplaced" in section(number)


def test_10_missing_late_and_stale(
    root: Path, troubled: tuple[Path, Facts], capsys: pytest.CaptureFixture[str]
) -> None:
    assert "1 missing" in told(troubled) and "BGR_2024-09" in told(troubled)
    assert "An older delivery stands in" in told(troubled)
    kinds = freshness.troubles(store.now())
    assert [one["slice"] for one in kinds["stale"]] == ["CRB_2024-09"]
    assert {"BGR_2024-09", "DPK_2024-09"} <= {one["slice"] for one in kinds["late"]}
    code, out, _ = call(capsys, "status", "--months", "12")
    assert code == 0 and "stale" in out and "missing" in out
    assert "ipska status --months 12" in section(10)


def test_6_the_movement_gate(
    root: Path, troubled: tuple[Path, Facts], capsys: pytest.CaptureFixture[str]
) -> None:
    before = releases.current("internal")
    write(root, "CRB", "2024-07", delivery("CRB", "2024-07", exporters=9), hour=2)
    report = night()
    assert report["exit_code"] == 1 and report["problem"]["code"] == "movement"
    build_id = report["build"]["build_id"]
    assert f"ipska release {build_id} --accept movement" in report["text_en"]
    assert "docs/runbook.md#movement" in report["text_en"] + report["text_id"]
    assert releases.current("internal") == before
    assert "--accept movement" in section(6) and "--accept movement" in entry("movement")
    arguments = ["release", build_id, "--accept", "movement", "--reason", "offices confirmed"]
    assert call(capsys, *arguments)[0] == 0
    assert releases.current("internal") != before


def test_7_publishing_is_held(
    root: Path, troubled: tuple[Path, Facts], capsys: pytest.CaptureFixture[str]
) -> None:
    first = troubled[1]["publish"]
    assert call(capsys, "rollback", first["release_id"], "--reason", "wrong rate")[0] == 0
    arguments = ["release", first["build_id"], "--reason", "try"]
    code, _, err = call(capsys, *arguments)
    assert code == 1 and "ipska release --resume" in err
    assert "docs/runbook.md#publishing_held" in err
    assert "--resume" in section(7) and "--resume" in entry("publishing_held")
    assert "held" in call(capsys, "status")[1]
    assert call(capsys, "release", "--resume", "--reason", "rate mended")[0] == 0
    assert call(capsys, *arguments)[0] == 0


def test_8_the_lock_is_held(
    root: Path, troubled: tuple[Path, Facts], capsys: pytest.CaptureFixture[str]
) -> None:
    with store.lock("publish", "somebody-else"):
        release_id = troubled[1]["publish"]["release_id"]
        code, _, err = call(capsys, "rollback", release_id, "--reason", "wrong rate")
        shown = call(capsys, "status")[1]
    assert code == 1 and "somebody-else" in err and "docs/runbook.md#locked" in err
    assert "somebody-else" in shown
    assert "ipska status" in section(8) and entry("locked")
    call(capsys, "release", "--resume", "--reason", "the test is over")


def test_9_the_disk_can_not_be_used(
    data_root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (data_root / "a file").write_text("")
    monkeypatch.setenv("IPSKA_HOME", str(data_root / "a file"))
    settings.settings.cache_clear()
    code, _, err = call(capsys, "run")
    assert code == 1 and "IPSKA_HOME" in err and "docs/runbook.md#disk_unfit" in err
    assert "disk_unfit" in section(9) and "IPSKA_HOME" in entry("disk_unfit")


@pytest.mark.parametrize(
    ("number", "code", "command"),
    [(errno.ENOSPC, "disk_full", "ipska prune"), (errno.EROFS, "disk_shut", "ipska status")],
)
def test_9_the_disk_is_full_or_shut(
    data_root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: int,
    code: str,
    command: str,
) -> None:
    """The disk takes nothing from the first step on; tests/test_disk.py fills real ones."""

    def fail(path: Path, _: object) -> None:
        raise OSError(number, os.strerror(number), str(path))

    store.home()
    monkeypatch.setattr(store, "write_json", fail)
    status, _, err = call(capsys, "run")
    assert status == 1 and f"docs/runbook.md#{code}" in err
    assert f"(#{code})" in section(9)
    assert command in entry(code)


def test_whatever_a_command_reports_has_its_place(
    data_root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for code in catalogue():
        assert entry(code)
    problem = Problem("no_release", release_id="x")
    monkeypatch.setattr(outcome.store, "home", lambda: (_ for _ in ()).throw(problem))
    assert "docs/runbook.md#no_release" in call(capsys, "releases")[2]


def test_a_backup_of_landing_ledger_and_rules_gives_the_same_release(
    troubled: tuple[Path, Facts],
    root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = releases.folder_of("internal", troubled[1]["publish"]["release_id"])
    shutil.copytree(root / "backup", tmp_path / "data")
    (tmp_path / "deliveries").mkdir()  # the offices' files are long gone
    use(monkeypatch, tmp_path)
    monkeypatch.setenv("IPSKA_FEEDS", str(root / "feeds.toml"))
    settings.settings.cache_clear()
    assert call(capsys, "verify")[0] == 0
    report = night()
    assert report["build"] == {"build_id": troubled[1]["build"]["build_id"], "built": True}
    assert report["extract"]["landed"] == [] and report["publish"]["published"]
    restored = nights.content(releases.database("internal"))
    assert restored == nights.content(before / releases.DATABASE)
    assert call(capsys, "verify")[0] == 0
