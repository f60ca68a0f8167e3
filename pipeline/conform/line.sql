-- en: Each physical record of one layout with typed values, and the rules that one record decides
-- id: Tiap baris fisik satu tata letak dengan nilai bertipe, dan aturan yang cukup diputuskan per baris
-- grain: row_id
-- An ok_ column is never NULL: true also means that the rule has nothing to say about the record.
-- at_ names the column at fault where a rule looks at several.
WITH input AS (
    SELECT
        r.row_id,
        r.delivery_no,
        d.delivery_id,
        d.known_on,
        -- A day of tolerance: clocks and zones differ. Moments are in UTC.
        (d.known_on + 2)::TIMESTAMP - getvariable('utc_offset') AS too_late_at,
        d.office_code AS sender_code,
        coalesce(o.line, r.row_id - d.first_row + 2)::INTEGER AS line,
        o.record IS NULL AS is_split,
        text_of(r.application_number) AS application_number,
        text_of(r.ska_number) AS ska_number,
        text_of(r.status) AS status,
        text_of(r.kind) AS kind,
        text_of(r.replaces_ska_number) AS replaces_ska_number,
        text_of(r.registered_at) AS registered_at,
        text_of(r.processed_at) AS processed_at,
        text_of(r.status_at) AS status_at,
        text_of(r.sent_at) AS sent_at,
        text_of(r.issued_on) AS issued_on,
        text_of(r.exporter_name) AS exporter_name,
        text_of(r.nib) AS nib,
        text_of(r.npwp) AS npwp,
        text_of(r.exporter_place) AS exporter_place,
        text_of(r.exporter_province) AS exporter_province,
        text_of(r.office_name) AS office_name,
        text_of(r.importer_country) AS importer_country,
        text_of(r.load_port) AS load_port,
        text_of(r.form_code) AS form_code,
        text_of(r.peb_number) AS peb_number,
        text_of(r.peb_on) AS peb_on,
        text_of(r.customs_office) AS customs_office,
        text_of(r.invoice_number) AS invoice_number,
        text_of(r.exported_on) AS exported_on,
        text_of(r.currency_code) AS currency_code,
        text_of(r.fob_peb) AS fob_peb,
        text_of(r.fob_invoice) AS fob_invoice,
        text_of(r.fob_document) AS fob_document,
        text_of(r.is_third_country) AS is_third_country,
        text_of(r.is_back_to_back) AS is_back_to_back,
        text_of(r.is_retroactive) AS is_retroactive,
        text_of(r.line_number) AS line_number,
        text_of(r.hs_code) AS hs_code,
        text_of(r.net_kg) AS net_kg,
        text_of(r.gross_kg) AS gross_kg,
        text_of(r.origin_criterion) AS origin_criterion,
        text_of(r.line_fob) AS line_fob,
        text_of(r.data_source) AS data_source
    FROM record AS r
    JOIN delivery AS d USING (delivery_no)
    LEFT JOIN odd AS o ON o.row_id = r.row_id
    ANTI JOIN excluded AS x ON x.row_id = r.row_id
    WHERE d.layout = getvariable('layout') AND d.absent = getvariable('absent')
),
typed AS (
    SELECT
        i.row_id,
        i.delivery_no,
        i.known_on,
        i.too_late_at,
        i.sender_code,
        i.is_split,
        i.delivery_id,
        i.line,
        -- A number means the same certificate in every delivery, 'line:7' a record of this one.
        coalesce(
            i.ska_number, 'aju:' || i.application_number, i.delivery_id || ' line:' || i.line
        ) AS certificate_key,
        i.application_number,
        i.ska_number,
        coalesce(meaning('status', i.status), i.status) AS status,
        coalesce(meaning('kind', i.kind), i.kind, CASE WHEN i.is_split THEN 'new' END) AS kind,
        i.replaces_ska_number,
        moment_of(i.registered_at) AS registered_at,
        moment_of(i.processed_at) AS processed_at,
        moment_of(i.status_at) AS status_at,
        moment_of(i.sent_at) AS sent_at,
        day_of(i.issued_on) AS issued_on,
        i.exporter_name,
        digits(i.nib) AS nib,
        digits(i.npwp) AS npwp,
        i.exporter_place,
        i.exporter_province,
        i.office_name,
        c.country_code AS destination_code,
        upper(trim(split_part(i.load_port, ',', 1))) AS load_port_code,
        regexp_replace(upper(i.form_code), '^FORM +', '') AS form_code,
        i.peb_number,
        day_of(i.peb_on) AS peb_on,
        i.customs_office,
        i.invoice_number,
        day_of(i.exported_on) AS exported_on,
        upper(i.currency_code) AS currency_code,
        money(i.fob_peb, 'fob_peb') AS fob_peb,
        money(i.fob_invoice, 'fob_invoice') AS fob_invoice,
        money(i.fob_document, 'fob_document') AS fob_document,
        tick(i.is_third_country, has('is_third_country')) AS is_third_country,
        tick(i.is_back_to_back, has('is_back_to_back')) AS is_back_to_back,
        tick(i.is_retroactive, has('is_retroactive')) AS is_retroactive,
        CASE WHEN regexp_full_match(i.line_number, '[0-9]{1,9}')
            THEN i.line_number::INTEGER END AS line_number,
        digits(i.hs_code) AS hs_code,
        weight(i.net_kg, 'net_kg') AS net_kg,
        weight(i.gross_kg, 'gross_kg') AS gross_kg,
        i.origin_criterion,
        money(i.line_fob, 'line_fob') AS line_fob,
        upper(i.data_source) = 'SINTETIS' AS is_synthetic,
        i.status_at IS NOT NULL AS has_status_at,
        i.issued_on IS NOT NULL AS has_issued_on,
        i.nib IS NOT NULL AS has_nib,
        i.npwp IS NOT NULL AS has_npwp,
        i.fob_peb IS NOT NULL AS has_fob_peb,
        i.fob_invoice IS NOT NULL AS has_fob_invoice,
        i.fob_document IS NOT NULL AS has_fob_document,
        i.line_fob IS NOT NULL AS has_line_fob,
        i.net_kg IS NOT NULL AS has_net_kg,
        i.gross_kg IS NOT NULL AS has_gross_kg,
        CASE
            WHEN tick(i.is_third_country, true) IS NULL THEN 'is_third_country'
            WHEN tick(i.is_back_to_back, true) IS NULL THEN 'is_back_to_back'
            WHEN tick(i.is_retroactive, true) IS NULL THEN 'is_retroactive'
        END AS at_tick_known
    FROM input AS i
    LEFT JOIN country AS c ON c.spelling = upper(i.importer_country)
),
stated AS (
    SELECT
        *,
        coalesce(status IN ('issued', 'withdrawal_requested'), false) AS is_counting,
        coalesce(status IN ('issued', 'withdrawal_requested', 'withdrawn'), false) AS was_issued,
        coalesce(is_third_country, false) AS is_third,
        regexp_full_match(ska_number, '[0-9]{7}/[A-Z0-9]{2,5}/[0-9]{4}') AS is_number,
        regexp_full_match(hs_code, '[0-9]{6,10}')
            AND hs_code[:2] BETWEEN '01' AND '97' AND hs_code[:2] <> '77' AS is_hs_code,
        coalesce(peb_on, issued_on) AS declared_on,
        CASE WHEN regexp_full_match(application_number, '[A-Z]{2}[0-9]{12}')
            THEN TRY_CAST(
                application_number[3:6] || '-' || application_number[7:8] || '-'
                || application_number[9:10] AS DATE
            )
        END AS applied_on,
        least(fob_peb, fob_invoice, fob_document, line_fob) AS least_fob,
        NOT (has_fob_peb OR has_fob_invoice OR has_fob_document OR has_line_fob) AS is_without_fob,
        CASE
            WHEN has_fob_peb AND fob_peb IS NULL THEN 'fob_peb'
            WHEN has_fob_invoice AND fob_invoice IS NULL THEN 'fob_invoice'
            WHEN has_fob_document AND fob_document IS NULL THEN 'fob_document'
            WHEN has_line_fob AND line_fob IS NULL THEN 'line_fob'
        END AS at_fob_readable,
        CASE
            WHEN has_net_kg AND net_kg IS NULL THEN 'net_kg'
            WHEN has_gross_kg AND gross_kg IS NULL THEN 'gross_kg'
        END AS at_weight_readable,
        CASE
            WHEN registered_at >= too_late_at THEN 'registered_at'
            WHEN processed_at >= too_late_at THEN 'processed_at'
            WHEN sent_at >= too_late_at THEN 'sent_at'
            WHEN peb_on > known_on + 1 THEN 'peb_on'
        END AS at_dates_not_future
    FROM typed
)
SELECT
    s.* EXCLUDE (
        known_on, too_late_at, sender_code, has_status_at, has_issued_on, has_nib, has_npwp,
        has_fob_peb, has_fob_invoice, has_fob_document, has_line_fob, has_net_kg, has_gross_kg,
        is_counting, was_issued, is_third, is_number, is_hs_code, declared_on, applied_on,
        least_fob, is_without_fob
    ),
    -- A record that can't be split has no status to judge.
    CASE WHEN s.is_split THEN s.status ELSE 'not split' END AS stated_status,
    -- critical
    s.is_split AS ok_record_split,
    NOT s.was_issued OR s.ska_number IS NOT NULL AS ok_number_present,
    coalesce(s.is_number, true) AS ok_number_format,
    CASE WHEN s.has_status_at THEN s.status_at IS NOT NULL ELSE NOT s.was_issued END
        AS ok_status_at_readable,
    coalesce(s.status_at < s.too_late_at, true) AS ok_status_at_not_future,
    CASE WHEN s.has_issued_on THEN s.issued_on IS NOT NULL ELSE NOT s.is_counting END
        AS ok_issued_on_readable,
    coalesce(s.issued_on BETWEEN DATE '1990-01-01' AND s.known_on, true)
        AS ok_issued_on_not_future,
    s.at_fob_readable IS NULL AS ok_fob_readable,
    coalesce(s.least_fob >= 0, true) AND (
        NOT s.is_counting
        OR s.at_fob_readable IS NOT NULL
        OR coalesce(
            greatest(s.fob_peb, s.fob_document, CASE WHEN NOT s.is_third THEN s.fob_invoice END)
                > 0,
            false
        )
    ) AS ok_fob_present,
    CASE WHEN s.least_fob < 0 THEN
        CASE s.least_fob
            WHEN s.fob_peb THEN 'fob_peb'
            WHEN s.fob_invoice THEN 'fob_invoice'
            WHEN s.line_fob THEN 'line_fob'
            WHEN s.fob_document THEN 'fob_document'
        END
    END AS at_fob_present,
    CASE WHEN s.currency_code IS NULL THEN NOT s.is_counting ELSE u.currency_code IS NOT NULL END
        AS ok_currency_known,
    -- warning
    s.application_number IS NULL OR s.applied_on IS NOT NULL AS ok_application_number_format,
    coalesce(s.applied_on <= s.issued_on, true) AND coalesce(s.applied_on <= s.known_on + 1, true)
        AS ok_application_number_date,
    coalesce(NOT s.is_number OR split_part(s.ska_number, '/', 2) = s.sender_code, true)
        AS ok_number_office_match,
    coalesce(NOT s.is_number OR right(s.ska_number, 4) = year(s.issued_on)::VARCHAR, true)
        AS ok_number_year_match,
    coalesce(s.kind NOT IN ('replacement', 'duplicate'), true)
        OR NOT has('replaces_ska_number')
        OR coalesce(s.replaces_ska_number <> s.ska_number, s.replaces_ska_number IS NOT NULL)
        AS ok_replacement_named,
    NOT s.is_split OR CASE WHEN s.has_nib
        THEN coalesce(length(s.nib) = 13 AND replace(s.nib, s.nib[1], '') <> '', false)
        ELSE s.has_npwp END AS ok_nib_format,
    NOT s.is_split OR NOT has('npwp') OR CASE WHEN s.has_npwp
        THEN coalesce(
            CASE
                WHEN s.issued_on < DATE '2024-07-01' THEN length(s.npwp) = 15
                WHEN s.issued_on >= DATE '2024-07-01' THEN length(s.npwp) = 16
                WHEN s.issued_on IS NULL THEN length(s.npwp) IN (15, 16)
            END,
            false
        )
        ELSE s.has_nib END AS ok_npwp_format,
    NOT s.is_split OR coalesce(s.is_hs_code, false) AS ok_hs_format,
    coalesce(
        NOT s.is_hs_code OR h.subheading IS NOT NULL
        OR s.declared_on <= getvariable('hs_2017_until'), true
    ) AS ok_hs_in_force,
    s.at_weight_readable IS NULL AS ok_weight_readable,
    coalesce(s.net_kg <= s.gross_kg, true) AS ok_net_le_gross,
    -- A PEB may cover several certificates, also of other deliveries: its total may be larger.
    s.is_third OR (
        is_close(s.fob_invoice, s.fob_document)
        AND coalesce(
            greatest(s.fob_invoice, s.fob_document)::DOUBLE <= 1.01 * s.fob_peb::DOUBLE, true
        )
    ) AS ok_totals_agree,
    NOT s.is_split OR f.form_code IS NOT NULL AS ok_form_known,
    coalesce(NOT f.is_preferential OR list_contains(f.partner_codes, s.destination_code), true)
        AS ok_form_destination,
    coalesce(NOT f.is_preferential OR s.issued_on >= f.starts_on, true) AS ok_form_started,
    NOT s.is_split OR s.destination_code IS NOT NULL AS ok_destination_known,
    coalesce(
        regexp_full_match(s.load_port_code, getvariable('country_code') || '[A-Z0-9]{3}'), true
    ) AS ok_load_port_in_indonesia,
    coalesce(s.issued_on - s.exported_on BETWEEN -30 AND 365, true) AS ok_export_window,
    coalesce(s.issued_on >= (s.registered_at + getvariable('utc_offset'))::DATE, true)
        AS ok_issued_after_registered,
    s.at_dates_not_future IS NULL AS ok_dates_not_future,
    -- On a form that shows the value only where it decides the origin; siblings.sql asks all lines.
    coalesce(
        f.is_fob_by_rvc AND s.is_without_fob AND s.origin_criterion NOT ILIKE '%RVC%', false
    ) AS may_lack_fob,
    -- info
    coalesce(
        s.status NOT IN ('verification', 'revision_requested', 'in_process', 'rejected'), true
    ) OR (s.ska_number IS NULL AND NOT s.has_issued_on) AS ok_number_without_issue,
    coalesce(
        NOT s.is_hs_code OR h.subheading IS NOT NULL
        OR s.declared_on NOT BETWEEN getvariable('hs_2022_from') AND getvariable('hs_2017_until'),
        true
    ) AS ok_hs_old_version,
    s.at_tick_known IS NULL AS ok_tick_known,
    NOT has('peb_on') OR (s.peb_number IS NULL) = (s.peb_on IS NULL) AS ok_peb_complete,
    -- what only all lines of a certificate can decide: siblings.sql
    true AS ok_fob_not_stated,
    true AS ok_number_unique,
    true AS ok_header_agrees,
    NULL::VARCHAR AS at_header_agrees,
    true AS ok_line_unique,
    true AS ok_line_sum_agrees
FROM stated AS s
LEFT JOIN currency AS u ON u.currency_code = s.currency_code
LEFT JOIN form AS f ON f.form_code = s.form_code
LEFT JOIN hs_subheading AS h ON h.subheading = s.hs_code[1:6]
