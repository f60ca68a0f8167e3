-- en: Winning versions that do not count as far as they tell alone, or that have a chain or a rate
-- id: Versi SKA pemenang yang tidak dihitung sejauh terlihat darinya sendiri, atau yang punya rantai atau kurs
-- grain: certificate_key
-- part: knot
-- kept: no
-- One that isn't here counts as it stands: the most, so that nobody joins all with all.
-- An amount in US$ cents is (2 × cents × numerator + denominator) // (2 × denominator): half up.
-- The rate is that of the declaration's date, else of the issue date.
WITH version AS (
    SELECT
        certificate_key,
        status,
        kind,
        currency_code,
        coalesce(fob_peb, fob_document, CASE WHEN NOT is_third_country THEN fob_invoice END)
            IS NULL AS is_without_value,
        CASE WHEN currency_code <> 'USD' THEN coalesce(peb_on, issued_on) END AS rate_on
    FROM core.certificate_version
    WHERE state = 'current'
),
-- Looking up a rate by date sorts all it is given: only what isn't in US$.
rate AS (
    SELECT v.certificate_key, r.* EXCLUDE (currency_code)
    FROM (SELECT certificate_key, currency_code, rate_on FROM version WHERE rate_on IS NOT NULL) AS v
    ASOF JOIN core.exchange_rate AS r
        ON r.currency_code = v.currency_code AND r.valid_from <= v.rate_on
)
SELECT
    v.certificate_key,
    c.chain_key,
    c.first_issued_on,
    c.first_peb_on,
    v.rate_on,
    CASE WHEN v.rate_on <= r.valid_until THEN r.usd_rate END AS usd_rate,
    CASE WHEN v.rate_on <= r.valid_until THEN r.source END AS rate_source,
    coalesce(v.rate_on <= r.valid_until AND r.is_synthetic, false) AS is_rate_synthetic,
    coalesce(r.numerator, 1) AS numerator,
    coalesce(r.denominator, 1) AS denominator,
    CASE
        WHEN v.status = 'withdrawn' THEN 'withdrawn'
        WHEN v.status IN ('issued', 'withdrawal_requested') THEN
            CASE
                WHEN v.kind = 'duplicate' THEN 'duplicate'
                WHEN NOT c.is_counted THEN 'replaced'
                WHEN v.is_without_value THEN 'no_value'
                WHEN v.currency_code = 'USD' OR v.rate_on <= r.valid_until THEN NULL
                ELSE 'no_rate'
            END
        ELSE 'status'
    END AS reason
FROM version AS v
LEFT JOIN core.certificate_chain AS c USING (certificate_key)
LEFT JOIN rate AS r USING (certificate_key)
WHERE reason IS NOT NULL OR c.chain_key IS NOT NULL OR v.rate_on IS NOT NULL
