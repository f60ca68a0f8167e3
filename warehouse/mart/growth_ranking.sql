-- en: Export growth of each region: values, rates, ranks, and why a region is not ranked
-- id: Pertumbuhan ekspor tiap wilayah: nilai, laju, peringkat, dan alasan bila tidak diperingkat
-- grain: basis, scope_code, league, period_kind, period_end, baseline, region_code
-- How sure a rank is (low, high, share_first, may_be_first) is worked out for the newest ranking of
-- each kind only: pipeline/rank_sets.py.
SELECT
    now.basis,
    now.scope_code,
    now.league,
    now.period_kind,
    now.period_start,
    now.period_end,
    now.baseline,
    now.region_code,
    r.region_name,
    now.fob_usd,
    now.base_fob_usd,
    now.growth_usd::DECIMAL(18, 2) AS growth_usd,
    now.growth_pct,
    CASE WHEN now.fob_usd > 0 AND now.base_fob_usd > 0 THEN
        100.0 * (pow(now.fob_usd::DOUBLE / now.base_fob_usd::DOUBLE, 1.0 / now.years) - 1)
    END AS growth_pct_yearly,
    now.growth_usd_rank,
    now.growth_pct_rank,
    s.growth_pct_rank_low,
    s.growth_pct_rank_high,
    s.share_first,
    s.may_be_first,
    before.growth_pct_rank - now.growth_pct_rank AS rank_movement,
    100.0 * now.growth_usd::DOUBLE / nullif(now.scope_base_usd, 0)::DOUBLE AS contribution_pp,
    100.0 * now.fob_usd::DOUBLE / nullif(now.scope_usd, 0)::DOUBLE AS share_pct,
    CASE WHEN now.fob_usd >= 0 AND now.base_fob_usd >= 0 THEN
        2.0 * now.growth_usd::DOUBLE / nullif(now.fob_usd + now.base_fob_usd, 0)::DOUBLE
    END AS symmetric_rate,
    CASE WHEN now.base_fob_usd > 0 THEN (
        now.base_fob_usd::DOUBLE * now.growth_pct + now.median_base_usd * now.scope_growth_pct
    ) / (now.base_fob_usd::DOUBLE + now.median_base_usd) END AS shrunken_pct,
    now.certificates,
    now.exporters,
    now.new_exporters,
    now.first_ever_exporters,
    100.0 * now.flagged_usd::DOUBLE / nullif(now.fob_usd, 0)::DOUBLE AS flagged_pct,
    now.quarantined_usd,
    now.growth_status,
    'none' AS suppression,
    now.growth_status = 'ok' AS is_ranked,
    now.is_complete,
    now.is_stale,
    now.maturity
FROM core.ranking AS now
JOIN core.region AS r USING (region_code)
LEFT JOIN core.ranking AS before
    ON before.basis = now.basis AND before.scope_code = now.scope_code
    AND before.league = now.league AND before.period_kind = now.period_kind
    AND before.period_end = now.previous_end AND before.baseline = now.baseline
    AND before.region_code = now.region_code
LEFT JOIN stage.rank_set AS s
    ON s.basis = now.basis AND s.scope_code = now.scope_code
    AND s.league = now.league AND s.period_kind = now.period_kind
    AND s.period_end = now.period_end AND s.baseline = now.baseline
    AND s.region_code = now.region_code
