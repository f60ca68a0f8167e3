-- en: The answers to where an export belongs, what each is made from, and the regions it stands in
-- id: Jawaban atas pertanyaan di mana ekspor dicatat, bahan masing-masing, dan himpunan wilayahnya
-- grain: basis, region_set
-- Only what something was delivered for. Each has months, periods and a scope of its own: official
-- figures of 1999 must not stretch the calendar of certificates.
SELECT DISTINCT
    b.basis,
    d.grain,
    CASE b.basis
        WHEN 'official' THEN d.region_set
        WHEN 'port' THEN c.country_code || 'PORT'
        ELSE c.country_code
    END AS region_set
FROM core.delivery AS d
CROSS JOIN core.country AS c
JOIN (
    VALUES ('domicile', 'certificate_line'), ('issuer', 'certificate_line'),
        ('port', 'certificate_line'), ('official', 'aggregate')
) AS b (basis, grain) USING (grain)
