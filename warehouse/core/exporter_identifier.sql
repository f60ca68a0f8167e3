-- en: Business and tax numbers, and the exporter that each one names
-- id: NIB dan NPWP, serta eksportir yang ditunjuk masing-masing
-- grain: identifier
-- Numbers seen on one record belong to one exporter, and so on; so do those that a row of
-- seeds/exporter_links.csv without dates joins. Restricted: never leaves core.
WITH RECURSIVE pair AS (
    SELECT DISTINCT nib_id, npwp_id FROM core.certificate_version
    WHERE NOT is_quarantined AND (nib_id IS NOT NULL OR npwp_id IS NOT NULL)
    UNION
    SELECT identifier, same_as FROM seed.exporter_links
    WHERE coalesce(valid_from, valid_until) IS NULL
),
edge AS (
    SELECT coalesce(nib_id, npwp_id) AS one, coalesce(npwp_id, nib_id) AS other FROM pair
    UNION
    SELECT coalesce(npwp_id, nib_id), coalesce(nib_id, npwp_id) FROM pair
),
-- Each number takes the smallest name among its neighbours until nothing changes.
joined (identifier, exporter_key) USING KEY (identifier) AS (
    SELECT one, least(one, min(other)) FROM edge GROUP BY one
    UNION
    SELECT e.one, min(j.exporter_key)
    FROM joined AS j
    JOIN edge AS e ON e.other = j.identifier
    JOIN recurring.joined AS known ON known.identifier = e.one
    WHERE j.exporter_key < known.exporter_key
    GROUP BY e.one
)
SELECT identifier, exporter_key FROM joined
