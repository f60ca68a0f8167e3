"""docs/bi.md: every recipe that can be tried here is run as it stands, by the client that it names.

Each client is installed once into build/clients/, from the registries that pip and npm are set up
for. Where they can't be reached the test is skipped, in CI it fails.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from nights import query

ROOT = Path(__file__).parent.parent
BI = (ROOT / "docs" / "bi.md").read_text("utf-8")
VERSIONS = tomllib.loads((ROOT / "tests" / "clients" / "versions.toml").read_text("utf-8"))
RECIPE = re.compile(r"<!-- client: ([^\n]+) -->\n```(\w+)\n(.*?)```", re.DOTALL)
RECIPES = [
    (client, language, code)
    for clients, language, code in RECIPE.findall(BI)
    for client in clients.split(", ")
]
CI = bool(os.environ.get("CI"))
EXPECTED = """
    SELECT growth_pct_rank, region_name, growth_usd FROM mart.growth_ranking
    WHERE basis = 'domicile' AND scope_code = '32' AND league = 'all' AND period_kind = 'ytd'
        AND period_end = DATE '2024-09-30' AND baseline = 'years_3' AND is_ranked
    ORDER BY growth_pct_rank, region_name
"""


def install(kind: str, name: str) -> Path:
    """The folder of a client, installed when it isn't yet. Skips where that can't be done."""
    packages = VERSIONS[kind][name]
    folder = ROOT / "build" / "clients" / name.replace(" ", "-")
    ready = folder / "ready.txt"
    if ready.exists() and ready.read_text() == "\n".join(packages):
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    if kind == "python":
        python = str(folder / "bin" / "python")
        steps = [
            [sys._base_executable, "-m", "venv", str(folder)],  # type: ignore[attr-defined]
            [python, "-m", "pip", "install", "--quiet", *packages],
        ]
    else:
        folder.mkdir(parents=True)
        steps = [["npm", "install", "--silent", "--prefix", str(folder), *packages]]
    for step in steps:
        try:
            done = subprocess.run(step, capture_output=True, text=True, timeout=300)
            problem = done.stderr.strip()[-400:] if done.returncode else ""
        except (OSError, subprocess.TimeoutExpired) as error:
            problem = str(error)
        if problem:
            if CI:
                pytest.fail(f"{name} can't be installed: {problem}")
            pytest.skip(f"{name} can't be installed: {problem}")
    ready.write_text("\n".join(packages))
    return folder


def command(client: str, language: str, code: str, work: Path) -> list[str]:
    """How a recipe is started."""
    if language == "js":
        folder = install("npm", client)
        script = folder / "recipe.mjs"  # Node looks for packages beside the script
        script.write_text(code, "utf-8")
        return [shutil.which("node") or "node", str(script)]
    if not VERSIONS["python"][client]:
        return [sys.executable, "-c", code]
    folder = install("python", client)
    if language == "sh":
        return ["bash", "-c", f'PATH="{folder / "bin"}:$PATH"\n{code}']
    return [str(folder / "bin" / "python"), "-c", code]


def test_recipes_and_versions_are_about_the_same_clients() -> None:
    assert {client for client, _, _ in RECIPES} == {*VERSIONS["python"], *VERSIONS["npm"]}
    text = (ROOT / "tests" / "clients" / "versions.toml").read_text("utf-8")
    assert not re.search(r"https?://|index-url|registry=", text)
    for packages in (*VERSIONS["python"].values(), *VERSIONS["npm"].values()):
        assert all(re.search(r"==|.@\d", package) for package in packages), "exact versions"
    for tool in ("Metabase", "Grafana", "Power BI", "Tableau", "DBeaver", "R", "Excel"):
        assert f"\n| {tool} |" in BI.split("## Not run here / belum dicoba di sini")[1]


@pytest.mark.parametrize(
    ("client", "language", "code"),
    RECIPES,
    ids=[f"{client} {at}" for at, (client, _, _) in enumerate(RECIPES)],
)
def test_a_recipe_gives_the_ranking(
    night: Path, tmp_path: Path, client: str, language: str, code: str
) -> None:
    release = (night / "data" / "internal" / "current").resolve()
    wanted = ["|".join(map(str, row)) for row in query(release / "ekspor.duckdb", EXPECTED)]
    assert len(wanted) > 5
    start = command(client, language, code, tmp_path)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(start, cwd=night, env=clean, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == wanted
    assert not list(release.rglob("*.wal"))


def test_the_starter_dashboard_asks_for_what_is_there(night: Path) -> None:
    """What `make superset` tries by hand: its datasets' columns and types, its links."""
    database = night / "data" / "internal" / "current" / "ekspor.duckdb"
    parts = {
        file.parent.name: {} for file in (ROOT / "bi/superset/export").rglob("*.yaml")
    }  # fmt: skip
    for file in (ROOT / "bi/superset/export").rglob("*.yaml"):
        parts[file.parent.name][file.stem] = yaml.safe_load(file.read_text("utf-8"))
    (source,) = parts["databases"].values()
    assert source["sqlalchemy_uri"].endswith("/ekspor.duckdb?access_mode=read_only")
    assert not source["allow_dml"]
    datasets = {one["uuid"]: one for one in parts["ekspor"].values()}
    for one in datasets.values():
        assert one["database_uuid"] == source["uuid"]
        table = f"({one['sql']})" if one["sql"] else f"{one['schema']}.{one['table_name']}"
        there = {row[0]: row[1] for row in query(database, f"DESCRIBE FROM {table}")}
        described = {column["column_name"]: column["type"] for column in one["columns"]}
        assert (
            described.items()
            <= {name: kind.replace("(18,2)", "(18, 2)") for name, kind in there.items()}.items()
        )
        assert query(database, f"SELECT count(*) FROM {table}")[0][0] > 0
    charts = {one["uuid"]: one for one in parts["charts"].values()}
    (dashboard,) = parts["dashboards"].values()
    placed = {
        one["meta"]["uuid"] for one in dashboard["position"].values()
        if isinstance(one, dict) and one["type"] == "CHART"
    }  # fmt: skip
    assert placed == set(charts) and len(charts) >= 4
    for one in charts.values():
        columns = {c["column_name"] for c in datasets[one["dataset_uuid"]]["columns"]}
        params = one["params"]
        asked = [*params.get("all_columns", []), *params.get("groupby", [])]
        asked += [params[name] for name in ("x_axis",) if name in params]
        asked += [f["subject"] for f in params["adhoc_filters"]]
        assert asked and set(asked) <= columns, one["slice_name"]
    filters = dashboard["metadata"]["native_filter_configuration"]
    assert {one["targets"][0]["column"]["name"] for one in filters} == {
        "basis", "scope_code", "league", "period_kind", "baseline",
    }  # fmt: skip
    assert all(one["defaultDataMask"]["filterState"]["value"] for one in filters)
