"""The check page of a build: what every expectation found, its trend, and examples to look at.

Great Expectations' own Data Docs print cell values unescaped and load from the network. This page
is one file with no script; it lies with the build, in the restricted store, because examples may
hold names.
"""

import glob
from collections import Counter, defaultdict
from itertools import groupby
from pathlib import Path
from typing import Any

from pipeline import builds, duck, freshness, page, releases, store
from pipeline.messages import shown
from pipeline.suites import Check

EARLIER, EXAMPLES, REFUSED, PROBLEMS = 8, 3, 10, 2  # with 200 rules a page stays under 1 MB
# Grain of a delivery: its row suite, and what a record of it is called by.
SUITES = {"certificate_line": ("row", "certificate_key"), "aggregate": ("aggregate", "cell_key")}
SET_ASIDE = """
    WITH finding AS (
        SELECT delivery_id, line, {key}, unnest(findings) AS found FROM read_parquet(?)
    )
    SELECT found.rule_name, min(
        delivery_id || ' line ' || line || coalesce(' ' || found.column_name, '')
        || coalesce(' = ' || found.value, '') || coalesce(' (' || key || ')', ''), {examples}
    )
    FROM finding
    GROUP BY found.rule_name
"""
FLAGGED = """
    WITH flag AS (
        SELECT delivery_id, line, {key}, unnest(flags) AS rule_name
        FROM read_parquet(?) WHERE len(flags) > 0
    )
    SELECT rule_name, min(
        delivery_id || ' line ' || line || coalesce(' (' || key || ')', ''), {examples}
    )
    FROM flag
    GROUP BY rule_name
"""
RESULTS = """
    FROM meta.check_result
    ORDER BY suite_name, unexpected = 0, severity <> 'critical', severity = 'info', rule_name
"""
Row = dict[str, Any]
Examples = dict[tuple[str, str], list[str]]  # by suite and rule


def write(
    con: duck.Connection, folder: Path, facts: Row, checks: list[Check], verdicts: list[Row]
) -> None:
    """Write checks.html into a build's folder while its database is open; `facts`: build.json."""
    examples = _of_rows(con, verdicts) | _of_deliveries(verdicts) | _of_tables(con, checks)
    earlier = [_shares(release) for release in releases.every("internal")[-EARLIER:]]
    rows = duck.rows(con, RESULTS)
    for row in rows:
        key = (row["suite_name"], row["rule_name"])
        row["share"] = _share(row)
        row["trend"] = [shares.get(key, "–") for shares in earlier]
        row["examples"] = [shown(text) for text in examples.get(key, [])[:EXAMPLES]]
    refused = [verdict for verdict in verdicts if verdict["verdict"] == "refused"]
    html = page.template("checks.html.j2").render(
        facts=facts,
        grid=freshness.grid(duck.rows(con, "FROM core.freshness")),
        states=freshness.STATES,
        suites=[(s, list(some)) for s, some in groupby(rows, lambda row: row["suite_name"])],
        refused=[
            {
                "delivery_id": verdict["delivery_id"],
                "problems": [{k: shown(one[k], 2000) for k in ("id", "en")} for one in told],
            }
            for verdict in refused[-REFUSED:]
            for told in [verdict["problems"][:PROBLEMS]]
        ],
        more=max(0, len(refused) - REFUSED),
    )
    store.write_atomic(folder / builds.CHECKS, html.encode())


def _of_rows(con: duck.Connection, verdicts: list[Row]) -> Examples:
    """Records set aside, and certificates or cells flagged: where each lies, and what it says."""
    found: Examples = defaultdict(list)
    states = dict(con.execute("SELECT delivery_id, state FROM core.delivery").fetchall())
    current = [verdict for verdict in verdicts if states[verdict["delivery_id"]] == "current"]
    for grain, (suite, key) in SUITES.items():
        of_grain = _telling([one for one in current if one["grain"] == grain], suite)
        for folder, name, query in (
            ("quarantine", "row", SET_ASIDE),
            ("quarantine", "row", FLAGGED),
            ("accepted", "line", FLAGGED),
        ):
            if not (files := _files(of_grain, folder, name)):
                continue
            own = f"replace({key}, delivery_id || ' ', '') AS key"  # 'line:7' of this delivery
            asked = query.format(key=own, examples=EXAMPLES)
            for rule, texts in con.execute(asked, [files]).fetchall():
                found[suite, rule] += texts
    return found


def _telling(verdicts: list[Row], suite: str) -> list[Row]:
    """Of each rule of a suite the newest deliveries in which it finds something: to look for
    examples in all of history would take as long as history."""
    found: dict[str, Row] = {}
    told: Counter[str] = Counter()
    for verdict in sorted(verdicts, key=lambda one: one["landed_at"], reverse=True):
        for check in verdict["checks"]:
            rule = check["rule_name"]
            if check["suite"] == suite and check["unexpected"] and told[rule] < EXAMPLES:
                told[rule] += 1
                found[verdict["delivery_id"]] = verdict
    return [*found.values()]


def _files(verdicts: list[Row], folder: str, name: str) -> list[str]:
    root = store.home() / folder
    files = [root / v["delivery_id"] / v["rules_sha"][:8] / f"{name}.parquet" for v in verdicts]
    return [glob.escape(str(file)) for file in files if file.exists()]


def _of_deliveries(verdicts: list[Row]) -> Examples:
    """Deliveries that a rule on whole deliveries warns of, newest first."""
    found: Examples = defaultdict(list)
    for verdict in reversed(verdicts):
        for check in verdict["checks"]:
            if check["suite"] == "delivery" and check["unexpected"]:
                found["delivery", check["rule_name"]].append(verdict["delivery_id"])
    return found


def _of_tables(con: duck.Connection, checks: list[Check]) -> Examples:
    """First rows of what a rule on a table of the build gives."""
    found: Examples = {}
    for check in checks:
        if check.unexpected_query:
            rows = duck.rows(con, f"FROM ({check.unexpected_query}) ORDER BY ALL LIMIT {EXAMPLES}")
            found[check.suite, check.rule_name] = [
                " · ".join(f"{name} {value}" for name, value in row.items()) for row in rows
            ]
    return found


def _share(row: Row) -> str:
    return f"{100 * row['unexpected'] / row['evaluated']:.2f}" if row["evaluated"] else "–"


def _shares(release: Row) -> dict[tuple[str, str], str]:
    """What the checks of a release found, by suite and rule; nothing once prune has taken it."""
    if not (file := releases.database_of("internal", release["release_id"])):
        return {}
    try:
        with duck.connect(file, read_only=True) as con:
            rows = duck.rows(con, "FROM meta.check_result")
    except duck.Error:
        if file.exists():
            raise
        return {}
    return {(row["suite_name"], row["rule_name"]): _share(row) for row in rows}
