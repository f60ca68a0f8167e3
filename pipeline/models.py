"""Models: the tables that SQL makes; one file each in warehouse/, one SELECT, path = table name."""

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from pipeline import duck
from pipeline.messages import Problem
from pipeline.settings import settings

SCHEMAS = ("core", "mart", "public", "meta")


@dataclass(frozen=True)
class Model:
    """One table: its SELECT, the tables it reads (`schema.name`), its grain, its title.

    An empty grain means that the table has exactly one row. `part` says which rows a build on top
    of another makes anew: increment.py. What isn't kept is dropped once all that reads it is made.
    """

    schema: str
    name: str
    sql: str
    inputs: frozenset[str]
    grain: tuple[str, ...]
    part: str
    is_kept: bool
    title_en: str
    title_id: str

    @property
    def full_name(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def published_schema(self) -> str:
        """Where a release shows it. Public versions stand where the office's own ones do."""
        if self.schema != "public":
            return self.schema
        return "meta" if f"meta.{self.name}" in self.inputs else "mart"


def all_models() -> list[Model]:
    """Every model in warehouse/, inputs before what reads them.

    Raises Problem `bad_model` naming the file: a header line is missing, the SQL can't be parsed,
    an input does not exist, or models read each other in a circle.
    """
    return list(_models(settings().warehouse))


@cache
def _models(root: Path) -> tuple[Model, ...]:
    files = [path for schema in SCHEMAS for path in sorted((root / schema).glob("*.sql"))]
    with duck.connect() as con:
        found = {model.full_name: model for model in (_read(con, file) for file in files)}
    for model in found.values():
        missing = sorted(
            table for table in model.inputs - set(found) if table.split(".")[0] in SCHEMAS
        )
        if missing:
            raise Problem("bad_model", file=model.full_name, error=f"no model {missing[0]}")
    graph = {name: sorted(model.inputs & set(found)) for name, model in found.items()}
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise Problem(
            "bad_model", file=error.args[1][0], error=f"circle {error.args[1]}"
        ) from error
    return tuple(found[name] for name in order)


def _read(con: duck.Connection, path: Path) -> Model:
    sql = path.read_text("utf-8")
    header = dict(re.findall(r"^-- (en|id|grain|part|kept): *(.*)$", sql, re.MULTILINE))
    for key in ("en", "id", "grain"):
        if key not in header:
            raise Problem("bad_model", file=path, error=f"no line `-- {key}: …`")
    (parsed,) = con.execute(f"SELECT json_serialize_sql({duck.literal(sql)})").fetchall()[0]
    tree = json.loads(parsed)
    if tree["error"] or len(tree["statements"]) != 1:
        raise Problem("bad_model", file=path, error=tree.get("error_message", "not one statement"))
    return Model(
        schema=path.parent.name,
        name=path.stem,
        sql=sql,
        inputs=frozenset(_tables(tree)),
        grain=tuple(column.strip() for column in header["grain"].split(",") if column.strip()),
        part=header.get("part", ""),
        is_kept=header.get("kept") != "no",
        title_en=header["en"],
        title_id=header["id"],
    )


def _tables(node: Any) -> Iterator[str]:
    """The tables that are named with their schema in a statement as DuckDB parses it. `recurring.x`
    is how it writes a recursive CTE's own earlier rows."""
    match node:
        case {"type": "BASE_TABLE", "schema_name": schema, "table_name": name}:
            if schema not in ("", "recurring"):
                yield f"{schema}.{name}"
        case dict():
            for one in node.values():
                yield from _tables(one)
        case list():
            for one in node:
                yield from _tables(one)


def materialise(con: duck.Connection, *schemas: str, only: tuple[str, ...] = ()) -> None:
    """Make the models of these schemas (or of them only those named) real tables, in order."""
    chosen = [
        model
        for model in all_models()
        if model.schema in schemas and (not only or model.full_name in only)
    ]
    for n, model in enumerate(chosen):
        con.execute(f"CREATE SCHEMA IF NOT EXISTS {model.schema}")
        make(con, model)
        wanted = set[str]().union(*(later.inputs for later in chosen[n + 1 :]))
        for one in chosen[: n + 1]:
            if not (one.is_kept or only or one.full_name in wanted):
                con.execute(f"DROP TABLE IF EXISTS {one.full_name}")


def make(con: duck.Connection, model: Model) -> None:
    """Make one model a real table where the connection is, in a schema that is there."""
    con.execute(f"CREATE OR REPLACE TABLE {model.full_name} AS {model.sql}")


def published(audience: str) -> list[Model]:
    """The models a release shows: to the office mart and meta, to the world schema public."""
    schemas = ("mart", "meta") if audience == "internal" else ("public",)
    return [model for model in all_models() if model.schema in schemas]


def column_descriptions() -> dict[str, tuple[str, str]]:
    """What each published column means (English, Indonesian): warehouse/columns.csv."""
    path = settings().warehouse / "columns.csv"
    with path.open(encoding="utf-8", newline="") as handle:
        return {
            row["column_name"]: (row["description_en"], row["description_id"])
            for row in csv.DictReader(handle)
        }
