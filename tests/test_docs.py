"""Documentation can not drift: what is generated is as the code is, every command named exists."""

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer

from pipeline import cli, docs, freshness
from pipeline.messages import catalogue, texts
from test_cli import call

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
WORD = re.compile(r"[a-z-]+")


def commands(text: str) -> list[list[str]]:
    """Each `ipska …` of a text: its words, to the end of the command."""
    found = re.findall(r"\bipska ([a-z][^`\n;:()]*)", text)
    return [re.split(r"[.,] |[.,]$| · ", one)[0].split() for one in found]


def unknown(words: list[str]) -> str:
    """What of a command isn't there; '' when all is. Prose after a command is no argument."""
    command: Any = typer.main.get_command(cli.app)
    rest = list(words)
    while hasattr(command, "commands"):
        if not rest or rest[0] not in command.commands:
            return f"no command {' '.join(words)}"
        command = command.commands[rest.pop(0)]
    options = {option for one in command.params for option in one.opts}
    return " ".join(one for one in rest if one.startswith("--") and one not in options)


def test_a_wrong_command_is_found() -> None:
    assert commands("Run ipska run, then `ipska quarantine list --office X`.") == [
        ["run"],
        ["quarantine", "list", "--office", "X"],
    ]
    assert unknown(["runn"]) and unknown(["quarantine", "lst"]) and unknown(["run", "--rason", "x"])
    assert not unknown(["run", "--newest", "2024-09"])


@pytest.mark.parametrize("code", sorted(catalogue()))
def test_every_message_has_its_cause_and_names_only_commands_that_exist(code: str) -> None:
    cause = tomllib.loads((DOCS / "causes.toml").read_text("utf-8")).get(code)
    assert cause, f"docs/causes.toml lacks [{code}]: add it, then run `ipska docs`"
    assert set(cause) - {"command"} == {"stops", "en", "id"}
    assert cause["stops"] in docs.STOPS
    told = " ".join([*catalogue()[code].values(), f"`{cause.get('command', '')}`"])
    assert [one for words in commands(told) if (one := unknown(words))] == []


def test_no_cause_is_left_over_and_some_messages_name_commands() -> None:
    assert set(tomllib.loads((DOCS / "causes.toml").read_text("utf-8"))) == set(catalogue())
    assert len(commands(" ".join(entry["next_en"] for entry in catalogue().values()))) > 10


def test_what_is_generated_is_as_the_code_is(data_root: Path) -> None:
    found = docs.made(DOCS, cli.app)
    assert {path.name for path in found} == {
        "runbook.md",
        "cli.md",
        "dags.md",
        "data-dictionary.md",
    }
    for path, text in found.items():
        assert path.read_text("utf-8") == text, f"{path.name} is old: run `ipska docs`"


def test_the_command_writes_what_is_old_and_says_so(
    data_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = data_root / "docs"
    folder.mkdir()
    (folder / "causes.toml").write_bytes((DOCS / "causes.toml").read_bytes())
    (folder / "runbook.md").write_text("by hand\n")
    assert call(capsys, "docs", "--check", "--to", str(folder))[0] == 1
    assert (folder / "runbook.md").read_text() == "by hand\n"
    code, told, _ = call(capsys, "docs", "--to", str(folder))
    assert code == 0 and "cli.md" in told
    assert (folder / "runbook.md").read_text().startswith("by hand\n")
    assert call(capsys, "docs", "--check", "--to", str(folder))[:2] == (0, "")


def test_every_state_exit_code_and_task_has_an_entry() -> None:
    by_hand = (DOCS / "runbook.md").read_text("utf-8").split(docs.MARK)[0]
    rows = set(re.findall(r"^\| ([^|]+?) \|", by_hand, re.MULTILINE))
    assert {*freshness.STATES, "late", "lock held", "running", "deadline missed"} <= rows
    assert {"0", "1", "2", "3", "4"} <= rows
    tables = docs._dags().split("| task | |\n")[1:]
    tasks = {
        name for told in tables for name in re.findall(r"^\| (\w+) \|", told.split("\n\n")[0], re.M)
    }
    assert {"extract", "announce", "check_deadline"} <= tasks <= rows


@pytest.mark.parametrize("name", ["runbook.md", "deployment.md"])
def test_every_command_and_link_of_a_page_exists(name: str) -> None:
    text = (DOCS / name).read_text("utf-8").split(docs.MARK)[0]
    lines = re.findall(
        r"^ {4,}(?:.*&& )?(?:sudo -u \w+ )?(?:\S*/)?(ipska .*)$|`(ipska [^`]+)`", text, re.M
    )
    found = [shlex.split(first or second)[1:] for first, second in lines]
    assert len(found) > 5
    assert [one for words in found if (one := unknown(words))] == []
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        assert (DOCS / link).exists(), link
    codes = re.findall(r"\]\(#(\w+)\)", text)
    assert set(codes) <= set(catalogue())


def test_what_the_deployment_quotes_of_a_plan_is_what_a_plan_says() -> None:
    told = (DOCS / "deployment.md").read_text("utf-8")
    quoted = re.findall(r"`ipska plan` counts \w+ as \*([^*]+)\*", told)
    assert quoted and {*quoted} <= {*texts("plan")["en"].values()}


def test_that_airflows_own_backfill_is_not_supported_is_said_everywhere() -> None:
    told = docs._dags().split("## ")
    assert len([part for part in told if "Airflow's own backfill is not supported" in part]) == 2
    assert "Airflow's own backfill" in (ROOT / "README.md").read_text("utf-8")


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    """As they are, but for the folder of the program, which is this one's."""
    if not (program := shutil.which("systemd-analyze")):
        pytest.skip("systemd-analyze is not installed")
    units = sorted((ROOT / "deploy").glob("*.service"))
    assert len(units) == 4
    for unit in units:
        text = unit.read_text("utf-8").replace(
            "/opt/ipska/current/.venv/bin", str(Path(sys.executable).parent)
        )
        (tmp_path / unit.name).write_text(text, "utf-8")
    found = [str(tmp_path / unit.name) for unit in units]
    done = subprocess.run([program, "verify", *found], capture_output=True, text=True, timeout=60)
    assert (done.returncode, [one for one in done.stderr.splitlines() if "ipska" in one]) == (0, [])
