"""Suites of expectations (expectations/<name>.json), run by Great Expectations on DuckDB."""

import json
import logging
import sys
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.util import LazyLoader, find_spec, module_from_spec
from pathlib import Path
from typing import Any

from pipeline.messages import Problem
from pipeline.settings import settings

Config = dict[str, Any]


@dataclass(frozen=True)
class Check:
    """What became of one expectation.

    `evaluated` and `unexpected` count rows of `table`. `unexpected_query` is SQL that gives the
    columns asked for of each unexpected row, or the rows themselves; None when all is as expected.
    """

    suite: str
    rule_name: str
    severity: str
    table: str
    column: str | None
    evaluated: int
    unexpected: int
    passed: bool
    unexpected_query: str | None
    note_en: str
    note_id: str

    @property
    def stops(self) -> bool:
        """Whether this failure is one that must not go on."""
        return self.severity == "critical" and not self.passed


def suite_file(name: str) -> Path:
    return settings().expectations / f"{name}.json"


def run_suite(
    name: str,
    database: Path | str,
    default_table: str | None = None,
    columns: Sequence[str] = (),
    about: Callable[[str], bool] = lambda table: True,
) -> list[Check]:
    """Run a suite on the tables of a DuckDB file, or of a named database in memory (`:memory:x`);
    one Check per expectation, in the suite's order; of those `about` a table that is asked for.

    An expectation names its table in meta.table (`schema.table`), else `default_table` is meant.
    `columns` are what `unexpected_query` is to give of an unexpected row. Suite meta may hold
    `may_be_empty`, tables that may have no rows. The caller may have the file open through
    `duck.connect`.
    Raises Problem `suite_error` when the suite can't be run to its end: a broken expectation, an
    exception inside Great Expectations, a table without rows. That is neither passed nor failed.
    """
    try:
        suite = json.loads(suite_file(name).read_text("utf-8"))
        configs = [_checked(config, default_table) for config in suite["expectations"]]
    except (OSError, ValueError, KeyError) as error:
        raise Problem("suite_error", suite=name, error=repr(error)) from error
    rules = [config["meta"]["rule"] for config in configs]
    if not rules or len(rules) > len(set(rules)):
        raise Problem("suite_error", suite=name, error="no expectations, or a rule named twice")
    may_be_empty = suite.get("meta", {}).get("may_be_empty", [])
    by_table: dict[str, list[Config]] = defaultdict(list)
    for config in configs:
        if not about(config["meta"]["table"]):
            continue
        by_table[config["meta"]["table"]].append(config)
    checks: dict[str, Check] = {}
    try:
        with _Tables(database) as tables:
            for table, wanted in by_table.items():
                rows = tables.count(table)
                if not rows and table not in may_be_empty:
                    raise ValueError(f"{table} has no rows")
                for config, result in tables.judge(table, wanted, list(columns)):
                    checks[config["meta"]["rule"]] = _check(name, config, result, rows)
    except Exception as error:
        raise Problem("suite_error", suite=name, error=repr(error)) from error
    return [checks[rule] for rule in rules if rule in checks]


def _checked(config: Config, default_table: str | None) -> Config:
    """The expectation with its table filled in; KeyError or ValueError when something is missing.

    Great Expectations would take a missing severity as critical and an unknown one as an error
    that it only logs: the expectation is then gone.
    """
    meta = {"table": default_table, "column": config["kwargs"].get("column"), **config["meta"]}
    for key in ("rule", "table", "note_en", "note_id"):
        if not meta[key]:
            raise ValueError(f"meta.{key} is missing: {config}")
    if config["severity"] not in ("critical", "warning", "info"):
        raise ValueError(f"severity of {meta['rule']}: {config['severity']}")
    return {**config, "meta": meta}


def _check(suite: str, config: Config, result: Config, rows: int) -> Check:
    meta, passed = config["meta"], result["passed"]
    return Check(
        suite=suite,
        rule_name=meta["rule"],
        severity=config["severity"],
        table=meta["table"],
        column=meta["column"],
        evaluated=rows,
        unexpected=0 if passed else result["unexpected"],
        passed=passed,
        unexpected_query=None if passed else result["query"],
        note_en=meta["note_en"],
        note_id=meta["note_id"],
    )


def _put_off(name: str) -> None:
    """Import a module when something of it is first used: Great Expectations imports scipy.stats, 2
    of its 6 seconds, for expectations that no suite has."""
    parent, _, child = name.rpartition(".")
    if name in sys.modules or not (spec := find_spec(name)) or not spec.loader:
        return
    spec.loader = LazyLoader(spec.loader)
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    setattr(sys.modules[parent], child, module)  # else looking for it there would load it


_importing = threading.Lock()


def _library() -> Any:
    """Great Expectations: 4 to 6 s to import, once per process, and only where needed."""
    with _importing:
        # Some 300 lines of INFO under Airflow, which say nothing to an operator. Not only the
        # level: one of its modules sets its own. What matters comes back as a Problem.
        log = logging.getLogger("great_expectations")
        log.setLevel(logging.CRITICAL)
        log.propagate, log.handlers = False, [logging.NullHandler()]
        _put_off("scipy.stats")
        import great_expectations

        return great_expectations


def begin() -> None:
    """Import Great Expectations beside what comes before the first suite, when DuckDB reads and
    joins. What goes wrong in there is raised again by that suite. No daemon: Python may not end
    within an import."""

    def work() -> None:
        with suppress(Exception):
            _library()

    threading.Thread(target=work).start()


@cache
def _counting() -> str:
    """The type of an expectation that counts what a query gives. unexpected_rows_expectation runs
    it once more, for rows that BASIC doesn't show."""

    class UnexpectedRowsCounted(_library().expectations.UnexpectedRowsExpectation):  # type: ignore[misc]
        metric_dependencies = ("unexpected_rows_query.row_count",)

        def _validate(self, metrics: Config, *_: Any, **__: Any) -> Config:
            found = metrics["unexpected_rows_query.row_count"]
            return {"success": found == 0, "result": {"observed_value": found}}

    return str(UnexpectedRowsCounted.expectation_type)


class _Tables:
    """The tables of one DuckDB file, as Great Expectations sees them, while the file is open."""

    def __init__(self, database: Path | str) -> None:
        gx = _library()
        import sqlalchemy
        from sqlalchemy import event
        from sqlalchemy.engine.cursor import FullyBufferedCursorFetchStrategy

        def keep_result(_: Any, cursor: Any, __: Any, ___: Any, context: Any, ____: bool) -> None:
            # GX gives the connection back before it fetches; SQLAlchemy then rolls back, and with
            # duckdb-engine the unread result is gone: every expectation would fail.
            if cursor.description is not None:
                context.cursor_fetch_strategy = FullyBufferedCursorFetchStrategy(
                    cursor, initial_buffer=deque(cursor.fetchall())
                )

        self.gx, self.sql_text = gx, sqlalchemy.text
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = {"globally": False}
        context.enable_analytics(False)
        place = database if isinstance(database, str) else str(database.absolute())
        url = sqlalchemy.URL.create("duckdb", database=place)
        self.source = context.data_sources.add_sql(
            "duckdb", connection_string=url.render_as_string(hide_password=False)
        )
        # This engine and not source.get_engine(): that is another one. And not the Engine class:
        # Airflow's metadata engine is one too.
        self.engine = self.source.get_execution_engine().engine
        event.listen(self.engine, "after_cursor_execute", keep_result)

    def __enter__(self) -> "_Tables":
        return self

    def __exit__(self, *_: object) -> None:
        # Both engines: else the file stays open in this process, and nobody opens it read-only.
        self.source.get_execution_engine().close()
        self.source.get_engine().dispose()

    def count(self, table: str) -> int:
        quoted = ".".join(f'"{part}"' for part in table.split("."))
        with self.engine.connect() as connection:
            return int(connection.execute(self.sql_text(f"SELECT count(*) FROM {quoted}")).scalar())

    def judge(
        self, table: str, configs: list[Config], columns: list[str]
    ) -> list[tuple[Config, Config]]:
        """Each expectation with {passed, unexpected, query}, all in one pass.

        No values are asked for: each would be a scan of its own, twice the time in all.
        """
        schema, _, name = table.rpartition(".")
        asset = self.source.add_table_asset(table, table_name=name, schema_name=schema or None)
        batch = asset.add_batch_definition_whole_table("all").get_batch()
        wanted: Config = {"result_format": "BASIC", "partial_unexpected_count": 0}
        if columns:
            wanted["unexpected_index_column_names"] = columns
            wanted["return_unexpected_index_query"] = True
        return [
            (config, {"passed": True} if result.success else _failure(config, result))
            for config, result in self._validate(batch, configs, wanted)
        ]

    def _validate(
        self, batch: Any, configs: list[Config], result_format: Config
    ) -> list[tuple[Config, Any]]:
        meant = [
            {**one, "type": _counting()} if one["type"] == "unexpected_rows_expectation" else one
            for one in configs
        ]
        suite = self.gx.ExpectationSuite(name="suite", expectations=meant)
        if len(suite.expectations) != len(configs):
            raise ValueError("an expectation is not valid and would be left out")
        results = batch.validate(suite, result_format=result_format).results
        by_rule = {result.expectation_config.meta["rule"]: result for result in results}
        for rule, result in by_rule.items():
            # One dictionary, or one per metric.
            info = result.exception_info or {}
            for one in [info] if "raised_exception" in info else info.values():
                if one["raised_exception"]:
                    raise RuntimeError(f"{rule}: {one['exception_message']}")
        return [(config, by_rule[config["meta"]["rule"]]) for config in configs]


def _failure(config: Config, result: Any) -> Config:
    """What BASIC says about an expectation that failed."""
    query = config["kwargs"].get("unexpected_rows_query")
    if query:
        found, query = result.result["observed_value"], query.format(batch=config["meta"]["table"])
    else:
        # An expectation about a table as a whole counts nothing and is itself what is unexpected.
        found = result.result.get("unexpected_count", 1)
        query = result.result.get("unexpected_index_query")
    return {
        "passed": False,
        "unexpected": found,
        "query": query.rstrip().rstrip(";") if query else None,
    }
