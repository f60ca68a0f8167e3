-- en: Exporters: one row per firm or person, however it was named. Restricted
-- id: Eksportir: satu baris per perusahaan atau orang, bagaimanapun ditulis. Terbatas
-- grain: exporter_key
SELECT
    exporter_key,
    split_part(exporter_key, ':', 1) AS key_kind,
    exporter_key LIKE 'name:%' AS is_weak,
    min(exporter_name) AS exporter_name,
    min(month) FILTER (is_counted) AS first_month,
    count(*) AS certificates
FROM core.certificate
WHERE exporter_key <> 'unknown'
GROUP BY exporter_key
