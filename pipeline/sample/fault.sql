-- Which applications get broken, and how: one fault each, chosen among those that would trip no
-- other rule. Chains, shared PEBs and withdrawals stay sound, so that what a fault means for the
-- figures is certain.
-- grain: id
WITH kind AS (
  SELECT *,
    row_number() OVER (PARTITION BY fate ORDER BY fault_kind_no) AS kind_no,
    count(*) OVER (PARTITION BY fate) AS kinds
  FROM fault_kind
),

candidate AS (
  SELECT
    application.*, form_code, country_code, is_preferential = 'true' AS is_preferential,
    sum(lines) OVER (PARTITION BY office_no, month_no) AS slice_lines,
    count(*) FILTER (has_number(status)) OVER (PARTITION BY office_no, month_no) AS slice_numbers
  FROM application
  INNER JOIN market USING (market_no)
  INNER JOIN seed_form USING (form_code)
  -- A quarter of the rows belongs to applications that stay sound.
  QUALIFY link = 0 AND fate IN ('plain', 'unissued', 'withdrawn')
    AND part(id, 'fault') < getvariable('dirt') * 1.35
),

numbered AS (
  SELECT *, row_number() OVER (
    PARTITION BY fate, least(lines, 3) ORDER BY draw(id, 'fault turn')
  ) AS turn
  FROM candidate
),

fitting AS (
  SELECT id, turn, lines, office_no, month_no, slice_lines, kind.*,
    row_number() OVER (PARTITION BY rule ORDER BY draw(id, rule)) AS place,
    count(*) OVER (PARTITION BY rule) AS fits
  FROM numbered
  INNER JOIN kind USING (fate)
  WHERE list_contains(getvariable('columns'), split_part(columns, ' ', 1))
    AND CASE rule
      WHEN 'record_split' THEN lines = 1
      WHEN 'number_present' THEN lines = 1 OR NOT getvariable('is_lean')
      WHEN 'number_unique' THEN lines > 1
      WHEN 'header_agrees' THEN lines > 1
      WHEN 'line_unique' THEN lines = 2
      -- 28 December of the same year: after every extract, and no other date rule minds.
      WHEN 'issued_on_not_future' THEN month(moment) BETWEEN 4 AND 10 AND shipment_gap(root) < 20
        AND NOT (moment >= TIMESTAMP '2024-01-01' AND moment < TIMESTAMP '2024-07-01')
        AND slice_lines >= 60
      -- One in twenty of another office would refuse the delivery.
      WHEN 'number_office_match' THEN slice_numbers >= 25
      -- Declared on either side of no boundary of HS 2022, whatever the PEB date is drawn to be.
      WHEN 'hs_in_force' THEN exported_on >= DATE '2023-04-06'
      WHEN 'hs_old_version' THEN exported_on BETWEEN DATE '2022-04-06' AND DATE '2023-03-25'
        AND moment BETWEEN TIMESTAMP '2022-04-01' AND TIMESTAMP '2023-03-31'
      WHEN 'fob_not_stated' THEN form_code = 'D' AND NOT getvariable('is_lean')
        AND NOT list_contains(
          list_transform(range(1, lines + 1), lambda number: criterion(root, number)), 'RVC'
        )
      WHEN 'nib_format' THEN NOT getvariable('is_lean')
      WHEN 'replacement_named' THEN NOT getvariable('is_lean')
      WHEN 'totals_agree' THEN document_cents > 0 AND invoice_cents > 0 AND NOT is_third_country
      WHEN 'line_sum_agrees' THEN coalesce(document_cents, peb_cents) > 0
      WHEN 'form_destination' THEN is_preferential
      WHEN 'destination_known' THEN NOT is_preferential
      WHEN 'form_started' THEN moment < TIMESTAMP '2022-12-30'
        AND country_code IN ('AU', 'CN', 'JP', 'KR', 'NZ', 'SG', 'TH', 'VN', 'MY', 'PH')
      WHEN 'peb_complete' THEN NOT is_without_peb
      ELSE true
    END
),

chosen AS (
  -- Each kind has its first two, the rarest before the others; then the kinds take turns, and who
  -- doesn't fit its kind gets the next one.
  SELECT *
  FROM fitting
  QUALIFY row_number() OVER (
    PARTITION BY id
    ORDER BY place > 2, CASE WHEN place <= 2 THEN fits END, (kind_no + turn) % kinds
  ) = 1
)

SELECT
  id,
  rule,
  severity,
  list_filter(
    list_transform(
      string_split(columns, ' '), lambda name: list_position(getvariable('columns'), name)
    ),
    lambda position: position > 0
  ) AS positions,
  CAST(CASE
    WHEN NOT is_one_line THEN NULL
    WHEN rule = 'line_unique' THEN 2
    ELSE 1 + below(id, 'fault line', lines)
  END AS INTEGER) AS on_line,
  is_whole_certificate
FROM chosen
-- A delivery with more than a fifth of its rows rejected is refused; stay well below.
QUALIFY (severity <> 'critical' OR sum(CASE WHEN severity = 'critical' THEN lines ELSE 0 END) OVER (
  PARTITION BY office_no, month_no ORDER BY draw(id, 'fault order')
  ROWS UNBOUNDED PRECEDING
) <= slice_lines / 10)
  AND (rule <> 'number_office_match'
    OR row_number() OVER (PARTITION BY office_no, month_no, rule ORDER BY id) = 1)
ORDER BY id
