-- en: What could not be resolved: places, issuers, ports, rates, chains; the value at stake, a seed row to paste
-- id: Yang tidak dikenali: tempat, penerbit, pelabuhan, kurs, rantai; nilai terkait, dan baris acuan siap tempel
-- grain: kind, spelling, province, first_on
-- seed_row goes into the file named by kind once its <…> is filled in; the next build uses it:
-- place: region_aliases.csv · issuer: issuer.csv · port: port_aliases.csv · rate: exchange_rate.csv,
-- a row per week, Wednesday to Tuesday. A chain is for the office to explain; candidates holds its
-- links. stated is the amount in currency_code of what doesn't count for want of a rate.
WITH unresolved AS (
    SELECT region_code FROM core.place WHERE resolution IN ('ambiguous', 'unknown')
    UNION
    SELECT region_code FROM core.port_spelling WHERE resolution IN ('contradictory', 'unknown')
),
stake AS (
    SELECT
        'place' AS kind,
        p.exporter_place AS spelling,
        p.exporter_province AS province,
        p.resolution,
        p.candidates,
        p.region_code,
        c.currency_code,
        c.issued_on,
        c.counted_usd,
        NULL AS stated,
        CASE WHEN p.exporter_place <> ''
            THEN '"' || replace(p.exporter_place, '"', '""') || '",'
                || coalesce(p.province_code, u.province_code, '<province_code>')
                || ',<' || coalesce(p.candidates, 'region_code') || '>,'
        END AS seed_row
    FROM core.place AS p
    JOIN core.certificate AS c USING (exporter_place, exporter_province)
    LEFT JOIN core.region AS u ON u.region_code = p.region_code
    WHERE c.is_counted AND p.resolution IN ('ambiguous', 'unknown')
        AND c.domicile_region_code IN (SELECT region_code FROM unresolved)
    UNION ALL
    SELECT
        'issuer',
        coalesce(c.issuer_code, ''),
        '',
        'unknown',
        NULL,
        c.issuer_region_code,
        c.currency_code,
        c.issued_on,
        c.counted_usd,
        NULL,
        c.issuer_code || ',<office name>,region,<region_code>,,,false,'
    FROM core.certificate AS c
    WHERE c.is_counted AND c.issuer_name IS NULL
    UNION ALL
    SELECT
        'port',
        q.written_code,
        '',
        q.resolution,
        NULL,
        q.region_code,
        c.currency_code,
        c.issued_on,
        c.counted_usd,
        NULL,
        '"' || replace(nullif(q.written_code, ''), '"', '""') || '",<port_code>,'
    FROM core.port_spelling AS q
    JOIN core.certificate AS c ON coalesce(c.load_port_code, '') = q.written_code
    WHERE c.is_counted AND q.written_name = '' AND q.resolution IN ('contradictory', 'unknown')
        AND c.port_region_code IN (SELECT region_code FROM unresolved)
    UNION ALL
    SELECT
        'rate',
        c.currency_code,
        '',
        'no_rate',
        NULL,
        NULL,
        c.currency_code,
        c.rate_on,
        0,
        coalesce(c.fob_document, c.fob_peb, c.fob_invoice),
        c.currency_code || ',' || c.week_from || ',' || (c.week_from + 6)
            || ',<units>,<rupiah>,<decree>,false'
    FROM (
        -- Monday is 1; the decree's week begins on a Wednesday.
        SELECT *, (rate_on - ((isodow(rate_on) + 4) % 7)::INTEGER)::DATE AS week_from
        FROM core.certificate WHERE reason = 'no_rate'
    ) AS c
    UNION ALL
    SELECT
        'chain',
        h.chain_key,
        '',
        h.trouble,
        h.link_text,
        NULL,
        c.currency_code,
        c.issued_on,
        c.counted_usd,
        NULL,
        NULL
    FROM core.certificate_chain AS h
    JOIN core.certificate AS c USING (certificate_key)
    WHERE c.is_counted AND h.trouble IS NOT NULL
)
SELECT
    kind,
    spelling,
    province,
    resolution,
    region_code,
    candidates,
    min(issued_on) AS first_on,
    max(issued_on) AS last_on,
    count(*) AS certificates,
    sum(counted_usd)::DECIMAL(18, 2) AS fob_usd,
    CASE kind WHEN 'rate' THEN currency_code END AS currency_code,
    sum(stated)::DECIMAL(18, 2) AS stated,
    seed_row
FROM stake
GROUP BY ALL
UNION ALL
-- Regions of aggregates: no certificate stands behind them. No alias settles a contradiction.
SELECT
    CASE WHEN a.region_set = o.country_code || 'PORT' THEN 'port' ELSE 'place' END,
    concat_ws(' ', nullif(a.written_code, ''), nullif(a.written_name, '')),
    '',
    a.resolution,
    a.region_code,
    NULL,
    min(a.month),
    max(a.month),
    0,
    sum(a.fob_usd)::DECIMAL(18, 2),
    NULL,
    NULL,
    CASE WHEN a.resolution = 'unknown'
        THEN '"' || replace(coalesce(nullif(a.written_code, ''), a.written_name), '"', '""') || '",'
            || CASE WHEN a.region_set = o.country_code || 'PORT' THEN '<port_code>,'
                ELSE '<province_code>,<region_code>,' END
    END
FROM core.aggregate_cell AS a
CROSS JOIN core.country AS o
WHERE a.fob_usd IS NOT NULL AND a.resolution IN ('contradictory', 'unknown')
GROUP BY ALL
