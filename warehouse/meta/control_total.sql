-- en: What a reader's own sums over a scope must give, month by month, unallocated included
-- id: Jumlah yang harus diperoleh pembaca untuk suatu lingkup, bulan demi bulan, termasuk yang tak teralokasi
-- grain: basis, scope_code, month
SELECT
    t.basis,
    t.region_code AS scope_code,
    p.period_start AS month,
    t.fob_usd,
    t.certificates,
    'none' AS suppression
FROM core.region_span AS t
JOIN core.span AS p USING (basis, region_set, period_kind, period_end)
SEMI JOIN seed.scope AS s ON s.scope_code = t.region_code
WHERE period_kind = 'month'
