"""Dates as offices write them: patterns such as `d MMMM yyyy, HH:mm:ss`, in SQL and in Python.

Tokens: yyyy · MMMM a month's name, MMM its short form (Indonesian or English, any case) · MM, dd
two digits · M, d one or two · HH, mm, ss. A word in 'quotes' stands for itself; so does whatever
else is no letter. The time, if any, comes last. Anything that doesn't fit exactly is no date.
"""

import re
from datetime import datetime
from functools import cache
from itertools import pairwise, product

FULL = (  # noqa: SIM905  sixty quotes would say no more
    "januari februari maret april mei juni juli agustus september oktober november desember "
    "january february march april may june july august september october november december"
).split()
SHORT = (  # noqa: SIM905
    "jan feb mar apr mei jun jul agu sep okt nov des jan peb mar apr may jun jul aug sep oct nop "
    "dec jan feb mar apr mei jun jul agt sept okt nov des jan feb mar apr mei jun jul ags"
).split()
DIGITS = {
    "yyyy": "[0-9]{4}", "MM": "[0-9]{2}", "M": "[0-9]{1,2}", "dd": "[0-9]{2}", "d": "[0-9]{1,2}",
    "HH": "(?:[01][0-9]|2[0-3])", "mm": "[0-5][0-9]", "ss": "[0-5][0-9]",
}  # fmt: skip
NAMES = {"MMMM": FULL, "MMM": SHORT}
REGEX = DIGITS | {token: f"(?i:{'|'.join(dict.fromkeys(some))})" for token, some in NAMES.items()}
VARIABLE = {"d", "M", "MMM", "MMMM"}
TIME = {"HH", "mm", "ss"}
ISO = ("yyyy-MM-dd", "yyyy-MM-dd HH:mm:ss")
PROBES = (datetime(2003, 2, 1, 4, 5, 6), datetime(2010, 11, 12, 13, 14, 15))


@cache
def tokens(pattern: str) -> tuple[tuple[str, bool], ...]:
    """The pattern's pieces: (text, whether it is a token). Raises ValueError when it is no date."""
    found = []
    for quoted, word, other in re.findall(r"'([^']*)'|([A-Za-z]+)|([^A-Za-z']+)", pattern):
        pieces = re.findall(r"((.)\2*)", word)  # yyyyMMdd holds three
        found += [(piece, True) for piece, _ in pieces] if word else [(quoted or other, False)]
    names = [text for text, is_token in found if is_token]
    kinds = [name[0] for name in names]
    if unknown := [name for name in names if name not in REGEX]:
        raise ValueError(f"'{pattern}': {unknown[0]} is no token")
    if sorted(kinds[:3]) != [*"Mdy"]:
        raise ValueError(f"'{pattern}': a day, a month and a year come first, in any order")
    if "".join(kinds[3:]) not in ("", "Hm", "Hms"):
        raise ValueError(f"'{pattern}': the time comes after the date, as HH, mm and perhaps ss")
    for (text, one), (after, two) in pairwise(found):
        if one and two and {text, after} & VARIABLE:
            raise ValueError(f"'{pattern}': something has to part {text} from {after}")
    return tuple(found)


def regex(pattern: str) -> str:
    """What a value of that pattern looks like, for DuckDB and Python alike."""
    return "".join(REGEX[text] if known else re.escape(text) for text, known in tokens(pattern))


def read(text: str, patterns: tuple[str, ...]) -> datetime | None:
    """The moment written there by one of the patterns, without a zone; None when it is none."""
    for pattern in patterns:
        pieces = [REGEX[t] if known else re.escape(t) for t, known in tokens(pattern)]
        if found := re.fullmatch("".join(f"({piece})" for piece in pieces), text):
            values = {
                name[0]: NAMES[name].index(value.lower()) % 12 + 1 if name in NAMES else int(value)
                for (name, known), value in zip(tokens(pattern), found.groups(), strict=True)
                if known
            }
            try:
                return datetime(*(values.get(kind, 0) for kind in "yMdHms"))  # type: ignore[arg-type]
            except ValueError:
                return None
    return None


def written(moment: datetime, pattern: str) -> str:
    """The moment as that pattern writes it."""
    by = {
        "yyyy": f"{moment.year:04d}", "MM": f"{moment.month:02d}", "M": str(moment.month),
        "dd": f"{moment.day:02d}", "d": str(moment.day), "HH": f"{moment.hour:02d}",
        "mm": f"{moment.minute:02d}", "ss": f"{moment.second:02d}",
        **{token: some[moment.month - 1] for token, some in NAMES.items()},
    }  # fmt: skip
    return "".join(by[text] if known else text for text, known in tokens(pattern))


def check(patterns: tuple[str, ...]) -> None:
    """Raises ValueError for what is no pattern, and for two that read one value differently."""
    for pattern in patterns:
        _day(pattern)
        for other, probe in product(patterns, PROBES):
            one, two = (read(written(probe, pattern), (p,)) for p in (pattern, other))
            if one and two and one.date() != two.date():
                raise ValueError(f"'{pattern}' and '{other}' can read one value differently")


def sql(patterns: tuple[str, ...], *, with_time: bool) -> str:
    """An SQL expression of `value`: a DATE, or a TIMESTAMP by the patterns that have a time.

    Patterns that take their parts from the same places share one regular expression: each more is
    another pass over the values.
    """
    alike: dict[str, list[str]] = {}
    for pattern in patterns:
        taken, has_time = _day(pattern), "HH" in [text for text, _ in tokens(pattern)]
        if has_time or not with_time:
            taken += _time(pattern) if with_time else ""
            alike.setdefault(taken, []).append(regex(pattern).replace("'", "''"))
    kind = "TIMESTAMP" if with_time else "DATE"
    whens = [
        f"WHEN regexp_full_match(value, '{'|'.join(some)}') THEN TRY_CAST({taken} AS {kind})"
        for taken, some in alike.items()
    ]
    return f"CASE {' '.join(whens)} END" if whens else f"NULL::{kind}"


def _day(pattern: str) -> str:
    """The text yyyy-MM-dd. A part is cut out by its position, after one of variable width by the
    marks before it. Raises ValueError when letters stand among these."""
    if pattern.startswith("yyyy-MM-dd"):
        return "value[:10]"
    found, day = tokens(pattern), {}
    start: int | None = 0  # where the part begins; None once that varies
    marks, offset = "", 0  # all that stood between parts so far; characters since the last mark
    for index, (text, known) in enumerate(found):
        if not known:
            marks, offset = marks + text, 0
        elif text not in TIME:
            part, begin, is_variable = "value", start, text in VARIABLE
            if start is None or is_variable:
                after = found[index + 1][0] if is_variable and found[index + 1 :] else ""
                part, begin = _split("".join(sorted({*marks, *after})), len(marks) + 1), offset
            if not is_variable and begin is not None:
                part = f"{part}[{begin + 1}:{begin + len(text)}]"
            if text in NAMES:
                part = f"((list_position({SHORT}, lower({part}[:3])) - 1) % 12 + 1)"
            day[text[0]], offset = part, offset + len(text)
        start = None if start is None or (known and text in VARIABLE) else start + len(text)
    return " || '-' || ".join(day[kind] for kind in "yMd")


def _split(marks: str, number: int) -> str:
    if any(mark.isalnum() or mark == "'" for mark in marks):
        raise ValueError("words in quotes stand behind the date, or among parts of fixed width")
    whole, mark = "value", marks or "\t"
    if len(marks) > 1:
        whole, mark = f"translate(value, '{marks}', '{' ' * len(marks)}')", " "
    return f"split_part({whole}, '{mark}', {number})"


def _time(pattern: str) -> str:
    """The text ` HH:mm:ss`, its parts cut out from the end: all there is of fixed width."""
    parts: list[str] = []
    from_end = 0
    for text, known in reversed(tokens(pattern)):
        from_end += len(text)
        if known and text in TIME:
            parts.insert(0, f"substr(value, -{from_end}, 2)")
    if pattern.endswith("HH:mm:ss"):
        return " || ' ' || right(value, 8)"
    return " || ' ' || " + " || ':' || ".join([*parts, "'00'"][:3])
