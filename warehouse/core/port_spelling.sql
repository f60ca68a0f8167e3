-- en: Every spelling of a port, as code and name, and the port it means
-- id: Setiap ejaan pelabuhan, sebagai kode dan nama, dan pelabuhan yang dimaksud
-- grain: written_code, written_name
-- The code comes first, then the name. Several codes of one port and other names are rows of
-- seeds/port_aliases.csv. Where code and name mean different ports, or a name means two: never
-- guessed. Airports are ports; "(U)" (udara) stays part of their name.
WITH cell AS (
    SELECT * FROM stage.accepted_cell UNION ALL BY NAME SELECT * FROM stage.quarantine_cell
),
spelling AS (
    SELECT DISTINCT coalesce(load_port_code, '') AS written_code, '' AS written_name
    FROM core.certificate_version
    UNION
    SELECT coalesce(c.region_code, ''), coalesce(c.region_name, '')
    FROM cell AS c
    JOIN core.country AS o ON c.region_set = o.country_code || 'PORT'
),
text AS (
    SELECT written_code AS text FROM spelling
    UNION SELECT written_name FROM spelling
    UNION SELECT port_code FROM seed.port
    UNION SELECT port_name FROM seed.port
    UNION SELECT spelling FROM seed.port_aliases
),
plain AS (
    SELECT text, trim(regexp_replace(upper(text), '[^\pL\pN]+', ' ', 'g')) AS name FROM text
),
name AS (
    -- 431 is ID431 without its letters.
    SELECT
        text,
        CASE WHEN regexp_full_match(name, '\d{3}') THEN country_code || name ELSE name END AS name
    FROM plain
    CROSS JOIN core.country
),
known AS (
    SELECT n.name, p.port_code
    FROM seed.port AS p
    JOIN name AS n ON n.text IN (p.port_code, p.port_name)
    UNION
    SELECT n.name, a.port_code
    FROM seed.port_aliases AS a
    JOIN name AS n ON n.text = a.spelling
),
meaning AS (
    SELECT n.text, min(k.port_code) AS port_code
    FROM known AS k
    JOIN name AS n USING (name)
    GROUP BY n.text
    HAVING count(DISTINCT k.port_code) = 1
)
SELECT
    s.written_code,
    s.written_name,
    CASE
        WHEN c.port_code <> n.port_code THEN o.country_code || 'PORT99'
        ELSE coalesce(c.port_code, n.port_code, o.country_code || 'PORT99')
    END AS region_code,
    CASE
        WHEN c.port_code <> n.port_code THEN 'contradictory'
        WHEN c.port_code IS NOT NULL THEN 'code'
        WHEN n.port_code IS NOT NULL THEN 'name'
        ELSE 'unknown'
    END AS resolution
FROM spelling AS s
CROSS JOIN core.country AS o
LEFT JOIN meaning AS c ON c.text = s.written_code
LEFT JOIN meaning AS n ON n.text = s.written_name
