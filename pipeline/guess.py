"""A layout proposed for a file nobody has described yet: TOML, to be looked at by a person."""

import codecs
import csv
import json
import re
from collections import Counter
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import ijson
from rapidfuzz import fuzz, process, utils

from pipeline import conform, dates, records, sheets
from pipeline.headers import DELIMITERS
from pipeline.layouts import Layout, layout_file, load_layout, quoted
from pipeline.messages import Problem
from pipeline.settings import settings
from pipeline.unwrap import kind, unwrap

SAMPLE = 1 << 20  # bytes of text that are looked at
ROWS = 300
NULLS = ("", "-", "–", "N/A", "NA", "null", "NULL")
# Of those that can read one value differently the first is taken, unless only the other fits.
CANDIDATES = (
    *("d MMMM yyyy", "d MMMM yyyy, HH:mm:ss", "d MMMM yyyy HH:mm:ss", "yyyy-MM-dd"),
    *("yyyy-MM-dd HH:mm:ss", "yyyy-MM-dd'T'HH:mm:ss", "dd/MM/yyyy", "dd/MM/yyyy HH:mm:ss"),
    *("dd/MM/yyyy HH:mm", "d/M/yyyy", "MM/dd/yyyy", "dd-MM-yyyy", "d-MMM-yyyy", "dd MMM yyyy"),
    *("dd.MM.yyyy", "yyyyMMdd"),
)
COMMA = re.compile(r"-?(\d{1,3}(\.\d{3})+,\d+|\d{1,3}(\.\d{3}){2,}|\d+,\d{1,2})")
POINT = re.compile(r"-?(\d{1,3}(,\d{3})+\.\d+|\d{1,3}(,\d{3}){2,}|\d+\.\d{1,2})")
CONSTANTS = ["", "[constants]", 'region_set = "IDPORT"  # or another set of seeds/scope.csv']
EXPONENT = re.compile(r"\d([.,]\d+)?[eE]\+?\d+")
Table = list[list[str]]


def guess(file: Path) -> str:
    """A layout as TOML. Raises a Problem as `unwrap` does, or `no_header`."""
    with TemporaryDirectory(prefix="ipska-") as folder:
        path = unwrap(file, file.name, str(file), None, Path(folder) / "a.unpacked")
        how, rows = _read(path, file.name, Path(folder) / "a.csv")
    if not rows:
        raise Problem("no_header")
    known = {grain: _known_names(grain) for grain in conform.GRAINS}
    matched = {
        (grain, n): _match(rows[n], names)
        for grain, names in known.items()
        for n in range(len(rows))
    }
    (grain, header), columns = max(matched.items(), key=lambda item: len(item[1]))
    if not columns:
        widths = Counter(sum(map(bool, row)) for row in rows)
        usual = widths.most_common(1)[0][0]
        header = next(n for n, row in enumerate(rows) if sum(map(bool, row)) == usual)
    names, body = rows[header], rows[header + 1 :]
    cells = [[row[n] for row in body if n < len(row)] for n in range(len(names))]
    texts = [cell.strip() for column in cells for cell in column]
    commas, points = (sum(bool(one.fullmatch(t)) for t in texts) for one in (COMMA, POINT))
    # Native numbers of workbooks and JSON have a point whatever the texts beside them have.
    is_comma = (
        commas > 0 if how["format"] != '"csv"' else commas > points or how["delimiter"] == '";"'
    )
    stamps = [c for n, c in enumerate(cells) if columns.get(names[n], "")[-3:] in ("_at", "_on")]
    patterns = _date_patterns(stamps or cells)
    lines = [
        f"# {layout_file('…')}: proposed by ipska layout guess; look at each line.",
        f"name = {quoted(re.sub(r'[^a-z0-9]+', '_', file.name.split('.')[0].lower()).strip('_'))}",
        f'grain = "{grain}"',
        *(f"{key} = {value}" for key, value in how.items()),
        *([f"header_row = {header + 1}"] if header and "json" not in how["format"] else []),
        f"decimal_mark = {quoted(',' if is_comma else '.')}",
        f"thousands_mark = {quoted('.' if is_comma else ',')}",
        f"nulls = [{', '.join(quoted(one) for one in NULLS if one == '' or one in texts)}]",
        *([f"dates = [{', '.join(map(quoted, patterns))}]"] if grain != "aggregate" else []),
        'timezone = "Asia/Jakarta"',
        f"file_name = '{_file_name(file.name)}'",
        *(["exponents = true"] if any(EXPONENT.fullmatch(text) for text in texts) else []),
        *(['blank = "none"  # or "missing": ask'] if grain == "aggregate" else []),
        "",
        "[columns]",
        *(f"{quoted(name)} = {quoted(column)}" for name, column in columns.items()),
        *(f'# {quoted(name)} = ""' for name in names if name and name not in columns),
        *(CONSTANTS if grain == "aggregate" else []),
    ]
    return "\n".join(lines)


def _read(path: Path, file_name: str, target: Path) -> tuple[dict[str, str], Table]:
    """The keys that say how to read it (as TOML), and its first rows."""
    limit = settings()
    facts: dict[str, object] = {
        **{"sheet": 1, "records_at": "", "header_row": ROWS + 1, "header_rows": 0},
        **{"decimal_mark": ".", "unpivot": None, "made": [], "expected": ["–"]},
        **{"max_bytes": limit.max_unpacked_mb << 20, "max_record": records.MAX_RECORD_BYTES},
        "max_columns": limit.max_columns,
    }
    caps = limit.reader_memory_mb, limit.reader_timeout_s
    if kind(path, file_name) == "xlsx":
        table = sheets.apart(path, target, sheets.Shape(format="xlsx", **facts), *caps)  # type: ignore[arg-type]
        rows: Table = []
        for (line, _), text in table.titles.items():
            rows += [[] for _ in range(line - len(rows))]
            rows[line - 1].append(text)
        return {"format": '"xlsx"', "sheet": "1"}, rows
    with path.open("rb") as file:
        start = file.read(SAMPLE)
    if start.removeprefix(records.BOM).lstrip()[:1] in (b"{", b"["):
        how = _json(path, start)
        facts |= {"header_row": 0, "header_rows": 1, "records_at": how[1]}
        shape = sheets.Shape(format=how[0], **facts)  # type: ignore[arg-type]
        sheets.apart(path, target, shape, *caps)
        with target.open(encoding="utf-8", newline="") as made:
            rows = list(islice(csv.reader(made), ROWS))
        keys = {"format": quoted(how[0])}
        return keys | ({"records_at": quoted(how[1])} if how[1] else {}), rows
    return _csv(start[: start.rfind(b"\n") + 1] or start)


def _json(path: Path, start: bytes) -> tuple[str, str]:
    """(json or ndjson, where its records are)."""
    try:
        first = json.loads(start.removeprefix(records.BOM).lstrip().partition(b"\n")[0])
        if isinstance(first, dict) and not any(isinstance(one, list) for one in first.values()):
            return "ndjson", ""
    except ValueError:
        pass  # it goes over several lines
    with path.open("rb") as file:
        file.seek(len(records.BOM) if start.startswith(records.BOM) else 0)
        try:
            return "json", next(at for at, event, _ in ijson.parse(file) if event == "start_array")
        except (StopIteration, ijson.JSONError) as error:
            raise Problem("bad_json", record=0, error=error) from error


def _csv(start: bytes) -> tuple[dict[str, str], Table]:
    encoding = "utf-8"
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding, text = "utf-16", start.decode("utf-16", "ignore")  # it may be cut in a character
    else:
        try:
            text = start.decode("utf-8-sig")
        except UnicodeDecodeError:
            encoding, text = "windows-1252", start.decode("windows-1252", "replace")
    lines = text.replace("\0", "").splitlines(keepends=True)[:ROWS]
    if not lines:
        raise Problem("no_header")

    def split(delimiter: str) -> Table:
        return list(csv.reader(lines, delimiter=delimiter))

    def fit(delimiter: str) -> tuple[int, int]:
        """Lines that agree on how many fields there are, and that number."""
        width, count = Counter(map(len, split(delimiter))).most_common(1)[0]
        return (count if width > 1 else 0), width

    delimiter = max(DELIMITERS, key=fit)
    keys = {"format": "csv", "delimiter": delimiter, "quote": '"', "encoding": encoding}
    return {key: quoted(value) for key, value in keys.items()}, split(delimiter)


def _layouts() -> list[Layout]:
    return [load_layout(path.stem) for path in sorted(layout_file("x").parent.glob("*.toml"))]


def _known_names(grain: str) -> dict[str, str]:
    """Names that stand for conformed columns: those of all layouts and the conformed ones."""
    mine = [layout for layout in _layouts() if layout.grain == grain]
    return {column: column for layout in mine for column in layout.columns.values()} | {
        source: column for layout in mine for source, column in layout.columns.items()
    }


def _match(header: list[str], known: dict[str, str]) -> dict[str, str]:
    """Source column → conformed column, where a known name is close; the closest of several."""
    found: dict[str, tuple[float, str]] = {}
    for name in header:
        near = process.extractOne(
            name[:100],
            [*known],
            scorer=fuzz.ratio,
            processor=utils.default_process,
            score_cutoff=80,
        )
        if near and name:
            column, score = known[near[0]], near[1]
            found[column] = max(found.get(column, (0.0, "")), (score, name))
    by_name = {name: column for column, (_, name) in found.items()}
    return {name: by_name[name] for name in header if name in by_name}


def _date_patterns(columns: list[list[str]]) -> list[str]:
    """Patterns that read what stands there: first those that alone read some value."""
    texts = {text.strip() for column in columns for text in column}
    reads = {text: [p for p in CANDIDATES if dates.read(text, (p,))] for text in texts}
    wanted = [some for some in reads.values() if some]
    found: list[str] = []
    for some in sorted(wanted, key=lambda some: (len(some), CANDIDATES.index(some[0]))):
        if not set(some) & set(found):
            try:
                dates.check((*found, some[0]))
            except ValueError:
                continue
            found.append(some[0])
    return found


def _file_name(name: str) -> str:
    """The pattern of a known layout that fits, with this name's own ending; else any name."""
    ending = "".join(Path(name).suffixes[-2:] if name.endswith(".gz") else [Path(name).suffix])
    for layout in _layouts():
        pattern = re.split(r"\\\.\(?csv", layout.file_name)[0] + re.escape(ending) + "$"
        if layout.file_name != ".*" and re.match(pattern, name):
            return pattern
    return ".*"
