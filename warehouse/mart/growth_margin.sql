-- en: Where each region's growth comes from: exporters that stayed, came, left or moved their paperwork
-- id: Asal pertumbuhan tiap wilayah: eksportir yang tetap, baru, berhenti, atau memindahkan penerbitan SKA
-- grain: basis, region_code, period_kind, period_end, baseline
-- growth = continuing + new + switched here − left − switched away + unidentified, to the cent.
WITH moved AS (
    SELECT m.basis, r.region_code, m.period_kind, m.period_end, m.baseline,
        sum(m.base_fob_usd) AS base_fob_usd
    FROM core.exporter_moved AS m
    JOIN core.region_leaf AS r USING (leaf_code)
    GROUP BY ALL
)
SELECT
    basis,
    region_code,
    r.region_name,
    period_kind,
    period_end,
    baseline,
    (coalesce(m.fob_usd, 0) - coalesce(m.base_fob_usd, 0))::DECIMAL(18, 2) AS growth_usd,
    coalesce(m.continuing_usd, 0)::DECIMAL(18, 2) AS continuing_usd,
    coalesce(m.new_usd, 0)::DECIMAL(18, 2) AS new_usd,
    coalesce(m.switched_here_usd, 0)::DECIMAL(18, 2) AS switched_here_usd,
    coalesce(m.left_usd, 0)::DECIMAL(18, 2) AS left_usd,
    coalesce(m.switched_away_usd, 0)::DECIMAL(18, 2) AS switched_away_usd,
    coalesce(m.unidentified_usd, 0)::DECIMAL(18, 2) AS unidentified_usd,
    coalesce(m.continuing_exporters, 0) AS continuing_exporters,
    coalesce(m.new_exporters, 0) AS new_exporters,
    coalesce(m.switched_here_exporters, 0) AS switched_here_exporters,
    coalesce(m.left_exporters, 0) AS left_exporters,
    coalesce(m.switched_away_exporters, 0) AS switched_away_exporters,
    coalesce(v.base_fob_usd, 0)::DECIMAL(18, 2) AS base_without_migration_usd,
    (coalesce(m.fob_usd, 0) - coalesce(v.base_fob_usd, 0))::DECIMAL(18, 2)
        AS growth_without_migration_usd,
    CASE WHEN v.base_fob_usd > 0 THEN
        100.0 * (coalesce(m.fob_usd, 0) - v.base_fob_usd)::DOUBLE / v.base_fob_usd::DOUBLE
    END AS growth_without_migration_pct
FROM core.region_margin AS m
FULL JOIN moved AS v USING (basis, region_code, period_kind, period_end, baseline)
JOIN core.region AS r USING (region_code)
