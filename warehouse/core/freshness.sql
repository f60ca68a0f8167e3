-- en: What readers have of every month that an office owes, and until when it was due
-- id: Apa yang dimiliki pembaca dari setiap bulan yang wajib dikirim suatu kantor, dan batas waktunya
-- grain: feed, office_code, month
-- Of a delivery that covers more than a month all records stand at each of its months.
WITH quarantined AS (
    SELECT delivery_id, sum(records)::BIGINT AS records
    FROM core.ledger
    WHERE state = 'quarantined'
    GROUP BY delivery_id
),
owed AS (
    SELECT feed, office_code, month, bool_and(is_complete) AS is_complete,
        bool_or(is_stale) AS is_stale
    FROM core.slice_month
    GROUP BY feed, office_code, month
)
SELECT
    o.feed,
    o.office_code,
    o.month,
    CASE
        WHEN coalesce(bool_or(d.state = 'current'), false) THEN CASE
            WHEN o.is_stale THEN 'stale'
            WHEN o.is_complete THEN 'fresh'
            ELSE 'incomplete'
        END
        WHEN bool_or(d.state = 'refused') THEN 'refused'
        ELSE 'missing'
    END AS freshness,
    CASE f.covers WHEN 'year' THEN make_date(year(o.month), 12, 31) ELSE last_day(o.month) END
        + f.fresh_days AS due_on,
    max(d.landed_at) FILTER (d.state = 'current') AS landed_at,
    coalesce(sum(d.records) FILTER (d.state = 'current'), 0)::BIGINT AS records,
    coalesce(sum(q.records) FILTER (d.state = 'current'), 0)::BIGINT AS quarantined_records
FROM owed AS o
JOIN stage.feed AS f USING (feed)
LEFT JOIN core.delivery AS d
    ON d.feed = o.feed AND d.office_code = o.office_code
    AND o.month BETWEEN d.month AND coalesce(d.last_month, DATE '9999-12-31')
LEFT JOIN quarantined AS q USING (delivery_id)
GROUP BY o.feed, o.office_code, o.month, o.is_complete, o.is_stale, f.covers, f.fresh_days
