-- en: What a reader's own sums over a scope must give, month by month, hidden values included
-- id: Jumlah yang harus diperoleh pembaca untuk suatu lingkup, bulan demi bulan, termasuk nilai tersembunyi
-- grain: basis, scope_code, month
-- Even a whole scope's month is hidden where one firm could be read from it.
SELECT
    m.* REPLACE (
        if(u.is_unsafe, NULL, m.fob_usd) AS fob_usd,
        if(u.is_unsafe, NULL, m.certificates) AS certificates,
        if(u.is_unsafe, 'primary', 'none') AS suppression
    )
FROM meta.control_total AS m
JOIN core.region_span AS u
    ON u.basis = m.basis AND u.region_code = m.scope_code
    AND u.period_kind = 'month' AND u.period_end = last_day(m.month)
