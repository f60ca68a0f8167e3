-- en: Records set aside, with every reason and the text as delivered
-- id: Baris yang disisihkan, dengan semua alasan dan teks aslinya
-- grain: delivery_no, line
-- findings has one entry per critical rule that this record fails, or one that says `sibling`.
SELECT
    b.delivery_no,
    b.delivery_id, b.line, b.certificate_key, b.application_number, b.ska_number, b.status,
    b.kind, b.replaces_ska_number, b.registered_at, b.processed_at, b.status_at, b.sent_at,
    b.issued_on, b.exporter_name, b.nib, b.npwp, b.exporter_place, b.exporter_province,
    b.office_name, b.destination_code, b.load_port_code, b.form_code, b.peb_number, b.peb_on,
    b.customs_office, b.invoice_number, b.exported_on, b.currency_code, b.fob_peb,
    b.fob_invoice, b.fob_document, b.is_third_country, b.is_back_to_back, b.is_retroactive,
    b.line_number, b.hs_code, b.net_kg, b.gross_kg, b.line_fob, b.origin_criterion,
    b.is_synthetic,
    coalesce(g.flags, []::VARCHAR[]) AS flags,
    coalesce(
        c.findings,
        [{rule_name: 'sibling', column_name: NULL::VARCHAR, value: NULL::VARCHAR}]
    ) AS findings,
    CASE WHEN x.record IS NULL THEN d.fields ELSE json_object('record', x.record) END::VARCHAR
        AS raw
FROM batch AS b
SEMI JOIN aside AS a ON a.row_id = b.row_id
JOIN delivered AS d ON d.row_id = b.row_id
LEFT JOIN flag AS g ON g.row_id = b.row_id
LEFT JOIN cause AS c ON c.row_id = b.row_id
LEFT JOIN odd AS x ON x.row_id = b.row_id AND x.record IS NOT NULL
