-- en: Each period with each of its baselines, and the period one step earlier
-- id: Setiap periode dengan setiap pembandingnya, dan periode satu langkah sebelumnya
-- grain: basis, region_set, period_kind, period_end, baseline
-- base_start and base_end are NULL when the base begins before the feeds do. One step: the previous
-- quarter of a quarter, the previous year of a year, else the previous month end; none before
-- January's ytd.
WITH baseline (baseline, years) AS (
    VALUES ('prev_period', NULL), ('prev_year', 1), ('years_3', 3)
),
pair AS (
    SELECT
        s.*,
        b.baseline,
        b.years,
        (s.period_start - to_months(coalesce(12 * b.years, s.months)))::DATE AS first,
        CASE s.period_kind WHEN 'quarter' THEN 3 WHEN 'year' THEN 12 ELSE 1 END AS step
    FROM core.span AS s
    JOIN baseline AS b ON b.baseline <> 'prev_period' OR s.period_kind IN ('month', 'quarter')
)
SELECT
    p.basis,
    p.region_set,
    p.period_kind,
    p.period_end,
    p.baseline,
    p.span_no,
    b.span_no AS base_no,
    p.period_start,
    p.months,
    p.years,
    m.month AS base_start,
    last_day((m.month + to_months(p.months - 1))::DATE) AS base_end,
    CASE WHEN p.period_kind <> 'ytd' OR p.months > 1
        THEN last_day((date_trunc('month', p.period_end) - to_months(p.step))::DATE)
    END AS previous_end
FROM pair AS p
LEFT JOIN core.calendar_month AS m
    ON m.basis = p.basis AND m.region_set = p.region_set AND m.month = p.first
LEFT JOIN core.span AS b
    ON b.basis = p.basis AND b.region_set = p.region_set AND b.period_kind = p.period_kind
    AND b.period_start = p.first AND b.months = p.months
