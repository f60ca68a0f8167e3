-- en: Each certificate's winning version: whether it counts, its value, its exporter and its regions
-- id: Versi SKA yang menang: dihitung atau tidak, nilainya, eksportirnya, dan wilayahnya
-- grain: certificate_key
-- reason says why it doesn't count; fob_usd is NULL then. core.certificate adds what only the lines
-- can tell.
WITH version AS (
    SELECT
        v.*,
        c.chain_key,
        date_trunc('month', coalesce(c.first_issued_on, v.issued_on))::DATE AS month,
        coalesce(n.exporter_key, p.exporter_key, v.name_id, 'unknown') AS exporter_key,
        coalesce(i.region_code, 'ID99') AS issuer_region_code,
        d.region_code AS domicile_region_code,
        CASE
            WHEN v.status = 'withdrawn' THEN 'withdrawn'
            WHEN v.status IN ('issued', 'withdrawal_requested') THEN
                CASE
                    WHEN v.kind = 'duplicate' THEN 'duplicate'
                    WHEN NOT c.is_counted THEN 'replaced'
                    WHEN v.currency_code = 'USD' THEN NULL
                    ELSE 'no_rate'
                END
            ELSE 'status'
        END AS reason
    FROM core.certificate_version AS v
    JOIN core.place AS d USING (exporter_place, exporter_province)
    LEFT JOIN core.certificate_chain AS c USING (certificate_key)
    LEFT JOIN core.exporter_identifier AS n ON n.identifier = v.nib_id
    LEFT JOIN core.exporter_identifier AS p ON p.identifier = v.npwp_id
    LEFT JOIN core.issuer AS i
        ON i.issuer_code = v.issuer_code
        AND v.issued_on BETWEEN i.valid_from AND i.valid_until
    WHERE v.state = 'current'
),
peb AS (
    SELECT peb_key, count(*) AS certificates
    FROM version
    WHERE reason IS NULL AND peb_key IS NOT NULL
    GROUP BY peb_key
),
valued AS (
    SELECT
        v.*,
        p.certificates AS peb_certificates,
        CASE
            WHEN v.reason IS NOT NULL THEN NULL
            WHEN p.certificates = 1 AND v.fob_peb IS NOT NULL THEN 'peb'
            WHEN v.fob_document IS NOT NULL THEN 'document'
            WHEN v.fob_invoice IS NOT NULL AND NOT v.is_third_country THEN 'invoice'
            -- Only the PEB's total is known, and it is shared or the PEB not named: an equal part.
            ELSE 'peb_part'
        END AS value_source
    FROM version AS v
    LEFT JOIN peb AS p USING (peb_key)
)
SELECT
    certificate_key,
    delivery_id,
    source_key,
    feed,
    office_code,
    ska_number,
    issuer_code,
    status,
    kind,
    chain_key,
    issued_on,
    month,
    exporter_key,
    exporter_name,
    exporter_place,
    exporter_province,
    issuer_region_code,
    domicile_region_code,
    'IDPORT99' AS port_region_code,
    load_port_code,
    destination_code,
    form_code,
    peb_key,
    peb_certificates,
    fob_peb,
    records,
    all_line_fob,
    all_net_kg,
    currency_code,
    reason,
    value_source,
    CASE value_source
        WHEN 'peb' THEN fob_peb
        WHEN 'document' THEN fob_document
        WHEN 'invoice' THEN fob_invoice
        WHEN 'peb_part' THEN ((fob_peb::DECIMAL(38, 2) * 100)::HUGEINT // coalesce(peb_certificates, 1)) * 0.01
    END::DECIMAL(18, 2) AS fob_usd
FROM valued
