-- en: What the delivery suite judges: one delivery of aggregates as a whole
-- id: Yang dinilai aturan kiriman: satu kiriman agregat secara keseluruhan
-- grain: delivery_no
-- Cells carry no office's numbers, and a month outside the slice is a row's own fault: NULL.
WITH judged AS (
    SELECT b.*, a.row_id IS NULL AS is_accepted FROM batch AS b LEFT JOIN aside AS a USING (row_id)
),
counted AS (
    SELECT
        delivery_no,
        count(*) AS judged,
        count(*) FILTER (is_accepted) AS accepted_records,
        count(*) FILTER (NOT is_accepted) AS quarantined_records,
        sum(fob_usd) FILTER (is_accepted) AS accepted_usd,
        sum(fob_usd) FILTER (NOT is_accepted) AS quarantined_usd,
        count(*) FILTER (is_accepted AND fob_usd IS NULL) AS accepted_unreadable,
        count(*) FILTER (NOT is_accepted AND fob_usd IS NULL) AS quarantined_unreadable,
        sum(abs(fob_usd))::DOUBLE AS stated_fob,
        sum(abs(net_kg))::DOUBLE AS stated_kg,
        bool_and(is_synthetic) AS is_synthetic
    FROM judged
    GROUP BY delivery_no
)
SELECT
    d.delivery_no,
    d.records,
    d.records - coalesce(c.judged, 0) AS lost_records,
    coalesce(c.accepted_records, 0) AS accepted_records,
    coalesce(c.quarantined_records, 0) AS quarantined_records,
    coalesce(c.accepted_usd, 0)::DECIMAL(38, 2) AS accepted_usd,
    coalesce(c.quarantined_usd, 0)::DECIMAL(38, 2) AS quarantined_usd,
    coalesce(c.accepted_unreadable, 0) AS accepted_unreadable,
    coalesce(c.quarantined_unreadable, 0) AS quarantined_unreadable,
    coalesce(c.is_synthetic, d.file_is_synthetic) AS is_synthetic,
    CASE WHEN d.records >= 20 THEN 100.0 * c.quarantined_records / d.records END::DOUBLE
        AS quarantined_pct,
    NULL::DOUBLE AS other_month_pct,
    NULL::DOUBLE AS own_number_pct,
    c.stated_fob,
    c.stated_kg,
    f.* EXCLUDE (delivery_no)
FROM delivery AS d
JOIN delivery_frame AS f USING (delivery_no)
LEFT JOIN counted AS c USING (delivery_no)
