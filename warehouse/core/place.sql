-- en: Every spelling of an exporter's place, and the region it means
-- id: Setiap ejaan tempat eksportir, dan wilayah yang dimaksud
-- grain: exporter_place, exporter_province
-- exact: the official name. alias: a row of seeds/region_aliases.csv, within the province it names.
-- unique_in_province: the bare name of one region only. ambiguous, unknown: never guessed,
-- unallocated: in the province if that is certain (also for a bare "Bogor", kabupaten and kota being
-- both in 32), else in the country's. Regions are today's: growth needs one geography, so what a
-- region was called or where it stood earlier is an alias. Places of aggregates are looked up too.
WITH spelling AS (
    SELECT DISTINCT exporter_place, exporter_province FROM core.certificate_version
    UNION
    SELECT coalesce(c.region_name, ''), ''
    FROM (SELECT * FROM stage.accepted_cell UNION ALL BY NAME SELECT * FROM stage.quarantine_cell) AS c
    JOIN core.country AS o ON c.region_set = o.country_code
),
-- "Cibinong, Jawa Barat": what stands after the last mark may be the province.
parted AS (
    SELECT
        *,
        regexp_extract(exporter_place, '^(.*)[,(/–-]([^,(/–-]+)$', 1) AS head,
        regexp_extract(exporter_place, '^(.*)[,(/–-]([^,(/–-]+)$', 2) AS tail
    FROM spelling
),
text AS (
    SELECT exporter_place AS text FROM parted
    UNION SELECT exporter_province FROM parted
    UNION SELECT head FROM parted
    UNION SELECT tail FROM parted
    UNION SELECT spelling FROM seed.region_aliases
    UNION SELECT region_name FROM core.region
),
spaced AS (
    -- Whatever is no letter or digit, the no-break space of spreadsheets too, is a space. "(Kota)"
    -- after a name goes before it, but not a bare KOTA: Lima Puluh Kota is a name.
    SELECT
        text,
        trim(regexp_replace(
            regexp_replace(
                regexp_replace(upper(text), '^(.*)[,(][\s\p{Z}]*KOTA[^\pL\pN]*$', 'KOTA \1'),
                '\b(KAB|KABUPATEN)[^\pL\pN]*/[^\pL\pN]*KOTA\b|\bKOTA[^\pL\pN]*/[^\pL\pN]*(KAB|KABUPATEN)\b',
                ''
            ),
            '[^\pL\pN]+', ' ', 'g'
        )) AS words
    FROM text
),
written_out AS (
    SELECT
        text,
        regexp_replace(regexp_replace(regexp_replace(regexp_replace(
            words,
            '\bKAB\b', 'KABUPATEN', 'g'),
            '\bKEP\b', 'KEPULAUAN'),
            '^(KOTAMADYA|KOTA ADMINISTRASI|KOTA ADM)\b', 'KOTA'),
            '^D K I\b', 'DKI'
        ) AS words
    FROM spaced
),
named AS (
    SELECT
        text,
        regexp_replace(regexp_replace(regexp_replace(regexp_replace(
            words,
            '^(D I|DAERAH ISTIMEWA)\b', 'DI'),
            '^KABUPATEN (ADMINISTRASI|ADM)\b', 'KABUPATEN'),
            '^(PROV|PROVINSI|PROPINSI) ', ''),
            '^(.+) KABUPATEN$', 'KABUPATEN \1'
        ) AS name
    FROM written_out
),
name AS (
    -- Spaces say nothing: Pangkal Pinang and Pangkalpinang, and "S I A K" as BPS writes it.
    SELECT
        text,
        replace(name, ' ', '') AS name,
        replace(regexp_replace(name, '^(KABUPATEN|KOTA|DKI|DI) ', ''), ' ', '') AS bare
    FROM named
),
region AS (
    SELECT r.region_code, r.province_code, r.region_kind, n.name, n.bare
    FROM core.region AS r
    JOIN core.country AS o ON r.region_set = o.country_code
    JOIN name AS n ON n.text = r.region_name
    WHERE r.region_kind IN ('province', 'kota', 'kabupaten') AND r.valid_until IS NULL
),
alias AS (
    SELECT n.name, r.region_code, r.region_kind, coalesce(a.province_code, r.province_code) AS province_code
    FROM seed.region_aliases AS a
    JOIN core.region AS r USING (region_code)
    JOIN name AS n ON n.text = a.spelling
),
province AS (
    SELECT bare AS name, region_code FROM region WHERE region_kind = 'province'
    UNION
    SELECT name, region_code FROM alias WHERE region_kind = 'province'
),
-- An alias and the official name may both fit; two provinces never do.
province_said AS (
    SELECT n.text, min(p.region_code) AS region_code
    FROM name AS n
    JOIN province AS p ON p.name IN (n.name, n.bare)
    GROUP BY n.text
    HAVING count(DISTINCT p.region_code) = 1
),
stated AS (
    SELECT
        s.exporter_place,
        s.exporter_province,
        CASE WHEN e.region_code IS NULL THEN p.name ELSE h.name END AS name,
        CASE WHEN e.region_code IS NULL THEN p.bare ELSE h.bare END AS bare,
        coalesce(r.region_code, e.region_code) AS province_code,
        q.name <> '' AND r.region_code IS NULL AND e.region_code IS NULL AS is_province_unknown,
        coalesce(r.region_code <> e.region_code, false) AS is_contradictory
    FROM parted AS s
    JOIN name AS p ON p.text = s.exporter_place
    JOIN name AS q ON q.text = s.exporter_province
    JOIN name AS h ON h.text = s.head
    LEFT JOIN province_said AS r ON r.text = s.exporter_province
    LEFT JOIN province_said AS e ON e.text = s.tail
),
candidate AS (
    SELECT s.exporter_place, s.exporter_province, 1 AS preference, r.region_code, r.province_code
    FROM stated AS s
    JOIN region AS r ON r.name = s.name AND r.region_kind <> 'province'
    UNION
    SELECT s.exporter_place, s.exporter_province, 2, a.region_code, a.province_code
    FROM stated AS s
    JOIN alias AS a ON a.name = s.name AND a.region_kind <> 'province'
    UNION
    SELECT s.exporter_place, s.exporter_province, 3, r.region_code, r.province_code
    FROM stated AS s
    JOIN region AS r ON r.bare = s.name AND r.region_kind <> 'province'
    ANTI JOIN province AS q ON q.name = s.name
    UNION
    -- "DKI Jakarta", "Kota Jakarta": a province where a kabupaten or kota is asked for.
    SELECT s.exporter_place, s.exporter_province, 4, NULL, q.region_code
    FROM stated AS s
    JOIN province AS q ON q.name IN (s.name, s.bare)
),
fitting AS (
    -- A province that the seeds don't know may be any, so only a full name stands beside it.
    SELECT c.*
    FROM stated AS s
    JOIN candidate AS c USING (exporter_place, exporter_province)
    WHERE NOT s.is_contradictory AND coalesce(
        s.province_code = c.province_code, NOT s.is_province_unknown OR c.preference <= 2
    )
),
best AS (
    SELECT
        exporter_place,
        exporter_province,
        preference,
        count(DISTINCT region_code) AS regions,
        min(region_code) AS region_code,
        CASE WHEN min(province_code) = max(province_code) THEN min(province_code) END
            AS province_code,
        string_agg(DISTINCT region_code, ' or ' ORDER BY region_code) AS candidates
    FROM fitting
    GROUP BY exporter_place, exporter_province, preference
    QUALIFY row_number() OVER (PARTITION BY exporter_place, exporter_province ORDER BY preference)
        = 1
)
SELECT
    s.exporter_place,
    s.exporter_province,
    s.name,
    s.province_code,
    CASE WHEN b.regions = 1 THEN b.region_code
        ELSE coalesce(u.region_code, o.country_code || '99') END AS region_code,
    CASE
        WHEN b.regions = 1
            THEN ['exact', 'alias', 'unique_in_province'][b.preference]
        WHEN b.regions > 1 THEN 'ambiguous'
        ELSE 'unknown'
    END AS resolution,
    b.candidates
FROM stated AS s
CROSS JOIN core.country AS o
LEFT JOIN best AS b USING (exporter_place, exporter_province)
LEFT JOIN (SELECT DISTINCT exporter_place, exporter_province FROM candidate) AS c
    USING (exporter_place, exporter_province)
-- A place in another province than the one stated: neither is certain.
LEFT JOIN core.region AS u
    ON u.region_kind = 'unallocated' AND NOT s.is_contradictory
    AND u.province_code = CASE WHEN c.exporter_place IS NULL THEN s.province_code
        ELSE b.province_code END
