-- en: Who would be first under other rules; values that could give a firm away are hidden
-- id: Siapa yang menjadi pertama dengan aturan lain; nilai yang dapat membuka suatu perusahaan disembunyikan
-- grain: basis, scope_code, league, period_kind, period_end, baseline, eligibility_rule
-- A region with a hidden value isn't named: that it is first would say how fast it grows. Without the
-- lines on flagged and set-aside value: these may be one firm's.
SELECT
    m.* REPLACE (
        if(g.suppression = 'none', m.region_code, NULL) AS region_code,
        if(g.suppression = 'none', m.region_name, NULL) AS region_name,
        if(g.suppression = 'none', m.growth_pct, NULL) AS growth_pct,
        if(g.suppression = 'none', m.base_fob_usd, NULL) AS base_fob_usd,
        coalesce(g.suppression, 'none') AS suppression
    )
FROM mart.rule_sensitivity AS m
LEFT JOIN public.growth_ranking AS g
    USING (basis, scope_code, league, period_kind, period_end, baseline, region_code)
WHERE m.eligibility_rule NOT IN ('without flagged', 'with quarantined')
