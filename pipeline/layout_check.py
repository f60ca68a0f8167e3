"""`ipska layout check` and `guess`: see what a layout makes of a file before a feed uses it."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from pipeline import duck, guess, judging, store
from pipeline.layouts import load_layout
from pipeline.messages import shown
from pipeline.printing import Json, print_json

app = typer.Typer(no_args_is_help=True, help="See what a layout makes of a file.")
INNER = ("ok_", "at_", "row_id", "delivery_", "is_split", "stated_status")
File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True)]


def check(file: Path, layout_name: str, rows: int = 3) -> dict[str, Any]:
    """Judge a file as validate would, writing nothing.

    `refused`, `problems`, `warnings`, `records` by fate, `rules` that failed (severity, records,
    first line with column and value) and `rows`, the first conformed ones. Raises Problem
    `bad_layout`. Office and month are those that the file's name states.
    """
    layout = load_layout(layout_name)
    said = layout.stated_in(file.name)
    month = said.get("period", "")
    landed_at = store.now()
    facts = {
        "file_name": file.name,
        "source": str(file),
        "refusal": None,
        "resubmits": None,
        "office": said.get("office"),
        "month": month if len(month) == 7 else None,
        "last_month": month if len(month) == 7 else None,
        "landed_at": landed_at.isoformat(),
        "extracted_at": None,
        "layout": layout_name,
    }
    landing = store.Landing(f"check/check/{store.stamp(landed_at)}-check", facts)
    case = judging.Case(0, landing, file, layout)
    with TemporaryDirectory(prefix="ipska-") as folder:
        database = f":memory:{Path(folder).name}"
        with duck.connect(database) as con:
            stats = judging.judge(con, database, Path(folder), [case])
            stat = stats.get(0, {})
            found = _findings(con) if stats else []
            first = duck.rows(con, "FROM batch ORDER BY line LIMIT ?", [rows]) if stats else []
    notes = {one["rule_name"]: one for one in case.checks if one["unexpected"]}
    return {
        "refused": bool(case.problems),
        "problems": case.problems,
        "warnings": case.warnings,
        "records": {
            "all": case.records,
            "accepted": stat.get("accepted_records", 0),
            "quarantined": stat.get("quarantined_records", 0),
            "excluded": sum(case.excluded.values()),
        },
        "rules": [
            {**one, "note_en": notes[name]["note_en"], "note_id": notes[name]["note_id"]}
            for one in found
            if (name := one["rule_name"]) in notes
        ],
        "rows": [
            {name: value for name, value in row.items() if not name.startswith(INNER)}
            for row in first
        ],
    }


def _findings(con: duck.Connection) -> list[dict[str, Any]]:
    """Each rule that failed: how often, and where first."""
    return duck.rows(
        con,
        "SELECT rule_name, severity, count(*) AS records, min(line) AS first_line, "
        "arg_min(column_name, line) AS column_name FROM finding JOIN batch USING (row_id) "
        "GROUP BY ALL ORDER BY severity, records DESC, rule_name",
    )


@app.command(name="check")
def check_command(
    file: File,
    layout: Annotated[str, typer.Option(help="a name in seeds/layouts")],
    rows: Annotated[int, typer.Option(min=0, help="conformed rows to show")] = 3,
    as_json: Json = False,
) -> None:
    """Show the first conformed rows and every problem; exit 1 when it would be refused."""
    found = check(file, layout, rows)
    if as_json:
        print_json(found)
    else:
        for line in _told(found):
            typer.echo(line)
    raise typer.Exit(1 if found["refused"] else 0)


def _told(found: dict[str, Any]) -> list[str]:
    lines = []
    for row in found["rows"]:
        lines.append(f"baris / line {row['line']}")
        lines += [
            f"  {k} = {shown(v, 80)}" for k, v in row.items() if v is not None and k != "line"
        ]
    for one in found["rules"]:
        lines.append(
            f"{one['severity']} {one['rule_name']}: {one['records']}, baris / line "
            f"{one['first_line']} {one['column_name'] or ''}"
        )
        lines += [f"  {one['note_id']}", f"  {one['note_en']}"]
    lines.append("  ".join(f"{fate}: {count}" for fate, count in found["records"].items()))
    for problem in [*found["warnings"], *found["problems"]]:
        lines += [f"[{problem['code']}]", problem["id"], problem["en"]]
        lines += ["", problem["paste"]] if "paste" in problem else []
    lines.append(
        "DITOLAK / WOULD BE REFUSED" if found["refused"] else "diterima / would be accepted"
    )
    return lines


@app.command(name="guess")
def guess_command(file: File) -> None:
    """Propose a layout for a file, as TOML; look at each line of it before it is used."""
    typer.echo(guess.guess(file))
