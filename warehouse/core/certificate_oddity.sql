-- en: What is odd about certificates, as far as they and those they are tied to tell
-- id: Keganjilan pada SKA, sejauh terlihat darinya dan dari SKA yang terkait
-- grain: certificate_key, rule_name
-- part: knot
-- Beside what the row suite found: what only all certificates, the issuers and the rates can tell.
WITH counted AS (
    SELECT * FROM core.certificate WHERE is_counted
),
-- A PEB total covers all certificates that draw on no other PEB than those it is stated for.
declared AS (
    SELECT peb_keys, max(fob_peb_usd) AS fob_peb_usd FROM counted
    WHERE fob_peb_usd > 0 GROUP BY peb_keys
),
covered AS (
    SELECT d.peb_keys, d.fob_peb_usd, c.certificate_key, c.counted_usd
    FROM (SELECT *, unnest(peb_keys) AS peb_key FROM declared) AS d
    JOIN counted AS c ON c.peb_keys[1] = d.peb_key AND list_has_all(d.peb_keys, c.peb_keys)
),
exceeded AS (
    SELECT certificate_key
    FROM covered
    QUALIFY count(*) OVER (PARTITION BY peb_keys) > 1
        AND sum(counted_usd) OVER (PARTITION BY peb_keys) > 1.01 * fob_peb_usd
),
spelt AS (
    -- "Kab. Bogor", "KABUPATEN BOGOR" and "Bogor" name one office here; a code is a name too.
    SELECT
        office_name,
        issuer_code,
        issuer_name,
        regexp_replace(
            regexp_replace(upper(office_name), '\b(KABUPATEN|KAB|PROVINSI|PROV)\b', ''),
            '[^A-Z0-9]+', '', 'g'
        ) AS name_of_record,
        regexp_replace(
            regexp_replace(upper(issuer_name), '\b(KABUPATEN|KAB|PROVINSI|PROV)\b', ''),
            '[^A-Z0-9]+', '', 'g'
        ) AS name_of_issuer
    FROM (SELECT DISTINCT office_name, issuer_code, issuer_name FROM core.certificate)
),
differing AS (
    SELECT office_name, issuer_code, issuer_name
    FROM spelt
    WHERE NOT (office_name = issuer_code OR name_of_record = name_of_issuer)
)
SELECT certificate_key, unnest(flags) AS rule_name
FROM core.certificate_version
WHERE state = 'current' AND len(flags) > 0
UNION ALL
SELECT certificate_key, 'withdrawal_requested'
FROM core.certificate WHERE status = 'withdrawal_requested'
UNION ALL
SELECT DISTINCT certificate_key, 'peb_exceeded' FROM exceeded
UNION ALL
-- Nobody else draws on the PEB, and yet it says more than the certificate.
SELECT certificate_key, 'peb_differs'
FROM counted
WHERE value_source = 'peb' AND NOT is_third_country
    AND fob_peb > 1.01 * greatest(fob_document, fob_invoice)::DECIMAL(20, 2)
UNION ALL
SELECT certificate_key, 'value_from_shared_peb' FROM counted WHERE value_source = 'peb_part'
UNION ALL
SELECT certificate_key, trouble FROM core.certificate_chain WHERE trouble IS NOT NULL
UNION ALL
SELECT certificate_key, 'replaces_elsewhere'
FROM core.certificate
WHERE split_part(replaces_ska_number, '/', 2) <> issuer_code
    AND regexp_full_match(replaces_ska_number, '\d{7}/[A-Z0-9]{2,5}/\d{4}')
UNION ALL
SELECT c.certificate_key, 'office_differs'
FROM core.certificate AS c
JOIN differing USING (office_name, issuer_code, issuer_name)
UNION ALL
SELECT certificate_key, 'rate_synthetic'
FROM core.certificate WHERE is_rate_synthetic AND NOT is_synthetic
UNION ALL
SELECT certificate_key, 'third_country' FROM core.certificate WHERE is_third_country
UNION ALL
SELECT certificate_key, 'back_to_back' FROM core.certificate WHERE is_back_to_back
UNION ALL
SELECT certificate_key, 'retroactive' FROM core.certificate WHERE is_retroactive
