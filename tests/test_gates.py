"""Gates: every rule of the core and mart suites is silent on a sound build, and speaks on a broken
one. Great Expectations runs the same queries; here they are tried without its seven seconds.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from golden import cell, deliver_cells, fourteen_months
from pipeline import duck, load, rank, settings, suites

ONE_MORE = "INSERT INTO {0} SELECT * FROM {0} LIMIT 1"
OTHER_WINNER = (
    "UPDATE mart.rule_sensitivity SET region_code = '3299' WHERE eligibility_rule = '{}' "
    "AND region_code IS NOT NULL"
)
RANKED = "WHERE is_ranked AND region_code = '3276'"
# A way, or several, to break what each rule guards; the rule must see each.
BREAKS: dict[str, str | tuple[str, ...]] = {
    "setting_complete": "UPDATE core.setting SET floor_usd = NULL",
    "issuer_region_known": "UPDATE core.issuer SET region_code = '9999' WHERE issuer_code = 'BGR'",
    "issuer_dates_apart": "INSERT INTO core.issuer SELECT * REPLACE (DATE '2023-06-01' AS "
    "valid_from) FROM core.issuer WHERE issuer_code = 'BGR'",
    "alias_region_known": "UPDATE seed.region_aliases SET region_code = 'ID' "
    "WHERE spelling = 'TANGSEL'",
    "rate_readable": "UPDATE seed.exchange_rate SET rupiah = '14.050,00' WHERE valid_from = "
    "'2021-01-06'",
    "rate_dates_apart": "UPDATE seed.exchange_rate SET valid_until = '2021-01-13' "
    "WHERE valid_from = '2021-01-06'",
    "rate_gap": "DELETE FROM seed.exchange_rate WHERE valid_from = '2021-01-06'",
    "exporter_link_readable": "INSERT INTO seed.exporter_links VALUES "
    "('nib:1', 'npwp:012345678', NULL, NULL, 'a letter')",
    "exporter_link_dates_apart": "INSERT INTO core.exporter_link VALUES "
    "('a', 'b', '2021-01-01', '2021-12-31'), ('a', 'c', '2021-12-31', '2022-12-31')",
    "exporter_joins_few": "INSERT INTO core.exporter_identifier "
    "SELECT 'npwp:' || n, 'nib:1' FROM range(11) AS r (n)",
    "region_unique": ONE_MORE.format("core.region"),
    "port_alias_known": "INSERT INTO seed.port_aliases VALUES ('X', 'IDXXX', '')",
    "port_spelling_unique": ONE_MORE.format("core.port_spelling"),
    "aggregate_region_unique": ONE_MORE.format("core.aggregate_region"),
    "aggregate_region_known": "UPDATE core.aggregate_region SET region_code = '3276'",
    "cell_counts_once": "INSERT INTO core.aggregate_cell SELECT * REPLACE ('x' AS delivery_id) "
    "FROM core.aggregate_cell",
    "cells_break_down_alike": "INSERT INTO core.aggregate_cell SELECT * REPLACE ('61' AS hs_code) "
    "FROM core.aggregate_cell",
    "scope_has_members": "INSERT INTO seed.scope VALUES ('00', 'ID', 'nowhere')",
    "scope_leaf_once": ONE_MORE.format("core.scope_member"),
    "place_unique": ONE_MORE.format("core.place"),
    "slice_has_one_current": ONE_MORE.format("core.slice_month"),
    "certificate_has_one_winner": "UPDATE core.certificate_version SET state = 'superseded' "
    "WHERE certificate_key = (SELECT min(certificate_key) FROM core.certificate)",
    "exporter_number_unique": "UPDATE core.exporter_number SET exporter_no = 1",
    "certificate_unique": ONE_MORE.format("core.certificate"),
    "certificate_region_known": "UPDATE core.certificate SET domicile_region_code = '9999' "
    "WHERE issuer_code = 'BGR'",
    "certificate_counted_or_reason": "UPDATE core.certificate SET reason = 'mood' "
    "WHERE reason = 'withdrawn'",
    "certificate_counted_has_value": "UPDATE core.certificate SET fob_usd = 0 WHERE is_counted",
    "peb_parts_add_up": "UPDATE core.certificate SET value_source = 'peb_part', "
    "peb_keys = [certificate_key], peb_certificates = 1, fob_peb = fob_stated + 0.01",
    "chain_is_plain": "UPDATE core.certificate_chain SET trouble = 'chain_loop'",
    "chain_counts_once": "UPDATE core.certificate SET is_counted = true WHERE reason = 'replaced'",
    "chain_is_short": "UPDATE core.certificate_chain SET links = 11",
    "line_unique": ONE_MORE.format("core.certificate_line"),
    "lines_add_up": (
        "DELETE FROM core.certificate_line WHERE certificate_key = "
        "(SELECT min(certificate_key) FROM core.certificate)",
        "DELETE FROM core.certificate WHERE certificate_key = "
        "(SELECT min(certificate_key) FROM core.certificate_line)",
        "UPDATE core.certificate_line SET fob_usd = fob_usd + 0.01",
        "UPDATE core.certificate_line SET is_main = false",
    ),
    "exporter_month_unique": ONE_MORE.format("core.exporter_month"),
    "exporter_month_adds_up": "DELETE FROM core.exporter_month WHERE month = '2023-05-01'",
    "month_is_covered": "UPDATE core.exporter_month SET month = '2035-01-01' "
    "WHERE month = '2023-05-01'",
    "books_records_close": "DELETE FROM core.ledger WHERE state_reason = 'withdrawn'",
    "books_usd_close": "UPDATE core.ledger SET stated_usd = stated_usd + 0.01",
    "books_counted_close": "UPDATE core.ledger SET fob_usd = fob_usd - 0.01 WHERE fob_usd > 0",
    "ledger_unique": ONE_MORE.format("core.ledger"),
    "control_totals_agree": "INSERT INTO core.delivery_total VALUES "
    "('x', 'current', 'totals', 'line_fob', 1, 2)",
    "unplaced_share": "UPDATE core.delivery_check SET unplaced_pct = 5.1",
    "duplicated_across": "UPDATE core.delivery_check SET duplicated_certificates = 3, "
    "duplicated_pct = 1.1",
    "volume_in_band": "UPDATE core.delivery_check SET fob_usd_low = fob_usd + 0.01",
    "serials_complete": "UPDATE core.serial_gap SET missing_pct = 1.1",
    "ranking_unique": ONE_MORE.format("mart.growth_ranking"),
    "ranking_keys_present": f"UPDATE mart.growth_ranking SET maturity = NULL {RANKED}",
    "only_ok_is_ranked": f"UPDATE mart.growth_ranking SET growth_status = 'new' {RANKED}",
    "ranks_follow_growth": "UPDATE mart.growth_ranking SET growth_usd_rank = 1 WHERE is_ranked",
    "figures_hold": (
        "UPDATE mart.growth_ranking SET growth_pct = 0 WHERE growth_status = 'no_base'",
        f"UPDATE mart.growth_ranking SET growth_pct = growth_pct * 1.001 {RANKED}",
        "UPDATE mart.growth_ranking SET base_fob_usd = base_fob_usd + 0.01, "
        "growth_usd = growth_usd - 0.01, growth_pct = 100.0 * (growth_usd - 0.01)::DOUBLE / "
        f"(base_fob_usd + 0.01)::DOUBLE {RANKED}",
        f"UPDATE mart.growth_ranking SET symmetric_rate = 2.001 {RANKED}",
    ),
    "ranking_adds_up": (
        f"UPDATE mart.growth_ranking SET growth_usd = growth_usd + 0.01 {RANKED}",
        f"UPDATE mart.growth_ranking SET contribution_pp = contribution_pp * 1.001 {RANKED}",
        "UPDATE mart.growth_ranking SET share_pct = NULL",
        "DELETE FROM mart.growth_ranking WHERE region_code = '3299'",
        # As far beyond its own rate as it was drawn from it.
        f"UPDATE mart.growth_ranking SET shrunken_pct = 2 * growth_pct - shrunken_pct {RANKED}",
    ),
    "scope_has_rows": "DELETE FROM mart.growth_ranking WHERE scope_code = '32'",
    "region_month_unique": ONE_MORE.format("mart.region_month"),
    "region_month_adds_up": "DELETE FROM mart.region_month WHERE region_code = '3276'",
    "official_counts_nobody": "UPDATE mart.region_month SET exporters = 0 WHERE basis = 'official'",
    "control_total_adds_up": "UPDATE meta.control_total SET fob_usd = fob_usd + 0.01",
    "rule_sensitivity_unique": ONE_MORE.format("mart.rule_sensitivity"),
    "rule_in_force_agrees": "UPDATE mart.rule_sensitivity SET region_code = '3299' "
    "WHERE region_code = '3276' AND eligibility_rule = 'with b = 0.1 %'",
    "period_unique": ONE_MORE.format("mart.period"),
    "winner_keeps_without_flagged": OTHER_WINNER.format("without flagged"),
    "winner_keeps_with_quarantined": OTHER_WINNER.format("with quarantined"),
    "margins_add_up": (
        "UPDATE mart.growth_margin SET new_usd = new_usd + 0.01",
        "DELETE FROM mart.growth_margin WHERE region_code = '3276'",
        "UPDATE mart.growth_margin SET growth_without_migration_usd = 0",
        "UPDATE mart.growth_margin SET growth_without_migration_pct = NULL",
        "UPDATE mart.growth_margin SET growth_without_migration_pct = "
        "1.001 * growth_without_migration_pct",
    ),
    "migration_moves_only": "UPDATE mart.growth_margin SET base_without_migration_usd = "
    "base_without_migration_usd + 0.01 WHERE region_code = '3276'",
    "drivers_add_up": (
        "DELETE FROM mart.growth_driver WHERE dimension = 'form' AND region_code = '3276'",
        "UPDATE mart.growth_driver SET fob_usd = fob_usd + 1, base_fob_usd = base_fob_usd + 1",
        "UPDATE mart.growth_driver SET contribution_pp = contribution_pp * 1.001",
    ),
    "shift_share_adds_up": (
        "UPDATE mart.shift_share SET own_usd = own_usd + 0.01",
        "DELETE FROM mart.shift_share WHERE region_code = '3276'",
    ),
    "bridge_adds_up": (
        "UPDATE mart.basis_bridge SET fob_usd = fob_usd + 0.01",
        "DELETE FROM mart.basis_bridge WHERE domicile_region_code = '3276'",
        "UPDATE mart.basis_bridge SET certificates = certificates + 1",
    ),
    "first_place_agrees": (
        "UPDATE mart.first_place SET region_code = '3202'",
        "UPDATE mart.first_place SET growth_pct = growth_pct + 0.001",
        "DELETE FROM mart.first_place WHERE region_code = '3276'",
        "INSERT INTO mart.first_place SELECT * REPLACE ('official' AS basis) FROM mart.first_place",
    ),
    "rank_range_holds": tuple(
        f"UPDATE mart.growth_ranking SET growth_pct_rank_low = {low}, growth_pct_rank_high = "
        f"{high}, share_first = {share}, may_be_first = true {RANKED}"
        for low, high, share in ((0, 1, 100), (1, 2, 100), (2, 1, 100), (1, 1, 99), (1, 1, "NULL"))
    ),
    "concentration_bounded": (
        "UPDATE mart.concentration SET herfindahl = 0.99 / items, largest_share_pct = 100 / items",
        "UPDATE mart.concentration SET herfindahl = 1.001",
        "UPDATE mart.concentration SET largest_share_pct = 99.9 * herfindahl",
    ),
    "freshness_complete": "DELETE FROM core.freshness WHERE month = '2023-05-01'",
    "unit_value_in_band": "INSERT INTO core.unit_value_outlier (delivery_id, line) VALUES ('d', 2)",
}


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("gates")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPSKA_HOME", str(root / "data"))
        settings.settings.cache_clear()
        with duck.connect(root / "build.duckdb") as con:
            cells = [cell(2, "IDTPP", "2023-01", 5)]
            verdicts = [*fourteen_months(), deliver_cells("BPS_2023-01", cells)]
            load.load(con, verdicts, {"eska": "2023-01", "bps": "2023-01"})
            rank.rank(con)
        yield root / "build.duckdb"
    settings.settings.cache_clear()


@pytest.fixture
def con(build: Path) -> Iterator[duck.Connection]:
    """The build inside a transaction that is rolled back: a test may break what it likes."""
    with duck.connect(build) as connection:
        connection.execute("BEGIN")
        yield connection
        connection.execute("ROLLBACK")


def breaks(rule: str) -> tuple[str, ...]:
    found = BREAKS[rule]
    return (found,) if isinstance(found, str) else found


def expectations() -> dict[str, dict[str, Any]]:
    root = settings.settings().expectations
    return {
        one["meta"]["rule"]: one
        for name in ("core", "mart")
        for one in json.loads((root / f"{name}.json").read_text("utf-8"))["expectations"]
    }


def test_every_rule_says_what_to_do_in_both_languages() -> None:
    found = expectations()
    native = {"growth_status_known"}
    assert set(found) == set(BREAKS) | native
    for one in found.values():
        assert one["meta"]["note_en"] and one["meta"]["note_id"]
        assert one["severity"] in ("critical", "warning")


@pytest.mark.parametrize(("rule", "way"), [(rule, way) for rule in BREAKS for way in breaks(rule)])
def test_a_rule_is_silent_on_a_sound_build_and_speaks_on_a_broken_one(
    con: duck.Connection, rule: str, way: str
) -> None:
    one = expectations()[rule]
    query = one["kwargs"]["unexpected_rows_query"].format(batch=one["meta"]["table"])
    assert con.execute(query).fetchall() == []
    con.execute(way)
    assert con.execute(query).fetchall() != []


TOGETHER = (
    *("alias_region_known", "chain_is_short", "ledger_unique", "books_usd_close", "rate_readable"),
    *("period_unique", "ranking_adds_up", "rule_in_force_agrees", "winner_keeps_without_flagged"),
)


def test_great_expectations_finds_just_what_was_broken(build: Path, tmp_path: Path) -> None:
    """Both suites whole, on the sound build and on one with several breaks at once."""
    for name in ("core", "mart"):
        assert all(check.passed for check in suites.run_suite(name, build)), name
    spoilt = shutil.copy(build, tmp_path / "spoilt.duckdb")
    with duck.connect(spoilt) as con:
        for rule in TOGETHER:
            con.execute(breaks(rule)[-1])
        con.execute("UPDATE mart.growth_ranking SET growth_status = 'odd' WHERE NOT is_ranked")
        checks = [check for name in ("core", "mart") for check in suites.run_suite(name, spoilt)]
        assert {check.rule_name for check in checks} == set(expectations())
        failed = {check.rule_name: check for check in checks if not check.passed}
        told = {  # by the same queries without Great Expectations
            rule: len(con.execute(query.format(batch=one["meta"]["table"])).fetchall())
            for rule, one in expectations().items()
            if (query := one["kwargs"].get("unexpected_rows_query"))
        }
    broken = {rule: count for rule, count in told.items() if count}
    assert set(TOGETHER) <= set(broken)
    assert set(failed) == {*broken, "growth_status_known"}
    assert all(failed[rule].unexpected == count for rule, count in broken.items())
    assert failed["chain_is_short"].severity == expectations()["chain_is_short"]["severity"]
