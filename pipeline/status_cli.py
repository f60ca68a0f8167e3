"""`ipska status`: what runs, what readers have, what is late, and what could not be told."""

from typing import Annotated, Any

import typer

from pipeline import (
    builds,
    freshness,
    ledger,
    notify,
    operators,
    rejections,
    releases,
    report,
    running,
    store,
)
from pipeline.messages import Problem, shown
from pipeline.printing import Json, out, print_json, print_table


def found(months: int) -> dict[str, Any]:
    """All that `ipska status` knows, as its --json prints it."""
    now = store.now()
    runs = [entry for entry in ledger.entries() if "extract" in entry]
    missed = freshness.missed_deadline(now)
    try:
        table, problem = freshness.grid(freshness.slices(now), months), None
    except Problem as known:  # nothing is published yet, or feeds.toml can't be read
        table, problem = [], known.as_dict()
    return {
        "last_run": runs[-1] if runs else None,
        "releases": {audience: releases.current(audience) for audience in releases.AUDIENCES},
        "hold": ledger.hold("public"),
        "rejected": list(rejections.standing().values()),
        "running": running.found(),
        "lock": store.lock_holder(),
        "deadline_missed": missed and missed.isoformat(),
        "freshness": table,
        **freshness.troubles(now),
        "problem": problem,
        "messages": notify.channels(),
    }


def status(
    months: Annotated[int, typer.Option(min=1, help="months shown")] = freshness.MONTHS,
    as_json: Json = False,
) -> None:
    """The last run, what runs now, the current releases, and feed by month how fresh they are."""
    facts = found(months)
    if as_json:
        print_json(facts)
        return
    if run := facts["last_run"]:
        told = report.both(run)
        out.print(told["text_id"], "", told["text_en"], "", sep="\n")
    for audience, release in facts["releases"].items():
        out.print(f"{audience}: {release['release_id'] if release else '–'}")
        if release:
            for file in (releases.DATABASE, "index.html"):
                out.print(f"  {releases.link(audience) / file}")
            if audience == "internal":
                out.print(f"  {operators.file_of(release['build_id'])}")
                out.print(f"  {builds.checks_of(release['build_id'])}")
    if held := facts["hold"]:
        whose = f"{held.get('audience', 'internal')}, {held['reason']}"
        out.print(f"publishing is held / penerbitan ditahan: {shown(whose)}")
    for one in facts["rejected"]:
        what = f"{one['delivery_id']}, {one['who']}: {one['reason']}"
        out.print(shown(f"ditolak operator / rejected by an operator: {what}", 400))
    for one in facts["running"]:
        alive = "" if one["is_alive"] else "; proses tidak ada / no such process"
        who = f"{one['run_id']}, {one['step']}, {one['who']}, pid {one['pid']}, {one['host']}"
        out.print(shown(f"berjalan / running: {who}, {one['since']}{alive}"))
    if lock := facts["lock"]:
        who = ", ".join(f"{name} {value}" for name, value in lock.items())
        out.print(shown(f"kunci dipegang / lock held: {who}"))
    if missed := facts["deadline_missed"]:
        out.print(f"tenggat terlewat / deadline missed: {missed}")
    for channel, state in facts["messages"].items():
        if error := state["error"]:
            out.print(shown(f"{channel}: {error['id']}", 1000), shown(error["en"], 1000), sep="\n")
    if table := facts["freshness"]:
        cells = [{**row, "not_fresh": " ".join(row["not_fresh"])} for row in table]
        print_table("kesegaran / freshness", cells, list(cells[0]))
