"""Rows set aside, and what to do about them: `ipska quarantine COMMAND --help`."""

from typing import Annotated

import typer

from pipeline import quarantine
from pipeline.printing import Json, out, print_json, print_table

app = typer.Typer(no_args_is_help=True, help=__doc__)


@app.command(name="list")
def list_records(
    unplaced: Annotated[
        bool, typer.Option("--unplaced", help="places, issuers, ports, rates, chains not resolved")
    ] = False,
    excluded: Annotated[
        bool, typer.Option("--excluded", help="records that layouts and corrections leave out")
    ] = False,
    as_json: Json = False,
) -> None:
    """Rows set aside by office, month and rule with US$ at stake; or what wasn't resolved."""
    if unplaced and excluded:
        raise typer.BadParameter("say either --unplaced or --excluded")
    listed = quarantine.excluded if excluded else quarantine.listed
    rows = quarantine.unplaced() if unplaced else listed()
    if as_json:
        print_json(rows)
    elif not rows:
        out.print("kosong / empty")
    else:
        print_table("karantina / quarantine", rows, list(rows[0]))
