"""Readers are never blocked, never fail and never see a mixture while releases are switched."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline import duck, releases, store

BI = (Path(__file__).parent.parent / "docs" / "bi.md").read_text("utf-8")
PUBLISHES, READERS = 100, 3
# A BI tool: opens the link, asks twice, closes; now and then it reads a second file of the release.
READER = """
import json, os, sys
import duckdb
reads = failed = mixed = 0
seen = set()
while True:
    last = os.path.exists("stop")
    try:
        with duckdb.connect("data/internal/current/ekspor.duckdb", read_only=True) as con:
            (one,) = con.execute("SELECT number FROM meta.release").fetchone()
            low, high = con.execute("SELECT min(number), max(number) FROM mart.fact").fetchone()
        folder = os.path.realpath("data/internal/current")
        with open(folder + "/release.json") as file:
            two = json.load(file)["number"]
        (three,) = duckdb.execute(
            "SELECT max(number) FROM read_parquet(?)", [folder + "/parquet/mart.fact.parquet"]
        ).fetchone()
    except Exception as error:
        failed += 1
        print(repr(error), file=sys.stderr)
        break
    if not reads:
        print("reading", flush=True)
    reads += 1
    mixed += not (one == low == high and two == three)
    seen.add(one)
    if last:
        break
print(json.dumps([reads, failed, mixed, len(seen), one]))
"""


def publish(number: int) -> Path:
    """A tiny release through the same doors as a real one."""
    final = store.home() / "internal" / "releases" / f"20240101T000000000000Z-{number:04}"
    with store.new_directory(final, mode=store.PUBLISHED_FOLDER) as folder:
        with duck.connect(folder / releases.DATABASE) as con:
            con.execute("CREATE SCHEMA mart; CREATE SCHEMA meta")
            con.execute(f"CREATE TABLE meta.release AS SELECT {number} AS number")
            con.execute(f"CREATE TABLE mart.fact AS SELECT {number} AS number FROM range(5000)")
            (folder / "parquet").mkdir()
            con.execute(f"COPY mart.fact TO '{folder}/parquet/mart.fact.parquet'")
        store.write_json(folder / "release.json", {"number": number})
        releases.seal(folder)
    with store.lock("publish", f"run {number}"):
        releases.switch("internal", final)
    return final


def test_three_readers_during_a_hundred_publishes(data_root: Path) -> None:
    publish(0)
    started = [
        subprocess.Popen(
            [sys.executable, "-c", READER], cwd=data_root, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for _ in range(READERS)
    ]  # fmt: skip
    try:
        for reader in started:  # a busy machine needs seconds to start one
            assert reader.stdout and reader.stdout.readline() == "reading\n"
        for number in range(1, PUBLISHES + 1):
            publish(number)
        (data_root / "stop").touch()
        told = [reader.communicate(timeout=300) for reader in started]
    finally:
        for reader in started:
            reader.kill()
    for out, err in told:
        assert err == ""
        reads, failed, mixed, seen, last = json.loads(out)
        assert (failed, mixed, last) == (0, 0, PUBLISHES)
        assert reads >= seen > 3, "it read while releases came"
    assert not list(data_root.rglob("*.wal"))


def test_a_long_lived_reader_sees_a_new_release_after_the_documented_step(
    data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(data_root)
    found = re.search(r"<!-- reopen -->\n```python\n(.*?)```", BI, re.DOTALL)
    assert found
    recipe: dict[str, Any] = {}
    exec(found[1], recipe)  # noqa: S102

    def number(con: Any) -> int:
        return con.execute("SELECT number FROM meta.release").fetchone()[0]

    publish(1)
    con, path = recipe["latest"]()
    assert number(con) == 1
    assert recipe["latest"](con, path) == (con, path), "nothing new: the connection stays"
    publish(2)
    assert number(con) == 1, "what is open stays readable, and the old one"
    con, path = recipe["latest"](con, path)
    assert number(con) == 2 and path == os.path.realpath(recipe["LINK"])
    con.close()


def test_a_release_that_is_opened_for_writing_is_found(data_root: Path) -> None:
    """As root or its owner a tool can: `ipska verify` names what it left."""
    folder = publish(1)
    (folder / "ekspor.duckdb.wal").write_bytes(b"x")
    assert releases.unlisted(folder) == [folder / "ekspor.duckdb.wal"]
