-- en: The export declarations (PEB) that each certificate draws on
-- id: PEB yang menjadi dasar tiap SKA
-- grain: certificate_key, peb_key
-- part: version
SELECT certificate_key, unnest(peb_keys) AS peb_key
FROM core.certificate_version
WHERE state = 'current'
