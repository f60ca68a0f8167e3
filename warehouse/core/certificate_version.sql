-- en: Each certificate in each current delivery, accepted or quarantined, and which version wins
-- id: Setiap SKA dalam setiap kiriman yang berlaku, diterima atau dikarantina, dan versi mana yang menang
-- grain: certificate_key, delivery_id
-- part: version
-- A quarantined winner supersedes an accepted older version: what is lost by it shows up as
-- quarantined. peb_keys are the declarations (PEB) drawn on; number, date and customs office name one.
-- A field may hold several numbers ("000123; 000124"), goods lines may name different ones: it is all
-- of them. A spreadsheet drops leading zeros, so they don't tell two numbers apart.
WITH header AS (
    SELECT
        * EXCLUDE (pebs),
        nullif(list_sort(list_distinct(flatten(list_transform(pebs, lambda p: list_transform(
            list_filter(
                list_transform(
                    string_split_regex(
                        CASE WHEN regexp_full_match(upper(p.peb_number), '\d{6}(\s+\d{6})+')
                            THEN regexp_replace(upper(p.peb_number), '\s+', ';', 'g')
                            ELSE upper(p.peb_number) END,
                        '[;,&+|\n\r\t]|\s(DAN|AND)\s'
                    ),
                    lambda part: ltrim(trim(part), '0')
                ),
                lambda part: part <> ''
            ),
            lambda part: part || ' ' || coalesce(p.peb_on::VARCHAR, '') || ' '
                || upper(coalesce(p.customs_office, ''))
        ))))), []) AS peb_keys,
        false AS is_quarantined
    FROM stage.accepted_certificate
    UNION ALL BY NAME
    -- min(): "any" value would differ from run to run where header_agrees found that lines don't.
    SELECT
        delivery_id,
        certificate_key,
        count(*) AS records,
        coalesce(sum(line_fob) FILTER (currency_code = 'USD'), 0)::DECIMAL(18, 2) AS stated_usd,
        count(*) FILTER (line_fob IS NULL) AS unreadable_records,
        CASE WHEN count(line_fob) = count(*) AND min(line_fob) >= 0
            THEN TRY_CAST(sum(line_fob) AS DECIMAL(18, 2)) END AS all_line_fob,
        CASE WHEN count(net_kg) = count(*) AND min(net_kg) >= 0
            THEN TRY_CAST(sum(net_kg) AS DECIMAL(18, 3)) END AS all_net_kg,
        min(ska_number) AS ska_number,
        min(status) AS status,
        min(kind) AS kind,
        min(replaces_ska_number) AS replaces_ska_number,
        max(status_at) AS status_at,
        min(issued_on) AS issued_on,
        min(exporter_name) AS exporter_name,
        min(nib) AS nib,
        min(npwp) AS npwp,
        min(exporter_place) AS exporter_place,
        min(exporter_province) AS exporter_province,
        min(destination_code) AS destination_code,
        min(load_port_code) AS load_port_code,
        min(form_code) AS form_code,
        min(office_name) AS office_name,
        min(peb_on) AS peb_on,
        min(currency_code) AS currency_code,
        min(fob_peb) AS fob_peb,
        min(fob_invoice) AS fob_invoice,
        min(fob_document) AS fob_document,
        bool_or(is_third_country) AS is_third_country,
        bool_or(is_back_to_back) AS is_back_to_back,
        bool_or(is_retroactive) AS is_retroactive,
        bool_and(is_synthetic) AS is_synthetic,
        list_sort(list_distinct(flatten(list(flags) FILTER (len(flags) > 0)))) AS flags,
        true AS is_quarantined
    FROM stage.quarantine_row
    GROUP BY delivery_id, certificate_key
),
judged AS (
    SELECT
        h.* EXCLUDE (ska_number)
            REPLACE (
                coalesce(h.kind, 'new') AS kind,
                coalesce(h.exporter_place, '') AS exporter_place,
                coalesce(h.exporter_province, '') AS exporter_province,
                nullif(h.fob_peb, 0) AS fob_peb,
                nullif(h.fob_invoice, 0) AS fob_invoice,
                nullif(h.fob_document, 0) AS fob_document,
                coalesce(h.is_third_country, false) AS is_third_country,
                coalesce(h.is_back_to_back, false) AS is_back_to_back,
                coalesce(h.is_retroactive, false) AS is_retroactive,
                coalesce(h.is_synthetic, false) AS is_synthetic
            ),
        h.ska_number IS NOT NULL AS is_numbered,
        d.feed,
        d.office_code,
        d.month AS slice_month,
        coalesce(c.winner_id, h.delivery_id) AS winner_id,
        nullif(split_part(h.ska_number, '/', 2), '') AS issuer_code,
        -- A number of one digit repeated is junk.
        CASE WHEN length(h.nib) = 13 AND replace(h.nib, h.nib[1], '') <> '' THEN h.nib END
            AS sound_nib,
        CASE
            WHEN length(h.npwp) = 15 THEN h.npwp[1:9]
            WHEN length(h.npwp) = 16 AND h.npwp LIKE '0%' THEN h.npwp[2:10]
        END AS taxpayer
    FROM header AS h
    JOIN core.delivery AS d USING (delivery_id)
    LEFT JOIN core.certificate_contest AS c USING (certificate_key, delivery_id)
),
identified AS (
    -- Who exports. The nine digits that name a taxpayer are the same in the NPWP of 15 and of 16
    -- digits; 16 without leading 0 is a person's.
    SELECT
        * EXCLUDE (sound_nib, taxpayer),
        'nib:' || sound_nib AS nib_id,
        CASE
            WHEN replace(taxpayer, taxpayer[1], '') <> '' THEN 'npwp:' || taxpayer
            WHEN taxpayer IS NULL AND length(npwp) = 16 AND replace(npwp, npwp[1], '') <> ''
                THEN 'person:' || npwp
        END AS npwp_id
    FROM judged
)
SELECT
    * EXCLUDE (winner_id),
    CASE
        WHEN winner_id <> delivery_id THEN 'superseded'
        WHEN is_quarantined THEN 'quarantined'
        ELSE 'current'
    END AS state,
    nullif(winner_id, delivery_id) AS superseded_by,
    -- Only who states no number is told by name.
    CASE WHEN coalesce(nib_id, npwp_id) IS NULL THEN
        'name:' || coalesce(issuer_code, office_code) || ':' || nullif(trim(regexp_replace(
            regexp_replace(upper(exporter_name), '[^A-Z0-9]+', ' ', 'g'),
            '\b(PT|CV|UD|PD|FA|TBK|PERSERO)\b ?', '', 'g'
        )), '')
    END AS name_id
FROM identified
