-- en: Which delivery changed a certificate or cell, as far as its own versions tell
-- id: Kiriman yang mengubah suatu SKA atau sel, sejauh terlihat dari versinya sendiri
-- grain: grain, item_key
-- change_cause is NULL where both builds hold the same version: then another certificate or a rule
-- changed what it counts. A delivery that was refused before and is accepted now is a changed rule.
WITH replacing AS (
    SELECT DISTINCT d.superseded_by AS delivery_id
    FROM core.delivery AS d
    JOIN before.core.delivery AS b ON b.delivery_id = d.delivery_id AND b.state = 'current'
    WHERE d.superseded_by IS NOT NULL
),
resubmitted AS (
    SELECT l.certificate_key AS item_key, 'certificate_line' AS grain, min(r.resubmission_id) AS by_id
    FROM core.resubmitted_line AS r
    JOIN before.core.certificate_line AS l USING (delivery_id, line)
    GROUP BY l.certificate_key
    UNION ALL
    SELECT
        CASE WHEN a.cell_key LIKE 'line:%' THEN a.delivery_id ELSE a.region_set END
            || ' ' || a.cell_key AS item_key,
        'aggregate',
        min(r.resubmission_id)
    FROM core.resubmitted_line AS r
    JOIN before.core.aggregate_cell AS a USING (delivery_id, line)
    GROUP BY item_key
),
seen AS (
    SELECT
        h.*,
        n.resubmits,
        h.delivery_id IS NOT NULL AND k.delivery_id IS NULL AS is_new,
        p.delivery_id IS NOT NULL AS is_replacing,
        h.before_id IS NOT NULL AND w.delivery_id IS NULL AS is_gone,
        w.state AS before_state,
        w.superseded_by,
        w.superseded_by IS NOT NULL AND s.delivery_id IS NULL AS is_superseded_by_new,
        r.by_id
    FROM change_held AS h
    LEFT JOIN core.delivery AS n ON n.delivery_id = h.delivery_id
    LEFT JOIN before.core.delivery AS k ON k.delivery_id = h.delivery_id
    LEFT JOIN replacing AS p ON p.delivery_id = h.delivery_id
    LEFT JOIN core.delivery AS w ON w.delivery_id = h.before_id
    LEFT JOIN before.core.delivery AS s ON s.delivery_id = w.superseded_by
    LEFT JOIN resubmitted AS r ON r.grain = h.grain AND r.item_key = h.item_key
)
SELECT
    grain,
    item_key,
    CASE
        WHEN is_new AND state = 'quarantined' THEN 'quarantined'
        WHEN is_new AND resubmits IS NOT NULL THEN 'resubmitted'
        WHEN is_new AND status = 'withdrawn' THEN 'withdrawn'
        WHEN is_new AND is_replacing THEN 'newer_delivery'
        WHEN is_new AND before_id IS NOT NULL THEN 'newer_version'
        WHEN is_new THEN 'new_delivery'
        WHEN is_gone THEN 'feed_removed'
        WHEN is_superseded_by_new THEN 'newer_delivery'
        WHEN by_id IS NOT NULL THEN 'resubmitted'
        WHEN before_state <> 'current' OR delivery_id IS DISTINCT FROM before_id
            THEN 'rules_changed'
    END AS change_cause,
    CASE
        WHEN is_new THEN delivery_id
        WHEN is_gone THEN before_id
        WHEN superseded_by IS NOT NULL THEN superseded_by
        WHEN by_id IS NOT NULL THEN by_id
        ELSE coalesce(delivery_id, before_id)
    END AS delivery_id,
    replaces_ska_number,
    before_replaces
FROM seen
