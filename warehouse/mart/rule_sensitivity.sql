-- en: Who would be first by growth rate under other rules of eligibility
-- id: Siapa yang menjadi pertama menurut laju pertumbuhan dengan aturan kelayakan lain
-- grain: basis, scope_code, league, period_kind, period_end, baseline, eligibility_rule
-- `none` asks for complete figures and a base above zero only; the others for the floor and the
-- number of exporters as set, no dominant exporter, and at least that share of the scope's base.
WITH rule (eligibility_rule, base_share_pct) AS (
    VALUES ('none', NULL), ('with b = 0 %', 0.00), ('with b = 0.05 %', 0.05),
        ('with b = 0.1 %', 0.10), ('with b = 0.5 %', 0.50), ('with b = 1 %', 1.00)
),
ranking AS (
    SELECT DISTINCT basis, scope_code, league, period_kind, period_end, baseline FROM core.growth
),
eligible AS (
    SELECT g.*, u.eligibility_rule, round(g.growth_pct, 6) AS rounded_pct
    FROM core.growth AS g
    CROSS JOIN core.setting AS s
    JOIN rule AS u
        ON u.eligibility_rule = 'none'
        OR (
            g.base_fob_usd >= 0.01 * u.base_share_pct::DECIMAL(20, 4) * g.scope_base_usd
            AND g.base_fob_usd >= g.floor_usd
            AND coalesce(least(g.exporters, g.base_exporters) >= s.min_exporters, true)
            AND g.fob_usd <> 0
            AND NOT g.is_unsafe
        )
    WHERE g.is_complete AND NOT g.is_unallocated AND g.base_fob_usd > 0
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
