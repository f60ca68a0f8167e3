-- en: Cells set aside, with every reason and the text as delivered
-- id: Sel yang disisihkan, dengan semua alasan dan teks aslinya
-- grain: delivery_no, line
-- findings has one entry per critical rule that this record fails.
SELECT
    b.delivery_no,
    b.delivery_id, b.line, b.cell_key, b.region_set, b.region_code, b.region_name, b.month,
    b.hs_code, b.destination_code, b.fob_usd, b.net_kg, b.is_missing, b.is_synthetic,
    coalesce(g.flags, []::VARCHAR[]) AS flags,
    c.findings,
    CASE WHEN x.record IS NULL THEN d.fields ELSE json_object('record', x.record) END::VARCHAR
        AS raw
FROM batch AS b
SEMI JOIN aside AS a ON a.row_id = b.row_id
JOIN delivered AS d ON d.row_id = b.row_id
LEFT JOIN flag AS g ON g.row_id = b.row_id
JOIN cause AS c ON c.row_id = b.row_id
LEFT JOIN odd AS x ON x.row_id = b.row_id AND x.record IS NOT NULL
