"""Downloads of a release: Parquet, CSV and datapackage.json, all made from its own ekspor.duckdb.

What opens CSV in a spreadsheet runs cells that begin like a formula: such text is defused here.
Numbers are never touched, and Parquet holds every text as it is.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import duck, releases, store

# Too many rows for a spreadsheet to be of use: 51 MB in the 60,000-line sample, 10 MB packed.
PACKED = ("growth_driver",)
# Formula characters, full-width ones too, where a text begins or goes on behind a delimiter: for
# whoever opens the file with the other delimiter, a cell begins there.
FORMULA = r"(^|[,;|])([\s\"]*[=+\-@＝＋－＠])"
CONTROLS = r"[\x00-\x1f\x7f]"
BOM = "\ufeff"
MOMENT = "%Y-%m-%dT%H:%M:%S.%fZ"
FIELDS = {"VARCHAR": "string", "BOOLEAN": "boolean", "DATE": "date", "TIMESTAMP": "datetime",
          "INTEGER": "integer", "BIGINT": "integer", "DOUBLE": "number"}  # fmt: skip
DESCRIPTION = (
    "Growth of exports by region, from certificates of origin. CSV is UTF-8 with a byte order "
    "mark; *.id.csv has semicolons and decimal commas, as Excel in Indonesian expects. In CSV a "
    "text that a spreadsheet would run as a formula has an apostrophe before that character, and "
    "control characters are shown as �; in Parquet and DuckDB texts stand as they are. / "
    "Pertumbuhan ekspor menurut wilayah, dari surat keterangan asal. CSV memakai UTF-8 dengan BOM; "
    "*.id.csv memakai titik koma dan koma desimal, seperti Excel berbahasa Indonesia. Dalam CSV, "
    "teks yang akan dijalankan sebagai rumus diberi apostrof di depan tanda itu, dan karakter "
    "kendali ditampilkan sebagai �; Parquet dan DuckDB memuat teks apa adanya."
)
SYNTHETIC = "DATA SINTETIS / SYNTHETIC DATA. "
TOTALS = "control_totals.csv"
# Taken as files: what is in them frictionless could only read with more libraries, or guess.
FILES = {
    releases.DATABASE: ("application/vnd.duckdb", "All tables in one file / Semua tabel"),
    "ranking.xlsx": (
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "The newest rankings as a workbook / Peringkat terbaru sebagai buku kerja",
    ),
}
Row = dict[str, Any]


@dataclass(frozen=True)
class Table:
    """A published table: `columns` are the rows of meta.dictionary, in the table's order."""

    schema: str
    name: str
    title: str
    columns: list[Row]

    @property
    def keys(self) -> list[str]:
        return [column["column_name"] for column in self.columns if column["is_key"]]

    @property
    def full_name(self) -> str:
        return f"{self.schema}.{self.name}"

    def csv(self, variant: str = "") -> str:
        return f"csv/{self.name}{variant}.csv{'.gz' * (self.name in PACKED)}"

    @property
    def parquet(self) -> str:
        return f"parquet/{self.full_name}.parquet"


def tables(con: duck.Connection) -> list[Table]:
    """Every table of a published file, by schema and name."""
    columns = duck.rows(
        con,
        "SELECT d.* FROM meta.dictionary AS d JOIN duckdb_columns() AS c "
        "USING (schema_name, table_name, column_name) "
        "WHERE c.database_name = current_database() ORDER BY schema_name, table_name, column_index",
    )
    named = duck.rows(
        con,
        "SELECT schema_name, table_name, comment FROM duckdb_tables() "
        "WHERE database_name = current_database() ORDER BY ALL",
    )
    return [
        Table(one["schema_name"], one["table_name"], one["comment"], [
            column for column in columns
            if (column["schema_name"], column["table_name"])
            == (one["schema_name"], one["table_name"])
        ])
        for one in named
    ]  # fmt: skip


def write(con: duck.Connection, folder: Path) -> None:
    """Write parquet/ and csv/ of the release that `con` is open on (read-only), by grain."""
    release = duck.rows(con, "FROM meta.release")[0]
    marks = ", ".join(
        f"{name}: {duck.literal(str(release[name]))}" for name in ("release_id", "is_synthetic")
    )
    for name in ("parquet", "csv"):
        (folder / name).mkdir()
    for table in tables(con):
        con.execute(
            f"COPY {table.full_name} TO {duck.literal(str(folder / table.parquet))} "
            f"(FORMAT parquet, COMPRESSION zstd, KV_METADATA {{{marks}}})"
        )
        for variant, delimiter in (("", ","), (".id", ";")):
            con.execute(
                f"COPY ({_select(table, delimiter == ';')}) "
                f"TO {duck.literal(str(folder / table.csv(variant)))} (FORMAT csv, HEADER, "
                f"DELIMITER '{delimiter}', TIMESTAMPFORMAT '{MOMENT}', "
                f"COMPRESSION {'gzip' if table.name in PACKED else 'none'})"
            )


def _select(table: Table, has_comma: bool) -> str:
    shown = []
    for at, column in enumerate(table.columns):
        name, kind = column["column_name"], column["data_type"]
        value = duck.identifier(name)
        if kind == "VARCHAR":
            value = f"regexp_replace({value}, {duck.literal(CONTROLS)}, '�', 'g')"
            value = rf"regexp_replace({value}, {duck.literal(FORMULA)}, '\1''\2', 'g')"
        elif has_comma and _kind(kind) == "number":
            value = f"replace({value}::VARCHAR, '.', ',')"
        # COPY writes no byte order mark; as the first letter of the header it is one.
        shown.append(f"{value} AS {duck.identifier(BOM * (not at) + name)}")
    return f"SELECT {', '.join(shown)} FROM {table.full_name}"


def _kind(data_type: str) -> str:
    return "number" if data_type.startswith("DECIMAL") else FIELDS[data_type]


def describe(con: duck.Connection, folder: Path) -> Row:
    """The Frictionless data package of the files in `folder`; sums of what lies there now."""
    release = duck.rows(con, "FROM meta.release")[0]
    feeds = duck.rows(
        con,
        "SELECT feed, count(*) AS deliveries FROM meta.delivery WHERE state = 'current' "
        "GROUP BY feed ORDER BY feed",
    )
    resources = [
        _resource(folder, name, {"type": "file", "mediatype": kind, "description": text})
        for name, (kind, text) in FILES.items()
    ]
    for table in tables(con):
        if table.full_name == "meta.control_total":  # without byte order mark, for programs
            resources.append(_resource(folder, TOTALS, _tabular(table, TOTALS, ",", ".")))
        resources.append(
            _resource(folder, table.parquet, {
                "name": f"{table.name}.parquet", "type": "file", "format": "parquet",
                "mediatype": "application/vnd.apache.parquet",
                "description": table.title, "schema": _schema(table, "."),
            })
        )  # fmt: skip
        for variant, delimiter, mark in (("", ",", "."), (".id", ";", ",")):
            name = f"{table.name}{variant}.csv"
            more = _tabular(table, name, delimiter, mark)
            resources.append(_resource(folder, table.csv(variant), more))
    return {
        "profile": "data-package",
        "name": f"ipska-{release['audience']}",
        "id": release["release_id"],
        "created": f"{release['published_at'].isoformat()}Z",
        "title": f"{SYNTHETIC if release['is_synthetic'] else ''}IPSKA {release['release_id']}",
        "description": DESCRIPTION,
        "is_synthetic": release["is_synthetic"],
        "sources": [
            {"title": f"feed {one['feed']}: {one['deliveries']} deliveries"} for one in feeds
        ],
        "resources": resources,
    }


def _tabular(table: Table, name: str, delimiter: str, decimal_mark: str) -> Row:
    return {
        "name": name,
        "type": "table",
        "profile": "tabular-data-resource",
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
        **({"compression": "gz"} if table.name in PACKED else {}),
        "dialect": {"delimiter": delimiter},
        "description": table.title,
        "schema": _schema(table, decimal_mark),
    }


def _resource(folder: Path, path: str, more: Row) -> Row:
    file = folder / path
    return {
        "name": path,
        "path": path,
        **more,
        "bytes": file.stat().st_size,
        "hash": f"sha256:{store.sha256_of(file)}",
    }


def _schema(table: Table, decimal_mark: str) -> Row:
    fields = []
    for column in table.columns:
        kind = _kind(column["data_type"])
        field = {
            "name": column["column_name"],
            "type": kind,
            "description": f"{column['description_en']} / {column['description_id']}",
        }
        if kind == "number" and decimal_mark != ".":
            field["decimalChar"] = decimal_mark
        fields.append(field)
    return {"fields": fields, **({"primaryKey": table.keys} if table.keys else {})}
