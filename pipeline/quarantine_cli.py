"""Rows set aside, and what to do about them: `ipska quarantine COMMAND --help`."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline import flow, quarantine, returns
from pipeline.messages import shown
from pipeline.printing import Json, out, print_json, print_table
from pipeline.quarantine import Wanted

app = typer.Typer(no_args_is_help=True, help=__doc__)
Office = Annotated[str | None, typer.Option(help="an office's code")]
Month = Annotated[str | None, typer.Option(help="the period of the delivery, e.g. 2024-09")]
Rule = Annotated[str | None, typer.Option(help="a rule that the record fails")]


@app.command(name="list")
def list_records(
    office: Office = None,
    month: Month = None,
    rule: Rule = None,
    unplaced: Annotated[
        bool, typer.Option("--unplaced", help="places, issuers, ports, rates, chains not resolved")
    ] = False,
    excluded: Annotated[
        bool, typer.Option("--excluded", help="records that layouts and corrections leave out")
    ] = False,
    refused: Annotated[
        bool, typer.Option("--refused", help="deliveries that stand refused, and why")
    ] = False,
    as_json: Json = False,
) -> None:
    """Rows set aside by office, month and rule with US$ at stake; or what wasn't resolved."""
    if unplaced + excluded + refused + bool(office or month or rule) > 1:
        raise typer.BadParameter("say --unplaced, --excluded or --refused alone")
    if refused:
        rows = flow.refused()
    elif unplaced or excluded:
        rows = quarantine.unplaced() if unplaced else quarantine.excluded()
    else:
        rows = quarantine.listed(Wanted(office, month, rule))
    if as_json:
        print_json(rows)
    elif not rows:
        out.print("kosong / empty")
    elif refused:
        for one in rows:
            out.print(one["delivery_id"])
            for problem in one["problems"]:
                told = [shown(f"  {problem[language]}", 2000) for language in ("id", "en")]
                out.print(*told, f"  docs/runbook.md#{problem['code']}", sep="\n")
    else:
        print_table("karantina / quarantine", rows, list(rows[0]))


@app.command()
def show(
    delivery: Annotated[str | None, typer.Option(help="a delivery, or its slice")] = None,
    certificate: Annotated[str | None, typer.Option(help="a certificate's number")] = None,
    office: Office = None,
    month: Month = None,
    rule: Rule = None,
    limit: Annotated[int, typer.Option(min=1, help="records shown; --json gives all")] = 20,
    as_json: Json = False,
) -> None:
    """Records set aside one by one: line, column, value, rule, what to do, and the whole record."""
    wanted = Wanted(office, month, rule, delivery, certificate)
    if wanted == quarantine.EVERYTHING:
        raise typer.BadParameter("say --delivery, --certificate, --office, --month or --rule")
    rows = quarantine.records(wanted)
    if as_json:
        print_json(rows)
        return
    for row in rows[:limit]:
        stated = "–" if row["stated_usd"] is None else f"{row['stated_usd']:,.2f}"
        where = f"{row['delivery_id']} line {row['line']}"
        out.print(shown(f"{where}: {row['record_key']}, US$ {stated}"))
        for found in row["findings"]:
            at = f" {found['column_name']} = {found['value']}" if found["column_name"] else ""
            out.print(shown(f"  {found['rule_name']}{at}", 300))
            for language in ("id", "en"):
                out.print(shown(f"    {found[f'note_{language}']}", 1000))
        out.print("  " + shown(row["raw"], 5000), "")
    more = f"; {len(rows) - limit} … --limit, --json" if len(rows) > limit else ""
    out.print(f"{len(rows)} baris / records{more}")


@app.command()
def export(
    to: Annotated[Path, typer.Option(help="folder to write; made when absent")],
    office: Office = None,
    month: Month = None,
    as_json: Json = False,
) -> None:
    """Write the return file of each office: its rows, the cells at fault, what to do. They hold
    names: send each to its own office only."""
    rows = returns.export(to, Wanted(office, month))
    if as_json:
        print_json(rows)
    elif not rows:
        out.print("kosong / empty")
    else:
        print_table("berkas kembalian / return files", rows, list(rows[0]))
