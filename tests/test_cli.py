"""The command: what README promises exists, exit codes are as said, output can be parsed."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from pipeline import cli, messages, printing

ROOT = Path(__file__).parent.parent


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run the command in this process: (exit code, stdout, stderr)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["ipska", *arguments])
        # The consoles are made at import, on the streams of that moment.
        patch.setattr(printing.out, "_file", None)
        with pytest.raises(SystemExit) as exit_:
            cli.main()
    captured = capsys.readouterr()
    return int(exit_.value.code or 0), captured.out, captured.err


def test_every_command_of_the_readme_exists_with_its_options() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    found = re.findall(r"`(ipska [^`]+)`", text)
    assert len(found) >= 10
    group = typer.main.get_command(cli.app)
    for line in found:
        words = shlex.split(line.replace("\n", " "))[1:]
        if words == ["--help"]:
            continue
        command: Any = group
        while words and hasattr(command, "commands"):
            command = command.commands[words.pop(0)]
        options = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
        used = {word for word in words if word.startswith("--")} - {"--help"}
        assert used <= options, f"{line}: {used - options}"


def test_make_targets_of_the_readme_exist() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"(?:`|^)make ([a-z]+)", (ROOT / "README.md").read_text("utf-8"), re.M))
    assert {"run", "test"} <= named <= targets


def test_before_the_first_release_the_error_says_what_to_do(
    data_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call(capsys, "rank")
    assert code == 1 and out == ""
    assert "Belum ada rilis" in err and "There is no internal release yet" in err
    assert "ipska run" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["backfill", "--from", "2024-02", "--to", "2024-01", "--reason", "xyz"], "reversed"),
        (["backfill", "--from", "2024-13", "--to", "2024-01", "--reason", "xyz"], "YYYY-MM"),
        (["backfill", "--from", "2024-01", "--to", "2999-01", "--reason", "xyz"], "not ended"),
        (["backfill", "--from", "2024-01", "--to", "2024-01", "--reason", " "], "reason"),
        (["backfill", "--from", "2020-12", "--to", "2024-01", "--reason", "xyz"], "2021-01"),
        (["backfill", "--from", "", "--to", "2024-01", "--reason", "xyz"], "YYYY-MM"),
        (["plan", "--from", "2024-02", "--to", "2024-01"], "reversed"),
        (["plan", "--from", "2024-02"], "--to"),
        (["plan", "--feed", "eska"], "--from"),
        (["plan", "--from", "2024-01", "--to", "2024-01", "--feed", "x"], "no feed 'x'"),
        (["run", "--months-back", "100000"], "before the first month"),
        (["plan", "--newest", "2024-01", "--months-back", "37"], "Month 2020-12 lies before"),
        (["run", "--accept", "movement"], "reason"),
        (["run", "--accept", "leak", "--reason", "xyz"], "movement"),
        (
            ["backfill", "--from", "2024-01", "--to", "2024-01", "--reason", "xyz", "--feed", "x"],
            "no feed 'x'",
        ),
        (["rank", "--period-end", "yesterday"], "period-end"),
        (["rank", "--basis", "nothing"], "basis"),
        (["release"], "--public"),
        (["nonsense"], "nonsense"),
    ],
)
def test_wrong_usage_is_exit_2_and_nothing_is_written(
    data_root: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    code, _, err = call(capsys, *arguments)
    assert code == 2
    assert said in re.sub(r"\s+", " ", err)
    assert not (data_root / "data" / "ledger").exists() or not list(
        (data_root / "data" / "ledger").iterdir()
    )


def test_status_before_anything_has_run(
    data_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = call(capsys, "status", "--json")
    assert code == 0
    found = json.loads(out)
    assert found.pop("problem")["code"] == "nothing_published"
    assert found == {
        "last_run": None,
        "releases": {"internal": None, "public": None},
        "hold": None,
        "lock": None,
        "deadline_missed": None,
        "messages": {},
        **{name: [] for name in ("rejected", "running", "freshness", "late", "stale")},
    }


def test_hostile_text_in_a_table_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "[bold red]x[/] \x1b[31m\n=cmd() <script>"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(printing.out, "_file", None)
        printing.print_table("title", [{"name": hostile}], ["name"])
    out = capsys.readouterr().out
    assert messages.shown(hostile) in out
    assert "\x1b" not in out


def test_hostile_text_in_json_is_the_same_text_to_a_machine_and_none_to_a_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    hostile = "\u202egnp.exe \x9b31m \x1b[31m Kab. Bogor – é"
    printing.print_json([{"name": hostile}])
    out = capsys.readouterr().out
    assert json.loads(out) == [{"name": hostile}]
    assert out.isascii() and "\x1b" not in out
