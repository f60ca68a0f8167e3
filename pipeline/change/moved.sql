-- en: What each certificate or cell counts more or less than before, where it counts
-- id: Selisih nilai terhitung tiap SKA atau sel terhadap sebelumnya, di tempat ia dihitung
-- grain: grain, item_key, basis, region_code, month
WITH certificate AS (
    SELECT
        certificate_key, domicile_region_code, issuer_region_code, port_region_code, month,
        counted_usd AS change_usd
    FROM core.certificate
    UNION ALL
    SELECT
        certificate_key, domicile_region_code, issuer_region_code, port_region_code, month,
        -counted_usd
    FROM before.core.certificate
),
differing AS (
    SELECT
        certificate_key, domicile_region_code, issuer_region_code, port_region_code, month,
        sum(change_usd) AS change_usd
    FROM certificate
    GROUP BY ALL
    HAVING sum(change_usd) <> 0
),
placed AS (
    SELECT
        'certificate_line' AS grain,
        certificate_key AS item_key,
        unnest(['domicile', 'issuer', 'port']) AS basis,
        unnest([domicile_region_code, issuer_region_code, port_region_code]) AS region_code,
        month,
        change_usd
    FROM differing
    UNION ALL
    SELECT
        'aggregate',
        CASE WHEN cell_key LIKE 'line:%' THEN delivery_id ELSE region_set END || ' ' || cell_key,
        'official', region_code, month, fob_usd
    FROM core.aggregate_cell
    WHERE fob_usd IS NOT NULL
    UNION ALL
    SELECT
        'aggregate',
        CASE WHEN cell_key LIKE 'line:%' THEN delivery_id ELSE region_set END || ' ' || cell_key,
        'official', region_code, month, -fob_usd
    FROM before.core.aggregate_cell
    WHERE fob_usd IS NOT NULL
)
SELECT grain, item_key, basis, region_code, month, sum(change_usd)::DECIMAL(18, 2) AS change_usd
FROM placed
GROUP BY grain, item_key, basis, region_code, month
HAVING sum(change_usd) <> 0
