-- en: Certificates that stand in several current deliveries, and the delivery whose version wins
-- id: SKA yang terdapat dalam beberapa kiriman yang berlaku, dan kiriman yang versinya menang
-- grain: certificate_key, delivery_id
-- part: version
-- The latest status wins, then the later extract, then the later landing, so that an old month
-- delivered again never brings an old status back. Most certificates stand in one delivery: sorting
-- the few others only took a tenth of the time.
WITH version AS (
    SELECT delivery_id, certificate_key, status_at
    FROM stage.accepted_certificate
    UNION ALL
    SELECT delivery_id, certificate_key, max(status_at)
    FROM stage.quarantine_row
    GROUP BY delivery_id, certificate_key
),
contested AS (
    SELECT certificate_key FROM version GROUP BY certificate_key HAVING count(*) > 1
),
known AS (
    SELECT v.*, d.landed_at, coalesce(d.extracted_at, d.landed_at) AS known_at
    FROM version AS v
    SEMI JOIN contested USING (certificate_key)
    JOIN core.delivery AS d USING (delivery_id)
),
dated AS (
    -- A status time that can't be read counts as no older than what was known before it.
    SELECT
        *,
        coalesce(
            status_at,
            max(status_at) OVER (
                PARTITION BY certificate_key ORDER BY known_at, landed_at, delivery_id
            )
        ) AS effective_at
    FROM known
)
SELECT
    certificate_key,
    delivery_id,
    first_value(delivery_id) OVER (
        PARTITION BY certificate_key
        ORDER BY effective_at DESC NULLS LAST, known_at DESC, landed_at DESC, delivery_id DESC
    ) AS winner_id
FROM dated
