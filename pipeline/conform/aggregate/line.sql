-- en: Each physical record of one layout of aggregates with typed values, and the rules it decides
-- id: Tiap baris fisik satu tata letak agregat dengan nilai bertipe, dan aturan yang diputuskannya
-- grain: row_id
-- An ok_ column is never NULL: true also means that the rule has nothing to say about the record.
WITH input AS (
    SELECT
        r.row_id,
        r.delivery_no,
        d.delivery_id,
        d.month AS first_month,
        d.last_month,
        d.known_on,
        coalesce(o.line, r.row_id - d.first_row + 2)::INTEGER AS line,
        o.record IS NULL AS is_split,
        r.region_set,
        upper(text_of(r.region_code)) AS region_code,
        text_of(r.region_name) AS region_name,
        text_of(r.year) AS year,
        text_of(r.month) AS month,
        text_of(r.hs_code) AS hs_code,
        text_of(r.destination) AS destination,
        upper(text_of(r.currency_code)) AS currency_code,
        text_of(r.fob_usd) AS fob_usd,
        text_of(r.net_kg) AS net_kg,
        upper(text_of(r.data_source)) = 'SINTETIS' AS is_synthetic
    FROM record AS r
    JOIN delivery AS d USING (delivery_no)
    LEFT JOIN odd AS o ON o.row_id = r.row_id
    ANTI JOIN excluded AS x ON x.row_id = r.row_id
    WHERE d.layout = getvariable('layout') AND d.absent = getvariable('absent')
),
typed AS (
    SELECT
        i.row_id,
        i.delivery_no,
        i.delivery_id,
        i.first_month,
        i.last_month,
        i.known_on,
        i.line,
        i.is_split,
        i.region_set,
        i.region_code,
        i.region_name,
        first_of_month(i.year, i.month) AS month,
        digits(i.hs_code) AS hs_code,
        i.destination,
        c.country_code AS destination_code,
        i.currency_code,
        money(i.fob_usd, 'fob_usd') AS fob_usd,
        weight(i.net_kg, 'net_kg') AS net_kg,
        i.fob_usd IS NOT NULL AS has_fob_usd,
        i.net_kg IS NOT NULL AS has_net_kg,
        i.is_synthetic
    FROM input AS i
    LEFT JOIN country AS c ON c.spelling = upper(i.destination)
)
SELECT
    t.* EXCLUDE (first_month, last_month, known_on, destination, has_fob_usd, has_net_kg),
    -- A cell is named by what it says itself: another spelling is another cell.
    CASE WHEN t.month IS NOT NULL AND coalesce(t.region_code, t.region_name) IS NOT NULL
        THEN concat_ws(
            '|', coalesce(t.region_code, upper(t.region_name)), strftime(t.month, '%Y-%m'),
            coalesce(t.hs_code, ''), coalesce(upper(t.destination), '')
        )
        ELSE 'line:' || t.line
    END AS cell_key,
    NOT t.has_fob_usd AND getvariable('blank') = 'missing' AS is_missing,
    -- critical
    t.is_split AS ok_record_split,
    NOT t.is_split OR coalesce(t.region_code, t.region_name) IS NOT NULL AS ok_region_present,
    NOT t.is_split OR t.month IS NOT NULL AS ok_month_readable,
    -- A sheet for a whole year may hold months to come, as long as they are blank.
    coalesce(
        t.month >= t.first_month
        AND t.month <= coalesce(t.last_month, date_trunc('year', t.known_on) + INTERVAL 11 MONTH)
        AND (NOT t.has_fob_usd OR t.month <= t.known_on),
        true
    ) AS ok_month_covered,
    NOT t.has_fob_usd OR t.fob_usd IS NOT NULL AS ok_value_readable,
    coalesce(t.fob_usd >= 0, true) AS ok_value_not_negative,
    coalesce(t.currency_code = 'USD', true) AS ok_currency_reporting,
    -- A blank where others say goods or destination is a total, and would count all of them twice.
    NOT t.is_split OR NOT has('hs_code') OR coalesce(length(t.hs_code) BETWEEN 2 AND 10, false)
        AS ok_hs_readable,
    NOT t.is_split OR NOT has('destination') OR t.destination IS NOT NULL
        AS ok_destination_present,
    -- warning
    NOT t.has_net_kg OR t.net_kg IS NOT NULL AS ok_weight_readable,
    coalesce(t.hs_code[:2] BETWEEN '01' AND '97' AND t.hs_code[:2] <> '77', true) AS ok_hs_known,
    t.destination IS NULL OR t.destination_code IS NOT NULL AS ok_destination_known,
    true AS ok_cell_unique -- siblings.sql
FROM typed AS t
