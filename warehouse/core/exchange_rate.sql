-- en: What a unit of each currency is worth in US$, and from which day to which; restricted to what both decrees cover
-- id: Nilai satu satuan tiap mata uang dalam US$ beserta masa berlakunya; sepanjang kedua penetapan berlaku
-- grain: currency_code, valid_from
-- US$ = amount × numerator / denominator, whole numbers: DuckDB divides DECIMAL as DOUBLE. usd_rate
-- is the same to ten decimals, for reading. A row that can't be read is left to rule rate_readable.
WITH rate AS (
    SELECT
        currency_code,
        TRY_CAST(valid_from AS DATE) AS valid_from,
        TRY_CAST(valid_until AS DATE) AS valid_until,
        TRY_CAST(units AS INTEGER)::HUGEINT AS units,
        (TRY_CAST(rupiah AS DECIMAL(14, 4)) * 10000)::HUGEINT AS rupiah_e4,
        source,
        is_synthetic = 'true' AS is_synthetic
    FROM seed.exchange_rate
),
crossed AS (
    SELECT
        c.currency_code,
        greatest(c.valid_from, u.valid_from) AS valid_from,
        least(c.valid_until, u.valid_until) AS valid_until,
        c.rupiah_e4 * u.units AS numerator,
        u.rupiah_e4 * c.units AS denominator,
        CASE WHEN c.source = u.source THEN c.source ELSE c.source || '; ' || u.source END AS source,
        c.is_synthetic OR u.is_synthetic AS is_synthetic
    FROM rate AS c
    JOIN rate AS u
        ON u.currency_code = 'USD'
        AND u.valid_from <= c.valid_until AND u.valid_until >= c.valid_from
    WHERE c.currency_code <> 'USD'
        AND c.rupiah_e4 > 0 AND u.rupiah_e4 > 0 AND c.units > 0 AND u.units > 0
)
SELECT
    *,
    (
        ((2 * numerator * 10000000000 + denominator) // (2 * denominator))::DECIMAL(27, 0)
        * 0.0000000001
    )::DECIMAL(27, 10) AS usd_rate
FROM crossed
