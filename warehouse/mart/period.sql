-- en: Periods of the rankings, with a label in both languages, and whether all that is owed came
-- id: Periode peringkat, dengan label dalam dua bahasa, dan apakah semua kiriman wajib sudah lengkap
-- grain: period_kind, period_end
WITH named AS (
    SELECT DISTINCT
        period_kind,
        period_start,
        period_end,
        months,
        ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September',
            'October', 'November', 'December'][month(period_end)] AS month_en,
        ['Januari', 'Februari', 'Maret', 'April', 'Mei', 'Juni', 'Juli', 'Agustus', 'September',
            'Oktober', 'November', 'Desember'][month(period_end)] AS month_id,
        year(period_end)::VARCHAR AS year_text
    FROM core.span
),
owed AS (
    SELECT
        month,
        bool_and(is_complete) FILTER (grain = 'certificate_line') AS has_certificates,
        bool_and(is_complete) FILTER (grain = 'aggregate') AS has_official
    FROM core.slice_month
    GROUP BY month
)
SELECT
    period_kind,
    period_start,
    period_end,
    months,
    CASE
        WHEN period_kind = 'month' OR (period_kind = 'ytd' AND months = 1)
            THEN month_en || ' ' || year_text
        WHEN period_kind = 'quarter' THEN 'Q' || quarter(period_end) || ' ' || year_text
        WHEN period_kind = 'ytd' THEN 'January–' || month_en || ' ' || year_text
        WHEN period_kind = 'year' THEN year_text
        ELSE '12 months to ' || month_en || ' ' || year_text
    END AS label_en,
    CASE
        WHEN period_kind = 'month' OR (period_kind = 'ytd' AND months = 1)
            THEN month_id || ' ' || year_text
        WHEN period_kind = 'quarter'
            THEN 'Triwulan ' || ['I', 'II', 'III', 'IV'][quarter(period_end)] || ' ' || year_text
        WHEN period_kind = 'ytd' THEN 'Januari–' || month_id || ' ' || year_text
        WHEN period_kind = 'year' THEN year_text
        ELSE '12 bulan hingga ' || month_id || ' ' || year_text
    END AS label_id,
    bool_and(o.has_certificates) AS is_complete_certificates,
    bool_and(o.has_official) AS is_complete_official
FROM named
LEFT JOIN owed AS o ON o.month BETWEEN period_start AND period_end
GROUP BY ALL
