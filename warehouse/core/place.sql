-- en: Every spelling of an exporter's place, and the region it means
-- id: Setiap ejaan tempat eksportir, dan wilayah yang dimaksud
-- grain: exporter_place, exporter_province
-- exact: the official name. alias: a row of seeds/region_aliases.csv. unique_in_province: the bare
-- name of one region only. ambiguous, unknown: never guessed, unallocated: in the province if that
-- is certain (also for a bare "Bogor", kabupaten and kota being both in 32), else in ID99.
WITH spelling AS (
    SELECT DISTINCT exporter_place, exporter_province FROM core.certificate_version
),
text AS (
    SELECT exporter_place AS text FROM spelling
    UNION SELECT exporter_province FROM spelling
    UNION SELECT spelling FROM seed.region_aliases
    UNION SELECT region_name FROM seed.region
),
spaced AS (
    -- \p{Z} also holds the no-break space that spreadsheets leave behind.
    SELECT text, trim(regexp_replace(upper(text), '[\s\p{Z}.,]+', ' ', 'g')) AS words FROM text
),
named AS (
    SELECT
        text,
        regexp_replace(
            regexp_replace(
                regexp_replace(words, '\bKAB\b', 'KABUPATEN', 'g'),
                '\b(KABUPATEN|KOTA) (ADM|ADMINISTRASI)\b', '\1'
            ),
            '^(PROV|PROVINSI) ', ''
        ) AS name
    FROM spaced
),
name AS (
    SELECT text, name, regexp_replace(name, '^(KABUPATEN|KOTA|DKI|DI) ', '') AS bare FROM named
),
region AS (
    SELECT r.region_code, r.province_code, r.region_kind, n.name, n.bare
    FROM seed.region AS r
    JOIN name AS n ON n.text = r.region_name
),
stated AS (
    SELECT
        s.exporter_place,
        s.exporter_province,
        p.name,
        p.bare,
        r.region_code AS province_code,
        q.name <> '' AND r.region_code IS NULL AS is_province_unknown
    FROM spelling AS s
    JOIN name AS p ON p.text = s.exporter_place
    JOIN name AS q ON q.text = s.exporter_province
    LEFT JOIN region AS r ON r.region_kind = 'province' AND r.bare = q.bare
),
candidate AS (
    SELECT s.exporter_place, s.exporter_province, 1 AS preference, r.region_code, r.province_code
    FROM stated AS s
    JOIN region AS r ON r.name = s.name AND r.region_kind <> 'province'
    UNION
    SELECT s.exporter_place, s.exporter_province, 2, r.region_code, r.province_code
    FROM seed.region_aliases AS a
    JOIN core.region AS r USING (region_code)
    JOIN name AS n ON n.text = a.spelling
    JOIN stated AS s ON s.name = n.name
    UNION
    SELECT s.exporter_place, s.exporter_province, 3, r.region_code, r.province_code
    FROM stated AS s
    JOIN region AS r ON r.bare = s.name AND r.region_kind <> 'province'
    WHERE r.bare NOT IN (SELECT bare FROM region WHERE region_kind = 'province')
    UNION
    -- "DKI Jakarta", "Kota Jakarta": a province where a kabupaten or kota is asked for.
    SELECT s.exporter_place, s.exporter_province, 4, NULL, r.region_code
    FROM stated AS s
    JOIN region AS r ON r.bare = s.bare AND r.region_kind = 'province'
),
fitting AS (
    -- A province that the seeds don't know may be any, so only a full name stands beside it.
    SELECT c.*
    FROM stated AS s
    JOIN candidate AS c USING (exporter_place, exporter_province)
    WHERE coalesce(s.province_code = c.province_code, NOT s.is_province_unknown OR preference <= 2)
),
best AS (
    SELECT
        exporter_place,
        exporter_province,
        preference,
        count(region_code) AS regions,
        min(region_code) AS region_code,
        CASE WHEN min(province_code) = max(province_code) THEN min(province_code) END
            AS province_code,
        string_agg(region_code, ' or ' ORDER BY region_code) AS candidates
    FROM fitting
    GROUP BY exporter_place, exporter_province, preference
    QUALIFY row_number() OVER (PARTITION BY exporter_place, exporter_province ORDER BY preference)
        = 1
)
SELECT
    s.exporter_place,
    s.exporter_province,
    CASE WHEN b.regions = 1 THEN b.region_code
        ELSE coalesce(u.region_code, 'ID99') END AS region_code,
    CASE
        WHEN b.regions = 1
            THEN ['exact', 'alias', 'unique_in_province'][b.preference]
        WHEN b.regions > 1 THEN 'ambiguous'
        ELSE 'unknown'
    END AS resolution,
    b.candidates
FROM stated AS s
LEFT JOIN best AS b USING (exporter_place, exporter_province)
LEFT JOIN (SELECT DISTINCT exporter_place, exporter_province FROM candidate) AS c
    USING (exporter_place, exporter_province)
-- A place in another province than the one stated: neither is certain.
LEFT JOIN core.region AS u
    ON u.region_kind = 'unallocated'
    AND u.province_code = CASE WHEN c.exporter_place IS NULL THEN s.province_code
        ELSE b.province_code END
