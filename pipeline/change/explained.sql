-- en: Change of each region's month by cause and delivery
-- id: Perubahan bulan tiap wilayah menurut sebab dan kiriman
-- grain: basis, region_code, month, change_cause, delivery_id
SELECT
    m.basis,
    m.region_code,
    m.month,
    coalesce(
        d.change_cause,
        CASE WHEN r.certificate_key IS NULL THEN 'rules_changed' ELSE 'other_certificate' END
    ) AS change_cause,
    coalesce(r.delivery_id, d.delivery_id) AS delivery_id,
    sum(m.change_usd)::DECIMAL(18, 2) AS change_usd,
    count(*) AS changed_items
FROM change_moved AS m
JOIN change_direct AS d USING (grain, item_key)
LEFT JOIN change_related AS r
    ON d.grain = 'certificate_line' AND d.change_cause IS NULL AND r.certificate_key = d.item_key
GROUP BY ALL
HAVING sum(m.change_usd) <> 0
