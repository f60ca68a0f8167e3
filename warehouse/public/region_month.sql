-- en: Exports by region and month on each basis; values that could give a firm away are hidden
-- id: Ekspor menurut wilayah dan bulan pada setiap basis; nilai yang dapat membuka suatu perusahaan disembunyikan
-- grain: basis, region_code, month
-- Flagged and set-aside value may be one firm's even where the total is safe: never public.
SELECT
    m.* REPLACE (
        if(u.is_unsafe, NULL, m.fob_usd) AS fob_usd,
        if(u.is_unsafe, NULL, m.net_kg) AS net_kg,
        if(u.is_unsafe, NULL, m.certificates) AS certificates,
        if(u.is_unsafe, NULL, m.exporters) AS exporters,
        NULL::DOUBLE AS flagged_pct,
        NULL::DECIMAL(18, 2) AS quarantined_usd,
        if(u.is_unsafe, 'primary', 'none') AS suppression
    )
FROM mart.region_month AS m
JOIN core.region_month AS u USING (basis, region_code, month)
