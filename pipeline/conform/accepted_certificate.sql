-- en: Accepted certificates, as load reads them: what their lines repeat, once
-- id: SKA yang diterima, untuk dibaca tahap load: yang diulang tiap barisnya, sekali saja
-- grain: delivery_no, certificate_key
WITH flagged AS (
    SELECT b.delivery_no, b.certificate_key, list_sort(list_distinct(flatten(list(f.flags)))) AS flags
    FROM flag AS f
    JOIN batch AS b USING (row_id)
    GROUP BY b.delivery_no, b.certificate_key
)
SELECT
    c.delivery_no,
    d.delivery_id, c.certificate_key, c.application_number, c.ska_number, c.status, c.kind,
    c.replaces_ska_number, c.status_at, c.issued_on, c.exporter_name, c.nib, c.npwp,
    c.exporter_place, c.exporter_province, c.office_name, c.destination_code, c.load_port_code,
    c.form_code, c.pebs, c.peb_on, c.currency_code, c.fob_peb, c.fob_invoice, c.fob_document,
    c.is_third_country, c.is_back_to_back, c.is_retroactive, c.is_synthetic, c.records,
    -- What is too large for it refuses the delivery: total_fob_plausible.
    TRY_CAST(coalesce(c.usd, 0) AS DECIMAL(18, 2)) AS stated_usd, c.unreadable_records,
    c.all_line_fob, c.all_net_kg, c.main_line,
    coalesce(f.flags, []::VARCHAR[]) AS flags
FROM certificate AS c
JOIN delivery AS d USING (delivery_no)
ANTI JOIN aside AS a ON a.delivery_no = c.delivery_no AND a.certificate_key = c.certificate_key
LEFT JOIN flagged AS f ON f.delivery_no = c.delivery_no AND f.certificate_key = c.certificate_key
ORDER BY c.first_row
