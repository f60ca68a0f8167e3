-- en: Records that are set aside
-- id: Baris yang disisihkan
-- grain: row_id
SELECT row_id, delivery_no
FROM batch
SEMI JOIN (SELECT row_id FROM finding WHERE severity = 'critical') USING (row_id)
