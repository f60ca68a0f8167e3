"""Export a build's public face into one DuckDB file that every BI driver in use can read."""

from pathlib import Path
from typing import Any

from pipeline import changes, duck, models, public

# 2.0's default format is refused by all drivers before it; v1.0.0 is read by all of them.
STORAGE_VERSION = "v1.0.0"
TIMESTAMPS = ("published_at", "newest_landed_at")
NAMES = (
    "schema_name",
    "table_name",
    "column_name",
    "data_type",
    "description_en",
    "description_id",
    "is_key",
)
# Grain of the tables that no model makes; of release_change none, as a delivery may be unknown.
GRAINS = {
    "meta.check_result": ("suite_name", "rule_name"),
    "meta.dictionary": ("schema_name", "table_name", "column_name"),
}
# Declared as a PRIMARY KEY too: what others look up. On every table it would cost 40 MB and 3 s.
KEYED = ("mart.region", "mart.period")
CHECK_RESULT = "What Great Expectations found in this build / Temuan Great Expectations"
DICTIONARY = "Every column of this file, explained / Penjelasan setiap kolom"
NOTHING_HIDDEN = public.Hidden()
RELEASE_CHANGE = (
    "What changed since the release before, and by which deliveries / "
    "Yang berubah sejak rilis sebelumnya, dan oleh kiriman mana"
)
RELEASE = "Where this file comes from, one row / Asal berkas ini, satu baris"


def write_database(
    build: Path,
    file: Path,
    audience: str,
    release: dict[str, Any],
    hidden: public.Hidden = NOTHING_HIDDEN,
) -> None:
    """Write schemas mart and meta of a build into `file`, sorted by grain, with comments.

    `release` becomes the one row of meta.release; `hidden` is what a public file hides. A column
    without a definition in warehouse/columns.csv is a KeyError: nothing undocumented is published.
    """
    with duck.connect(build, read_only=True) as con:
        if audience == "public":
            public.note(con, hidden)
            # Where public models find each other.
            con.execute("ATTACH ':memory:' AS public (READ_WRITE)")
        con.execute(
            f"ATTACH {duck.literal(str(file))} AS out "
            f"(READ_WRITE, STORAGE_VERSION {duck.literal(STORAGE_VERSION)})"
        )
        con.execute("CREATE SCHEMA out.mart; CREATE SCHEMA out.meta")
        for model in models.published(audience):
            target = f"out.{model.published_schema}.{model.name}"
            order = ", ".join(duck.identifier(column) for column in model.grain) or "ALL"
            is_public = model.schema == "public"
            source = f"({model.sql})" if is_public else model.full_name
            con.execute(f"CREATE TABLE {target} AS FROM {source} ORDER BY {order}")
            if is_public:
                con.execute(f"CREATE VIEW {model.full_name} AS FROM {target}")
            if target.removeprefix("out.") in KEYED:
                con.execute(f"ALTER TABLE {target} ADD PRIMARY KEY ({order})")
            _comment(con, "TABLE", target, f"{model.title_en} / {model.title_id}")
        con.execute("CREATE TABLE out.meta.check_result AS FROM meta.check_result ORDER BY ALL")
        _comment(con, "TABLE", "out.meta.check_result", CHECK_RESULT)
        if audience == "internal":
            changes.write(con, release)
            _comment(con, "TABLE", "out.mart.release_change", RELEASE_CHANGE)
        _write_release(con, release)
        _write_dictionary(con, audience)
        con.execute("DETACH out")


def _write_release(con: duck.Connection, release: dict[str, Any]) -> None:
    facts = {name: value for name, value in release.items() if not isinstance(value, list | dict)}
    selects = [  # a NULL has a type too
        f"?::TIMESTAMPTZ AT TIME ZONE 'UTC' AS {name}" if name in TIMESTAMPS
        else f"?::{'BOOLEAN' if isinstance(value, bool) else 'VARCHAR'} AS {name}"
        for name, value in facts.items()
    ]  # fmt: skip
    con.execute(
        f"CREATE TABLE out.meta.release AS SELECT {', '.join(selects)}", list(facts.values())
    )
    _comment(con, "TABLE", "out.meta.release", RELEASE)


def _write_dictionary(con: duck.Connection, audience: str) -> None:
    """Comment every column and list it in meta.dictionary."""
    kinds = ", ".join(f"{n} {'BOOLEAN' if n == 'is_key' else 'VARCHAR'}" for n in NAMES)
    con.execute(f"CREATE TABLE out.meta.dictionary ({kinds})")
    _comment(con, "TABLE", "out.meta.dictionary", DICTIONARY)
    described = models.column_descriptions()
    published = models.published(audience)
    grains = GRAINS | {f"{one.published_schema}.{one.name}": one.grain for one in published}
    columns = con.execute(
        "SELECT schema_name, table_name, column_name, data_type FROM duckdb_columns() "
        "WHERE database_name = 'out' ORDER BY schema_name, table_name, column_index"
    ).fetchall()
    rows = []
    for column in columns:
        is_key = column[2] in grains.get(f"{column[0]}.{column[1]}", ())
        rows.append(dict(zip(NAMES, (*column, *described[column[2]], is_key), strict=True)))
    duck.insert(con, "out.meta.dictionary", rows)
    for row in rows:
        name = f"out.{row['schema_name']}.{row['table_name']}.{duck.identifier(row['column_name'])}"
        _comment(con, "COLUMN", name, f"{row['description_en']} / {row['description_id']}")


def _comment(con: duck.Connection, kind: str, name: str, text: str) -> None:
    con.execute(f"COMMENT ON {kind} {name} IS {duck.literal(text)}")
