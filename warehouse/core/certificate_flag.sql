-- en: What is odd about certificates that are countable all the same
-- id: Keganjilan pada SKA yang tetap dapat dihitung
-- grain: certificate_key, rule_name
WITH peb AS (
    SELECT peb_key
    FROM core.certificate
    WHERE is_counted AND peb_certificates > 1
    GROUP BY peb_key
    HAVING sum(fob_usd) > 1.01 * max(fob_peb)::DECIMAL(38, 2)
),
flag AS (
    SELECT certificate_key, unnest(flags) AS rule_name
    FROM core.certificate_version
    WHERE state = 'current' AND len(flags) > 0
    UNION ALL
    SELECT certificate_key, 'withdrawal_requested'
    FROM core.certificate
    WHERE status = 'withdrawal_requested'
    UNION ALL
    SELECT certificate_key, 'peb_exceeded' FROM core.certificate JOIN peb USING (peb_key)
    WHERE is_counted
    UNION ALL
    SELECT certificate_key, 'value_from_shared_peb'
    FROM core.certificate
    WHERE value_source = 'peb_part' AND is_counted
)
SELECT f.certificate_key, f.rule_name, coalesce(r.severity, 'warning') AS severity
FROM flag AS f
LEFT JOIN stage.row_rule AS r USING (rule_name)
