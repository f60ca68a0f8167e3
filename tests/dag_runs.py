"""Runs the DAGs for test_dags.py, in a process and an AIRFLOW_HOME of their own.

`python dag_runs.py CASES RESULTS`: reads a list of cases (JSON), writes what came of them.
"""

import contextlib
import io
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

Facts = dict[str, Any]


def moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def parse() -> tuple[dict[str, Any], Facts]:
    """All DAGs, and what parsing them did."""
    from airflow.dag_processing.dagbag import DagBag

    before = set(sys.modules)
    bag = DagBag()
    facts = {
        "errors": bag.import_errors,
        "dags": sorted(bag.dags),
        "imported": sorted(name for name in set(sys.modules) - before),
    }
    return dict(bag.dags), facts


def shape(dag: Any) -> Facts:
    return {
        "tasks": {task.task_id: sorted(task.downstream_task_ids) for task in dag.tasks},
        "retries": {task.task_id: task.retries for task in dag.tasks},
        "start_date": dag.start_date.isoformat(),
        "catchup": dag.catchup,
        "max_active_runs": dag.max_active_runs,
        "doc": dag.doc_md,
        "params": {name: dag.params.get_param(name).dump() for name in dag.params},
    }


def due(dag: Any, after: str) -> str:
    """When the scheduler starts the first run after a moment."""
    from airflow.serialization.encoders import coerce_to_core_timetable
    from airflow.timetables.base import TimeRestriction

    timetable = coerce_to_core_timetable(dag.timetable)
    restriction = TimeRestriction(datetime.fromisoformat(after), None, True)
    info = timetable.next_dagrun_info(last_automated_data_interval=None, restriction=restriction)
    return str(info.run_after.astimezone(UTC).isoformat())


def asked(dag: Any, run_after: str, params: Facts) -> list[str] | str:
    """The months that the first task asks for, or the code of its Problem."""
    from pipeline.messages import Problem

    run = SimpleNamespace(
        run_after=datetime.fromisoformat(run_after), logical_date=None, triggering_user_name=None
    )
    try:
        months: list[str] = dag.get_task("request").python_callable(params, run)["months"]
        return months
    except Problem as problem:
        return problem.code


def unstarted(dag: Any, user: str | None) -> list[str]:
    """What is concluded when the first task of a run has failed."""
    run = SimpleNamespace(dag_id=dag.dag_id, triggering_user_name=user)
    with patch("pipeline.outcome.unstarted") as told:
        try:
            dag.get_task("conclude").python_callable(*[None] * 5, dag_run=run, params={})
        except Exception as error:
            return [str(error), *(call.args[0] for call in told.call_args_list)]
    raise AssertionError("it is red")


def released() -> str:
    """Publish the newest build by command; the release's id."""
    from pipeline import builds, publish, requests, store

    made = max((store.home() / "builds").glob("*/build.json"), key=lambda one: one.stat().st_mtime)
    request = requests.made("release", "by command", "ops")
    return str(publish.publish("internal", builds.find(made.parent.name), request)["release_id"])


def run(dag: Any, case: Facts) -> Facts:
    """One run, as Airflow does it; by default without a logical date, as an API trigger may be."""
    from airflow.sdk.exceptions import ParamValidationError

    from pipeline.messages import Problem

    for path, text in case.get("write", {}).items():
        Path(path).write_text(text, "utf-8")
    broken: Any = contextlib.nullcontext()
    if step := case.get("break"):
        broken = patch(f"pipeline.{step}", side_effect=Problem("bad_month", value="broken"))
    if late := case.get("late"):
        broken = patch.multiple(
            "pipeline.freshness",
            missed_deadline=lambda _: datetime.fromisoformat(late),
            nights_since=lambda _: [],
        )
    out = io.StringIO()
    try:
        with broken, contextlib.redirect_stdout(out):
            done = dag.test(
                run_after=moment(case["run_after"]),
                logical_date=moment(case.get("logical_date")),
                run_conf=case.get("conf"),
            )
    except ParamValidationError as error:
        return {"state": "rejected", "error": str(error)}
    tasks = done.get_task_instances()
    return {
        "state": str(done.state),
        "tasks": {task.task_id: str(task.state) for task in tasks},
        "tries": {task.task_id: task.try_number for task in tasks},
        "out": out.getvalue(),
    }


HOW: dict[str, Any] = {
    "run": run,
    "ask": lambda dag, case: asked(dag, **case["ask"]),
    "release": lambda *_: released(),
}


def main(cases: list[Facts]) -> Facts:
    from airflow.models.asset import AssetEvent
    from airflow.models.connection import Connection
    from airflow.utils import db
    from airflow.utils.session import create_session
    from sqlalchemy import select

    db.initdb()
    with create_session() as session:
        session.add(Connection("kantor_web", "http", password="t0ken"))  # noqa: S106
    dags, parsed = parse()
    results: Facts = {"parsed": parsed, "shape": {name: shape(dags[name]) for name in dags}}
    results["due"] = due(dags["ipska_nightly"], "2024-09-30T12:00:00+00:00")
    for case in cases:
        dag = dags[f"ipska_{case['dag']}"]
        results[case["name"]] = HOW[case["how"]](dag, case)
    night = dags["ipska_nightly"]
    results["unstarted"] = [unstarted(night, user) for user in (None, "ops")]
    results["unstarted"] += [unstarted(dags["ipska_backfill"], None)]
    with create_session() as session:
        found = session.scalars(select(AssetEvent).order_by(AssetEvent.id))
        results["events"] = [{"uri": one.asset.uri, **one.extra} for one in found]
    return results


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps(main(json.loads(Path(sys.argv[1]).read_text()))))
