-- en: The rules in force, typed, one row
-- id: Aturan yang berlaku, bertipe, satu baris
-- grain:
-- More than 18 digits wide: products of narrower DECIMALs stay within 18 digits, and overflow.
SELECT
    max(value) FILTER (rule_name = 'eligibility_base_share_pct')::DECIMAL(20, 4) AS base_share_pct,
    max(value) FILTER (rule_name = 'eligibility_floor_usd')::DECIMAL(20, 2) AS floor_usd,
    max(value) FILTER (rule_name = 'eligibility_min_exporters')::INTEGER AS min_exporters,
    max(value) FILTER (rule_name = 'negligible_office_pct')::DECIMAL(20, 4) AS negligible_office_pct,
    max(value) FILTER (rule_name = 'dominance_share_pct')::DECIMAL(20, 4) AS dominance_share_pct,
    max(value) FILTER (rule_name = 'dominance_p_pct')::DECIMAL(20, 4) AS dominance_p_pct,
    max(value) FILTER (rule_name = 'min_exporters_public')::INTEGER AS min_exporters_public,
    max(value) FILTER (rule_name = 'maturity_provisional_months')::INTEGER AS provisional_months,
    max(value) FILTER (rule_name = 'maturity_final_months')::INTEGER AS final_months,
    max(value) FILTER (rule_name = 'rank_set_draws')::INTEGER AS rank_set_draws,
    max(value) FILTER (rule_name = 'rank_set_confidence_pct')::INTEGER AS rank_set_confidence_pct,
    max(value) FILTER (rule_name = 'rank_set_min_exporters')::INTEGER AS rank_set_min_exporters,
    max(value) FILTER (rule_name = 'period_by_peb_date')::INTEGER = 1 AS is_period_by_peb
FROM seed.rule
