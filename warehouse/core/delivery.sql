-- en: Every delivery ever landed and what became of it
-- id: Setiap kiriman yang pernah diterima dan nasibnya
-- grain: delivery_id
-- Of a slice the newest accepted snapshot is current: it replaces the slice whole. A delta replaces
-- nothing: all are current, and versions decide. A refused delivery replaces nothing; if it is the
-- newest landing, what was there stays, marked stale. A resubmission is current as long as the
-- delivery that it corrects, and says nothing about a slice's newest. last_month is NULL where a
-- delivery covers all that its office has (certificates then reach to the last month that had ended).
WITH RECURSIVE accepted AS (
    SELECT
        delivery_id,
        CASE mode WHEN 'delta' THEN delivery_id ELSE first_value(delivery_id) OVER (
            PARTITION BY feed, slice_code, mode
            ORDER BY coalesce(extracted_at, landed_at) DESC, landed_at DESC, delivery_id DESC
        ) END AS winner_id
    FROM stage.delivery
    WHERE verdict = 'accepted' AND resubmits IS NULL
    UNION ALL
    SELECT
        r.delivery_id,
        CASE WHEN a.winner_id = a.delivery_id THEN r.delivery_id ELSE a.winner_id END
    FROM stage.delivery AS r
    JOIN accepted AS a ON a.delivery_id = r.resubmits
    WHERE r.verdict = 'accepted'
),
newest AS (
    SELECT feed, slice_code, arg_max(verdict, struct_pack(landed_at, delivery_id)) AS verdict
    FROM stage.delivery
    WHERE resubmits IS NULL
    GROUP BY feed, slice_code
)
SELECT
    d.delivery_id,
    d.feed,
    d.slice_code,
    d.office_code,
    d.grain,
    d.region_set,
    d.resubmits,
    d.month,
    coalesce(d.last_month, CASE d.grain WHEN 'certificate_line' THEN greatest(
        d.month,
        date_trunc('month', coalesce(d.extracted_at, d.landed_at) + c.utc_offset - INTERVAL 1 MONTH)
    ) END)::DATE AS last_month,
    d.first_month,
    d.landed_at,
    d.extracted_at,
    CASE
        WHEN d.verdict = 'refused' THEN 'refused'
        WHEN a.winner_id = d.delivery_id THEN 'current'
        ELSE 'superseded'
    END AS state,
    nullif(a.winner_id, d.delivery_id) AS superseded_by,
    coalesce(a.winner_id = d.delivery_id AND n.verdict = 'refused', false) AS is_stale,
    d.records,
    d.accepted_records,
    d.quarantined_records,
    d.excluded_records,
    d.accepted_usd,
    d.quarantined_usd,
    d.accepted_unreadable,
    d.quarantined_unreadable,
    d.problem_codes,
    d.is_synthetic,
    d.rules_sha
FROM stage.delivery AS d
CROSS JOIN core.country AS c
JOIN newest AS n USING (feed, slice_code)
LEFT JOIN accepted AS a USING (delivery_id)
