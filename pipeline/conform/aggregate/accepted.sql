-- en: Accepted cells, as load reads them
-- id: Sel yang diterima, untuk dibaca tahap load
-- grain: delivery_no, line
SELECT
    delivery_no,
    delivery_id, line, cell_key, region_set, region_code, region_name, month, hs_code,
    destination_code, fob_usd, net_kg, is_missing, is_synthetic, flags
FROM batch
JOIN outcome USING (delivery_no, row_id)
WHERE is_accepted
