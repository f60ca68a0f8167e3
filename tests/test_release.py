"""What is published: the office's release, the public one, and the commands over them."""

import json
import shutil
from collections import defaultdict
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from nights import backfill, command, query, truth_of, use
from pipeline import (
    builds,
    downloads,
    page,
    public,
    publish,
    releases,
    settings,
    store,
    suites,
    verify,
)
from pipeline.messages import Problem


def test_the_public_release_suppresses_and_names_nobody(public_night: Path) -> None:
    database = public_night / "data" / "public" / "current" / releases.DATABASE
    suppressed = query(
        database, "SELECT count(*) FROM mart.region_month WHERE suppression = 'primary'"
    )[0][0]
    assert suppressed > 0
    leaked = query(
        database,
        "SELECT count(fob_usd) FROM mart.region_month WHERE suppression <> 'none'",
    )[0][0]
    assert leaked == 0
    for table in ("region_month", "growth_ranking"):
        quality = f"SELECT count(flagged_pct) + count(quarantined_usd) FROM mart.{table}"
        assert query(database, quality) == [(0,)]  # may be one firm's where the total is safe
    columns = {
        row[0] for row in query(database, "SELECT DISTINCT column_name FROM duckdb_columns()")
    }
    assert not {c for c in columns if "exporter_" in c or c in ("reason", "published_by")}
    page = (database.parent / "index.html").read_text("utf-8")
    assert "DATA SINTETIS" in page and "SYNTHETIC DATA" in page


def test_a_public_release_that_leaks_is_not_published(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hiding is not trusted: without it the audit stops the release, and the suite before it."""
    now = releases.current("internal")
    assert now
    build = builds.find(now["build_id"])
    monkeypatch.setattr(public, "hidden", lambda *_: public.Hidden())
    with pytest.raises(Problem, match="leak") as raised:
        publish.publish("public", build, backfill("public"))
    assert raised.value.facts["count"] > 0
    honest = suites.run_suite("public", releases.database("internal"))
    assert any(check.stops for check in honest), "the office's own file is not public"
    bad = [replace(one, passed=False) for one in honest]
    monkeypatch.setattr(suites, "run_suite", lambda *_: bad)
    with pytest.raises(Problem, match="not_public"):
        publish.publish("public", build, backfill("public"))
    assert releases.current("public") is None
    assert not list((store.home() / "public" / "releases").iterdir())


@pytest.fixture
def ungated(root: Path, monkeypatch: pytest.MonkeyPatch) -> builds.Build:
    """The current build; made public it hides nothing, and no gate stops it."""
    now = releases.current("internal")
    assert now
    monkeypatch.setattr(public, "hidden", lambda *_: public.Hidden())
    monkeypatch.setattr(publish, "_public_gate", lambda *_: None)
    return builds.find(now["build_id"])


def test_a_public_release_beside_another_is_made_again(
    ungated: builds.Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two at once: the second was attacked beside the release before, not beside the first."""
    honest = publish._fill

    def meanwhile(*given: Any) -> None:
        honest(*given)
        monkeypatch.setattr(publish, "_fill", honest)
        publish.publish("public", ungated, backfill("first"))

    monkeypatch.setattr(publish, "_fill", meanwhile)
    with pytest.raises(Problem, match="overtaken"):
        publish.publish("public", ungated, backfill("second"))
    current = releases.current("public")
    assert current and current["build_id"] == ungated.build_id


def test_a_public_page_is_told_the_public_release_before(
    ungated: builds.Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no internal one."""
    monkeypatch.setattr(downloads, "write", lambda *_: None)
    monkeypatch.setattr(downloads, "describe", lambda *_: {})
    told: list[Path | None] = []
    monkeypatch.setattr(page, "write", lambda *given: told.append(given[2]))
    first = publish.publish("public", ungated, backfill("first"))
    builds.folder_of("another").symlink_to(builds.folder_of(ungated.build_id))
    publish.publish("public", replace(ungated, build_id="another"), backfill("second"))
    folder = releases.folder_of("public", first["release_id"])
    assert told == [None, folder / releases.DATABASE]


def test_a_release_is_complete_documented_and_read_only(root: Path) -> None:
    folder = releases.link("internal").resolve()
    names = {file.name for file in folder.iterdir()}
    assert names == {
        "csv",
        "parquet",
        "ranking.xlsx",
        "datapackage.json",
        "ekspor.duckdb",
        "index.html",
        "control_totals.csv",
        "release.json",
        "SHA256SUMS",
    }
    for path in folder.rglob("*"):
        assert oct(path.stat().st_mode)[-3:] == ("755" if path.is_dir() else "444"), path
    assert releases.rot(folder) == []
    database = folder / "ekspor.duckdb"
    assert query(database, "SELECT count(*) FROM duckdb_tables() WHERE comment IS NULL") == [(0,)]
    uncommented = "SELECT count(*) FROM duckdb_columns() WHERE comment IS NULL AND NOT internal"
    assert query(database, uncommented) == [(0,)]
    schemas = query(database, "SELECT DISTINCT schema_name FROM duckdb_tables() ORDER BY ALL")
    assert schemas == [("mart",), ("meta",)]
    types = query(database, "SELECT DISTINCT data_type FROM duckdb_columns() WHERE NOT internal")
    allowed = {"VARCHAR", "BOOLEAN", "INTEGER", "BIGINT", "DOUBLE", "DATE", "TIMESTAMP"}
    assert {t for (t,) in types if not t.startswith("DECIMAL(")} <= allowed
    tags = query(database, "SELECT tags FROM duckdb_databases() WHERE database_name = 'ekspor'")
    assert "v1.0.0" in str(tags)


def test_the_data_dictionary_lists_what_is_published(public_night: Path) -> None:
    text = (settings.ROOT / "docs" / "data-dictionary.md").read_text("utf-8")
    parts = dict(zip(("internal", "public"), text.split("\n## ")[1:], strict=True))
    for audience, part in parts.items():
        database = public_night / "data" / audience / "current" / releases.DATABASE
        found = query(database, "SELECT schema_name, table_name, column_name FROM meta.dictionary")
        assert len(found) > 80
        for schema, table, column in found:
            (section,) = [
                one for one in part.split("\n### ") if one.startswith(f"{schema}.{table}\n")
            ]
            assert f"| {column} |" in section, (audience, schema, table, column)
        assert part.count("\n| ") - 1 * part.count("| column |") == len(found)


def test_rot_is_found(root: Path) -> None:
    page = releases.link("internal").resolve() / "index.html"
    page.chmod(0o600)
    page.write_text("changed by hand")
    payload = store.landings("eska")[0].payload
    payload.chmod(0o600)
    payload.write_bytes(b"changed by hand")
    found = "\n".join(map(str, verify.verify()))
    assert "index.html" in found and str(payload) in found


@pytest.mark.parametrize("basis", ["domicile", "issuer"])
@pytest.mark.parametrize(("baseline", "base_year"), [("years_3", "2021"), ("prev_year", "2023")])
def test_the_ranking_command_gives_the_truth(
    root: Path, basis: str, baseline: str, base_year: str
) -> None:
    """27 rows and the unallocated, equal to what truth.json's months add up to."""
    done = command(
        *("rank", "--scope", "32", "--period-kind", "ytd", "--period-end", "2024-09-30"),
        *("--baseline", baseline, "--basis", basis, "--json"),
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["is_synthetic"] is True
    assert answer["release"] and answer["rule"]["eligibility_min_exporters"] == 3
    assert len(answer["rows"]) == 28
    sums: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for row in truth_of(root)["region_month"]:
        year, month = row["month"].split("-")
        if row["basis"] == basis and int(month) <= 9:
            sums[row["region_code"], year] += Decimal(row["fob_usd"])
    for row in answer["rows"]:
        now, base = sums[row["region_code"], "2024"], sums[row["region_code"], base_year]
        assert row["fob_usd"] == f"{now:.2f}"
        assert row["base_fob_usd"] == f"{base:.2f}"
        assert row["growth_usd"] == f"{now - base:.2f}"
        if base:
            assert row["growth_pct"] == pytest.approx(float(100 * (now - base) / base), rel=1e-9)
        else:
            assert row["growth_pct"] is None
    ranks = [row["growth_pct_rank"] for row in answer["rows"] if row["is_ranked"]]
    assert ranks[0] == 1 and ranks == sorted(ranks)
    (unallocated,) = [row for row in answer["rows"] if row["region_code"] == "3299"]
    assert not unallocated["is_ranked"]


def test_operators_commands_over_a_release(
    public_night: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "copy"
    shutil.copytree(public_night, root, symlinks=True)
    use(monkeypatch, root)
    listed = json.loads(command("quarantine", "list", "--json").stdout)
    faulty = [one for one in truth_of(root)["faults"] if one["severity"] == "critical"]
    assert sum(row["records"] for row in listed if row["rule_name"] != "sibling") > 0
    assert {row["rule_name"] for row in listed} - {"sibling"} <= {one["rule"] for one in faulty}
    unplaced = json.loads(command("quarantine", "list", "--unplaced", "--json").stdout)
    assert any(row["resolution"] == "ambiguous" for row in unplaced)
    assert command("plan", "--newest", "2024-09").returncode == 0
    (root / "deliveries/KBG/SINTETIS_KBG_2024-09_20241101T000000.csv").write_bytes(b"")
    planned = command("plan", "--newest", "2024-09", "--json")
    assert planned.returncode == 4
    busy = [row for row in json.loads(planned.stdout)["rows"] if row["state"] != "unchanged"]
    assert [(row["slice"], row["state"]) for row in busy] == [("KBG_2024-09", "new")]
    assert command("release", "--public", "--reason", "shown in a test").returncode == 0
    shown = command("rank", "--audience", "public", "--baseline", "prev_year")
    assert shown.returncode == 0 and "SYNTHETIC" in shown.stdout
    releases_ = json.loads(command("releases", "--json").stdout)
    assert [row["audience"] for row in releases_ if row["current"]] == ["internal", "public"]
    assert command("rollback", "nothing", "--reason", "a test").returncode == 1
    first = releases_[0]["release_id"]
    assert command("rollback", first, "--reason", "a test").returncode == 0
    assert "held" in command("status").stdout
    assert command("release", "--resume", "--reason", "mended").returncode == 0
    assert "held" not in command("status").stdout
    assert command("verify").returncode == 0
    status = json.loads(command("status", "--months", "200", "--json").stdout)
    assert (status["running"], status["lock"], status["hold"]) == ([], None, None)
    (row,) = [row for row in status["freshness"] if row["month"] == "2024-09"]
    assert (row["feed"], row["fresh"], row["not_fresh"]) == ("eska", 12, [])
    assert any(0 < (one["quarantined_pct"] or 0) < 100 for one in status["freshness"])
    assert all(one["month"] > "2024-09" for one in status["late"]) and status["late"]
    assert "2024-09" in command("status", "--months", "200").stdout
