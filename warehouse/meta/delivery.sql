-- en: Every delivery, what became of it, and what it holds
-- id: Setiap kiriman, nasibnya, dan isinya
-- grain: delivery_id
SELECT
    delivery_id,
    feed,
    slice_code,
    office_code,
    grain,
    month,
    last_month,
    landed_at,
    extracted_at,
    resubmits,
    state,
    superseded_by,
    is_stale,
    records,
    accepted_records,
    quarantined_records,
    excluded_records,
    accepted_usd,
    quarantined_usd,
    problem_codes,
    is_synthetic
FROM core.delivery
