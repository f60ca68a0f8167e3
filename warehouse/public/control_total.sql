-- en: What a reader's own sums over a scope must give, month by month, hidden values included
-- id: Jumlah yang harus diperoleh pembaca untuk suatu lingkup, bulan demi bulan, termasuk nilai tersembunyi
-- grain: basis, scope_code, month
-- Even a whole scope's month is hidden where one firm could be read from it.
SELECT
    m.* REPLACE (
        if(h.suppression IS NULL, m.fob_usd, NULL) AS fob_usd,
        if(h.suppression IS NULL, m.certificates, NULL) AS certificates,
        coalesce(h.suppression, 'none') AS suppression
    )
FROM meta.control_total AS m
LEFT JOIN temp.hidden_span AS h
    ON h.basis = m.basis AND h.region_code = m.scope_code
    AND h.period_kind = 'month' AND h.period_end = last_day(m.month)
