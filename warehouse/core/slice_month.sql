-- en: Every month that an office owes, and whether it came whole
-- id: Setiap bulan yang wajib dikirim suatu kantor, dan apakah sudah lengkap
-- grain: feed, office_code, month
-- Complete: accepted, and extracted (else landed) after the month's last day in the country. A month
-- whose aggregate cells are all blank is missing; a delivery without any record is a nil return. An
-- office owes all months of its feed once it has delivered anything.
WITH owed AS (
    SELECT DISTINCT d.feed, d.office_code, d.grain, d.region_set, m.month
    FROM core.delivery AS d
    JOIN core.basis AS b
        ON b.grain = d.grain AND b.region_set = coalesce(d.region_set, b.region_set)
    JOIN core.calendar_month AS m
        ON m.basis = b.basis AND m.region_set = b.region_set AND m.month >= d.first_month
),
filled AS (
    SELECT DISTINCT delivery_id, month
    FROM core.aggregate_cell
    WHERE state <> 'superseded' AND stated_usd IS NOT NULL
)
SELECT
    o.*,
    coalesce(bool_or(
        (coalesce(d.extracted_at, d.landed_at) + c.utc_offset)::DATE > last_day(o.month)
        AND (
            d.grain = 'certificate_line'
            OR f.delivery_id IS NOT NULL
            OR d.accepted_records + d.quarantined_records = 0
        )
    ), false) AS is_complete,
    coalesce(bool_or(d.is_stale), false) AS is_stale
FROM owed AS o
CROSS JOIN core.country AS c
LEFT JOIN core.delivery AS d
    ON d.feed = o.feed AND d.office_code = o.office_code AND d.state = 'current'
    AND o.month BETWEEN d.month AND coalesce(d.last_month, DATE '9999-12-31')
LEFT JOIN filled AS f ON f.delivery_id = d.delivery_id AND f.month = o.month
GROUP BY ALL
