-- Every application: members and what follows from them, with date, status and stated amounts.
-- link: 0 new · 1, 2 replacements · 3 duplicate · 4 same goods again · 5, 6 same PEB, other goods
-- grain: id (root * 8 + link)
WITH follower AS (
  SELECT * REPLACE (
    unnest(CASE fate
      WHEN 'replaced' THEN [1]
      WHEN 'replaced twice' THEN [1, 2]
      WHEN 'replacement pending' THEN [1]
      WHEN 'duplicated' THEN [3]
      WHEN 'same goods' THEN [4]
    END) AS link
  )
  FROM member
  WHERE fate IN ('replaced', 'replaced twice', 'replacement pending', 'duplicated', 'same goods')
),

named AS (
  SELECT *, root * 8 + link AS id, moment AS root_moment,
    moment + to_seconds(172800 + below(root, 'replaced', 4147200)) AS replaced_at
  FROM (FROM member UNION ALL FROM follower)
),

dated AS (
  SELECT * REPLACE (
    CASE link
      WHEN 0 THEN moment
      WHEN 1 THEN replaced_at
      -- Stay in the month, so that where the first replacement fits the second does.
      WHEN 2 THEN least(
        replaced_at + INTERVAL 25 HOUR, last_day(replaced_at) + TIME '23:59:59'
      )
      WHEN 3 THEN moment + to_seconds(259200 + below(root, 'duplicated', 4320000))
      WHEN 4 THEN moment + to_seconds(90000 + below(root, 'again', 345600))
      ELSE least(
        moment + to_seconds(below(id, 'shared', 259200)), last_day(moment) + TIME '23:30'
      )
    END AS moment,
    -- Four in ten replacements only mend a word: their amounts stay.
    CASE WHEN link IN (1, 2) AND below(id, 'amended', 10) >= 4
      THEN cents * (92 + below(id, 'amendment', 17)) // 100 ELSE cents
    END AS cents
  )
  FROM named
),

delivered AS (
  -- What would fall after the range, or into a month without any, doesn't happen.
  SELECT
    dated.* EXCLUDE (month_no, replaced_at),
    slice.month_no,
    fate IN ('shared', 'same goods') AS is_exact,
    NOT getvariable('is_lean') AND NOT is_exact AND below(root, 'no PEB', 100) < 3
      AS is_without_peb,
    NOT getvariable('is_lean') AND NOT is_exact AND below(id, 'third country', 100) < 3
      AS is_third_country
  FROM dated
  INNER JOIN slice
    ON slice.office_no = dated.office_no AND slice.month = date_trunc('month', moment)
  WHERE NOT is_nil
),

-- The three totals differ by less than 1 % where they differ; each may be missing, never all.
peb AS (
  SELECT *,
    CASE
      WHEN getvariable('is_lean') OR is_without_peb THEN NULL
      WHEN is_exact THEN shipment_cents
      WHEN below(id, 'no PEB total', 100) < 4 THEN NULL
      WHEN below(id, 'PEB differs', 10) < 3
        THEN cents * (996000 + below(id, 'PEB', 8001)) // 1000000
      ELSE cents
    END AS peb_cents
  FROM delivered
),

document AS (
  SELECT *,
    CASE
      WHEN getvariable('is_lean') OR is_exact THEN cents
      WHEN peb_cents IS NOT NULL AND below(id, 'no document total', 100) < 4 THEN NULL
      WHEN peb_cents IS NULL AND NOT is_third_country AND below(id, 'no document total', 100) < 12
        THEN NULL
      ELSE cents
    END AS document_cents
  FROM peb
)

SELECT
  id,
  root,
  CAST(link AS TINYINT) AS link,
  peb_serial,
  fate,
  firm,
  office_no,
  month_no,
  moment,
  CASE
    WHEN fate = 'unissued' OR (fate = 'replacement pending' AND link = 1)
      THEN ['Verifikasi', 'Request Revisi', 'Diproses IPSKA', 'Ditolak'][1 + below(id, 'status', 4)]
    WHEN fate = 'withdrawn' THEN 'Pencabutan'
    WHEN fate = 'withdrawal requested' THEN 'Pengajuan Cabut SKA'
    ELSE 'Diterbitkan'
  END AS status,
  lines,
  market_no,
  place_no,
  domicile_code,
  CAST(root_moment AS DATE) - shipment_gap(root) AS exported_on,
  is_without_peb,
  is_third_country,
  cents,
  peb_cents,
  document_cents,
  CASE
    WHEN getvariable('is_lean') THEN NULL
    WHEN is_third_country THEN cents * (105 + below(id, 'markup', 26)) // 100
    WHEN document_cents IS NOT NULL AND below(id, 'no invoice total', 100) < 3 THEN NULL
    WHEN below(id, 'invoice differs', 10) < 2
      THEN cents * (997000 + below(id, 'invoice', 6001)) // 1000000
    ELSE cents
  END AS invoice_cents
FROM document
