-- en: Every record of a certificate that stands in quarantine, with all its reasons and its text as delivered
-- id: Setiap baris SKA yang berada di karantina, dengan semua alasan dan teks aslinya
-- grain: delivery_id, line, certificate_key
-- part: version
-- record_key is what the delivery calls the certificate, an application ties lines whose number is
-- unreadable.
SELECT
    q.certificate_key,
    d.office_code,
    d.slice_code,
    split_part(d.slice_code, '_', -1) AS period,
    q.delivery_id,
    q.line,
    replace(q.certificate_key, q.delivery_id || ' ', '') AS record_key,
    q.application_number,
    CASE q.currency_code WHEN 'USD' THEN q.line_fob END AS stated_usd,
    q.findings,
    q.raw
FROM stage.quarantine_row AS q
JOIN core.delivery AS d USING (delivery_id)
SEMI JOIN core.certificate_version AS v
    ON v.delivery_id = q.delivery_id AND v.certificate_key = q.certificate_key
    AND v.state = 'quarantined'
