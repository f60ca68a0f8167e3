-- en: The months that each basis covers, from the first month of its first feed to the newest slice
-- id: Bulan-bulan yang dicakup tiap basis, dari bulan pertama sumber pertamanya sampai bagian terbaru
-- grain: basis, region_set, month
-- An aggregate delivery without a last month reaches as far as its cells do, blank ones too.
WITH reached AS (
    SELECT delivery_id, max(month) AS last_month
    FROM core.aggregate_cell
    WHERE NOT is_quarantined
    GROUP BY delivery_id
)
SELECT
    b.basis,
    b.region_set,
    unnest(generate_series(
        min(d.first_month),
        max(coalesce(d.last_month, r.last_month, d.month)),
        INTERVAL 1 MONTH
    ))::DATE AS month
FROM core.basis AS b
JOIN core.delivery AS d
    ON d.grain = b.grain AND coalesce(d.region_set, b.region_set) = b.region_set
LEFT JOIN reached AS r USING (delivery_id)
GROUP BY b.basis, b.region_set
