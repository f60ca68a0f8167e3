-- en: The export declarations (PEB) that each certificate draws on
-- id: PEB yang menjadi dasar tiap SKA
-- grain: certificate_key, peb_key
-- Number, date and customs office name one. A field may hold several numbers ("000123; 000124"),
-- goods lines may name different ones: the certificate draws on all of them. A spreadsheet drops
-- leading zeros, so they don't tell two numbers apart.
WITH stated AS (
    SELECT v.certificate_key, upper(p.peb_number) AS numbers, p.peb_on, p.customs_office
    FROM (
        SELECT delivery_id, certificate_key, unnest(pebs, recursive := true) FROM stage.accepted_certificate
    ) AS p (delivery_id, certificate_key, peb_number, peb_on, customs_office)
    JOIN core.certificate_version AS v
        ON v.delivery_id = p.delivery_id AND v.source_key = p.certificate_key
    WHERE v.state = 'current' AND p.peb_number IS NOT NULL
),
parted AS (
    SELECT
        certificate_key,
        unnest(string_split_regex(
            CASE WHEN regexp_full_match(numbers, '\d{6}(\s+\d{6})+')
                THEN regexp_replace(numbers, '\s+', ';', 'g') ELSE numbers END,
            '[;,&+|\n\r\t]|\s(DAN|AND)\s'
        )) AS number,
        ' ' || coalesce(peb_on::VARCHAR, '') || ' ' || upper(coalesce(customs_office, '')) AS named
    FROM stated
)
SELECT DISTINCT certificate_key, ltrim(trim(number), '0') || named AS peb_key
FROM parted
WHERE ltrim(trim(number), '0') <> ''
