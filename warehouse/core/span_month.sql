-- en: The months of each period
-- id: Bulan-bulan dalam setiap periode
-- grain: basis, region_set, period_kind, period_end, month
SELECT s.basis, s.region_set, s.span_no, s.period_kind, s.period_end, m.month
FROM core.span AS s
JOIN core.calendar_month AS m
    ON m.basis = s.basis AND m.region_set = s.region_set
    AND m.month BETWEEN s.period_start AND s.period_end
