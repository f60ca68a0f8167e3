"""Workbooks: texts as text, whatever they begin with; and ranking.xlsx, the newest rankings."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from xlsxwriter import Workbook
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from pipeline import duck, rankings
from pipeline.messages import shown
from pipeline.words import measured

CELL = 32_767  # characters that a cell can hold
PLAIN = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
NOTES = "catatan notes"
MARK = "DATA SINTETIS / SYNTHETIC DATA"
FORMATS = {
    "VARCHAR": "@",
    "BOOLEAN": "General",
    "DATE": "yyyy-mm-dd",
    "INTEGER": "0",
    "BIGINT": "#,##0",
    "DOUBLE": "#,##0.00",
}
WIDTHS = {"region_name": 28, "label_id": 24, "label_en": 24}
RANKINGS = """
    SELECT g.* EXCLUDE (baseline), p.label_id, p.label_en, g.baseline
    FROM mart.growth_ranking AS g
    JOIN mart.period AS p USING (period_kind, period_end)
    WHERE g.scope_code = $scope_code
    WINDOW one AS (PARTITION BY g.basis, g.league, g.period_kind, g.baseline)
    QUALIFY g.period_end = coalesce(
        max(if(g.is_ranked, g.period_end, NULL)) OVER one, max(g.period_end) OVER one
    )
    ORDER BY g.basis,
        (g.league = $league AND g.period_kind = $period_kind AND g.baseline = $baseline) DESC,
        g.league, g.period_kind, g.baseline, g.growth_pct_rank NULLS LAST,
        g.region_code LIKE '%99', g.growth_pct DESC NULLS LAST, g.region_code
"""
# First what a reader looks for, then the rest of the table.
FIRST = (
    "growth_pct_rank", "region_name", "growth_pct", "growth_usd", "fob_usd", "base_fob_usd",
    "growth_status", "basis", "league", "period_kind", "label_id", "label_en", "baseline",
)  # fmt: skip
SAID = [
    "Satu lembar per basis: peringkat terbaru dari setiap jenis periode, pembanding, dan liga; "
    "pakai penyaring. Sel kosong: tidak ada nilai, atau disembunyikan (suppression). Angka memuat "
    "15 digit.",
    "One sheet per basis: the newest ranking of each period kind, baseline and league; use the "
    "filters. Blank: no value, or hidden (suppression). Numbers hold 15 digits.",
]


def sent(text: str | None) -> str:
    """A delivered text as it stands in a workbook: what can't be seen or is too long for a cell
    is shown. What comes back the same is what was delivered."""
    text = text or ""
    return text if text.isprintable() and len(text) <= CELL else shown(text, CELL)


def write_text(
    sheet: Worksheet, row: int, column: int, text: str, style: Format | None = None
) -> None:
    """A cell of text, whatever it begins with. Raises ValueError where XlsxWriter would leave it
    out in silence."""
    if not text:
        sheet.write_blank(row, column, None, style)
    elif sheet.write_string(row, column, text[:CELL], style):
        raise ValueError(f"cell {row}, {column} can't be written")


def write_ranking(con: duck.Connection, file: Path) -> None:
    """Write ranking.xlsx of the release that `con` is open on: the first scope's newest."""
    release = duck.rows(con, "FROM meta.release")[0]
    first = vars(rankings.Question())
    asked = ("scope_code", "league", "period_kind", "baseline")
    found = con.execute(RANKINGS, {name: first[name] for name in asked})
    kinds = {column[0]: str(column[1]) for column in found.description or []}
    rows = [dict(zip(kinds, row, strict=True)) for row in found.fetchall()]
    names = [*FIRST, *(name for name in kinds if name not in FIRST)]
    with Workbook(file, {**PLAIN, "constant_memory": True}) as book:
        book.set_properties(
            {"title": f"IPSKA {release['release_id']}", "created": release["published_at"]}
        )
        mark = "SINTETIS " * release["is_synthetic"]
        for basis in dict.fromkeys(row["basis"] for row in rows):
            sheet = book.add_worksheet(f"{mark}{basis}")
            if mark:
                sheet.set_header(f"&C{MARK}")
            some = [row for row in rows if row["basis"] == basis]
            _table(book, sheet, {name: kinds[name] for name in names}, some)
        _notes(book, con, release, names)


def _table(book: Workbook, sheet: Worksheet, kinds: dict[str, str], rows: list[Any]) -> None:
    head = book.add_format({"bold": True, "text_wrap": True, "valign": "top"})
    styles = {
        name: book.add_format({"num_format": FORMATS.get(kind, "#,##0.00")})
        for name, kind in kinds.items()
    }
    for column, (name, kind) in enumerate(kinds.items()):
        width = WIDTHS.get(name, 20 if kind.startswith("DECIMAL") else 14)
        sheet.set_column(column, column, width, styles[name])
        write_text(sheet, 0, column, name, head)
    sheet.freeze_panes(1, 2)
    sheet.autofilter(0, 0, len(rows), len(kinds) - 1)
    for at, row in enumerate(rows, 1):
        for column, name in enumerate(kinds):
            _cell(sheet, at, column, row[name], styles[name])


def _cell(sheet: Worksheet, row: int, column: int, value: Any, style: Format) -> None:
    if value is None:
        return
    if isinstance(value, bool):
        sheet.write_boolean(row, column, value)
    elif isinstance(value, int | float | Decimal):
        sheet.write_number(row, column, value, style)
    elif isinstance(value, date):
        sheet.write_datetime(row, column, value, style)
    else:
        write_text(sheet, row, column, sent(value), style)


def _notes(book: Workbook, con: duck.Connection, release: dict[str, Any], names: list[str]) -> None:
    """What it is, the rule in force, the sources, and each column's definition."""
    sheet = book.add_worksheet(NOTES)
    bold, wrap = (book.add_format(how) for how in ({"bold": True}, {"text_wrap": True}))
    plain = book.add_format({"num_format": "@", "text_wrap": True, "valign": "top"})
    sheet.set_column(0, 0, 34, plain)
    sheet.set_column(1, 2, 80, wrap)
    feeds = duck.rows(
        con,
        "SELECT feed, count(*) AS n, max(landed_at) AS landed_at FROM meta.delivery "
        "WHERE state = 'current' GROUP BY feed ORDER BY feed",
    )
    defined = duck.rows(
        con, "SELECT DISTINCT column_name, description_id, description_en FROM meta.dictionary"
    )
    meaning = {one["column_name"]: one for one in defined}
    lines: list[Iterable[Any]] = [
        ("IPSKA", *(MARK.split(" / ") if release["is_synthetic"] else ())),
        ("rilis / release", release["release_id"]),
        ("terbit / published (UTC)", f"{release['published_at']:%Y-%m-%d %H:%M}"),
        ("untuk / for", release["audience"]),
        ("isi / contents", *SAID),
        (),
        ("sumber / sources",),
        *(
            (one["feed"], f"{one['n']} kiriman, terbaru {one['landed_at']:%Y-%m-%d %H:%M} UTC",
             f"{one['n']} deliveries, newest {one['landed_at']:%Y-%m-%d %H:%M} UTC")
            for one in feeds
        ),
        (),
        ("aturan / rule", "bahasa Indonesia", "English"),
        *(
            (one["rule_name"], *(
                f"{measured(one['rule_value'], one['unit'], name)}: {one[f'note_{name}']}"
                for name in ("id", "en")
            ))
            for one in rankings.rules(con)
        ),
        (),
        ("kolom / column", "bahasa Indonesia", "English"),
        *((name, meaning[name]["description_id"], meaning[name]["description_en"])
          for name in names),
    ]  # fmt: skip
    for at, line in enumerate(lines):
        is_title = at == 0 or (at > 0 and not tuple(lines[at - 1]))
        for column, text in enumerate(line):
            write_text(sheet, at, column, sent(str(text)), bold if is_title else None)
