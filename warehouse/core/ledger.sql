-- en: The books: every record received, in exactly one state, and the US$ on it
-- id: Pembukuan: setiap baris yang diterima, dalam tepat satu keadaan, beserta US$-nya
-- grain: delivery_id, state, state_reason
-- stated_usd is what can be read on the records (line FOB in US$), unreadable_records those on
-- which nothing can; fob_usd is what counts of it by METHOD.md, which is another sum. An excluded
-- record's reason is the rule of its layout. What an operator rejects is refused as `rejected`; it was
-- validated, so its US$ are known.
SELECT
    delivery_id,
    'current' AS state,
    coalesce(reason, 'counted') AS state_reason,
    count(*) AS records,
    coalesce(sum(stated_usd), 0)::DECIMAL(18, 2) AS stated_usd,
    count(*) FILTER (is_unreadable) AS unreadable_records,
    coalesce(sum(fob_usd) FILTER (is_counted), 0)::DECIMAL(18, 2) AS fob_usd
FROM core.certificate_line
GROUP BY delivery_id, reason
UNION ALL
SELECT
    delivery_id,
    state,
    CASE state WHEN 'quarantined' THEN 'critical_rule' ELSE 'newer_version' END,
    sum(records)::BIGINT,
    sum(stated_usd)::DECIMAL(18, 2),
    sum(unreadable_records)::BIGINT,
    0
FROM core.certificate_version
WHERE state <> 'current'
GROUP BY delivery_id, state
UNION ALL
SELECT
    delivery_id,
    state,
    CASE state
        WHEN 'current' THEN coalesce(reason, 'counted')
        WHEN 'quarantined' THEN 'critical_rule'
        WHEN 'superseded' THEN 'newer_version'
    END AS state_reason,
    count(*),
    coalesce(sum(stated_usd), 0)::DECIMAL(18, 2),
    count(*) FILTER (stated_usd IS NULL),
    coalesce(sum(fob_usd), 0)::DECIMAL(18, 2)
FROM core.aggregate_cell
GROUP BY delivery_id, state, state_reason
UNION ALL
SELECT
    delivery_id,
    'superseded',
    'resubmitted',
    count(*),
    coalesce(sum(stated_usd), 0)::DECIMAL(18, 2),
    count(*) FILTER (is_unreadable),
    0
FROM core.resubmitted_line
GROUP BY delivery_id
UNION ALL
SELECT e.delivery_id, 'excluded', e.rule_name, e.records, 0, e.records, 0
FROM stage.excluded AS e
JOIN core.delivery AS d ON d.delivery_id = e.delivery_id AND d.state = 'current'
UNION ALL
SELECT
    delivery_id,
    state,
    CASE
        WHEN state <> 'refused' THEN 'newer_delivery'
        WHEN problem_codes = 'rejected' THEN 'rejected'
        ELSE 'refused'
    END,
    records,
    accepted_usd + quarantined_usd,
    CASE WHEN state = 'refused' AND problem_codes IS DISTINCT FROM 'rejected' THEN records
        ELSE accepted_unreadable + quarantined_unreadable + excluded_records END,
    0
FROM core.delivery
WHERE state <> 'current' AND records > 0
