"""How the CLI shows things: tables of their natural width, JSON, and nothing that executes."""

import json
import sys
from decimal import Decimal
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.messages import shown

Json = Annotated[bool, typer.Option("--json", help="machine-readable output")]
# Names come from deliveries: no markup, no highlighting, control characters shown.
out = Console(markup=False, highlight=False, emoji=False, soft_wrap=True)
err = Console(stderr=True, markup=False, highlight=False, emoji=False, soft_wrap=True)

WIDE = out.options.update(width=1000)


def print_json(value: Any) -> None:
    """JSON for machines, in ASCII: a name's bidi and C1 control characters reach no terminal."""
    sys.stdout.write(json.dumps(value, indent=1, default=str) + "\n")


def print_table(title: str, rows: list[dict[str, Any]], columns: list[str]) -> None:
    """A table of its natural width: in a narrow terminal or a log, lines are cut, never figures."""
    table = Table(show_edge=False, pad_edge=False, box=SIMPLE_HEAD)
    for name in columns:
        numeric = any(_is_number(row[name]) for row in rows)
        table.add_column(Text(name), justify="right" if numeric else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(_cell(row[name])) for name in columns))
    out.print(Text(title))
    out.width = max(out.width, out.measure(table, options=WIDE).maximum)
    out.print(table)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if _is_number(value):
        return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"
    return shown(value, 80)
