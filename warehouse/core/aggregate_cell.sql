-- en: Each cell of aggregate statistics in each current delivery, its region, and which version wins
-- id: Setiap sel statistik agregat dalam setiap kiriman yang berlaku, wilayahnya, dan versi yang menang
-- grain: delivery_id, line, cell_key
-- A cell is region as written × month × HS × destination. The later extract wins, then the later
-- landing; a quarantined winner supersedes an accepted older version. A blank cell doesn't count;
-- whether it means that nothing was traded or that the figure is missing, the layout says.
WITH record AS (
    SELECT *, false AS is_quarantined FROM stage.accepted_cell
    UNION ALL BY NAME
    SELECT * EXCLUDE (findings, raw), true AS is_quarantined FROM stage.quarantine_cell
),
keyed AS (
    -- 'line:7' names a record of one file only.
    SELECT
        -- What can't be split says no set, its delivery does.
        r.* REPLACE (d.region_set AS region_set),
        d.feed,
        d.office_code,
        first_value(r.delivery_id) OVER (
            PARTITION BY
                CASE WHEN r.cell_key LIKE 'line:%' THEN r.delivery_id ELSE d.region_set END,
                r.cell_key
            ORDER BY coalesce(d.extracted_at, d.landed_at) DESC, d.landed_at DESC, r.delivery_id DESC
        ) AS winner_id
    FROM record AS r
    JOIN core.delivery AS d USING (delivery_id)
),
warning AS (
    SELECT coalesce(list(rule_name), []) AS rule_names
    FROM stage.row_rule
    WHERE severity = 'warning'
)
SELECT
    k.delivery_id,
    k.line,
    k.cell_key,
    k.feed,
    k.office_code,
    k.region_set,
    a.region_code,
    a.written_code,
    a.written_name,
    a.resolution,
    k.month,
    k.hs_code,
    CASE WHEN k.hs_code[1:2] BETWEEN '01' AND '97' AND k.hs_code[1:2] <> '77'
        THEN k.hs_code[1:2] ELSE 'unknown' END AS hs_chapter,
    coalesce(k.destination_code, 'unknown') AS destination_code,
    k.cell_key NOT LIKE '%|' AS has_destination,
    k.fob_usd AS stated_usd,
    CASE WHEN k.winner_id = k.delivery_id AND NOT k.is_quarantined THEN k.fob_usd END AS fob_usd,
    k.net_kg,
    k.is_quarantined,
    CASE
        WHEN k.winner_id <> k.delivery_id THEN 'superseded'
        WHEN k.is_quarantined THEN 'quarantined'
        ELSE 'current'
    END AS state,
    nullif(k.winner_id, k.delivery_id) AS superseded_by,
    CASE WHEN k.fob_usd IS NULL THEN 'blank' END AS reason,
    k.is_missing,
    list_has_any(k.flags, w.rule_names) AS is_flagged
FROM keyed AS k
CROSS JOIN warning AS w
JOIN core.aggregate_region AS a
    ON a.region_set = k.region_set
    AND a.written_code = coalesce(k.region_code, '')
    AND a.written_name = coalesce(k.region_name, '')
