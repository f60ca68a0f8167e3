-- en: Who would be first by growth rate under other rules of eligibility, or with other values
-- id: Siapa yang menjadi pertama menurut laju dengan aturan kelayakan atau nilai lain
-- grain: basis, scope_code, league, period_kind, period_end, baseline, eligibility_rule
-- `none` asks for complete figures and a base above zero only; the others for the floor and the
-- number of exporters as set, no dominant exporter, and at least that share of the scope's base.
-- The last two ask what is set, of values without what carries a warning, or with what can be read
-- of the quarantined, in both periods; exporters and dominance are judged on the values in force.
WITH rule (eligibility_rule, base_share_pct) AS (
    VALUES ('none', NULL), ('with b = 0 %', 0.00), ('with b = 0.05 %', 0.05),
        ('with b = 0.1 %', 0.10), ('with b = 0.5 %', 0.50), ('with b = 1 %', 1.00)
    UNION ALL
    SELECT unnest(['without flagged', 'with quarantined']), base_share_pct FROM core.setting
),
ranking AS (
    SELECT DISTINCT basis, scope_code, league, period_kind, period_end, baseline FROM core.growth
),
valued AS (
    SELECT
        g.basis,
        g.scope_code,
        g.league,
        g.period_kind,
        g.period_end,
        g.baseline,
        g.region_code,
        u.eligibility_rule,
        u.base_share_pct,
        CASE u.eligibility_rule
            WHEN 'without flagged' THEN g.fob_usd - g.flagged_usd
            WHEN 'with quarantined' THEN g.fob_usd + g.quarantined_usd
            ELSE g.fob_usd
        END::DECIMAL(18, 2) AS fob_usd,
        CASE u.eligibility_rule
            WHEN 'without flagged' THEN g.base_fob_usd - g.base_flagged_usd
            WHEN 'with quarantined' THEN g.base_fob_usd + g.base_quarantined_usd
            ELSE g.base_fob_usd
        END::DECIMAL(18, 2) AS base_fob_usd,
        CASE u.eligibility_rule
            WHEN 'without flagged' THEN g.scope_base_usd - g.scope_base_flagged_usd
            WHEN 'with quarantined' THEN g.scope_base_usd + g.scope_base_quarantined_usd
            ELSE g.scope_base_usd
        END::DECIMAL(18, 2) AS scope_base_usd,
        g.floor_usd,
        coalesce(least(g.exporters, g.base_exporters) >= s.min_exporters, true)
            AND NOT g.is_unsafe AS is_many
    FROM core.growth AS g
    CROSS JOIN core.setting AS s
    CROSS JOIN rule AS u
    WHERE g.is_complete AND NOT g.is_unallocated
),
eligible AS (
    SELECT
        *,
        100.0 * (fob_usd - base_fob_usd)::DOUBLE / nullif(base_fob_usd, 0)::DOUBLE AS growth_pct,
        round(growth_pct, 6) AS rounded_pct
    FROM valued
    WHERE base_fob_usd > 0 AND (
        eligibility_rule = 'none'
        OR (
            is_many
            AND fob_usd <> 0
            AND base_fob_usd >= floor_usd
            AND base_fob_usd >= 0.01 * base_share_pct::DECIMAL(20, 4) * scope_base_usd
        )
    )
),
first AS (
    SELECT
        *,
        count(*) OVER rivals AS eligible_regions,
        count(*) OVER (
            PARTITION BY basis, scope_code, league, period_kind, period_end, baseline,
                eligibility_rule, rounded_pct
        ) AS tied_regions
    FROM eligible
    WINDOW rivals AS (
        PARTITION BY basis, scope_code, league, period_kind, period_end, baseline,
            eligibility_rule
    )
    QUALIFY row_number() OVER (
        PARTITION BY basis, scope_code, league, period_kind, period_end, baseline,
            eligibility_rule
        ORDER BY rounded_pct DESC, region_code
    ) = 1
)
SELECT
    k.*,
    u.eligibility_rule,
    u.base_share_pct::DOUBLE AS base_share_pct,
    f.region_code,
    n.region_name,
    f.growth_pct,
    f.base_fob_usd,
    coalesce(f.tied_regions, 0) AS tied_regions,
    coalesce(f.eligible_regions, 0) AS eligible_regions,
    'none' AS suppression
FROM ranking AS k
CROSS JOIN rule AS u
LEFT JOIN first AS f
    USING (basis, scope_code, league, period_kind, period_end, baseline, eligibility_rule)
LEFT JOIN core.region AS n ON n.region_code = f.region_code
