-- en: Every record that stands in quarantine, with all its reasons and its text as delivered
-- id: Setiap baris yang berada di karantina, dengan semua alasan dan teks aslinya
-- grain: delivery_id, line, record_key
-- What a newer version of the certificate or a resubmission supersedes stands here no more.
-- record_key is the certificate or the cell; an application ties lines with an unreadable number.
SELECT
    office_code,
    slice_code,
    period,
    delivery_id,
    line,
    record_key,
    application_number,
    stated_usd,
    findings,
    raw
FROM core.quarantine_record
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
