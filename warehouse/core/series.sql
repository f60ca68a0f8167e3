-- en: Each region and scope on each basis of certificates, by a number
-- id: Tiap wilayah dan lingkup pada setiap basis SKA, menurut nomor
-- grain: series_no
SELECT
    basis,
    region_code,
    row_number() OVER (ORDER BY basis, region_code)::INTEGER AS series_no
FROM (VALUES ('domicile'), ('issuer'), ('port')) AS b (basis)
CROSS JOIN (
    SELECT region_code FROM core.region UNION SELECT region_code FROM core.region_leaf
)
