-- en: What is odd about certificates that are countable all the same
-- id: Keganjilan pada SKA yang tetap dapat dihitung
-- grain: certificate_key, rule_name
-- Of info is what is allowed but shown apart.
SELECT
    f.certificate_key,
    f.rule_name,
    CASE WHEN f.rule_name IN ('third_country', 'back_to_back', 'retroactive', 'corrected')
        THEN 'info' ELSE coalesce(r.severity, 'warning') END AS severity
FROM (
    SELECT certificate_key, rule_name FROM core.certificate_oddity
    UNION ALL
    SELECT DISTINCT certificate_key, 'unit_value' FROM core.unit_value_outlier
) AS f
LEFT JOIN stage.row_rule AS r USING (rule_name)
