-- en: What the delivery suite judges: one delivery as a whole
-- id: Yang dinilai aturan kiriman: satu kiriman secara keseluruhan
-- grain: delivery_no
-- quarantined_pct is NULL below 20 records: one bad record in three is no pattern.
WITH judged AS (
    SELECT b.*, a.row_id IS NULL AS is_accepted, d.month
    FROM batch AS b
    JOIN delivery AS d USING (delivery_no)
    LEFT JOIN aside AS a ON a.row_id = b.row_id
),
counted AS (
    SELECT
        delivery_no,
        count(*) AS judged,
        count(*) FILTER (is_accepted) AS accepted_records,
        count(*) FILTER (NOT is_accepted) AS quarantined_records,
        sum(line_fob) FILTER (is_accepted AND currency_code = 'USD') AS accepted_usd,
        sum(line_fob) FILTER (NOT is_accepted AND currency_code = 'USD') AS quarantined_usd,
        count(*) FILTER (is_accepted AND line_fob IS NULL) AS accepted_unreadable,
        count(*) FILTER (NOT is_accepted AND line_fob IS NULL) AS quarantined_unreadable,
        sum(abs(line_fob))::DOUBLE AS lines_fob,
        greatest(sum(abs(net_kg)), sum(abs(gross_kg)))::DOUBLE AS stated_kg,
        count(*) FILTER (issued_on IS NOT NULL) AS dated,
        count(*) FILTER (NOT issued_on BETWEEN month AND last_day(month)) AS dated_elsewhere,
        bool_and(is_synthetic) AS is_synthetic
    FROM judged
    GROUP BY delivery_no
),
numbered AS (
    -- A number is the certificate's key.
    SELECT
        c.delivery_no,
        count(c.ska_number) AS numbers,
        sum(greatest(abs(c.fob_peb), abs(c.fob_document), abs(c.fob_invoice)))::DOUBLE AS header_fob,
        count(*) FILTER (split_part(c.ska_number, '/', 2) = d.office_code) AS own_numbers
    FROM certificate AS c
    JOIN delivery AS d USING (delivery_no)
    GROUP BY c.delivery_no
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
    (100.0 * c.dated_elsewhere / nullif(c.dated, 0))::DOUBLE AS other_month_pct,
    greatest(c.lines_fob, n.header_fob) AS stated_fob,
    c.stated_kg,
    CASE WHEN d.office_code IS NOT NULL
        THEN 100.0 * n.own_numbers / nullif(n.numbers, 0) END::DOUBLE AS own_number_pct,
    f.* EXCLUDE (delivery_no)
FROM delivery AS d
JOIN delivery_frame AS f USING (delivery_no)
LEFT JOIN counted AS c USING (delivery_no)
LEFT JOIN numbered AS n USING (delivery_no)
