"""Growth as it was shown at some ages: revisions, and the base at the same age; by hand."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline import duck, ledger, releases, revisions, settings, store, vintages
from pipeline.messages import Problem
from pipeline.rankings import Question
from test_cli import call

Facts = dict[str, Any]
COLUMNS = """basis VARCHAR, scope_code VARCHAR, league VARCHAR, period_kind VARCHAR,
    period_start DATE, period_end DATE, baseline VARCHAR, region_code VARCHAR, region_name VARCHAR,
    fob_usd DECIMAL(18, 2), base_fob_usd DECIMAL(18, 2), growth_usd DECIMAL(18, 2),
    growth_pct DOUBLE, growth_pct_yearly DOUBLE, growth_pct_rank INTEGER,
    growth_usd_rank INTEGER, contribution_pp DOUBLE, exporters BIGINT,
    growth_status VARCHAR, is_ranked BOOLEAN, maturity VARCHAR"""
MONTHS = Question("32", period_kind="month", baseline="prev_year")
NOW = datetime(2025, 4, 12, 2, tzinfo=UTC)
HOSTILE = "Kab. [red]\x1b[31m"


def row(region: str, end: str, usd: int, growth: float | None, **more: Any) -> Facts:
    return {
        "basis": "domicile", "scope_code": "32", "league": "all", "period_kind": "month",
        "period_start": end[:8] + "01", "period_end": end, "baseline": "prev_year",
        "region_code": region, "region_name": HOSTILE, "fob_usd": usd, "growth_pct": growth,
        "growth_status": "ok", "is_ranked": growth is not None, "maturity": "provisional", **more,
    }  # fmt: skip


def publish(published_at: str, rows: list[Facts]) -> str:
    """A release of that moment with this ranking."""
    moment = datetime.fromisoformat(published_at).replace(tzinfo=UTC)
    name = f"{store.stamp(moment)}-abcdef12"
    folder = store.home() / "internal" / "releases" / name
    folder.mkdir(parents=True)
    facts = {"release_id": name, "published_at": moment.isoformat(), "is_synthetic": True}
    store.write_json(folder / "release.json", facts)
    with duck.connect(folder / releases.DATABASE) as con:
        con.execute(f"CREATE SCHEMA mart; CREATE TABLE mart.growth_ranking ({COLUMNS})")
        duck.insert(con, "mart.growth_ranking", rows)
        con.execute(
            "CREATE SCHEMA meta; CREATE TABLE meta.release (release_id VARCHAR, "
            "is_synthetic BOOLEAN); CREATE TABLE meta.method (rule_name VARCHAR)"
        )
        con.execute("INSERT INTO meta.release VALUES (?, true)", [name])
    store.switch_link(releases.link("internal"), folder)
    return name


@pytest.fixture
def made(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Four releases. February ends in Jakarta at 17:00 UTC on its last day."""
    monkeypatch.setenv("IPSKA_SEEDS", str(settings.ROOT / "seeds"))
    monkeypatch.setattr(store, "now", lambda: NOW)
    first = [row("3201", "2024-02-29", 100, 10.0), row("3276", "2024-02-29", 50, None)]
    yield [
        publish("2024-03-20", first),
        # One second after the evening on which February is a month old.
        publish("2024-03-31T17:00:01", [
            row("3201", "2024-02-29", 120, 20.0), row("3276", "2024-02-29", 60, 5.0),
        ]),
        publish("2024-08-10", [
            row("3201", "2024-02-29", 130, 30.0), row("3276", "2024-02-29", 60, 8.0),
        ]),
        publish("2025-04-10", [
            row("3201", "2024-02-29", 140, 40.0), row("3276", "2024-02-29", 60, 2.0),
            row("3201", "2025-02-28", 150, 7.0), row("3276", "2025-02-28", 0, None),
            row("3299", "2025-02-28", 9, None),
        ]),
    ]  # fmt: skip


def at_lags(rows: list[Facts], region: str, end: str) -> list[float | None]:
    (found,) = [r for r in rows if (r["region_code"], str(r["period_end"])) == (region, end)]
    return [found[f"growth_pct_{lag}"] for lag in revisions.LAGS] + [found["growth_pct"]]


def test_growth_at_each_lag_and_its_revision_since(made: list[str]) -> None:
    rows, sums = revisions.triangle(MONTHS)
    assert at_lags(rows, "3201", "2024-02-29") == [10.0, 20.0, 30.0, 30.0, 40.0]
    assert at_lags(rows, "3276", "2024-02-29") == [None, 5.0, 8.0, 8.0, 2.0]
    # Of February 2025 the first month has passed, under a release that knew nothing of it.
    assert at_lags(rows, "3201", "2025-02-28") == [None, None, None, None, 7.0]
    assert [tuple(one.values()) for one in sums] == [
        (1, 1, 30.0, 30.0),
        (3, 2, (20.0 - 3.0) / 2, (20.0 + 3.0) / 2),
        (6, 2, (10.0 - 6.0) / 2, (10.0 + 6.0) / 2),
        (12, 2, (10.0 - 6.0) / 2, (10.0 + 6.0) / 2),
    ]
    one, all_regions = revisions.triangle(MONTHS, "3276")
    assert {r["region_code"] for r in one} == {"3276"} and all_regions == sums
    with pytest.raises(Problem, match="no_region"):
        revisions.triangle(MONTHS, "9999")
    with pytest.raises(Problem, match="no_ranking"):
        revisions.triangle(Question("32", period_kind="year"))


def test_what_was_shown_after_a_rollback_and_what_is_no_longer_kept(made: list[str]) -> None:
    entry = {"run_id": "20240820T000000000000Z-rollback-aaaa", "kind": "rollback",
             "started_at": "2024-08-20T00:00:00+00:00", "release_id": made[0]}  # fmt: skip
    ledger.record(entry)
    rows, _ = revisions.triangle(MONTHS)
    assert at_lags(rows, "3201", "2024-02-29") == [10.0, 20.0, 10.0, 10.0, 40.0]
    # A release that a run published and that is gone: not the one before it in its stead.
    gone = {"release_id": "20240501T000000000000Z-abcdef12", "published": True}
    ledger.record({"run_id": "20240501T010000000000Z-nightly-aaaa", "kind": "nightly",
                   "publish": gone})  # fmt: skip
    ledger.record({"run_id": "20240502T000000000000Z-public-aaaa", "kind": "public",
                   "release_id": "20240502T000000000000Z-abcdef12", "published": True})  # fmt: skip
    rows, _ = revisions.triangle(MONTHS)
    assert at_lags(rows, "3201", "2024-02-29") == [10.0, None, 10.0, 10.0, 40.0]
    with pytest.raises(Problem, match="nothing_then"):
        vintages.release_at(datetime(2024, 5, 3, tzinfo=UTC))


def ranked(end: str, **changes: Any) -> list[Facts]:
    with duck.connect(releases.database("internal"), read_only=True) as con:
        rows = duck.rows(
            con, "FROM mart.growth_ranking WHERE period_end = ? ORDER BY region_code", [end]
        )
    revisions.add_same_age([one.update(changes) or one for one in rows])
    return rows


def test_a_young_period_is_held_against_a_base_as_young(made: list[str]) -> None:
    """On 12 April 2025 February is 43 days old; the one before was on 12 April 2024 (leap year)."""
    rows = ranked("2025-02-28")
    assert [(r["base_same_age_usd"], r["growth_same_age_pct"]) for r in rows] == [
        (120, pytest.approx(25.0)), (60, pytest.approx(-100.0)), (None, None),
    ]  # fmt: skip
    assert [r["base_same_age_usd"] for r in ranked("2024-02-29")] == [None, None]  # none so old
    final = ranked("2025-02-28", maturity="final")
    assert {r["base_same_age_usd"] for r in final} == {None}
    assert {r["growth_same_age_pct"] for r in ranked("2025-02-28", period_kind="range")} == {None}


def test_the_commands(made: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--period-kind", "month", "--baseline", "prev_year", "--scope", "32"]
    code, out, _ = call(capsys, "revisions", *asked, "--json")
    told = json.loads(out)
    assert code == 0 and told["release"] == made[-1] and told["is_synthetic"]
    assert len(told["rows"]) == 5 and told["revisions"][0]["compared"] == 1
    assert told["rows"][0]["growth_pct_1"] == 10.0
    code, out, _ = call(capsys, "revisions", "3201", *asked, "--period-end", "2024-02-29")
    assert code == 0 and "mean_absolute_revision_pp" in out and "\x1b" not in out
    assert "SINTETIS" in out and "bulan setelah" in out and "months after" in out
    asked += ["--period-end", "2025-02-28", "--same-age"]
    code, out, _ = call(capsys, "rank", *asked, "--json")
    first = json.loads(out)["rows"][0]
    assert code == 0
    assert (first["base_same_age_usd"], first["growth_same_age_pct"]) == ("120.00", 25.0)
    code, out, _ = call(capsys, "rank", *asked)
    assert code == 0 and "growth_same_age_pct" in out and "as old" in out
    for more in (["--as-of", "2024-01-01"], ["--audience", "public"]):
        code, _, err = call(capsys, "rank", *asked, *more)
        assert code == 2 and "--same-age" in err


def test_evening_is_the_country_s(made: list[str]) -> None:
    assert revisions._evening(revisions.Month.of(date(2024, 3, 1))) == datetime(
        2024, 3, 31, 16, 59, 59, 999999, tzinfo=UTC
    )
