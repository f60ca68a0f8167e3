"""Every step without Airflow: `ipska COMMAND --help`.

Exit codes: 0 done or nothing to do · 1 failed, nothing published · 2 usage · 3 published, but
something was newly rejected · 4 (plan) there is work to do.
"""

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress

from pipeline import (
    bounds_cli,
    builds,
    delivery_cli,
    disk,
    docs,
    duck,
    flow,
    layout_check,
    ledger,
    log,
    prune_cli,
    publish,
    quarantine_cli,
    ranking_cli,
    releases,
    requests,
    status_cli,
    store,
)
from pipeline import plan as planning
from pipeline import verify as verifying
from pipeline.messages import Problem, shown
from pipeline.periods import Month
from pipeline.printing import Json, err, out, print_json, print_table
from pipeline.settings import ROOT

USAGE = {"bad_month", "bad_range", "future_month", "unknown_feed", "no_reason", "unsafe_name",
         "before_feed"}  # fmt: skip

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
app.add_typer(quarantine_cli.app, name="quarantine")
app.add_typer(layout_check.app, name="layout")
app.add_typer(bounds_cli.app, name="bounds")
app.add_typer(delivery_cli.app, name="delivery")
app.command()(ranking_cli.rank)
app.command()(status_cli.status)
app.command(name="prune")(prune_cli.command)
app.command(name="revisions")(ranking_cli.revise)
app.command(name="explain")(ranking_cli.explain_region)


class Accept(StrEnum):
    movement = "movement"


Accepted = Annotated[
    Accept | None, typer.Option("--accept", help="publish it although it moves too far")
]
First = Annotated[str | None, typer.Option("--from", help="a backfill: first month, YYYY-MM")]
Last = Annotated[str | None, typer.Option("--to", help="its last month")]
Reason = Annotated[str, typer.Option(help="why; stands in the ledger for ever")]
Force = Annotated[
    bool, typer.Option(help="also accept a delivery that states an earlier extract time")
]
Feed = Annotated[str | None, typer.Option(help="one feed of feeds.toml; default: all")]


def main() -> None:
    """Entry point: a Problem is told in both languages and becomes an exit code."""
    log.to_stderr()
    try:
        app()
    except (Problem, OSError, duck.Error) as error:
        problem = error if isinstance(error, Problem) else disk.problem(error)
        if problem is None:
            raise
        err.print(problem.text("id"), style="bold red")
        err.print(problem.text("en"), style="red")
        for line in problem.facts.get("moved", []):
            err.print(f"  {shown(line)}")
        err.print(f"docs/runbook.md#{problem.code}", style="dim")
        sys.exit(2 if problem.code in USAGE else 1)


def _request(kind: str, reason: str) -> dict[str, Any]:
    return requests.made(kind, reason, ledger.operator())


def _finish(entry: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(entry)
    else:
        out.print(entry["text_id"], "", entry["text_en"], sep="\n")
    raise typer.Exit(entry["exit_code"])


@app.command()
def run(
    newest: Annotated[str | None, typer.Option(help="newest month, YYYY-MM")] = None,
    months_back: Annotated[int | None, typer.Option(help="months before it")] = None,
    accept: Accepted = None,
    reason: Annotated[str, typer.Option(help="why, with --accept")] = "",
    as_json: Json = False,
) -> None:
    """Do what the nightly run does: pull what is due, validate, build, publish."""
    who = ledger.operator()
    request = requests.nightly(store.now(), months_back, newest, who, accept, reason)
    _finish(flow.run(request, tell=err.print), as_json)


@app.command()
def backfill(
    first: Annotated[str, typer.Option("--from", help="first month, YYYY-MM")],
    last: Annotated[str, typer.Option("--to", help="last month, YYYY-MM")],
    reason: Reason,
    feed: Feed = None,
    force: Force = False,
    accept: Accepted = None,
    as_json: Json = False,
) -> None:
    """Pull a range of months again, as one build; started again, it goes on where it stopped."""
    who = ledger.operator()
    request = requests.backfill(first, last, feed, reason, store.now(), force, who, accept)
    _finish(flow.run(request, tell=err.print), as_json)


@quarantine_cli.app.command()
def resubmit(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="a return file")],
    reason: Reason,
    as_json: Json = False,
) -> None:
    """Take in a return file that an office sent back corrected: validate, build, publish."""
    request = requests.resubmit(file, reason, ledger.operator())
    _finish(flow.run(request, tell=err.print), as_json)


@app.command()
def plan(
    newest: Annotated[str | None, typer.Option(help="newest month, YYYY-MM")] = None,
    months_back: Annotated[int | None, typer.Option(help="months before it")] = None,
    first: First = None,
    last: Last = None,
    feed: Feed = None,
    force: Force = False,
    accept: Accepted = None,
    as_json: Json = False,
) -> None:
    """Say what a run, or with --from and --to a backfill, would do: deliveries, verdicts, ranks.

    It is tried in a temporary folder; the data root stays as it is. Exit 4 when there is work.
    """
    if first and last:
        request = requests.backfill(
            first, last, feed, "plan", store.now(), force, ledger.operator(), accept
        )
    elif first or last or feed or force:
        raise typer.BadParameter("a backfill has --from and --to; --feed and --force need them")
    else:
        request = requests.nightly(store.now(), months_back, newest, "", accept, "plan")
    found = planning.made(request)
    if as_json:
        print_json(found)
    else:
        out.print(planning.text(found, "id"), "", planning.text(found, "en"), sep="\n")
    raise typer.Exit(4 if found["work"] else 0)


@app.command()
def sample(
    to: Annotated[Path, typer.Option(help="folder to write; made when absent")],
    lines: Annotated[int, typer.Option(min=1000, help="goods lines, about")] = 60_000,
    seed: int = 1,
    first: Annotated[str, typer.Option("--from", help="YYYY-MM")] = "2021-01",
    last: Annotated[str, typer.Option("--until", help="YYYY-MM")] = "2024-09",
    dirt: Annotated[float, typer.Option(min=0, max=0.5, help="share of rows broken")] = 0.01,
    layout: Annotated[str, typer.Option(help="eska_v2 or lean")] = "eska_v2",
) -> None:
    """Write synthetic deliveries, and beside them truth.json: what must be found in them."""
    from pipeline.sample import write_sample

    layout = {"lean": "eska_lean"}.get(layout, layout)
    months = Month.parse(first), Month.parse(last)
    with Progress(console=err, disable=not err.is_terminal, transient=True) as bar:
        task = bar.add_task("sample", total=None)
        made = write_sample(
            to,
            lines,
            seed,
            *months,
            dirt,
            layout,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    out.print(f"SINTETIS / SYNTHETIC: {made.files} files, {made.records} records, "
              f"{made.faults} faults in {to}")  # fmt: skip


@app.command()
def release(
    build_id: Annotated[
        str | None, typer.Argument(metavar="BUILD", help="publish this build for the office")
    ] = None,
    accept: Accepted = None,
    public: Annotated[bool, typer.Option("--public", help="make the current one public")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="end the hold of a rollback")] = False,
    reason: Reason = "",
) -> None:
    """Publish a build that the movement gate held back, make the current internal release public,
    or resume publishing after a rollback.
    """
    if [build_id is not None, public, resume].count(True) != 1:
        raise typer.BadParameter("say one of BUILD, --public or --resume")
    if accept and not build_id:
        raise typer.BadParameter("--accept needs the BUILD that is meant")
    request = _request("public" if public else "resume" if resume else "release", reason)
    if not resume:
        audience = "public" if public else "internal"
        if public:
            source = releases.current("internal")
            if source is None:
                raise Problem("nothing_published", audience="internal")
            build_id = source["build_id"]
        made = publish.publish(audience, builds.find(str(build_id)), request, accept)
        told = ("build_id", "release_id", "rules_sha", "code_sha", "published")
        request |= {name: made[name] for name in told}
        if accept:
            request |= {"accept": accept, "accepted": made.get("accepted")}
        out.print(f"{audience}: {made['release_id']}", releases.database(audience), sep="\n")
    ledger.record({**request, "exit_code": 0})


@app.command(name="releases")
def list_releases(as_json: Json = False) -> None:
    """Every release that is kept, oldest first; `*` marks the current one of its audience."""
    rows = []
    for audience in releases.AUDIENCES:
        now = releases.current(audience)
        for one in releases.every(audience):
            is_current = bool(now) and now is not None and now["release_id"] == one["release_id"]
            rows.append({"current": "*" if is_current else "", **one})
    columns = ["current", "audience", "release_id", "published_at", "newest_landed_at"]
    if as_json:
        print_json(rows)
    else:
        print_table("rilis / releases", rows, columns)


@app.command()
def rollback(
    release_id: str,
    reason: Reason,
    public: Annotated[
        bool, typer.Option("--public", help="the public one, not the office's")
    ] = False,
) -> None:
    """Point readers at an older release, and hold publishing until `release --resume`.

    With --public only public releases are held.
    """
    audience = "public" if public else "internal"
    publish.roll_back(release_id, _request("rollback", reason), audience)
    out.print(f"{audience}: {release_id}")


@app.command()
def verify(as_json: Json = False) -> None:
    """Re-hash landings, rules and releases, re-check the books, look for what is named and gone;
    exit 1 when anything has rotted."""
    wrong = verifying.verify()
    if as_json:
        print_json([problem.as_dict() for problem in wrong])
    else:
        for problem in wrong:
            err.print(problem.text("id"), style="bold red")
            err.print(problem.text("en"), f"docs/runbook.md#{problem.code}", style="red")
        out.print("utuh / sound" if not wrong else f"rusak / rotten: {len(wrong)}")
    raise typer.Exit(1 if wrong else 0)


@app.command(
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def bench(context: typer.Context) -> None:
    """Measure what the flow costs beside DuckDB alone, in one run (`ipska bench --help`)."""
    file = str(ROOT / "bench" / "bench.py")
    os.execv(sys.executable, [sys.executable, file, *context.args])  # noqa: S606 - our own file


@app.command(name="docs")
def write_docs(
    check: Annotated[
        bool, typer.Option("--check", help="write nothing; exit 1 if one is old")
    ] = False,
    to: Annotated[Path, typer.Option(help="the folder docs/", show_default=False)] = ROOT / "docs",
) -> None:
    """Write what is generated in docs/ (messages of the runbook, cli, dags, data-dictionary)."""
    found = docs.made(to, app)
    old = [path for path, text in found.items()
           if not path.exists() or path.read_text("utf-8") != text]  # fmt: skip
    for path in old:
        out.print(str(path))
        if not check:
            store.write_atomic(path, found[path].encode())
    raise typer.Exit(1 if check and old else 0)
