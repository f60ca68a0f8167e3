-- en: Every record that stands in quarantine, with all its reasons and its text as delivered
-- id: Setiap baris yang berada di karantina, dengan semua alasan dan teks aslinya
-- grain: delivery_id, line, record_key
-- What a newer version of the certificate or a resubmission supersedes stands here no more.
-- record_key is the certificate or the cell; an application ties lines with an unreadable number.
SELECT
    d.office_code,
    d.slice_code,
    split_part(d.slice_code, '_', -1) AS period,
    q.delivery_id,
    q.line,
    q.certificate_key AS record_key,
    q.application_number,
    CASE q.currency_code WHEN 'USD' THEN q.line_fob END AS stated_usd,
    q.findings,
    q.raw
FROM stage.quarantine_row AS q
JOIN core.delivery AS d USING (delivery_id)
SEMI JOIN core.certificate_version AS v
    ON v.delivery_id = q.delivery_id AND v.source_key = q.certificate_key AND v.state = 'quarantined'
UNION ALL
SELECT
    d.office_code,
    d.slice_code,
    split_part(d.slice_code, '_', -1),
    q.delivery_id,
    q.line,
    q.cell_key,
    NULL,
    q.fob_usd,
    q.findings,
    q.raw
FROM stage.quarantine_cell AS q
JOIN core.delivery AS d USING (delivery_id)
SEMI JOIN core.aggregate_cell AS a
    ON a.delivery_id = q.delivery_id AND a.line = q.line AND a.cell_key = q.cell_key
    AND a.state = 'quarantined'
