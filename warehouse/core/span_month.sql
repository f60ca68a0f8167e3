-- en: The months of each period
-- id: Bulan-bulan dalam setiap periode
-- grain: period_kind, period_end, month
SELECT s.period_kind, s.period_end, m.month
FROM core.span AS s
JOIN core.calendar_month AS m ON m.month BETWEEN s.period_start AND s.period_end
