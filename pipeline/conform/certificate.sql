-- en: Each certificate of each delivery: its header, what its lines add up to, and what is odd about it
-- id: Tiap SKA tiap kiriman: kepalanya, jumlah barisnya, dan keganjilannya
-- grain: delivery_no, certificate_key
-- A blank contradicts nothing; two readable values do. The lines of nearly all certificates say the
-- same, and then the first speaks for all: one hash of 26 columns tells, where min and max of each
-- took four times as long. Where they differ it is min(): "any" value would change from run to run.
-- Sums of lines have 18 digits like their parts, or are unknown: DuckDB reads one of 38 a hundred
-- times slower.
WITH said AS (
    SELECT
        row_id, delivery_no, certificate_key, line, line_number, line_fob, net_kg, may_lack_fob,
        hash(
            application_number, ska_number, status, kind, replaces_ska_number, status_at, issued_on,
            exporter_name, nib, npwp, exporter_place, exporter_province, office_name,
            destination_code, load_port_code, form_code, peb_number, peb_on, customs_office,
            currency_code, fob_peb, fob_invoice, fob_document,
            [is_third_country, is_back_to_back, is_retroactive, is_synthetic]
        ) AS said
    FROM batch
    WHERE is_split
),
summed AS (
    SELECT
        delivery_no,
        certificate_key,
        min(row_id) AS first_row,
        count(*) AS records,
        count(*) - count(line_fob) AS unreadable_records,
        sum(line_fob) AS line_fob,
        min(line_fob) AS least_line_fob,
        -- The line with most FOB, of equal ones the first, behind it in one number.
        max((line_fob::DECIMAL(38, 2) * 100)::HUGEINT * 2147483648 + (2147483647 - line)) AS most,
        CASE WHEN count(net_kg) = count(*) AND min(net_kg) >= 0
            THEN TRY_CAST(sum(net_kg) AS DECIMAL(18, 3)) END AS all_net_kg,
        bool_and(may_lack_fob) AS may_lack_fob,
        min(said) <> max(said) AS is_mixed,
        -- A bit per number: what is set twice, or beyond, is looked into.
        count(line_number) > bit_count(coalesce(
            bit_or(CASE WHEN line_number BETWEEN 0 AND 62 THEN 1::BIGINT << line_number END), 0
        )) AS may_be_double
    FROM said
    GROUP BY delivery_no, certificate_key
),
numbered AS (
    SELECT delivery_no, certificate_key, count(*) <> count(DISTINCT b.line_number) AS has_double
    FROM summed AS s
    JOIN batch AS b USING (delivery_no, certificate_key)
    WHERE s.may_be_double AND b.line_number IS NOT NULL
    GROUP BY delivery_no, certificate_key
),
plain AS (
    SELECT
        s.delivery_no, s.certificate_key, b.ska_number, b.application_number, b.status, b.kind,
        b.replaces_ska_number, b.status_at, b.issued_on, b.exporter_name, b.nib, b.npwp,
        b.exporter_place, b.exporter_province, b.office_name, b.destination_code, b.load_port_code,
        b.form_code, b.peb_on, b.currency_code, b.fob_peb, b.fob_invoice, b.fob_document,
        b.is_third_country, b.is_back_to_back, b.is_retroactive, b.is_synthetic,
        CASE WHEN b.currency_code = 'USD' THEN s.line_fob END AS usd,
        [{peb_number: b.peb_number, peb_on: b.peb_on, customs_office: b.customs_office}] AS pebs,
        coalesce(nullif(b.fob_document, 0), nullif(b.fob_peb, 0)) AS stated_total,
        false AS is_shared,
        NULL::VARCHAR AS odd_column
    FROM summed AS s
    JOIN batch AS b ON b.row_id = s.first_row
    WHERE NOT s.is_mixed
),
mixed AS (
    SELECT
        b.delivery_no, b.certificate_key,
        min(b.ska_number), min(b.application_number), min(b.status), min(b.kind),
        min(b.replaces_ska_number), max(b.status_at), min(b.issued_on), min(b.exporter_name),
        min(b.nib), min(b.npwp), min(b.exporter_place), min(b.exporter_province),
        min(b.office_name), min(b.destination_code), min(b.load_port_code), min(b.form_code),
        min(b.peb_on), min(b.currency_code), min(b.fob_peb), min(b.fob_invoice),
        min(b.fob_document), bool_or(b.is_third_country), bool_or(b.is_back_to_back),
        bool_or(b.is_retroactive), bool_and(b.is_synthetic),
        sum(b.line_fob) FILTER (b.currency_code = 'USD'),
        list(DISTINCT {
            peb_number: b.peb_number, peb_on: b.peb_on, customs_office: b.customs_office
        }),
        coalesce(nullif(max(b.fob_document), 0), nullif(max(b.fob_peb), 0)),
        coalesce(min(b.application_number) <> max(b.application_number), false),
        CASE
            WHEN min(b.status) <> max(b.status) THEN 'status'
            WHEN min(b.kind) <> max(b.kind) THEN 'kind'
            WHEN min(b.issued_on) <> max(b.issued_on) THEN 'issued_on'
            WHEN min(b.status_at) <> max(b.status_at) THEN 'status_at'
            WHEN min(b.currency_code) <> max(b.currency_code) THEN 'currency_code'
            WHEN min(b.fob_peb) <> max(b.fob_peb) THEN 'fob_peb'
            WHEN min(b.fob_invoice) <> max(b.fob_invoice) THEN 'fob_invoice'
            WHEN min(b.fob_document) <> max(b.fob_document) THEN 'fob_document'
            WHEN min(b.nib) <> max(b.nib) THEN 'nib'
            WHEN min(b.npwp) <> max(b.npwp) THEN 'npwp'
        END
    FROM summed AS s
    JOIN batch AS b USING (delivery_no, certificate_key)
    WHERE s.is_mixed
    GROUP BY b.delivery_no, b.certificate_key
),
header AS (
    SELECT * FROM plain UNION ALL SELECT * FROM mixed
)
SELECT
    h.*,
    s.first_row,
    s.records,
    s.unreadable_records,
    CASE WHEN s.unreadable_records = 0 AND s.least_line_fob >= 0
        THEN TRY_CAST(s.line_fob AS DECIMAL(18, 2)) END AS all_line_fob,
    s.all_net_kg,
    CASE WHEN s.least_line_fob >= 0 THEN 2147483647 - s.most % 2147483648 END::INTEGER AS main_line,
    s.may_lack_fob,
    coalesce(n.has_double, false) AS has_double,
    s.unreadable_records > 0 OR is_close(s.line_fob, h.stated_total) AS sum_agrees
FROM header AS h
JOIN summed AS s USING (delivery_no, certificate_key)
LEFT JOIN numbered AS n USING (delivery_no, certificate_key)
