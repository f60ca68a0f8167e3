"""The header of a delivery held against its layout; where it doesn't fit, what to change."""

import csv
from collections import Counter
from difflib import get_close_matches

from pipeline.layouts import Layout, layout_file, quoted
from pipeline.messages import Problem

DELIMITERS = (";", ",", "\t", "|")
csv.field_size_limit(2_000_000)  # 131,072 by default: an error of its own, before our limits


def split(record: str, delimiter: str, quote: str) -> list[str]:
    """The fields of one record that can be split."""
    if not quote:
        return record.split(delimiter)
    return next(csv.reader([record], delimiter=delimiter, quotechar=quote), [""])


def compare(header: str, names: list[str], layout: Layout) -> tuple[dict[str, str], list[str]]:
    """(conformed column → what the file calls it, columns that the layout doesn't know); the order
    is free.

    Raises Problem `wrong_delimiter` or `header_mismatch`: what is expected, what is found, and
    `paste`, what to write into the layout if the office is right.
    """
    spellings: dict[str, list[str]] = {}
    for source, column in (layout.columns | layout.names).items():
        spellings.setdefault(column, []).append(source)
    there = {column: [n for n in some if n in names] for column, some in spellings.items()}
    known = {*layout.columns, *layout.names}
    extra = [name for name in names if name not in known]
    missing = [c for c, some in there.items() if not some and c not in layout.optional]
    stated = [key[7:] for key in layout.stated if key.startswith("column ")]
    unstated = [name for name in stated if name not in names]
    doubled = [name for name, count in Counter(names).items() if count > 1]
    doubled += [" / ".join(some) for some in there.values() if len(some) > 1]
    if not missing and not doubled and not unstated:
        return {column: some[0] for column, some in there.items() if some}, extra
    for delimiter in DELIMITERS if layout.format == "csv" else ():
        fields = set(layout.columns) & set(split(header, delimiter, layout.quote))
        if len(fields) > max(1, len(layout.columns) - len(missing)):
            raise Problem("wrong_delimiter", found=repr(delimiter), expected=repr(layout.delimiter))
    close = {c: get_close_matches(spellings[c][0], extra, 1, 0.6) for c in missing}
    renamed = {c: found[0] for c, found in close.items() if found}
    similar = [f"{spellings[c][0]} ≈ {found}" for c, found in renamed.items()]
    raise Problem(
        "header_mismatch",
        layout=layout.name,
        missing=", ".join([" / ".join(spellings[c]) for c in missing] + unstated) or "–",
        unknown=", ".join(extra) or "–",
        doubled=", ".join(doubled) or "–",
        similar=", ".join(similar) or "–",
        paste=_change(layout, renamed, [c for c in missing if c not in renamed]),
    )


def _change(layout: Layout, renamed: dict[str, str], gone: list[str]) -> str:
    """TOML for the layout: other spellings, and what an office may leave out."""
    lines = [f"# {layout_file(layout.name)}"]
    if gone:
        names = ", ".join(map(quoted, [*layout.optional, *gone]))
        lines += ["# If the office leaves these out for good:", f"optional = [{names}]"]
    if renamed:
        lines += ["[columns]  # beside the lines that stand there"]
        lines += [f"{quoted(found)} = {quoted(column)}" for column, found in renamed.items()]
    return "\n".join(lines)
