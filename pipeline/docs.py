"""Documentation made of the code: the runbook's messages, cli.md, dags.md, data-dictionary.md."""

import ast
import re
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import typer
from typer.cli import get_docs_for_click

from pipeline import builds, duck, export, load, rank
from pipeline.messages import catalogue
from pipeline.settings import ROOT

MARK = "<!-- From here on `ipska docs` writes. -->"
STOPS = {
    "command": (
        "The command does nothing (exit code 1 or 2); readers see what they saw.",
        "Perintah tidak melakukan apa pun (kode 1 atau 2); pembaca melihat rilis yang sama.",
    ),
    "run": (
        "The run stops (exit code 1); nothing is published, the current release stays.",
        "Proses berhenti (kode 1); tidak ada yang diterbitkan, rilis sekarang tetap.",
    ),
    "source": (
        "This slice is not fetched; everything else is published (exit code 3).",
        "Bagian ini tidak terambil; yang lain tetap diterbitkan (kode 3).",
    ),
    "delivery": (
        "This delivery is refused and its slice keeps the one before; everything else is "
        "published (exit code 3, once).",
        "Kiriman ini ditolak dan bagiannya memakai kiriman sebelumnya; yang lain diterbitkan "
        "(kode 3, sekali).",
    ),
    "warning": ("Nothing stops.", "Tidak ada yang berhenti."),
    "public": (
        "Nothing is made public (exit code 1); both current releases stay.",
        "Tidak ada yang dipublikasikan (kode 1); kedua rilis sekarang tetap.",
    ),
}
# What a release says of itself beside the models: see publish.publish.
RELEASE: dict[str, Any] = {
    **dict.fromkeys(("release_id", "audience", "build_id"), ""),
    **{"published_at": None, "previous_release_id": "", "newest_landed_at": None},
    **dict.fromkeys(("rules_sha", "code_sha", "duckdb_version"), ""),
    "is_synthetic": False,
}
OFFICE: dict[str, Any] = dict.fromkeys(
    ("published_by", "reason", "run_id", "run_kind", "run_months", "run_feeds", "changed_slices"),
    "",
)


def made(folder: Path, app: typer.Typer) -> dict[Path, str]:
    """Each generated file of docs/ and the text that it must have."""
    runbook, causes = folder / "runbook.md", folder / "causes.toml"
    by_hand = runbook.read_text("utf-8").split(MARK)[0] if runbook.exists() else ""
    known = tomllib.loads(causes.read_text("utf-8"))
    return {
        runbook: f"{by_hand.rstrip()}\n\n{MARK}\n\n{_messages(known)}",
        folder / "cli.md": _cli(app),
        folder / "dags.md": _dags(),
        folder / "data-dictionary.md": _dictionary(),
    }


def _messages(causes: dict[str, dict[str, str]]) -> str:
    """One entry per code of messages.toml. A code without a cause is a KeyError."""
    lines = ["## Every message / Setiap pesan", ""]
    for code, told in sorted(catalogue().items()):
        cause = causes[code]
        en, id_ = STOPS[cause["stops"]]
        lines += [
            f"### {code}",
            f"**{_plain(told['en'])}** {cause['en']} {en}\n",
            f"*What to do:* {_plain(told['next_en'])}\n",
            f"**{_plain(told['id'])}** {cause['id']} {id_}\n",
            f"*Tindakan:* {_plain(told['next_id'])}\n",
        ]
        if "command" in cause:
            lines += [f"    {cause['command']}\n"]
    return "\n".join(lines)


def _plain(text: str) -> str:
    """A message as Markdown: what the pipeline fills in stands between braces."""
    text = re.sub(r"{note_\w+}", "(the rule's note / catatan aturan)", text)
    return text.replace("<", "&lt;").replace("*", "\\*").replace("|", "\\|")


def _cli(app: typer.Typer) -> str:
    command = typer.main.get_command(app)
    text = get_docs_for_click(obj=command, ctx=typer.Context(command), name="ipska")
    lines = [line.rstrip() for line in text.splitlines()]
    return "\n".join(["<!-- Written by `ipska docs`. -->", *lines]).rstrip() + "\n"


def _dags() -> str:
    """Each DAG: schedule, what it does, its parameters and tasks. Read, not imported: that is
    Airflow's."""
    tree = ast.parse((ROOT / "dags" / "ipska.py").read_text("utf-8"))
    made = {one.name: one for one in tree.body if isinstance(one, ast.FunctionDef)}
    named = {
        target.id: one.value
        for one in tree.body
        if isinstance(one, ast.Assign)
        for target in one.targets
        if isinstance(target, ast.Name)
    }
    lines = ["<!-- Written by `ipska docs`. -->", "# The DAGs / Semua DAG", ""]
    for function in made.values():
        call = function.decorator_list[0] if function.decorator_list else None
        if not isinstance(call, ast.Call) or getattr(call.func, "id", "") != "dag":
            continue
        told = {one.arg: one.value for one in call.keywords if one.arg}
        parts = ast.walk(told["schedule"])
        when = [str(one.value) for one in parts if isinstance(one, ast.Constant) and one.value]
        schedule = " ".join(f"`{text}`" for text in when) or "by hand / dengan tangan"
        lines += [f"## {ast.literal_eval(told['dag_id'])}", f"Schedule / jadwal: {schedule}\n"]
        lines += [f"{ast.get_docstring(function)}\n"]
        params = told.get("params", ast.Dict([], []))
        if isinstance(params, ast.Dict) and params.keys:
            lines += ["| parameter | title | default | |", "|---|---|---|---|"]
        for key, value in zip(
            getattr(params, "keys", []), getattr(params, "values", []), strict=True
        ):
            param: Any = named[value.id] if isinstance(value, ast.Name) else value
            words = {one.arg: one.value for one in param.keywords}
            cells = [ast.literal_eval(words[name]) for name in ("title", "description")]
            default = ast.literal_eval(param.args[0]) if param.args else "required / wajib"
            default = "–" if default is None else default
            name = ast.literal_eval(key)
            lines.append(f"| {name} | {cells[0]} | {default} | {_plain(cells[1])} |")
        lines += ["", "| task | |", "|---|---|"]
        calls = [one.func.id for one in ast.walk(function)
                 if isinstance(one, ast.Call) and isinstance(one.func, ast.Name)]  # fmt: skip
        for name in dict.fromkeys(name for name in calls if name in made):
            decorator = made[name].decorator_list[0]
            options = {one.arg: one.value for one in getattr(decorator, "keywords", [])}
            task_id = ast.literal_eval(options["task_id"]) if "task_id" in options else name
            lines.append(f"| {task_id} | {ast.get_docstring(made[name])} |")
        lines.append("")
    return "\n".join(lines)


def _dictionary() -> str:
    """Every table and column of both published databases, from empty ones."""
    lines = [
        "<!-- Written by `ipska docs`. -->",
        "# What the published databases hold / Isi basis data terbitan\n",
        "Types are DuckDB's. `internal` is the office's file, `public` the one for everybody; "
        "`meta.dictionary` says the same inside the file. / Tipe menurut DuckDB; `meta.dictionary` "
        "memuat hal yang sama di dalam berkas.\n",
    ]
    with tempfile.TemporaryDirectory() as folder:
        for audience in ("internal", "public"):
            lines += [f"## {audience}\n", *_tables(Path(folder), audience)]
    return "\n".join(lines)


def _tables(folder: Path, audience: str) -> list[str]:
    build, file = folder / "build.duckdb", folder / f"{audience}.duckdb"
    if not build.exists():
        with duck.connect(build) as con:
            load.load(con, [], {}, {})
            rank.rank(con)
            builds.write_check_results(con, [], [])
    export.write_database(
        build, file, audience, RELEASE | (OFFICE if audience == "internal" else {})
    )
    with duck.connect(file, read_only=True) as con:
        titles = con.execute(
            "SELECT schema_name || '.' || table_name, comment FROM duckdb_tables() ORDER BY ALL"
        ).fetchall()
        columns = duck.rows(con, "FROM meta.dictionary")
    lines = []
    for name, title in titles:
        lines += [
            f"### {name}\n{title}\n",
            "| column | type | en | id | key |",
            "|---|---|---|---|---|",
        ]
        for column in columns:
            if f"{column['schema_name']}.{column['table_name']}" == name:
                cells = [_plain(column[key]) for key in export.NAMES[2:-1]]
                lines.append(f"| {' | '.join(cells)} | {'key' * column['is_key']} |")
        lines.append("")
    return lines
