-- en: Goods lines of the winning versions, each with its part of the certificate's value
-- id: Baris barang versi SKA yang menang, masing-masing dengan bagiannya dari nilai SKA
-- grain: certificate_key, line
-- part: knot
-- Value is shared by line FOB, else by net weight, else equally, in whole cents (integers: DuckDB
-- divides DECIMAL as DOUBLE); the last cents go to the largest line, so the parts add up exactly.
-- Of most certificates the lines' FOB add up to the value: then each is its part, and main_line (the
-- largest, of equal ones the first) carries the certificate wherever certificates are counted. Only
-- the others are shared out and put in order.
WITH certificate AS (
    SELECT
        c.*,
        (c.fob_usd::DECIMAL(38, 2) * 100)::HUGEINT AS cents,
        g.certificate_key IS NULL AND (
            c.fob_usd IS NULL
            OR coalesce(c.all_line_fob > 0 AND c.fob_usd = c.all_line_fob, false)
        ) AND c.main_line IS NOT NULL AS is_plain
    FROM (
        SELECT certificate_key, delivery_id, currency_code, reason, fob_usd, all_line_fob,
            all_net_kg, main_line, records
        FROM core.certificate_value
    ) AS c
    LEFT JOIN (SELECT DISTINCT certificate_key FROM core.same_goods) AS g USING (certificate_key)
),
line AS (
    SELECT
        c.certificate_key,
        l.delivery_id,
        l.line,
        l.hs_code,
        l.net_kg,
        l.line_fob,
        c.currency_code,
        c.reason,
        c.cents,
        CASE
            WHEN c.all_line_fob > 0 THEN (l.line_fob::DECIMAL(38, 2) * 100)::HUGEINT
            WHEN c.all_net_kg > 0 THEN (l.net_kg::DECIMAL(38, 3) * 1000)::HUGEINT
            ELSE 1
        END AS weight,
        CASE
            WHEN c.all_line_fob > 0 THEN (c.all_line_fob * 100)::HUGEINT
            WHEN c.all_net_kg > 0 THEN (c.all_net_kg * 1000)::HUGEINT
            ELSE c.records
        END AS all_weight
    FROM stage.accepted_line AS l
    JOIN certificate AS c USING (certificate_key, delivery_id)
    WHERE NOT c.is_plain
),
part AS (
    SELECT *, (2 * cents * weight + all_weight) // (2 * all_weight) AS part FROM line
),
shared AS (
    SELECT
        *,
        part + CASE
            WHEN row_number() OVER (PARTITION BY certificate_key ORDER BY weight DESC, line) = 1
                THEN cents - sum(part) OVER (PARTITION BY certificate_key)
            ELSE 0
        END AS line_cents
    FROM part
),
reasoned AS (
    SELECT
        s.* EXCLUDE (reason),
        CASE WHEN g.line IS NULL THEN s.reason ELSE 'same_goods' END AS reason
    FROM shared AS s
    LEFT JOIN core.same_goods AS g USING (certificate_key, line)
),
valued AS (
    SELECT
        certificate_key,
        delivery_id,
        line,
        hs_code,
        net_kg,
        line_fob,
        currency_code,
        (line_cents::DECIMAL(20, 0) * 0.01)::DECIMAL(18, 2) AS fob_usd,
        reason,
        reason IS NULL AND row_number() OVER (
            PARTITION BY certificate_key ORDER BY reason NULLS FIRST, line_cents DESC, line
        ) = 1 AS is_main
    FROM reasoned
    UNION ALL
    SELECT
        c.certificate_key,
        l.delivery_id,
        l.line,
        l.hs_code,
        l.net_kg,
        l.line_fob,
        c.currency_code,
        CASE WHEN c.fob_usd IS NOT NULL THEN l.line_fob END,
        c.reason,
        c.reason IS NULL AND l.line = c.main_line
    FROM stage.accepted_line AS l
    JOIN certificate AS c USING (certificate_key, delivery_id)
    WHERE c.is_plain
)
SELECT
    certificate_key,
    delivery_id,
    line,
    hs_code,
    CASE WHEN length(hs_code) BETWEEN 6 AND 10 AND hs_code[1:2] BETWEEN '01' AND '97'
        AND hs_code[1:2] <> '77' THEN hs_code[1:2] ELSE 'unknown' END AS hs_chapter,
    -- A number (10121 is 010121): what a night compares all lines by.
    CASE WHEN hs_chapter <> 'unknown' THEN hs_code[1:6]::INTEGER END AS hs6,
    net_kg,
    CASE currency_code WHEN 'USD' THEN line_fob END AS stated_usd,
    line_fob IS NULL AS is_unreadable,
    fob_usd,
    reason IS NULL AS is_counted,
    reason,
    is_main
FROM valued
