-- en: Who would be first under other rules; values that could give a firm away are hidden
-- id: Siapa yang menjadi pertama dengan aturan lain; nilai yang dapat membuka suatu perusahaan disembunyikan
-- grain: basis, scope_code, league, period_kind, period_end, baseline, eligibility_rule
-- Without the lines on flagged and set-aside value: these may be one firm's.
SELECT
    m.* REPLACE (
        if(u.is_unsafe, NULL, m.growth_pct) AS growth_pct,
        if(u.is_unsafe, NULL, m.base_fob_usd) AS base_fob_usd,
        if(u.is_unsafe, 'primary', 'none') AS suppression
    )
FROM mart.rule_sensitivity AS m
LEFT JOIN core.region_pair AS u USING (basis, region_code, period_kind, period_end, baseline)
WHERE m.eligibility_rule NOT IN ('without flagged', 'with quarantined')
