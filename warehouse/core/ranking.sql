-- en: Who is ranked in each ranking, why the others are not, and the ranks
-- id: Siapa yang diperingkat pada tiap peringkat, alasan bagi yang lain, dan peringkatnya
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
)
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
