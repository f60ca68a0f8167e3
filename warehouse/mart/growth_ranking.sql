-- en: Export growth of each region: values, rates, ranks, and why a region is not ranked
-- id: Pertumbuhan ekspor tiap wilayah: nilai, laju, peringkat, dan alasan bila tidak diperingkat
-- grain: basis, scope_code, league, period_kind, period_end, baseline, region_code
-- growth_status is the first that holds; only `ok` is ranked, and the unallocated never is. Official
-- statistics count no exporters: NULL, so what asks for exporters says nothing about them.
WITH clock AS (
    SELECT
        b.basis,
        (max(d.landed_at) + any_value(c.utc_offset))::DATE AS newest_landed_on
    FROM core.basis AS b
    JOIN core.delivery AS d USING (grain)
    CROSS JOIN core.country AS c
    GROUP BY b.basis
),
judged AS (
    SELECT
        g.*,
        CASE
            WHEN NOT g.has_base THEN 'no_base'
            WHEN g.is_unallocated THEN 'unallocated'
            WHEN NOT g.is_complete THEN 'incomplete'
            WHEN g.fob_usd = 0 AND g.base_fob_usd = 0 THEN 'no_trade'
            WHEN g.base_fob_usd = 0 THEN 'new'
            WHEN g.fob_usd = 0 THEN 'ceased'
            WHEN least(g.exporters, g.base_exporters) < s.min_exporters THEN 'few_exporters'
            WHEN g.base_fob_usd < g.floor_usd
                OR g.base_fob_usd < 0.01 * s.base_share_pct * g.scope_base_usd THEN 'below_base'
            WHEN g.is_unsafe THEN 'concentrated'
            ELSE 'ok'
        END AS growth_status,
        CASE
            WHEN (g.period_end + to_months(s.provisional_months))::DATE > c.newest_landed_on
                THEN 'very_provisional'
            WHEN (g.period_end + to_months(s.final_months))::DATE > c.newest_landed_on
                THEN 'provisional'
            ELSE 'final'
        END AS maturity
    FROM core.growth AS g
    CROSS JOIN core.setting AS s
    JOIN clock AS c USING (basis)
),
ranked AS (
    SELECT
        *,
        CASE WHEN growth_status = 'ok' THEN rank() OVER (
            PARTITION BY basis, scope_code, league, period_kind, period_end, baseline
            ORDER BY growth_status = 'ok' DESC, growth_usd DESC
        ) END::INTEGER AS growth_usd_rank,
        CASE WHEN growth_status = 'ok' THEN rank() OVER (
            PARTITION BY basis, scope_code, league, period_kind, period_end, baseline
            ORDER BY growth_status = 'ok' DESC, round(growth_pct, 6) DESC
        ) END::INTEGER AS growth_pct_rank
    FROM judged
)
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
    100.0 * now.flagged_usd::DOUBLE / nullif(now.fob_usd, 0)::DOUBLE AS flagged_pct,
    now.quarantined_usd,
    now.growth_status,
    'none' AS suppression,
    now.growth_status = 'ok' AS is_ranked,
    now.is_complete,
    now.is_stale,
    now.maturity
FROM ranked AS now
JOIN core.region AS r USING (region_code)
LEFT JOIN ranked AS before
    ON before.basis = now.basis AND before.scope_code = now.scope_code
    AND before.league = now.league AND before.period_kind = now.period_kind
    AND before.period_end = now.previous_end AND before.baseline = now.baseline
    AND before.region_code = now.region_code
