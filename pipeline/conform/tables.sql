-- What one call of validate works on, in a file of its own that is dropped afterwards.

-- One row per delivery that could be read; known_on is the day (in Jakarta) when the office, or
-- else we, had it. `absent` names the layout's optional columns that it lacks.
CREATE TABLE delivery (
    delivery_no INTEGER, delivery_id VARCHAR, layout VARCHAR, office_code VARCHAR, month DATE,
    last_month DATE, known_on DATE, first_row BIGINT, records BIGINT, file_is_synthetic BOOLEAN,
    absent VARCHAR
);

-- One row per physical record, as text; rowid runs in file order. A record that can't be split
-- has a row of NULLs. Rows of a delivery that isn't in delivery are not looked at.
-- It spills when memory is short.
CREATE TABLE raw (
    delivery_no INTEGER,
    extra JSON,
    application_number VARCHAR,
    ska_number VARCHAR,
    status VARCHAR,
    kind VARCHAR,
    replaces_ska_number VARCHAR,
    registered_at VARCHAR,
    processed_at VARCHAR,
    status_at VARCHAR,
    sent_at VARCHAR,
    issued_on VARCHAR,
    exporter_name VARCHAR,
    nib VARCHAR,
    npwp VARCHAR,
    exporter_place VARCHAR,
    exporter_province VARCHAR,
    office_name VARCHAR,
    importer_name VARCHAR,
    importer_country VARCHAR,
    load_port VARCHAR,
    discharge_port VARCHAR,
    form_code VARCHAR,
    form_medium VARCHAR,
    blank_serial VARCHAR,
    peb_number VARCHAR,
    peb_on VARCHAR,
    customs_office VARCHAR,
    invoice_number VARCHAR,
    invoice_on VARCHAR,
    exported_on VARCHAR,
    currency_code VARCHAR,
    fob_peb VARCHAR,
    fob_invoice VARCHAR,
    fob_document VARCHAR,
    is_third_country VARCHAR,
    is_back_to_back VARCHAR,
    is_retroactive VARCHAR,
    line_number VARCHAR,
    hs_code VARCHAR,
    goods_description VARCHAR,
    quantity VARCHAR,
    unit_code VARCHAR,
    net_kg VARCHAR,
    gross_kg VARCHAR,
    origin_criterion VARCHAR,
    line_fob VARCHAR,
    data_source VARCHAR
);

-- The same for aggregates: one cell of region × month × HS × destination. region_set is a constant
-- of the layout; month may hold the year too.
CREATE TABLE raw_cell (
    delivery_no INTEGER,
    extra JSON,
    region_set VARCHAR,
    region_code VARCHAR,
    region_name VARCHAR,
    year VARCHAR,
    month VARCHAR,
    hs_code VARCHAR,
    destination VARCHAR,
    currency_code VARCHAR,
    fob_usd VARCHAR,
    net_kg VARCHAR,
    data_source VARCHAR
);

-- The physical line of a record where it isn't simply the next one, and the text of a record that
-- can't be split.
CREATE TABLE odd (row_id BIGINT, line BIGINT, record VARCHAR);

-- Records that a named rule leaves out, as delivered; they are neither accepted nor set aside.
CREATE TABLE excluded (
    row_id BIGINT, delivery_no INTEGER, line INTEGER, rule_name VARCHAR, raw VARCHAR
);

-- What the totals rows of a delivery state, and what its records as received add up to; NULL where
-- that can't be said.
CREATE TABLE control_total (
    delivery_no INTEGER, rule_name VARCHAR, column_name VARCHAR, stated DECIMAL(38, 3),
    ours DECIMAL(38, 3)
);

-- The envelope of a delivery, where there is one.
CREATE TABLE bound (delivery_no INTEGER, min_records BIGINT, max_records BIGINT);

-- What a delivery of either grain is held against as a whole; told_<rule> says how it fails.
CREATE VIEW delivery_frame AS
WITH total AS (
    SELECT
        delivery_no,
        max(abs(stated - ours))::DOUBLE AS total_difference,
        count(*) FILTER (stated IS NULL OR ours IS NULL) AS unreadable_totals,
        string_agg(
            column_name || ': ' || told_total(stated, column_name) || ' <> '
            || told_total(ours, column_name), ', ' ORDER BY column_name, rule_name
        ) FILTER (stated <> ours) AS different,
        string_agg(
            column_name || ': ' || coalesce(told_total(stated, column_name), '?') || ' <> '
            || coalesce(told_total(ours, column_name), '?'), ', ' ORDER BY column_name, rule_name
        ) FILTER (stated IS NULL OR ours IS NULL) AS unreadable
    FROM control_total
    GROUP BY delivery_no
)
SELECT
    d.delivery_no,
    b.min_records - d.records AS records_below,
    d.records - b.max_records AS records_above,
    d.month - d.known_on AS days_early,
    t.total_difference,
    t.unreadable_totals,
    concat(b.min_records - d.records, ' (records ', d.records, ', min_records ', b.min_records, ')')
        AS told_envelope_min,
    concat(d.records - b.max_records, ' (records ', d.records, ', max_records ', b.max_records, ')')
        AS told_envelope_max,
    concat(d.month - d.known_on, ' (month ', d.month, ', extracted ', d.known_on, ')')
        AS told_month_begun,
    concat(t.total_difference, ' (', t.different, ')') AS told_control_total_matches,
    concat(t.unreadable_totals, ' (', t.unreadable, ')') AS told_control_total_readable
FROM delivery AS d
LEFT JOIN bound AS b USING (delivery_no)
LEFT JOIN total AS t USING (delivery_no);

-- What a layout calls its columns.
CREATE TABLE layout_column (layout VARCHAR, source_name VARCHAR, column_name VARCHAR);

-- What the reference lists know.
CREATE TABLE country (spelling VARCHAR, country_code VARCHAR);
CREATE TABLE currency (currency_code VARCHAR);
CREATE TABLE form (
    form_code VARCHAR, is_preferential BOOLEAN, partner_codes VARCHAR[], starts_on DATE,
    is_fob_by_rvc BOOLEAN
);
CREATE TABLE hs_subheading (subheading VARCHAR); -- of HS 2022

-- What the row suite found: one row per record and rule; column_name is the conformed name.
CREATE TABLE finding (
    row_id BIGINT, rule_name VARCHAR, severity VARCHAR, column_name VARCHAR
);

-- Each record that is set aside as it was delivered: source column → text.
CREATE TABLE delivered (row_id BIGINT, layout VARCHAR, fields JSON);

-- Of each record that fails critical rules all of them, with the column at fault and what it says.
CREATE VIEW cause AS
SELECT
    f.row_id,
    list(
        {
            rule_name: f.rule_name,
            column_name: l.source_name,
            value: coalesce(d.fields ->> l.source_name, o.record)[:200]
        }
        ORDER BY f.rule_name
    ) AS findings
FROM finding AS f
JOIN delivered AS d USING (row_id)
LEFT JOIN layout_column AS l USING (layout, column_name)
LEFT JOIN odd AS o ON o.row_id = f.row_id AND o.record IS NOT NULL
WHERE f.severity = 'critical'
GROUP BY f.row_id;
