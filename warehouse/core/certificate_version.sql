-- en: Each certificate in each current delivery, accepted or quarantined, and which version wins
-- id: Setiap SKA dalam setiap kiriman yang berlaku, diterima atau dikarantina, dan versi mana yang menang
-- grain: certificate_key, delivery_id
-- The latest status wins, then the later extract, then the later landing, so that an old month
-- delivered again never brings an old status back. A quarantined winner supersedes an accepted
-- older version: what is lost by it shows up as quarantined.
WITH record AS (
    SELECT *, false AS is_quarantined FROM stage.accepted_line
    UNION ALL BY NAME
    SELECT * EXCLUDE (findings, raw), true AS is_quarantined FROM stage.quarantine_row
),
header AS (
    -- min() where header_agrees makes the lines agree, and where it doesn't: never "any" value,
    -- which would differ from run to run.
    SELECT
        delivery_id,
        certificate_key AS source_key,
        is_quarantined,
        count(*) AS records,
        coalesce(sum(line_fob) FILTER (currency_code = 'USD'), 0)::DECIMAL(18, 2) AS stated_usd,
        count(*) FILTER (line_fob IS NULL) AS unreadable_records,
        CASE WHEN count(line_fob) = count(*) AND min(line_fob) >= 0
            THEN sum(line_fob) END AS all_line_fob,
        CASE WHEN count(net_kg) = count(*) AND min(net_kg) >= 0 THEN sum(net_kg) END AS all_net_kg,
        min(ska_number) AS ska_number,
        min(status) AS status,
        coalesce(min(kind), 'new') AS kind,
        min(replaces_ska_number) AS replaces_ska_number,
        max(status_at) AS status_at,
        min(issued_on) AS issued_on,
        min(exporter_name) AS exporter_name,
        min(nib) AS nib,
        min(npwp) AS npwp,
        coalesce(min(exporter_place), '') AS exporter_place,
        coalesce(min(exporter_province), '') AS exporter_province,
        min(destination_code) AS destination_code,
        min(load_port_code) AS load_port_code,
        min(form_code) AS form_code,
        min(office_name) AS office_name,
        min(peb_on) AS peb_on,
        min(currency_code) AS currency_code,
        nullif(min(fob_peb), 0) AS fob_peb,
        nullif(min(fob_invoice), 0) AS fob_invoice,
        nullif(min(fob_document), 0) AS fob_document,
        coalesce(bool_or(is_third_country), false) AS is_third_country,
        coalesce(bool_or(is_back_to_back), false) AS is_back_to_back,
        coalesce(bool_or(is_retroactive), false) AS is_retroactive,
        coalesce(bool_and(is_synthetic), false) AS is_synthetic,
        list_sort(list_distinct(flatten(list(flags) FILTER (len(flags) > 0)))) AS flags
    FROM record
    GROUP BY delivery_id, certificate_key, is_quarantined
),
keyed AS (
    -- 'line:7' names a record of one file only; numbers mean the same certificate everywhere.
    SELECT
        h.*,
        CASE WHEN h.source_key LIKE 'line:%' THEN h.delivery_id || ' ' || h.source_key
            ELSE h.source_key END AS certificate_key,
        d.feed,
        d.office_code,
        d.month AS slice_month,
        d.landed_at,
        coalesce(d.extracted_at, d.landed_at) AS known_at
    FROM header AS h
    JOIN core.delivery AS d USING (delivery_id)
),
dated AS (
    -- A status time that can't be read counts as no older than what was known before it.
    SELECT
        *,
        coalesce(
            status_at,
            max(status_at) OVER (
                PARTITION BY certificate_key ORDER BY known_at, landed_at, delivery_id
            )
        ) AS effective_at
    FROM keyed
),
judged AS (
    SELECT
        *,
        first_value(delivery_id) OVER (
            PARTITION BY certificate_key
            ORDER BY effective_at DESC NULLS LAST, known_at DESC, landed_at DESC, delivery_id DESC
        ) AS winner_id,
        nullif(split_part(ska_number, '/', 2), '') AS issuer_code,
        CASE
            WHEN length(npwp) = 15 THEN npwp[1:9]
            WHEN length(npwp) = 16 AND npwp LIKE '0%' THEN npwp[2:10]
        END AS taxpayer,
        trim(regexp_replace(
            regexp_replace(upper(exporter_name), '[^A-Z0-9]+', ' ', 'g'),
            '\b(PT|CV|UD|PD|FA|TBK|PERSERO)\b ?', '', 'g'
        )) AS plain_name
    FROM dated
)
SELECT
    * EXCLUDE (winner_id, effective_at, landed_at, known_at, taxpayer, plain_name),
    CASE
        WHEN winner_id <> delivery_id THEN 'superseded'
        WHEN is_quarantined THEN 'quarantined'
        ELSE 'current'
    END AS state,
    nullif(winner_id, delivery_id) AS superseded_by,
    -- Who exports, three ways. A number of one digit repeated is junk. The nine digits that name a
    -- taxpayer are the same in the NPWP of 15 and of 16 digits; 16 without leading 0 is a person's.
    CASE WHEN length(nib) = 13 AND replace(nib, nib[1], '') <> '' THEN 'nib:' || nib END AS nib_id,
    CASE
        WHEN replace(taxpayer, taxpayer[1], '') <> '' THEN 'npwp:' || taxpayer
        WHEN taxpayer IS NULL AND length(npwp) = 16 AND replace(npwp, npwp[1], '') <> ''
            THEN 'person:' || npwp
    END AS npwp_id,
    'name:' || coalesce(issuer_code, office_code) || ':' || nullif(plain_name, '') AS name_id
FROM judged
