-- en: The winning version of each certificate and cell in either build, where they are not the same
-- id: Versi yang menang dari tiap SKA dan sel pada salah satu hasil bangun, bila keduanya berbeda
-- grain: grain, item_key
-- `before` is the build of the release before. A quarantined version may win.
WITH now AS (
    SELECT
        'certificate_line' AS grain, certificate_key AS item_key, delivery_id, state,
        status, replaces_ska_number
    FROM core.certificate_version
    WHERE state <> 'superseded'
    UNION ALL
    SELECT DISTINCT
        'aggregate',
        CASE WHEN cell_key LIKE 'line:%' THEN delivery_id ELSE region_set END || ' ' || cell_key,
        delivery_id, state, NULL, NULL
    FROM core.aggregate_cell
    WHERE state <> 'superseded'
),
earlier AS (
    SELECT
        'certificate_line' AS grain, certificate_key AS item_key, delivery_id, state,
        replaces_ska_number
    FROM before.core.certificate_version
    WHERE state <> 'superseded'
    UNION ALL
    SELECT DISTINCT
        'aggregate',
        CASE WHEN cell_key LIKE 'line:%' THEN delivery_id ELSE region_set END || ' ' || cell_key,
        delivery_id, state, NULL
    FROM before.core.aggregate_cell
    WHERE state <> 'superseded'
)
SELECT
    grain,
    item_key,
    n.delivery_id,
    n.state,
    n.status,
    n.replaces_ska_number,
    e.delivery_id AS before_id,
    e.replaces_ska_number AS before_replaces
FROM now AS n
FULL JOIN earlier AS e USING (grain, item_key)
LEFT JOIN (SELECT DISTINCT grain, item_key, true AS is_moved FROM change_moved) AS m
    USING (grain, item_key)
WHERE n.delivery_id IS DISTINCT FROM e.delivery_id OR m.is_moved
