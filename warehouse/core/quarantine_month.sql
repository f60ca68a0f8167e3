-- en: US$ that can be read on quarantined records, where and when they seem to belong, whatever their status
-- id: US$ yang terbaca pada baris karantina, menurut perkiraan wilayah dan bulannya, apa pun statusnya
-- grain: basis, region_code, month
-- An issue date that is unreadable or outside the months covered gives way to the slice's month.
WITH version AS (
    SELECT
        coalesce(m.month, v.slice_month) AS month,
        p.region_code AS domicile_region_code,
        coalesce(i.region_code, 'ID99') AS issuer_region_code,
        v.stated_usd,
        v.records,
        v.unreadable_records
    FROM core.certificate_version AS v
    JOIN core.place AS p USING (exporter_place, exporter_province)
    LEFT JOIN core.calendar_month AS m ON m.month = date_trunc('month', v.issued_on)
    LEFT JOIN core.issuer AS i
        ON i.issuer_code = coalesce(nullif(v.issuer_code, ''), v.office_code)
        AND coalesce(v.issued_on, v.slice_month) BETWEEN i.valid_from AND i.valid_until
    WHERE v.state = 'quarantined'
),
based AS (
    SELECT 'domicile' AS basis, domicile_region_code AS region_code, * FROM version
    UNION ALL
    SELECT 'issuer', issuer_region_code, * FROM version
)
SELECT
    basis,
    region_code,
    month,
    sum(stated_usd)::DECIMAL(18, 2) AS quarantined_usd,
    sum(records)::BIGINT AS records,
    sum(unreadable_records)::BIGINT AS unreadable_records
FROM based
GROUP BY basis, region_code, month
