"""What a run says when it is over: one message, in Indonesian or English, that says what to do."""

from collections import defaultdict
from decimal import Decimal
from typing import Any

from babel.numbers import format_decimal

from pipeline import builds, duck, quarantine, releases
from pipeline.messages import shown, texts

SHOWN_TROUBLE = 10
SHOWN_SLICES = 5
NUMBER = {"en": "en_US", "id": "id_ID"}
WORDS = texts("report")
Facts = dict[str, Any]


def both(entry: Facts) -> dict[str, str]:
    """The message of one ledger entry, as `text_en` and `text_id`. Books and reasons are those of
    the current release."""
    release = release_facts() if entry["publish"] else None
    return {f"text_{language}": _text(entry, language, release) for language in ("en", "id")}


def _text(entry: Facts, language: str, release: Facts | None) -> str:
    words = WORDS[language]
    if months := entry["months"]:
        lines = [words["run"].format(**entry, first=months[0], last=months[-1])]
    else:
        lines = [words["file"].format(**entry | {"file": shown(entry["file"])})]
    if extracted := entry["extract"]:
        lines.append(
            words["received"].format(
                landed=len(extracted["landed"]),
                unchanged=extracted["unchanged"],
                missing=len(extracted["missing"]),
            )
        )
        if late := sorted(extracted["missing"], key=lambda one: -(one["age_days"] or 0)):
            ages = [f"{one['slice']} {_age(one['age_days'])}" for one in late]
            lines.append(words["missing"].format(slices=_some(ages)))
        lines += _failed(extracted["failed"], language)
    for kind in ("late", "stale"):  # older entries have none
        if some := [one for one in entry.get(kind, []) if one["month"] in entry["months"]]:
            days = [f"{one['slice']} {one['days']}" for one in some]
            lines.append(words[kind].format(slices=_some(list(dict.fromkeys(days)))))
    if entry.get("deadline_missed"):
        lines.append(words["deadline"].format(due=entry["deadline_missed"]))
        lines += [words["running"].format(**one) for one in entry.get("running", [])]
    if entry["validate"]:
        lines.append(words["validated"].format(**entry["validate"]))
        for one in entry["validate"].get("corrections", []):
            lines.append(words["correction"].format(red_on=one["red_on"], text=one[language]))
    lines += _refused(entry, language)
    if entry["failed_at"]:
        why = _told(entry["problem"], language) if entry["problem"] else words["log"]
        problem = entry["problem"] or {}
        key = "unbooked" if entry["failed_at"] == "ledger" else "stopped"
        key = "cancelled" if problem.get("code") == "cancelled" else key
        lines.append(words[key].format(step=entry["failed_at"], text=why))
        lines += _listed(problem.get("moved", []))
    if published := entry["publish"]:
        key = "published" if published["published"] else "unchanged"
        lines.append(words[key].format(**published))
        lines += release_lines(release, language) if release else []
        if gone := published["left_quarantine"]:
            lines.append(words["left"].format(reasons=_left(gone, language)))
        # Older entries have none.
        for rule, moved in (published.get("accepted", {}) | published.get("moved", {})).items():
            lines += [words["moved"].format(rule=words.get(rule, rule)), *_listed(moved)]
        if new := published["newly_wrong"]:
            lines.append(words["newly"].format(count=len(new)))
            lines += _listed([_trouble(line, language) for line in new])
        if known := published["still_wrong"]:
            lines.append(words["still"].format(count=len(known)))
    if entry["build"] and (file := builds.checks_of(entry["build"]["build_id"])).exists():
        lines.append(words["checks"].format(file=file))
    lines.append(words["next"].format(commands=" · ".join(_next(entry))))
    return "\n".join(lines)


def _next(entry: dict[str, Any]) -> list[str]:
    """What to type, by what is wrong; what stopped a run has told its own command."""
    published = entry["publish"] or {}
    trouble = [*published.get("newly_wrong", []), *published.get("still_wrong", [])]
    kinds = {line.split(" ")[1] for line in trouble}
    refused = bool((entry["validate"] or {}).get("refused")) or "refused" in kinds
    commands = [
        *["ipska plan"] * bool((entry["extract"] or {}).get("failed")),
        *["ipska quarantine list --refused"] * refused,
        *["ipska quarantine list"] * ("accepted" in kinds),
    ]
    good = ["ipska rank --period-kind ytd --baseline years_3", "ipska quarantine list --unplaced"]
    return ["ipska status", *(commands or good * bool(published))]


def _left(gone: list[dict[str, Any]], language: str) -> str:
    """Why records left quarantine, how many, and the US$ that can be read on them."""
    sums: dict[str, list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    for one in gone:
        for at, name in enumerate(("records", "stated_usd")):
            sums[one["why"]][at] += Decimal(one[name])
    number = NUMBER[language]
    return ", ".join(
        f"{WORDS[language][why]} {format_decimal(records, locale=number)} "
        f"(US$ {format_decimal(usd, '#,##0.00', locale=number)})"
        for why, (records, usd) in sorted(sums.items())
    )


def _listed(lines: list[str]) -> list[str]:
    """The first of them, indented, and how many more there are."""
    more = len(lines) - SHOWN_TROUBLE
    return [f"  {shown(line)}" for line in lines[:SHOWN_TROUBLE]] + [f"  … {more}"] * (more > 0)


def _told(problem: dict[str, Any], language: str) -> str:
    """A Problem as the ledger has it, and where the runbook says more."""
    return f"{problem[language]} docs/runbook.md#{problem['code']}"


def _age(days: int | None) -> str:
    return "–" if days is None else str(days)


def _failed(failed: list[dict[str, str]], language: str) -> list[str]:
    return _by_cause("failed", [(one["slice"], one) for one in failed], language)


def _refused(entry: dict[str, Any], language: str) -> list[str]:
    """Those of this run, and those newly wrong that a night judged which stopped."""
    pairs = [
        (one["delivery_id"].split("/")[1], problem)
        for step in ("validate", "publish")
        for one in (entry[step] or {}).get("refused", [])
        if isinstance(one, dict)  # older entries have no reasons
        for problem in one["problems"]
    ]
    return _by_cause("refused_for", pairs, language)


def _by_cause(key: str, pairs: list[tuple[str, dict[str, str]]], language: str) -> list[str]:
    """One line per cause, not per slice: an unmounted share fails them all in one way."""
    slices: dict[str, dict[str, None]] = defaultdict(dict)
    for name, problem in pairs:
        slices[_told(problem, language)][name] = None
    lines = [
        WORDS[language][key].format(slice=_some([*names]), text=text)
        for text, names in slices.items()
    ]
    more = len(lines) - SHOWN_TROUBLE
    return lines[:SHOWN_TROUBLE] + [f"… {more}"] * (more > 0)


def _trouble(line: str, language: str) -> str:
    """One line of a build's `trouble`: which slice, and whether it was refused or how much of it
    was set aside."""
    delivery_id, verdict, quarantined = line.split(" ")
    what = "refused" if verdict == "refused" else "set_aside"
    slice_code = delivery_id.split("/")[1]
    return WORDS[language][what].format(slice=slice_code, count=quarantined, id=delivery_id)


def _some(names: list[str]) -> str:
    more = f" … ({len(names)})" if len(names) > SHOWN_SLICES else ""
    return ", ".join(names[:SHOWN_SLICES]) + more


def release_facts() -> Facts:
    """What is told of the current internal release: books, commonest reasons for quarantine,
    warnings, where it lies."""
    database = releases.database("internal")
    with duck.connect(database, read_only=True) as con:
        books = con.execute(
            "SELECT state, sum(records)::BIGINT FROM meta.ledger GROUP BY state ORDER BY state"
        ).fetchall()
        warned = con.execute(
            "SELECT suite_name, rule_name, unexpected FROM meta.check_result "
            "WHERE severity = 'warning' AND unexpected > 0 "
            "ORDER BY suite_name, unexpected DESC, rule_name"
        ).fetchall()
        is_synthetic = con.execute("SELECT is_synthetic FROM meta.release").fetchall()[0][0]
    return {
        **{"database": database, "books": books, "warned": warned, "is_synthetic": is_synthetic},
        "reasons": quarantine.commonest(3),
    }


def release_lines(facts: Facts, language: str) -> list[str]:
    """What `release_facts` gives, in words."""
    words, number, database = WORDS[language], NUMBER[language], facts["database"]

    def counted(pairs: list[tuple[str, int]]) -> list[str]:
        return [f"{name} {format_decimal(count, locale=number)}" for name, count in pairs]

    def listed(pairs: list[tuple[str, int]]) -> str:
        return ", ".join(counted(pairs)) or "–"

    lines = [words["books"].format(books=listed(facts["books"]))]
    lines.append(words["reasons"].format(reasons=listed(facts["reasons"])))
    for suite in dict.fromkeys(suite for suite, *_ in facts["warned"]):
        rules = [(rule, count) for name, rule, count in facts["warned"] if name == suite]
        lines.append(words["warnings"].format(suite=suite, rules=_some(counted(rules))))
    lines.append(words["where"].format(database=database, page=database.parent / "index.html"))
    if facts["is_synthetic"]:
        lines.append(words["synthetic"])
    return lines
