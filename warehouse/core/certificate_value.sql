-- en: Each certificate's winning version: whether it counts, its value, its exporter and its regions
-- id: Versi SKA yang menang: dihitung atau tidak, nilainya, eksportirnya, dan wilayahnya
-- grain: certificate_key
-- part: knot
-- kept: no
-- reason says why it doesn't count; fob_usd is NULL then, but of a certificate whose goods all count
-- under others, what it would be worth. core.certificate adds what only the lines can tell.
WITH same AS (
    SELECT certificate_key, count(*) AS records FROM core.same_goods GROUP BY certificate_key
),
-- All of whose goods count elsewhere.
elsewhere AS (
    SELECT certificate_key
    FROM same
    JOIN core.certificate_version AS v USING (certificate_key, records)
    WHERE v.state = 'current'
),
linked AS (
    SELECT v.certificate_key, min(l.same_as_key) AS exporter_key
    FROM core.certificate_version AS v
    LEFT JOIN core.exporter_identifier AS n ON n.identifier = v.nib_id
    LEFT JOIN core.exporter_identifier AS p ON p.identifier = v.npwp_id
    JOIN core.exporter_link AS l
        ON l.exporter_key = coalesce(n.exporter_key, p.exporter_key)
        AND v.issued_on BETWEEN l.valid_from AND l.valid_until
    WHERE v.state = 'current'
    GROUP BY v.certificate_key
),
draw AS (
    SELECT p.certificate_key, p.peb_key, v.issued_on
    FROM core.certificate_version AS v
    JOIN core.shared_peb AS p USING (certificate_key)
    LEFT JOIN core.certificate_reason AS c USING (certificate_key)
    ANTI JOIN elsewhere AS e USING (certificate_key)
    WHERE v.state = 'current' AND c.reason IS NULL
),
sharer AS (
    SELECT
        certificate_key,
        peb_key,
        count(*) OVER (PARTITION BY peb_key) AS certificates,
        row_number() OVER (PARTITION BY peb_key ORDER BY issued_on, certificate_key) AS place
    FROM draw
),
-- Of a certificate with several declarations, the one that most certificates draw on.
peb AS (
    SELECT
        certificate_key,
        max(certificates) AS certificates,
        arg_max(place, struct_pack(certificates, peb_key)) AS place
    FROM sharer
    GROUP BY certificate_key
),
version AS (
    SELECT
        v.*,
        c.chain_key,
        c.rate_on,
        c.usd_rate,
        c.rate_source,
        coalesce(c.is_rate_synthetic, false) AS is_rate_synthetic,
        coalesce(c.numerator, 1) AS numerator,
        coalesce(c.denominator, 1) AS denominator,
        date_trunc('month', coalesce(
            CASE WHEN t.is_period_by_peb THEN coalesce(c.first_peb_on, v.peb_on) END,
            c.first_issued_on,
            v.issued_on
        ))::DATE AS month,
        coalesce(l.exporter_key, n.exporter_key, p.exporter_key, v.name_id, 'unknown')
            AS exporter_key,
        coalesce(i.region_code, o.country_code || '99') AS issuer_region_code,
        i.office_name AS issuer_name,
        d.region_code AS domicile_region_code,
        q.region_code AS port_region_code,
        CASE WHEN c.reason IS NULL AND e.certificate_key IS NOT NULL THEN 'same_goods'
            ELSE c.reason END AS reason,
        CASE WHEN c.reason IS NULL AND e.certificate_key IS NULL AND v.peb_keys IS NOT NULL
            THEN coalesce(s.certificates, 1) END AS peb_certificates,
        coalesce(s.place, 1) AS place
    FROM core.certificate_version AS v
    CROSS JOIN core.setting AS t
    CROSS JOIN core.country AS o
    LEFT JOIN core.certificate_reason AS c ON c.certificate_key = v.certificate_key
    LEFT JOIN core.place AS d
        ON d.exporter_place = v.exporter_place AND d.exporter_province = v.exporter_province
    LEFT JOIN core.port_spelling AS q
        ON q.written_code = coalesce(v.load_port_code, '') AND q.written_name = ''
    LEFT JOIN elsewhere AS e ON e.certificate_key = v.certificate_key
    LEFT JOIN linked AS l ON l.certificate_key = v.certificate_key
    LEFT JOIN peb AS s ON s.certificate_key = v.certificate_key
    LEFT JOIN core.exporter_identifier AS n ON n.identifier = v.nib_id
    LEFT JOIN core.exporter_identifier AS p ON p.identifier = v.npwp_id
    LEFT JOIN core.issuer AS i
        ON i.issuer_code = v.issuer_code
        AND v.issued_on BETWEEN i.valid_from AND i.valid_until
    WHERE v.state = 'current'
),
valued AS (
    SELECT
        *,
        CASE
            WHEN reason <> 'same_goods' THEN NULL
            WHEN peb_certificates = 1 AND fob_peb IS NOT NULL THEN 'peb'
            WHEN fob_document IS NOT NULL THEN 'document'
            WHEN fob_invoice IS NOT NULL AND NOT is_third_country THEN 'invoice'
            -- Only the PEB's total is known, and it is shared or the PEB not named: an equal part.
            ELSE 'peb_part'
        END AS value_source
    FROM version
),
amount AS (
    -- The parts of one PEB add up to its total: what is left over goes round in order of issue.
    SELECT
        *,
        (fob_peb::DECIMAL(38, 2) * 100)::HUGEINT AS peb_cents,
        CASE value_source
            WHEN 'peb' THEN peb_cents
            WHEN 'document' THEN (fob_document::DECIMAL(38, 2) * 100)::HUGEINT
            WHEN 'invoice' THEN (fob_invoice::DECIMAL(38, 2) * 100)::HUGEINT
            WHEN 'peb_part' THEN
                peb_cents * place // coalesce(peb_certificates, 1)
                - peb_cents * (place - 1) // coalesce(peb_certificates, 1)
        END AS cents
    FROM valued
)
SELECT
    certificate_key,
    delivery_id,
    feed,
    office_code,
    replaces_ska_number,
    issuer_code,
    issuer_name,
    office_name,
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
    port_region_code,
    load_port_code,
    destination_code,
    form_code,
    is_third_country,
    is_back_to_back,
    is_retroactive,
    is_synthetic,
    peb_keys,
    peb_certificates,
    peb_on,
    records,
    all_line_fob,
    all_net_kg,
    main_line,
    reason,
    value_source,
    currency_code,
    fob_peb,
    fob_invoice,
    fob_document,
    (cents::DECIMAL(20, 0) * 0.01)::DECIMAL(18, 2) AS fob_stated,
    rate_on,
    usd_rate,
    rate_source,
    is_rate_synthetic,
    ((2 * peb_cents * numerator + denominator) // (2 * denominator))::DECIMAL(24, 0) * 0.01
        AS fob_peb_usd,
    (
        ((2 * cents * numerator + denominator) // (2 * denominator))::DECIMAL(20, 0) * 0.01
    )::DECIMAL(18, 2) AS fob_usd
FROM amount
