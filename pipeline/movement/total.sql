-- en: A scope's counted US$ of each month that both know
-- id: US$ terhitung suatu lingkup untuk setiap bulan yang dikenal keduanya
-- grain: basis, scope_code, month
-- Settled: complete before wherever something stood in it. Until then a month may grow.
WITH complete AS (
    SELECT basis, scope_code, period_end, baseline, bool_and(is_complete) AS is_complete
    FROM release.mart.growth_ranking
    WHERE period_kind = 'month' AND league = 'all' AND fob_usd <> 0
    GROUP BY ALL
),
settled AS (
    SELECT basis, scope_code, period_end, bool_or(is_complete) AS is_settled
    FROM complete
    GROUP BY basis, scope_code, period_end
)
SELECT
    b.basis,
    b.scope_code,
    b.month,
    b.fob_usd AS before_usd,
    n.fob_usd AS now_usd,
    100.0 * (n.fob_usd - b.fob_usd)::DOUBLE / nullif(abs(b.fob_usd), 0)::DOUBLE AS moved_pct,
    coalesce(s.is_settled, false) AS is_settled
FROM release.meta.control_total AS b
JOIN build.meta.control_total AS n USING (basis, scope_code, month)
LEFT JOIN settled AS s
    ON s.basis = b.basis AND s.scope_code = b.scope_code AND s.period_end = last_day(b.month)
