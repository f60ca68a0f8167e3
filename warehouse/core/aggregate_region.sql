-- en: Every region that aggregate cells name, as code and name, and the region it means
-- id: Setiap wilayah yang disebut sel agregat, sebagai kode dan nama, dan wilayah yang dimaksud
-- grain: region_set, written_code, written_name
-- Ports as in core.port_spelling; elsewhere the code (also Kemendagri's, with its dots), then the
-- name: the country's own regions as in core.place, those of another set by their exact name. A
-- whole province is its unallocated. What contradicts itself or isn't known is the set's unallocated.
WITH spelling AS (
    SELECT DISTINCT
        d.region_set,
        coalesce(c.region_code, '') AS written_code,
        coalesce(c.region_name, '') AS written_name
    FROM (
        SELECT * FROM stage.accepted_cell UNION ALL BY NAME SELECT * FROM stage.quarantine_cell
    ) AS c
    JOIN core.delivery AS d USING (delivery_id)
),
code AS (
    SELECT
        r.region_set,
        unnest([r.region_code, s.kemendagri_code]) AS written_code,
        r.region_code || CASE WHEN r.region_kind IN ('province', 'country') THEN '99' ELSE '' END
            AS region_code
    FROM core.region AS r
    LEFT JOIN seed.region AS s USING (region_set, region_code)
),
found AS (
    SELECT
        s.*,
        c.region_code AS by_code,
        coalesce(
            n.region_code, CASE WHEN p.resolution NOT IN ('ambiguous', 'unknown') THEN p.region_code END
        ) AS by_name,
        p.region_code AS within
    FROM spelling AS s
    CROSS JOIN core.country AS o
    LEFT JOIN (SELECT DISTINCT * FROM code) AS c USING (region_set, written_code)
    LEFT JOIN core.region AS n
        ON n.region_set = s.region_set AND s.region_set <> o.country_code
        AND upper(n.region_name) = upper(s.written_name)
    LEFT JOIN core.place AS p
        ON s.region_set = o.country_code AND s.written_name <> ''
        AND p.exporter_place = s.written_name AND p.exporter_province = ''
)
SELECT
    f.region_set,
    f.written_code,
    f.written_name,
    CASE
        WHEN q.region_code IS NOT NULL THEN q.region_code
        WHEN f.by_code <> f.by_name THEN f.region_set || '99'
        ELSE coalesce(f.by_code, f.by_name, f.within, f.region_set || '99')
    END AS region_code,
    CASE
        WHEN q.region_code IS NOT NULL THEN q.resolution
        WHEN f.by_code <> f.by_name THEN 'contradictory'
        WHEN f.by_code IS NOT NULL THEN 'code'
        WHEN f.by_name IS NOT NULL THEN 'name'
        ELSE 'unknown'
    END AS resolution
FROM found AS f
CROSS JOIN core.country AS o
LEFT JOIN core.port_spelling AS q
    ON f.region_set = o.country_code || 'PORT'
    AND q.written_code = f.written_code AND q.written_name = f.written_name
