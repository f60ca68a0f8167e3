-- en: The country whose regions are ranked, one row
-- id: Negara yang wilayahnya diperingkat, satu baris
-- grain:
-- utc_offset is its time zone's in January 2024: days are the country's, and it has no summer time.
SELECT
    country_code,
    country_name_id AS country_name,
    currency_code,
    TIMESTAMP '2024-01-01'
        - timezone('UTC', timezone(time_zone, TIMESTAMP '2024-01-01')) AS utc_offset
FROM seed.country
