-- en: What the lines of odd certificates are told: the rules that only all of them can decide
-- id: Penanda pada baris SKA yang ganjil: aturan yang hanya dapat diputuskan dari semua barisnya
-- Few certificates are odd, so their lines are changed in place: a second table of all lines was a
-- quarter of the time of conforming.
WITH peculiar AS (
    SELECT * FROM certificate
    WHERE is_shared OR odd_column IS NOT NULL OR has_double OR NOT sum_agrees OR may_lack_fob
),
double AS (
    SELECT delivery_no, certificate_key, line_number
    FROM batch
    JOIN peculiar AS c USING (delivery_no, certificate_key)
    WHERE c.has_double AND line_number IS NOT NULL
    GROUP BY delivery_no, certificate_key, line_number
    HAVING count(*) > 1
)
UPDATE batch AS b SET
    ok_fob_present = b.ok_fob_present OR o.may_lack_fob,
    -- Nothing is valued, so nothing needs a currency.
    ok_currency_known = b.ok_currency_known OR (b.currency_code IS NULL AND o.may_lack_fob),
    ok_fob_not_stated = b.ok_fob_present OR NOT o.may_lack_fob,
    ok_number_unique = NOT o.is_shared,
    ok_header_agrees = o.odd_column IS NULL,
    at_header_agrees = o.odd_column,
    ok_line_unique = NOT o.is_double,
    ok_line_sum_agrees = o.sum_agrees
FROM (
    SELECT l.row_id, c.*, d.line_number IS NOT NULL AS is_double
    FROM batch AS l
    JOIN peculiar AS c USING (delivery_no, certificate_key)
    LEFT JOIN double AS d USING (delivery_no, certificate_key, line_number)
) AS o
WHERE o.row_id = b.row_id
