"""Whole deliveries, and what to do about one: `ipska delivery COMMAND --help`."""

from typing import Annotated

import typer

from pipeline import rejections
from pipeline.messages import shown
from pipeline.printing import Json, out, print_json

app = typer.Typer(no_args_is_help=True, help=__doc__)


@app.callback()
def group() -> None:
    """Whole deliveries, and what to do about one."""


@app.command()
def reject(
    delivery_id: Annotated[
        str, typer.Argument(metavar="ID", help="feed/slice/landing, as messages name it")
    ],
    reason: Annotated[str, typer.Option(help="why; stands in the ledger for ever")],
    undo: Annotated[bool, typer.Option("--undo", help="let it count again")] = False,
    as_json: Json = False,
) -> None:
    """Leave a delivery out of every build from now on: its slice falls back to the one before."""
    entry = rejections.reject(delivery_id, reason, undo)
    if as_json:
        print_json(entry)
        return
    out.print(shown(f"{entry['kind']}: {delivery_id}"))
    out.print("Berlaku pada hasil bangun berikutnya: ipska run")
    out.print("It takes effect with the next build: ipska run")
