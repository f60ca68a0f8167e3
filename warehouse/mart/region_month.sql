-- en: Exports by region and month on each basis; every other period is a sum of these
-- id: Ekspor menurut wilayah dan bulan pada setiap basis; periode lain adalah jumlahnya
-- grain: basis, region_code, month
SELECT
    m.basis,
    m.region_code,
    r.region_name,
    m.month,
    m.fob_usd,
    m.net_kg,
    m.certificates,
    m.exporters,
    100.0 * m.flagged_usd::DOUBLE / nullif(m.fob_usd, 0)::DOUBLE AS flagged_pct,
    m.quarantined_usd,
    'none' AS suppression
FROM core.region_month AS m
JOIN core.region AS r USING (region_code)
