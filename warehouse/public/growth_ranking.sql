-- en: Export growth of each region; values that could give a firm away are hidden
-- id: Pertumbuhan ekspor tiap wilayah; nilai yang dapat membuka suatu perusahaan disembunyikan
-- grain: basis, scope_code, league, period_kind, period_end, baseline, region_code
-- temp.hidden_span is what pipeline/public.py hides: periods that are unsafe, and others so that nobody
-- computes those. What is hidden stays in every total. Unsafe regions are unranked internally too; a
-- ranked region may have a place and no values, and in temp.hidden_ranking places would say too much:
-- these are shown without. The status of a hidden value, or beside a hidden base of the scope, must not
-- say on which side of a limit it lies: `concentrated` or `withheld`. Flagged and set-aside value may be
-- one firm's even where the total is safe, and a shrunken rate gives the median base away: never public.
WITH side AS (
    SELECT
        m.*,
        s.previous_end,
        n.suppression AS now_hidden,
        b.suppression AS base_hidden,
        n.suppression IS NOT NULL OR b.suppression IS NOT NULL AS is_hidden,
        t.suppression IS NOT NULL AS is_total_hidden,
        o.suppression IS NOT NULL AS is_base_total_hidden
    FROM mart.growth_ranking AS m
    JOIN core.region AS r USING (region_code)
    JOIN core.span_pair AS s USING (basis, region_set, period_kind, period_end, baseline)
    LEFT JOIN temp.hidden_span AS n USING (basis, region_code, period_kind, period_end)
    LEFT JOIN temp.hidden_span AS b
        ON b.basis = m.basis AND b.region_code = m.region_code
        AND b.period_kind = m.period_kind AND b.period_end = s.base_end
    LEFT JOIN temp.hidden_span AS t
        ON t.basis = m.basis AND t.region_code = m.scope_code
        AND t.period_kind = m.period_kind AND t.period_end = m.period_end
    LEFT JOIN temp.hidden_span AS o
        ON o.basis = m.basis AND o.region_code = m.scope_code
        AND o.period_kind = m.period_kind AND o.period_end = s.base_end
)
SELECT
    m.* EXCLUDE (
        previous_end, now_hidden, base_hidden, is_hidden, is_total_hidden, is_base_total_hidden
    ) REPLACE (
        if(m.now_hidden IS NULL, m.fob_usd, NULL) AS fob_usd,
        if(m.base_hidden IS NULL, m.base_fob_usd, NULL) AS base_fob_usd,
        if(m.is_hidden, NULL, m.growth_usd) AS growth_usd,
        if(m.is_hidden, NULL, m.growth_pct) AS growth_pct,
        if(m.is_hidden, NULL, m.growth_pct_yearly) AS growth_pct_yearly,
        if(m.is_hidden, NULL, m.symmetric_rate) AS symmetric_rate,
        if(m.is_hidden OR m.is_base_total_hidden, NULL, m.contribution_pp) AS contribution_pp,
        if(m.now_hidden IS NOT NULL OR m.is_total_hidden, NULL, m.share_pct) AS share_pct,
        NULL::DOUBLE AS shrunken_pct,
        if(m.now_hidden IS NULL, m.certificates, NULL) AS certificates,
        if(m.now_hidden IS NULL, m.exporters, NULL) AS exporters,
        if(m.is_hidden, NULL, m.new_exporters) AS new_exporters,
        if(m.is_hidden, NULL, m.first_ever_exporters) AS first_ever_exporters,
        if(w.basis IS NULL, m.growth_usd_rank, NULL) AS growth_usd_rank,
        if(w.basis IS NULL, m.growth_pct_rank, NULL) AS growth_pct_rank,
        if(w.basis IS NULL AND NOT m.is_hidden, m.growth_pct_rank_low, NULL) AS growth_pct_rank_low,
        if(w.basis IS NULL AND NOT m.is_hidden, m.growth_pct_rank_high, NULL) AS growth_pct_rank_high,
        if(w.basis IS NULL AND NOT m.is_hidden, m.share_first, NULL) AS share_first,
        if(w.basis IS NULL AND NOT m.is_hidden, m.may_be_first, NULL) AS may_be_first,
        if(w.basis IS NULL AND before.basis IS NULL, m.rank_movement, NULL) AS rank_movement,
        NULL::DOUBLE AS flagged_pct,
        NULL::DECIMAL(18, 2) AS quarantined_usd,
        CASE
            WHEN NOT (m.is_hidden OR m.is_base_total_hidden)
                OR m.growth_status NOT IN ('ok', 'below_base', 'concentrated')
                OR (m.growth_status = 'ok' AND w.basis IS NULL) THEN m.growth_status
            WHEN 'primary' IN (m.now_hidden, m.base_hidden) THEN 'concentrated'
            ELSE 'withheld'
        END AS growth_status,
        m.is_ranked AND NOT (
            (m.is_hidden OR m.is_base_total_hidden) AND w.basis IS NOT NULL
        ) AS is_ranked,
        CASE
            WHEN NOT m.is_hidden THEN 'none'
            WHEN 'primary' IN (m.now_hidden, m.base_hidden) THEN 'primary'
            ELSE 'complementary'
        END AS suppression
    )
FROM side AS m
LEFT JOIN temp.hidden_ranking AS w
    USING (basis, scope_code, league, period_kind, period_end, baseline)
LEFT JOIN temp.hidden_ranking AS before
    ON before.basis = m.basis AND before.scope_code = m.scope_code
    AND before.league = m.league AND before.period_kind = m.period_kind
    AND before.period_end = m.previous_end AND before.baseline = m.baseline
