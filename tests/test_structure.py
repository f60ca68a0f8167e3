"""The house stays in order: imports run one way, heavy doors are where they belong."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PIPELINE = ROOT / "pipeline"
VERBS = {"extract", "land", "validate", "load", "rank", "publish"}
ABOVE = {"flow", "plan", "cli", "docs", "quarantine_cli", "ranking_cli", "__main__"}
FILES = sorted(PIPELINE.rglob("*.py"))


def module_of(file: Path) -> str:
    parts = file.relative_to(PIPELINE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def imports(file: Path) -> set[str]:
    """Every module that a file imports, at the top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def inner(file: Path) -> set[str]:
    """First-level names of the package that a file imports."""
    return {name.split(".")[1] for name in imports(file) if name.startswith("pipeline.")}


def test_there_is_something_to_look_at() -> None:
    assert {module_of(file) for file in FILES} >= VERBS | ABOVE


@pytest.mark.parametrize("file", FILES, ids=module_of)
def test_imports_run_one_way(file: Path) -> None:
    name = module_of(file).split(".")[0]
    used = inner(file) - {name}
    assert not any(module.startswith("airflow") for module in imports(file))
    if name in VERBS:
        assert not used & (VERBS | ABOVE), "a verb imports no other verb"
    elif name not in ABOVE:
        assert not used & (VERBS | ABOVE), "a noun imports no verb"
    if name == "flow":
        assert not used & {"plan", "cli", "ranking_cli"}


def test_no_circles() -> None:
    graph = {module_of(file): inner(file) - {module_of(file)} for file in FILES}
    done: set[str] = set()
    while left := {name for name in graph if name not in done}:
        free = {name for name in left if not (graph[name] & left)}
        assert free, f"these import each other in a circle: {sorted(left)}"
        done |= free


def test_all_code_that_decides_a_verdict_is_in_its_hash() -> None:
    """What carries text about and decides nothing may change without validating all again."""
    from pipeline import verdicts

    plain = {"duck", "ledger", "messages", "running", "settings", "store"}
    used = {module_of(file): inner(file) for file in FILES}
    found, waiting = set(), {"validate", "cells"}  # cells is started by sheets, not imported
    while waiting:
        found.add(name := waiting.pop())
        waiting |= used[name] - found - plain
    assert found == {name.removesuffix("/__init__") for name in verdicts.MODULES}


@pytest.mark.parametrize("file", FILES, ids=module_of)
def test_doors(file: Path) -> None:
    """duckdb only in duck, GX only inside functions of suites, the environment only in settings."""
    name, used, source = module_of(file), imports(file), file.read_text("utf-8")
    if name != "duck":
        assert "duckdb" not in used
    if name != "settings":
        assert not re.search(r"os\.environ|getenv", source)
    top = {
        alias.name if isinstance(node, ast.Import) else node.module
        for node in ast.parse(source).body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert not any(str(module).startswith("great_expectations") for module in top)
    if name != "suites":
        assert not any(module.startswith("great_expectations") for module in used)


@pytest.mark.parametrize("file", FILES, ids=module_of)
def test_size(file: Path) -> None:
    assert len(file.read_text("utf-8").splitlines()) <= 400


def test_package_size() -> None:
    assert sum(len(file.read_text("utf-8").splitlines()) for file in FILES) <= 15800


def test_every_problem_has_a_message_and_every_message_a_problem() -> None:
    catalogue = tomllib.loads((PIPELINE / "messages.toml").read_text("utf-8"))
    sources = "".join(file.read_text("utf-8") for file in FILES)
    raised = set(re.findall(r'Problem\(\s*"(\w+)"', sources))
    assert len(raised) > 20
    assert raised == set(catalogue)
    for code, entry in catalogue.items():
        assert set(entry) == {"en", "id", "next_en", "next_id"}, code
        fields = [set(re.findall(r"{(\w+)", entry[key])) for key in ("en", "id")]
        assert fields[0] == fields[1], f"{code}: both languages name the same facts"


def test_nothing_committed_names_an_index() -> None:
    for name in ("requirements.lock", "pyproject.toml", "Makefile"):
        text = (ROOT / name).read_text("utf-8")
        found = re.search(r"(?<!no-emit-)index-url|find-links|https?://(?!127\.0\.0\.1)", text)
        assert not found, f"{name}: {found}"
