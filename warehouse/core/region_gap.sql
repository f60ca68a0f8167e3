-- en: Periods for which slices that matter to a region are missing or stale; the rest is complete
-- id: Periode yang bagian pentingnya bagi suatu wilayah belum ada atau usang; selebihnya lengkap
-- grain: basis, region_code, period_kind, period_end, baseline
-- Offices don't matter that together brought under the set share of the region's value in the 24
-- months up to the period's end. Where nothing was brought, nobody is known not to matter.
WITH gap AS (
    SELECT
        p.basis,
        p.region_set,
        p.period_kind,
        p.period_end,
        p.baseline,
        s.feed,
        s.office_code,
        bool_or(NOT s.is_complete) AS is_missing,
        bool_or(s.is_stale) AS is_stale
    FROM core.span_pair AS p
    JOIN core.basis AS b USING (basis, region_set)
    JOIN core.slice_month AS s
        ON s.grain = b.grain AND coalesce(s.region_set, b.region_set) = b.region_set
        AND (
            s.month BETWEEN p.period_start AND p.period_end
            OR s.month BETWEEN p.base_start AND p.base_end
        )
    WHERE NOT s.is_complete OR s.is_stale
    GROUP BY ALL
),
brought AS (
    SELECT
        o.basis,
        r.region_code,
        last_day(m.month) AS period_end,
        o.feed,
        o.office_code,
        sum(o.fob_usd) AS fob_usd
    FROM core.office_region_month AS o
    JOIN core.region_leaf AS r ON r.leaf_code = o.region_code
    JOIN core.region AS l ON l.region_code = o.region_code
    JOIN core.calendar_month AS m
        ON m.basis = o.basis AND m.region_set = l.region_set
        AND o.month <= m.month AND o.month > m.month - INTERVAL 24 MONTH
    GROUP BY ALL
),
total AS (
    SELECT basis, region_code, period_end, sum(fob_usd) AS fob_usd
    FROM brought
    GROUP BY basis, region_code, period_end
),
touched AS (
    SELECT
        basis,
        region_set,
        period_kind,
        period_end,
        baseline,
        bool_or(is_missing) AS is_missing,
        bool_or(is_stale) AS is_stale
    FROM gap
    GROUP BY basis, region_set, period_kind, period_end, baseline
),
concerned AS (
    SELECT
        g.period_kind,
        g.period_end,
        g.baseline,
        b.basis,
        b.region_code,
        coalesce(sum(b.fob_usd) FILTER (g.is_missing), 0) AS missing_usd,
        coalesce(sum(b.fob_usd) FILTER (g.is_stale), 0) AS stale_usd
    FROM gap AS g
    JOIN brought AS b USING (basis, feed, office_code, period_end)
    GROUP BY ALL
),
region AS (
    SELECT DISTINCT basis, region_set, region_code FROM core.region_span
),
judged AS (
    SELECT
        r.basis,
        r.region_code,
        t.period_kind,
        t.period_end,
        t.baseline,
        t.is_missing AND coalesce(
            a.fob_usd <= 0
            OR c.missing_usd >= 0.01 * s.negligible_office_pct * a.fob_usd,
            a.fob_usd IS NULL
        ) AS is_incomplete,
        t.is_stale AND coalesce(
            a.fob_usd <= 0
            OR c.stale_usd >= 0.01 * s.negligible_office_pct * a.fob_usd,
            a.fob_usd IS NULL
        ) AS is_stale
    FROM touched AS t
    JOIN region AS r USING (basis, region_set)
    CROSS JOIN core.setting AS s
    LEFT JOIN total AS a USING (basis, region_code, period_end)
    LEFT JOIN concerned AS c USING (basis, region_code, period_kind, period_end, baseline)
),
-- Where a layout says that a blank is a missing figure, its region's month is.
hole AS (
    SELECT DISTINCT
        p.basis, l.region_code, p.period_kind, p.period_end, p.baseline,
        true AS is_incomplete, false AS is_stale
    FROM core.aggregate_cell AS c
    JOIN core.region_leaf AS l ON l.leaf_code = c.region_code
    JOIN core.span_pair AS p
        ON p.basis = 'official' AND p.region_set = c.region_set
        AND (
            c.month BETWEEN p.period_start AND p.period_end
            OR c.month BETWEEN p.base_start AND p.base_end
        )
    WHERE c.is_missing AND c.state = 'current'
)
SELECT
    basis,
    region_code,
    period_kind,
    period_end,
    baseline,
    bool_or(is_incomplete) AS is_incomplete,
    bool_or(is_stale) AS is_stale
FROM (SELECT * FROM judged UNION ALL SELECT * FROM hole)
WHERE is_incomplete OR is_stale
GROUP BY ALL
