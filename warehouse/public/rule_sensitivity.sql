-- en: Who would be first under other rules; told where no value of the ranking is hidden
-- id: Siapa yang menjadi pertama dengan aturan lain; ditampilkan bila tidak ada nilai peringkat yang disembunyikan
-- grain: basis, scope_code, league, period_kind, period_end, baseline, eligibility_rule
-- Who is first bounds how fast each other region grew, and how many are eligible says how large their
-- bases are: nothing is said of a ranking without ranks (temp.hidden_ranking), nor where any region is
-- hidden in either period. The unallocated takes no part. Without the lines on flagged and set-aside
-- value: these may be one firm's.
WITH told AS (
    SELECT basis, scope_code, league, period_kind, period_end, baseline
    FROM public.growth_ranking
    ANTI JOIN temp.hidden_ranking
        USING (basis, scope_code, league, period_kind, period_end, baseline)
    GROUP BY ALL
    HAVING bool_and(suppression = 'none' OR region_code = scope_code || '99')
)
SELECT
    m.* REPLACE (
        if(t.basis IS NULL, NULL, m.region_code) AS region_code,
        if(t.basis IS NULL, NULL, m.region_name) AS region_name,
        if(t.basis IS NULL, NULL, m.growth_pct) AS growth_pct,
        if(t.basis IS NULL, NULL, m.base_fob_usd) AS base_fob_usd,
        if(t.basis IS NULL, NULL, m.tied_regions) AS tied_regions,
        if(t.basis IS NULL, NULL, m.eligible_regions) AS eligible_regions,
        if(t.basis IS NULL, 'complementary', 'none') AS suppression
    )
FROM mart.rule_sensitivity AS m
LEFT JOIN told AS t USING (basis, scope_code, league, period_kind, period_end, baseline)
WHERE m.eligibility_rule NOT IN ('without flagged', 'with quarantined')
