-- en: Exports by region and month on each basis; values that could give a firm away are hidden
-- id: Ekspor menurut wilayah dan bulan pada setiap basis; nilai yang dapat membuka suatu perusahaan disembunyikan
-- grain: basis, region_code, month
-- Flagged and set-aside value may be one firm's even where the total is safe: never public.
SELECT
    m.* REPLACE (
        if(h.suppression IS NULL, m.fob_usd, NULL) AS fob_usd,
        if(h.suppression IS NULL, m.net_kg, NULL) AS net_kg,
        if(h.suppression IS NULL, m.certificates, NULL) AS certificates,
        if(h.suppression IS NULL, m.exporters, NULL) AS exporters,
        NULL::DOUBLE AS flagged_pct,
        NULL::DECIMAL(18, 2) AS quarantined_usd,
        coalesce(h.suppression, 'none') AS suppression
    )
FROM mart.region_month AS m
LEFT JOIN temp.hidden_span AS h
    ON h.basis = m.basis AND h.region_code = m.region_code
    AND h.period_kind = 'month' AND h.period_end = last_day(m.month)
