-- What counts, on each basis.
-- grain: basis, id
WITH office AS (
  SELECT DISTINCT office_no, region_code AS office_region_code
  FROM slice
  INNER JOIN seed_issuer ON issuer_code = office
)

SELECT 'domicile' AS basis, id, domicile_code AS region_code, month, cents, firm
FROM outcome
UNION ALL
SELECT 'issuer', id, office_region_code, month, cents, firm
FROM outcome
INNER JOIN office USING (office_no)
