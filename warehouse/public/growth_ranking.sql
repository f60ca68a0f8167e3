-- en: Export growth of each region; values that could give a firm away are hidden
-- id: Pertumbuhan ekspor tiap wilayah; nilai yang dapat membuka suatu perusahaan disembunyikan
-- grain: basis, scope_code, league, period_kind, period_end, baseline, region_code
-- Flagged and set-aside value may be one firm's even where the total is safe: never public.
-- Hidden where the period or its base is unsafe. Such regions are unranked internally too, so the
-- ranks have no holes; what is hidden stays in every total.
SELECT
    m.* REPLACE (
        if(u.is_unsafe, NULL, m.fob_usd) AS fob_usd,
        if(u.is_unsafe, NULL, m.base_fob_usd) AS base_fob_usd,
        if(u.is_unsafe, NULL, m.growth_usd) AS growth_usd,
        if(u.is_unsafe, NULL, m.growth_pct) AS growth_pct,
        if(u.is_unsafe, NULL, m.growth_pct_yearly) AS growth_pct_yearly,
        if(u.is_unsafe, NULL, m.contribution_pp) AS contribution_pp,
        if(u.is_unsafe, NULL, m.share_pct) AS share_pct,
        if(u.is_unsafe, NULL, m.symmetric_rate) AS symmetric_rate,
        if(u.is_unsafe, NULL, m.shrunken_pct) AS shrunken_pct,
        if(u.is_unsafe, NULL, m.certificates) AS certificates,
        if(u.is_unsafe, NULL, m.exporters) AS exporters,
        if(u.is_unsafe, NULL, m.new_exporters) AS new_exporters,
        NULL::DOUBLE AS flagged_pct,
        NULL::DECIMAL(18, 2) AS quarantined_usd,
        if(u.is_unsafe, 'primary', 'none') AS suppression
    )
FROM mart.growth_ranking AS m
JOIN core.region_pair AS u USING (basis, region_code, period_kind, period_end, baseline)
