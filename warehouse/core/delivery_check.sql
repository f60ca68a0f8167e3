-- en: What each current delivery of certificates holds, beside the other ones and its past months
-- id: Isi tiap kiriman SKA yang berlaku, dibandingkan dengan kiriman lain dan bulan-bulan sebelumnya
-- grain: delivery_id
-- Bands are robust and on the log scale, where a fall to a fifth is as odd as a rise to five times:
-- median of the office's complete months among the 12 before (at least 6), times or divided by
-- exp(6 × 1.4826 × MAD). Never narrower than a factor of 3, nor than six times what chance alone does
-- to so few records (1/√n): a steady office is not reported for Idul Fitri, a tiny one not for luck.
-- Where the median month is a nil return there is no usual volume, and no band.
WITH delivery AS (
    SELECT
        d.delivery_id,
        d.feed,
        d.office_code,
        d.slice_code,
        d.month,
        d.accepted_records + d.quarantined_records AS records,
        s.mode = 'snapshot' AS is_snapshot,
        s.mode = 'snapshot' AND d.month = d.last_month AND coalesce(m.is_complete, false)
            AS is_whole_month
    FROM core.delivery AS d
    JOIN stage.delivery AS s USING (delivery_id)
    LEFT JOIN core.slice_month AS m
        ON m.feed = d.feed AND m.office_code = d.office_code AND m.month = d.month
    WHERE d.state = 'current' AND d.grain = 'certificate_line'
),
value AS (
    SELECT
        c.delivery_id,
        sum(c.counted_usd)::DECIMAL(18, 2) AS fob_usd,
        coalesce(sum(c.counted_usd) FILTER (r.region_kind = 'unallocated'), 0)::DECIMAL(18, 2)
            AS unplaced_usd
    FROM core.certificate AS c
    JOIN core.region AS r ON r.region_code = c.domicile_region_code
    WHERE c.is_counted
    GROUP BY c.delivery_id
),
held AS (
    SELECT delivery_id, count(*) FILTER (is_numbered) AS certificates
    FROM core.certificate_version
    GROUP BY delivery_id
),
-- Only what is contested can stand in several.
numbered AS (
    SELECT v.delivery_id, v.certificate_key
    FROM core.certificate_contest AS c
    JOIN core.certificate_version AS v USING (certificate_key, delivery_id)
    JOIN delivery AS d USING (delivery_id)
    WHERE v.is_numbered AND d.is_snapshot
),
shared AS (
    SELECT certificate_key
    FROM numbered
    GROUP BY certificate_key
    HAVING count(DISTINCT delivery_id) > 1
),
twice AS (
    SELECT delivery_id, count(*) AS certificates
    FROM numbered
    SEMI JOIN shared USING (certificate_key)
    GROUP BY delivery_id
),
size AS (
    SELECT
        d.*,
        coalesce(h.certificates, 0) AS certificates,
        coalesce(t.certificates, 0) AS duplicated_certificates,
        coalesce(v.fob_usd, 0)::DECIMAL(18, 2) AS fob_usd,
        coalesce(v.unplaced_usd, 0)::DECIMAL(18, 2) AS unplaced_usd,
        ln(greatest(d.records, 1)) AS ln_records,
        ln(greatest(v.fob_usd, 1)) AS ln_usd
    FROM delivery AS d
    LEFT JOIN held AS h USING (delivery_id)
    LEFT JOIN twice AS t USING (delivery_id)
    LEFT JOIN value AS v USING (delivery_id)
),
past AS (
    SELECT
        n.delivery_id,
        count(*) AS past_months,
        median(p.ln_records) AS mid_records,
        median(p.ln_usd) AS mid_usd,
        mad(p.ln_records) AS mad_records,
        mad(p.ln_usd) AS mad_usd
    FROM size AS n
    JOIN size AS p
        ON p.feed = n.feed AND p.office_code = n.office_code
        AND p.month >= n.month - INTERVAL 12 MONTH AND p.month < n.month
    WHERE n.is_whole_month AND p.is_whole_month
    GROUP BY n.delivery_id
    HAVING count(*) >= 6 AND median(p.records) > 0 AND median(p.fob_usd) > 0
),
reach AS (
    SELECT
        *,
        greatest(6 * 1.4826 * mad_records, ln(3), 6 / sqrt(exp(mid_records))) AS reach_records,
        greatest(6 * 1.4826 * mad_usd, ln(3), 6 / sqrt(exp(mid_records))) AS reach_usd
    FROM past
),
band AS (
    -- Rounded first, so that 3 × 40 is not 121; at most what fits the type.
    SELECT
        delivery_id,
        past_months,
        floor(round(exp(mid_records - reach_records), 2))::BIGINT AS records_low,
        ceil(round(exp(least(mid_records + reach_records, 34)), 2))::BIGINT AS records_high,
        floor(round(exp(mid_usd - reach_usd), 2))::DECIMAL(18, 2) AS fob_usd_low,
        ceil(round(exp(least(mid_usd + reach_usd, 34)), 2))::DECIMAL(18, 2) AS fob_usd_high
    FROM reach
)
SELECT
    s.delivery_id,
    s.feed,
    s.office_code,
    s.slice_code,
    s.month,
    s.records,
    s.certificates,
    s.fob_usd,
    s.unplaced_usd,
    (100 * s.unplaced_usd / nullif(s.fob_usd, 0))::DOUBLE AS unplaced_pct,
    s.duplicated_certificates,
    (100 * s.duplicated_certificates / nullif(s.certificates, 0))::DOUBLE AS duplicated_pct,
    b.* EXCLUDE (delivery_id)
FROM size AS s
LEFT JOIN band AS b USING (delivery_id)
