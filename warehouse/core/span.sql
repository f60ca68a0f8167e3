-- en: Periods that lie whole within the months covered
-- id: Periode yang seluruhnya berada dalam bulan-bulan yang dicakup
-- grain: basis, region_set, period_kind, period_end
WITH month AS (
    SELECT *, min(month) OVER (PARTITION BY basis, region_set) AS first_month
    FROM core.calendar_month
),
span AS (
    SELECT *, 'month' AS period_kind, month AS first FROM month
    UNION ALL
    SELECT *, 'quarter', (month - INTERVAL 2 MONTH)::DATE FROM month WHERE month(month) % 3 = 0
    UNION ALL
    SELECT *, 'ytd', date_trunc('year', month)::DATE FROM month
    UNION ALL
    SELECT *, 'year', date_trunc('year', month)::DATE FROM month WHERE month(month) = 12
    UNION ALL
    SELECT *, 'r12m', (month - INTERVAL 11 MONTH)::DATE FROM month
)
SELECT
    basis,
    region_set,
    -- The same for the same period of every basis.
    dense_rank() OVER (ORDER BY period_kind, month)::INTEGER AS span_no,
    period_kind,
    last_day(month) AS period_end,
    first AS period_start,
    (date_diff('month', first, month) + 1)::INTEGER AS months
FROM span
WHERE first >= first_month
