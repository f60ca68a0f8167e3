"""`ipska prune`: what is kept and why, and what may go."""

from typing import Annotated

import typer

from pipeline import ledger, prune, requests
from pipeline.printing import Json, out, print_json, print_table


def command(
    yes: Annotated[bool, typer.Option("--yes", help="do it; without: only say")] = False,
    reason: Annotated[str, typer.Option(help="why; stands in the ledger for ever")] = "",
    as_json: Json = False,
) -> None:
    """Take away builds and releases beyond those that are kept, and what dead processes left."""
    if yes:
        done = prune.prune(requests.made("prune", reason, ledger.operator()))
        if as_json:
            print_json(done)
            return
        what = ", ".join(f"{kind} {count}" for kind, count in done["counts"].items()) or "0"
        out.print(f"dibersihkan / pruned: {what}; {done['bytes']:,} bytes")
        return
    rows = [item.as_dict() for item in prune.plan()]
    if as_json:
        print_json(rows)
        return
    columns = ["kind", "name", "bytes", "why_id", "why_en"]
    print_table("tetap / kept", [row for row in rows if not row["goes"]], columns)
    gone = [row for row in rows if row["goes"]]
    print_table("akan dihapus / would go", gone, columns)
    out.print(f"{sum(row['bytes'] for row in gone):,} bytes; "
              "ipska prune --yes --reason \"…\"")  # fmt: skip
