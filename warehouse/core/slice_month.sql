-- en: Every month that an office owes, and whether it came whole
-- id: Setiap bulan yang wajib dikirim suatu kantor, dan apakah sudah lengkap
-- grain: feed, office_code, month
-- Complete: accepted, and extracted (else landed) after the month's last day in Jakarta, UTC+7
-- without summer time. An office owes all months of its feed once it has delivered anything.
WITH office AS (
    SELECT DISTINCT feed, office_code, first_month FROM core.delivery
)
SELECT
    o.feed,
    o.office_code,
    m.month,
    d.delivery_id,
    coalesce(
        (coalesce(d.extracted_at, d.landed_at) + INTERVAL 7 HOUR)::DATE > last_day(m.month), false
    ) AS is_complete,
    coalesce(d.is_stale, false) AS is_stale
FROM office AS o
JOIN core.calendar_month AS m ON m.month >= o.first_month
LEFT JOIN core.delivery AS d
    ON d.feed = o.feed AND d.office_code = o.office_code AND d.month = m.month
    AND d.state = 'current'
