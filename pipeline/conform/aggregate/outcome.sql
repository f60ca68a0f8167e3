-- en: What becomes of each physical record: accepted or set aside, and its flags
-- id: Nasib tiap baris fisik: diterima atau disisihkan, beserta tandanya
-- grain: row_id
WITH found AS (
    SELECT
        row_id,
        bool_or(severity = 'critical') AS is_broken,
        list_sort(list(rule_name) FILTER (severity <> 'critical')) AS flags
    FROM finding
    GROUP BY row_id
)
SELECT
    b.row_id,
    b.delivery_no,
    NOT coalesce(f.is_broken, false) AS is_accepted,
    coalesce(f.flags, []::VARCHAR[]) AS flags
FROM batch AS b
LEFT JOIN found AS f USING (row_id)
