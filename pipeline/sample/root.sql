-- New applications ("Baru"): who, where, when, and what becomes of each.
-- grain: root
WITH drawn AS (
  SELECT
    first_root + copy AS root, region_code, month_no, month, days, firms,
    -- PEB numbers begin anew each year: only number, date and customs office name a declaration.
    CASE WHEN getvariable('is_lean') THEN first_root
      ELSE first_root - min(first_root) OVER (PARTITION BY year(month)) + 1 END + copy
      AS peb_serial,
    -- Firms high in the list apply more often; regions with a cap take turns.
    CASE
      WHEN monthly_cap IS NOT NULL THEN (month_no + copy) % firms
      WHEN dominant_share_pct > 0 AND copy % 2 = 0 THEN 0
      WHEN dominant_share_pct > 0 THEN 1 + floor(
        (firms - 1) * pow((copy * 0.6180339887498949 + part(first_root, 'turn')) % 1, 1.6)
      )
      ELSE floor(firms * pow((copy * 0.6180339887498949 + part(first_root, 'turn')) % 1, 1.6))
    END AS position,
    spread
  FROM (SELECT *, unnest(range(applications)) AS copy FROM quota)
  INNER JOIN month USING (month_no)
  INNER JOIN region_spec USING (region_code)
),

-- Materialized, so that the drawn slots are columns before the joins below are put in order: else
-- each application meets every slot of its month (2.7 s instead of 0.3 s for 60,000 lines).
placed AS MATERIALIZED (
  SELECT
    drawn.*, firm.firm, is_dominant,
    family = 'coffee' AS is_coffee,
    below(root, 'market', market_slots) AS market_slot,
    below(root, 'place', place_slots) AS place_slot,
    CASE
      WHEN home_office <> 'JBR' AND below(root, 'elsewhere', 100) < 2 THEN 'JBR'
      WHEN switch_to IS NULL THEN home_office
      WHEN drawn.month_no < switch_no THEN switch_from
      ELSE switch_to
    END AS wanted_office,
    CAST(1e4 * size * exp(spread * bell(root, 'value')) AS BIGINT) AS weight,
    below(root, 'fate', 1000) AS fate,
    below(root, 'lines', 100) AS lines_draw
  FROM drawn
  INNER JOIN active USING (region_code, month_no, position)
  INNER JOIN firm ON firm.firm = active.firm
  INNER JOIN (SELECT DISTINCT month_no, is_coffee, slots AS market_slots FROM market_slot) AS m
    ON m.month_no = drawn.month_no AND m.is_coffee = (family = 'coffee')
  INNER JOIN (SELECT DISTINCT region_code, slots AS place_slots FROM place_slot) AS p
    ON p.region_code = drawn.region_code
)

SELECT
  root,
  peb_serial,
  placed.region_code,
  is_dominant,
  firm,
  acting_office_no AS office_no,
  placed.month_no,
  year(placed.month) * 4 + quarter(placed.month) AS quarter,
  placed.month + to_seconds(
    86400 * below(root, 'day', days) + CASE
      WHEN below(root, 'night', 100) < 6 THEN below(root, 'time', 25200)
      ELSE 25200 + below(root, 'time', 36000)
    END
  ) AS moment,
  CASE
    WHEN fate < 30 AND NOT getvariable('is_lean') THEN 'replaced'
    WHEN fate < 33 AND NOT getvariable('is_lean') THEN 'replaced twice'
    WHEN fate < 36 AND NOT getvariable('is_lean') THEN 'replacement pending'
    WHEN fate < 46 AND NOT getvariable('is_lean') THEN 'duplicated'
    WHEN fate >= 46 AND fate < 48 THEN 'same goods'
    WHEN fate >= 48 AND fate < 78 THEN 'shared'
    WHEN fate >= 78 AND fate < 140 THEN 'unissued'
    WHEN fate >= 140 AND fate < 152 THEN 'withdrawn'
    WHEN fate >= 152 AND fate < 162 THEN 'withdrawal requested'
    ELSE 'plain'
  END AS fate,
  -- 2.69 goods lines on average. The lean layout has nothing but its number that would hold a
  -- certificate's lines together: what has none has one line.
  CASE
    WHEN getvariable('is_lean') AND fate BETWEEN 78 AND 139 THEN 1
    WHEN lines_draw < 35 THEN 1
    WHEN lines_draw < 57 THEN 2
    WHEN lines_draw < 73 THEN 3
    WHEN lines_draw < 83 THEN 4
    WHEN lines_draw < 90 THEN 5
    WHEN lines_draw < 95 THEN 6
    WHEN lines_draw < 98 THEN 7
    ELSE 8
  END AS lines,
  market_no,
  place_no,
  domicile_code,
  weight
FROM placed
INNER JOIN slice ON slice.office = wanted_office AND slice.month_no = placed.month_no
INNER JOIN market_slot
  ON market_slot.month_no = placed.month_no AND market_slot.is_coffee = placed.is_coffee
  AND market_slot.slot = placed.market_slot
INNER JOIN place_slot
  ON place_slot.region_code = placed.region_code AND place_slot.slot = placed.place_slot
