"""One night through the whole house: what comes out is the truth of the sample."""

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

from nights import query, truth_of
from pipeline import builds, duck, releases, store, verify


def test_the_first_night_publishes_and_says_what_was_set_aside(night: Path) -> None:
    report = json.loads((night / "report.json").read_text("utf-8"))
    assert report["exit_code"] == 3  # published, and something was newly rejected
    assert report["publish"]["published"]
    assert "SYNTHETIC" in report["text_en"] and "SINTETIS" in report["text_id"]
    assert "Commonest reasons for quarantine" in report["text_en"]


def test_region_months_are_the_truth_to_the_cent(root: Path) -> None:
    truth = truth_of(root)
    expected = {
        (r["basis"], r["region_code"], r["month"]): (
            Decimal(r["fob_usd"]),
            r["certificates"],
            r["exporters"],
        )
        for r in truth["region_month"]
    }
    assert len(expected) > 500
    found = {
        (basis, region, month): (usd, certificates, exporters)
        for basis, region, month, usd, certificates, exporters in query(
            releases.database("internal"),
            "SELECT basis, region_code, strftime(month, '%Y-%m'), fob_usd, certificates, exporters "
            "FROM mart.region_month WHERE certificates > 0 AND basis <> 'port'",
        )
    }
    assert found == expected


def test_every_injected_fault_is_found_under_its_rule_and_no_other(root: Path) -> None:
    """Precision and recall of the row suite on injected faults, both 100 %."""
    injected = {
        (fault["file"], fault["line"], fault["rule"], fault["severity"])
        for fault in truth_of(root)["faults"]
    }
    assert len({rule for _, _, rule, _ in injected}) >= 10
    set_aside = "SELECT line, unnest(findings, recursive := true) FROM read_parquet(?)"
    flagged = "SELECT line, unnest(flags) FROM read_parquet(?)"
    looks = [
        ("quarantine", "row.parquet", set_aside),
        ("quarantine", "row.parquet", flagged),
        ("accepted", "line.parquet", flagged),
    ]
    found = set()
    with duck.connect() as con:
        for delivery in store.landings("eska"):
            source = f"{delivery.slice_code.split('_')[0]}/{delivery.manifest['file_name']}"
            for folder, name, sql in looks:
                for file in (store.home() / folder / delivery.delivery_id).glob(f"*/{name}"):
                    rows = con.execute(sql, [str(file)]).fetchall()
                    found |= {(source, line, rule) for line, rule, *_ in rows}
    found = {one for one in found if one[2] != "sibling"}
    right = {fault[:3] for fault in injected}
    table = [f"{'rule':30}{'injected':>10}{'precision':>11}{'recall':>8}"]
    for rule in sorted({one[2] for one in found | right}):
        ours, theirs = ({one for one in some if one[2] == rule} for some in (found, right))
        hits = len(ours & theirs)
        share = [f"{100 * hits / len(some) if some else 0:.0f} %" for some in (ours, theirs)]
        table.append(f"{rule:30}{len(theirs):10}{share[0]:>11}{share[1]:>8}")
    told = "\n".join(table)
    print(f"\n{told}")
    assert found == right, told


def test_the_books_close(root: Path) -> None:
    truth = truth_of(root)
    states = dict(
        query(
            releases.database("internal"),
            "SELECT state, sum(records)::BIGINT FROM meta.ledger GROUP BY state",
        )
    )
    assert sum(states.values()) == truth["records"]
    assert states["superseded"] >= truth["superseded_records"] > 0
    assert states["quarantined"] > 0
    assert verify.verify() == []


def test_a_build_has_duckdbs_format_of_1_5_and_a_release_the_oldest(root: Path) -> None:
    """Text takes twice as long to write in the oldest; drivers that refuse a newer one never see a
    build."""
    build = builds.find(releases.current("internal")["build_id"])  # type: ignore[index]
    duck.make(newest := root / "newest.duckdb", "v1.5.0")
    with duck.connect() as con:
        for file in (newest, build.database, releases.database("internal")):
            con.execute(f"ATTACH {duck.literal(str(file))} (READ_ONLY)")
        versions = "SELECT database_name, tags['storage_version'] FROM duckdb_databases()"
        found = dict(con.execute(versions).fetchall())
    assert found["warehouse"] == found["newest"] != found["ekspor"] == "v1.0.0+"


def test_a_run_without_news_brings_in_nothing_that_it_has_no_use_for(root: Path) -> None:
    """Each of these takes from a tenth of a second to five to import (docs/performance.md)."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import nights; "
        "assert not nights.again()['publish']['published']; print(*sys.modules)"
    )
    command = [sys.executable, "-c", code, str(Path(__file__).parent)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    heavy = {"aiohttp", "great_expectations", "jinja2", "numpy", "pandas", "scipy"}
    assert {"pipeline.flow", "duckdb"} <= {*run.stdout.split()}
    assert not (heavy | {"xlsxwriter"}) & {*run.stdout.split()}
