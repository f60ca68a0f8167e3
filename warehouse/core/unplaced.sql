-- en: Places and issuers that could not be resolved, what is at stake, and a seed row to paste
-- id: Tempat dan penerbit yang tidak dikenali, nilai terkait, dan baris acuan siap tempel
-- grain: kind, spelling, province
-- seed_row goes into seeds/region_aliases.csv or seeds/issuer.csv once its <…> is filled in; the
-- next build places it.
WITH certificate AS (
    SELECT * FROM core.certificate WHERE is_counted
),
place AS (
    SELECT
        'place' AS kind,
        p.exporter_place AS spelling,
        p.exporter_province AS province,
        p.resolution,
        p.candidates,
        p.region_code,
        count(*) AS certificates,
        sum(c.counted_usd)::DECIMAL(18, 2) AS fob_usd
    FROM core.place AS p
    JOIN certificate AS c USING (exporter_place, exporter_province)
    WHERE p.resolution IN ('ambiguous', 'unknown')
    GROUP BY ALL
),
issuer AS (
    SELECT
        'issuer' AS kind,
        c.issuer_code AS spelling,
        '' AS province,
        'unknown' AS resolution,
        NULL AS candidates,
        'ID99' AS region_code,
        count(*) AS certificates,
        sum(c.counted_usd)::DECIMAL(18, 2) AS fob_usd
    FROM certificate AS c
    LEFT JOIN core.issuer AS i
        ON i.issuer_code = c.issuer_code AND c.issued_on BETWEEN i.valid_from AND i.valid_until
    WHERE i.issuer_code IS NULL
    GROUP BY ALL
)
SELECT
    kind,
    spelling,
    province,
    resolution,
    region_code,
    certificates,
    fob_usd,
    CASE
        WHEN kind = 'issuer'
            THEN spelling || ',<office name>,region,<region_code>,,,false,'
        WHEN spelling <> ''
            THEN '"' || replace(spelling, '"', '""') || '",'
                || CASE WHEN region_code LIKE '%99' AND region_code <> 'ID99'
                    THEN region_code[1:2] ELSE '<province_code>' END
                || ',<' || coalesce(candidates, 'region_code') || '>,'
    END AS seed_row
FROM (SELECT * FROM place UNION ALL SELECT * FROM issuer)
