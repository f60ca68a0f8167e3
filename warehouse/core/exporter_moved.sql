-- en: Base value of each region as if every exporter had been recorded then where it is recorded now
-- id: Nilai basis tiap wilayah seandainya tiap eksportir dahulu tercatat di tempatnya yang sekarang
-- grain: basis, leaf_code, period_kind, period_end, baseline
-- part: pair
-- An exporter's base value in all regions is shared among its regions of now by their present value;
-- the last cent goes to the largest. Who exports nothing now, and the unknown, stay where they were.
-- Most exporters have one region: there is nothing to share then.
WITH pair AS (
    SELECT DISTINCT span_no, base_no, baseline FROM core.span_pair
    WHERE basis = 'domicile' AND base_no IS NOT NULL
),
leaf AS (
    SELECT s.basis, s.series_no, n.exporter_no, p.span_no, sum(e.fob_usd) AS fob_usd
    FROM core.exporter_region_month AS e
    JOIN core.exporter_number AS n USING (exporter_key)
    JOIN core.series AS s ON s.basis = e.basis AND s.region_code = e.region_code
    JOIN core.span_month AS p ON p.basis = 'domicile' AND p.month = e.month
    GROUP BY ALL
),
had AS (
    SELECT basis, exporter_no, span_no, sum(fob_usd) AS base_usd FROM leaf GROUP BY ALL
),
now AS (
    SELECT
        *,
        count(*) OVER exporter AS regions,
        sum(fob_usd) OVER exporter AS total_usd,
        row_number() OVER (exporter ORDER BY fob_usd DESC, series_no) AS place
    FROM leaf
    WHERE fob_usd > 0 AND exporter_no <> 0
    WINDOW exporter AS (PARTITION BY basis, exporter_no, span_no)
),
moved AS (
    SELECT
        n.basis,
        n.series_no,
        n.exporter_no,
        n.span_no,
        p.baseline,
        n.regions,
        n.place,
        h.base_usd,
        n.fob_usd,
        n.total_usd
    FROM now AS n
    JOIN pair AS p USING (span_no)
    JOIN had AS h
        ON h.basis = n.basis AND h.exporter_no = n.exporter_no AND h.span_no = p.base_no
),
shared AS (
    SELECT
        *,
        (base_usd::DOUBLE * (fob_usd::DOUBLE / total_usd::DOUBLE))::DECIMAL(18, 2) AS part_usd,
        sum(part_usd) OVER (PARTITION BY basis, exporter_no, span_no, baseline) AS parts_usd
    FROM moved
    WHERE regions > 1
),
placed AS (
    SELECT series_no, span_no, baseline, base_usd FROM moved WHERE regions = 1
    UNION ALL
    SELECT series_no, span_no, baseline,
        part_usd + CASE place WHEN 1 THEN base_usd - parts_usd ELSE 0 END
    FROM shared
    UNION ALL
    SELECT l.series_no, p.span_no, p.baseline, l.fob_usd
    FROM leaf AS l
    JOIN pair AS p ON p.base_no = l.span_no
    ANTI JOIN now AS n
        ON n.basis = l.basis AND n.exporter_no = l.exporter_no AND n.span_no = p.span_no
),
summed AS (
    SELECT series_no, span_no, baseline, sum(base_usd)::DECIMAL(18, 2) AS base_fob_usd
    FROM placed
    GROUP BY ALL
),
period AS (
    SELECT DISTINCT span_no, period_kind, period_end FROM core.span
)
SELECT
    s.basis,
    s.region_code AS leaf_code,
    p.period_kind,
    p.period_end,
    m.baseline,
    m.base_fob_usd
FROM summed AS m
JOIN core.series AS s USING (series_no)
JOIN period AS p USING (span_no)
