-- en: Each region's growth split into the scope's growth, its mix of chapters, its own part, new chapters
-- id: Pertumbuhan tiap wilayah dibagi menjadi pertumbuhan lingkup, komposisi bab HS, bagian sendiri, dan bab baru
-- grain: basis, scope_code, period_kind, period_end, baseline, region_code
-- Dunn 1960. Chapters new to the region stand apart; what rounding leaves goes to the own part.
WITH member AS (
    SELECT DISTINCT scope_code, region_code FROM core.scope_member WHERE league = 'all'
),
chapter AS (
    SELECT
        m.scope_code,
        i.* EXCLUDE (dimension),
        sum(i.fob_usd) OVER item AS item_usd,
        sum(i.base_fob_usd) OVER item AS item_base_usd,
        sum(i.fob_usd) OVER scope AS scope_usd,
        sum(i.base_fob_usd) OVER scope AS scope_base_usd
    FROM core.item_pair AS i
    JOIN member AS m USING (region_code)
    WHERE i.dimension = 'hs_chapter'
    WINDOW
        item AS (PARTITION BY m.scope_code, i.basis, i.period_kind, i.period_end, i.baseline,
            i.item_code),
        scope AS (PARTITION BY m.scope_code, i.basis, i.period_kind, i.period_end, i.baseline)
),
term AS (
    SELECT
        scope_code, basis, period_kind, period_end, baseline, region_code,
        sum(fob_usd - base_fob_usd) AS growth_usd,
        sum(fob_usd) FILTER (base_fob_usd = 0) AS new_chapter_usd,
        any_value(scope_usd / nullif(scope_base_usd, 0)::DOUBLE - 1) AS scope_rate,
        sum(base_fob_usd) AS base_fob_usd,
        list({base: base_fob_usd::DOUBLE, rate: item_usd / item_base_usd::DOUBLE - 1}
            ORDER BY item_code) FILTER (base_fob_usd <> 0) AS items
    FROM chapter
    GROUP BY ALL
),
rounded AS (
    SELECT
        * EXCLUDE (items, scope_rate, base_fob_usd),
        coalesce(base_fob_usd::DOUBLE * scope_rate, 0)::DECIMAL(18, 2) AS scope_growth_usd,
        coalesce(list_sum([i.base * (i.rate - scope_rate) FOR i IN items]), 0)::DECIMAL(18, 2)
            AS mix_usd
    FROM term
)
SELECT
    basis,
    scope_code,
    period_kind,
    period_end,
    baseline,
    region_code,
    growth_usd::DECIMAL(18, 2) AS growth_usd,
    scope_growth_usd,
    mix_usd,
    (growth_usd - scope_growth_usd - mix_usd - coalesce(new_chapter_usd, 0))::DECIMAL(18, 2)
        AS own_usd,
    coalesce(new_chapter_usd, 0)::DECIMAL(18, 2) AS new_chapter_usd
FROM rounded
