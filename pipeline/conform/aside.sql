-- en: Records that are set aside
-- id: Baris yang disisihkan
-- grain: row_id
-- A certificate goes whole: one line that fails a critical rule takes its siblings along. Where the
-- number itself is missing or misspelt, the application says which lines belong together.
WITH failed AS (
    SELECT b.delivery_no, b.certificate_key, b.application_number, f.rule_name
    FROM finding AS f
    JOIN batch AS b USING (row_id)
    WHERE f.severity = 'critical'
),
misnamed AS (
    SELECT DISTINCT delivery_no, application_number
    FROM failed
    WHERE rule_name IN ('number_present', 'number_format')
),
broken AS (
    SELECT delivery_no, certificate_key FROM failed
    UNION
    SELECT b.delivery_no, b.certificate_key
    FROM batch AS b
    SEMI JOIN misnamed AS m
        ON m.delivery_no = b.delivery_no AND m.application_number = b.application_number
)
SELECT row_id, delivery_no, certificate_key
FROM batch
SEMI JOIN broken USING (delivery_no, certificate_key)
