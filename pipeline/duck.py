"""The only door to DuckDB: one place for memory, threads, spill and what may be loaded."""

import os
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid4, uuid5

import duckdb

from pipeline.settings import settings

# Great Expectations opens the same file through duckdb-engine, which always sets a user agent;
# DuckDB refuses a second connection to one file unless the connect-time config is the same.
USER_AGENT = f"duckdb_engine/{version('duckdb-engine')}(sqlalchemy/{version('sqlalchemy')})"

Connection = duckdb.DuckDBPyConnection
Error = duckdb.Error
# What says nothing about the data read: our memory, our disk, a fault of DuckDB's own.
FAULTS = (
    duckdb.OperationalError,
    duckdb.InternalError,
    duckdb.FatalException,
    duckdb.InterruptException,
)


def connect(path: Path | str | None = None, *, read_only: bool = False) -> Connection:
    """Open a DuckDB file, a private in-memory database when `path` is None, or one that this
    process shares by its name (`:memory:name`).

    Memory, threads and spill directory come from settings and hold for every connection to it.
    Raises duckdb.IOException when another process is writing the file.
    """
    connection = duckdb.connect(
        str(path) if path else ":memory:", read_only, {"custom_user_agent": USER_AGENT}
    )
    limit = settings()
    options: dict[str, str | bool] = {
        "memory_limit": limit.memory_limit,
        "temp_directory": str(_spill(path)),
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "TimeZone": "UTC",
        "enable_progress_bar": False,
    }
    for name, value in options.items():
        connection.execute(f"SET {name} = {literal(value)}")
    if limit.threads:
        connection.execute(f"SET threads = {int(limit.threads)}")
    return connection


def make(path: Path, storage: str) -> None:
    """Make an empty DuckDB file of a storage version; `connect` would take the oldest there is."""
    with duckdb.connect() as con:
        con.execute(f"ATTACH {literal(str(path))} AS made (STORAGE_VERSION {literal(storage)})")


def _spill(path: Path | str | None) -> Path:
    """A folder of this database's own in this process: DuckDB gives its files the same names in
    each, and two that spill into one folder read each other's pages."""
    number = uuid5(NAMESPACE_URL, str(path)) if path else uuid4()
    return settings().home.absolute() / "work" / f"spill-{os.getpid()}-{number.hex[:8]}"


def rows(
    con: Connection, query: str, parameters: dict[str, Any] | list[Any] | None = None
) -> list[dict[str, Any]]:
    """What a query gives, each row by column name."""
    found = con.execute(query, parameters or [])
    names = [column[0] for column in found.description or []]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def insert(con: Connection, table: str, rows: list[dict[str, Any]]) -> None:
    """Insert rows by column name in one statement; executemany takes 3 s for 500 of them."""
    if rows:
        con.execute(f"INSERT INTO {table} BY NAME SELECT unnest(?, recursive := true)", [rows])


def literal(value: str | bool | int) -> str:
    """Quote a value as an SQL literal, for the few places where DuckDB takes no parameter."""
    if isinstance(value, bool | int):
        return str(value).lower()
    if "\0" in value:
        raise ValueError("a NUL byte can't stand in an SQL literal")
    return "'" + value.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """Quote a name as an SQL identifier."""
    if "\0" in name:
        raise ValueError("a NUL byte can't stand in an SQL identifier")
    return '"' + name.replace('"', '""') + '"'
