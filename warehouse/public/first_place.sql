-- en: Who is first by growth rate, and whether without its largest exporter it still would be
-- id: Siapa yang pertama menurut laju pertumbuhan, dan apakah tetap pertama tanpa eksportir terbesarnya
-- grain: basis, scope_code, league, period_kind, period_end, baseline
-- Not of a ranking that is public without ranks.
SELECT f.* REPLACE (g.growth_pct AS growth_pct)
FROM mart.first_place AS f
JOIN public.growth_ranking AS g
    ON g.basis = f.basis AND g.scope_code = f.scope_code AND g.league = f.league
    AND g.period_kind = f.period_kind AND g.period_end = f.period_end
    AND g.baseline = f.baseline AND g.region_code = f.region_code AND g.growth_pct_rank = 1
