-- en: Accepted cells, as load reads them
-- id: Sel yang diterima, untuk dibaca tahap load
-- grain: delivery_no, line
SELECT
    b.delivery_no,
    b.delivery_id, b.line, b.cell_key, b.region_set, b.region_code, b.region_name, b.month,
    b.hs_code, b.destination_code, b.fob_usd, b.net_kg, b.is_missing, b.is_synthetic,
    coalesce(f.flags, []::VARCHAR[]) AS flags
FROM batch AS b
ANTI JOIN aside AS a ON a.row_id = b.row_id
LEFT JOIN flag AS f ON f.row_id = b.row_id
