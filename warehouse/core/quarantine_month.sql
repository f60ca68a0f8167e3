-- en: US$ that can be read on quarantined records, where and when they seem to belong, whatever their status
-- id: US$ yang terbaca pada baris karantina, menurut perkiraan wilayah dan bulannya, apa pun statusnya
-- grain: basis, region_code, month
-- A date that is unreadable or outside the months covered gives way to the slice's month.
WITH version AS (
    SELECT
        coalesce(m.month, v.slice_month) AS month,
        p.region_code AS domicile_region_code,
        coalesce(i.region_code, o.country_code || '99') AS issuer_region_code,
        q.region_code AS port_region_code,
        v.stated_usd,
        v.records,
        v.unreadable_records
    FROM core.certificate_version AS v
    CROSS JOIN core.setting AS t
    CROSS JOIN core.country AS o
    JOIN core.place AS p USING (exporter_place, exporter_province)
    JOIN core.port_spelling AS q
        ON q.written_code = coalesce(v.load_port_code, '') AND q.written_name = ''
    LEFT JOIN core.calendar_month AS m
        ON m.basis = 'domicile' AND m.month = date_trunc(
            'month', coalesce(CASE WHEN t.is_period_by_peb THEN v.peb_on END, v.issued_on)
        )
    LEFT JOIN core.issuer AS i
        ON i.issuer_code = coalesce(v.issuer_code, v.office_code)
        AND coalesce(v.issued_on, v.slice_month) BETWEEN i.valid_from AND i.valid_until
    WHERE v.state = 'quarantined'
),
based AS (
    SELECT
        unnest(['domicile', 'issuer', 'port']) AS basis,
        unnest([domicile_region_code, issuer_region_code, port_region_code]) AS region_code,
        month,
        stated_usd,
        records,
        unreadable_records
    FROM version
    UNION ALL
    SELECT
        'official' AS basis,
        a.region_code,
        coalesce(m.month, d.month) AS month,
        coalesce(a.stated_usd, 0) AS stated_usd,
        1 AS records,
        (a.stated_usd IS NULL)::INTEGER AS unreadable_records
    FROM core.aggregate_cell AS a
    JOIN core.delivery AS d USING (delivery_id)
    LEFT JOIN core.calendar_month AS m
        ON m.basis = 'official' AND m.region_set = a.region_set AND m.month = a.month
    WHERE a.state = 'quarantined'
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
