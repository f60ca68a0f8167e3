-- en: Offices that issue certificates, which region each serves, from when to when
-- id: Kantor penerbit SKA, wilayah yang dilayani, dan masa berlakunya
-- grain: issuer_code, valid_from
SELECT
    issuer_code,
    office_name,
    serves,
    region_code,
    coalesce(valid_from::DATE, DATE '0001-01-01') AS valid_from,
    coalesce(valid_until::DATE, DATE '9999-12-31') AS valid_until,
    coalesce(confirmed = 'true', false) AS is_confirmed
FROM seed.issuer
