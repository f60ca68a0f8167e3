-- en: Accepted records, as load reads them
-- id: Baris yang diterima, untuk dibaca tahap load
-- grain: delivery_no, line
SELECT
    delivery_no,
    delivery_id, line, certificate_key, application_number, ska_number, status, kind,
    replaces_ska_number, registered_at, processed_at, status_at, sent_at, issued_on,
    exporter_name, nib, npwp, exporter_place, exporter_province, office_name, destination_code,
    load_port_code, form_code, peb_number, peb_on, customs_office, invoice_number, exported_on,
    currency_code, fob_peb, fob_invoice, fob_document, is_third_country, is_back_to_back,
    is_retroactive, line_number, hs_code, net_kg, gross_kg, line_fob, origin_criterion,
    is_synthetic, flags
FROM batch
JOIN outcome USING (delivery_no, row_id)
WHERE is_accepted
