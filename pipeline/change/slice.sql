-- en: Slices of which a build counts other deliveries than a release does
-- id: Bagian yang kirimannya pada hasil bangun lain daripada pada rilis
-- grain: slice
WITH known AS (
    SELECT delivery_id, slice_code FROM release.meta.delivery WHERE state = 'current'
),
counted AS (
    SELECT delivery_id, slice_code FROM build.core.delivery WHERE state = 'current'
)
SELECT DISTINCT coalesce(k.slice_code, c.slice_code) AS slice
FROM known AS k
FULL JOIN counted AS c USING (delivery_id)
WHERE k.slice_code IS NULL OR c.slice_code IS NULL
ORDER BY slice
