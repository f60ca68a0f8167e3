-- en: Periods that lie whole within the months covered
-- id: Periode yang seluruhnya berada dalam bulan-bulan yang dicakup
-- grain: period_kind, period_end
WITH month AS (
    SELECT month, min(month) OVER () AS first_month FROM core.calendar_month
),
span AS (
    SELECT 'month' AS period_kind, month AS first, month AS last, first_month FROM month
    UNION ALL
    SELECT 'quarter', (month - INTERVAL 2 MONTH)::DATE, month, first_month FROM month
    WHERE month(month) % 3 = 0
    UNION ALL
    SELECT 'ytd', date_trunc('year', month)::DATE, month, first_month FROM month
    UNION ALL
    SELECT 'year', date_trunc('year', month)::DATE, month, first_month FROM month
    WHERE month(month) = 12
    UNION ALL
    SELECT 'r12m', (month - INTERVAL 11 MONTH)::DATE, month, first_month FROM month
)
SELECT
    period_kind,
    last_day(last) AS period_end,
    first AS period_start,
    (date_diff('month', first, last) + 1)::INTEGER AS months
FROM span
WHERE first >= first_month
