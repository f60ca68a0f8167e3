-- en: Each physical record, with the rules that only all lines of a certificate can decide
-- id: Tiap baris fisik, dengan aturan yang hanya dapat diputuskan dari semua baris suatu SKA
-- grain: row_id
-- A blank contradicts nothing; two readable values do.
WITH certificate AS (
    SELECT
        delivery_no,
        certificate_key,
        min(application_number) <> max(application_number) AS is_shared,
        CASE
            WHEN min(status) <> max(status) THEN 'status'
            WHEN min(kind) <> max(kind) THEN 'kind'
            WHEN min(issued_on) <> max(issued_on) THEN 'issued_on'
            WHEN min(status_at) <> max(status_at) THEN 'status_at'
            WHEN min(currency_code) <> max(currency_code) THEN 'currency_code'
            WHEN min(fob_peb) <> max(fob_peb) THEN 'fob_peb'
            WHEN min(fob_invoice) <> max(fob_invoice) THEN 'fob_invoice'
            WHEN min(fob_document) <> max(fob_document) THEN 'fob_document'
            WHEN min(nib) <> max(nib) THEN 'nib'
            WHEN min(npwp) <> max(npwp) THEN 'npwp'
        END AS odd_column,
        count(line_number) <> count(DISTINCT line_number) AS has_double,
        count(line_fob) < count(*) OR is_close(
            sum(line_fob), coalesce(nullif(max(fob_document), 0), nullif(max(fob_peb), 0))
        ) AS sum_agrees,
        bool_and(may_lack_fob) AS may_lack_fob
    FROM line
    WHERE is_split
    GROUP BY delivery_no, certificate_key
),
odd_certificate AS (
    SELECT * FROM certificate
    WHERE is_shared OR odd_column IS NOT NULL OR has_double OR NOT sum_agrees
        OR may_lack_fob
),
double AS (
    SELECT delivery_no, certificate_key, line_number
    FROM line
    JOIN odd_certificate AS c USING (delivery_no, certificate_key)
    WHERE c.has_double AND line_number IS NOT NULL
    GROUP BY delivery_no, certificate_key, line_number
    HAVING count(*) > 1
)
SELECT
    l.* EXCLUDE (may_lack_fob)
        REPLACE (
            l.ok_fob_present OR coalesce(c.may_lack_fob, false) AS ok_fob_present,
            -- Nothing is valued, so nothing needs a currency.
            l.ok_currency_known OR coalesce(l.currency_code IS NULL AND c.may_lack_fob, false)
                AS ok_currency_known
        ),
    l.ok_fob_present OR NOT coalesce(c.may_lack_fob, false) AS ok_fob_not_stated,
    NOT coalesce(c.is_shared, false) AS ok_number_unique,
    c.odd_column IS NULL AS ok_header_agrees,
    c.odd_column AS at_header_agrees,
    d.line_number IS NULL AS ok_line_unique,
    coalesce(c.sum_agrees, true) AS ok_line_sum_agrees
FROM line AS l
LEFT JOIN odd_certificate AS c USING (delivery_no, certificate_key)
LEFT JOIN double AS d USING (delivery_no, certificate_key, line_number)
