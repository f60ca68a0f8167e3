-- en: Export declarations (PEB) that several certificates draw on, and those certificates
-- id: PEB yang dipakai beberapa SKA, beserta SKA-nya
-- grain: certificate_key, peb_key
-- part: knot
-- Nearly all declarations have one certificate: only the others are looked into.
SELECT certificate_key, peb_key
FROM core.certificate_peb
SEMI JOIN (
    SELECT peb_key FROM core.certificate_peb GROUP BY peb_key HAVING count(*) > 1
) USING (peb_key)
