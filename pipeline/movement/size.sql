-- en: Rows of the release before that the build no longer has
-- id: Baris rilis sebelumnya yang tidak ada lagi pada hasil bangun
-- grain: basis, scope_code, period_kind, period_end
SELECT
    b.basis,
    b.scope_code,
    b.period_kind,
    b.period_end,
    count(*) AS known_rows,
    count(*) FILTER (n.region_code IS NULL) AS lost_rows,
    min(b.region_name) FILTER (n.region_code IS NULL) AS region_name
FROM release.mart.growth_ranking AS b
LEFT JOIN build.mart.growth_ranking AS n
    ON n.basis = b.basis AND n.scope_code = b.scope_code AND n.league = b.league
    AND n.period_kind = b.period_kind AND n.period_end = b.period_end
    AND n.baseline = b.baseline AND n.region_code = b.region_code
GROUP BY ALL
