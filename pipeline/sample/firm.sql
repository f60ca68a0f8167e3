-- Every exporter of the sample: where it sits, what it makes, when it exports, where it applies.
-- Low-discrepancy fractions (multiples of an irrational number) instead of draws keep an office's
-- share right in regions with few firms.
-- grain: firm
WITH counted AS (
  SELECT *,
    CAST(round(firms_2021 * scale) AS INTEGER) AS at_start,
    CAST(round(firms_2024 * scale) AS INTEGER) AS at_end
  FROM (
    SELECT *, CASE WHEN monthly_cap IS NULL AND dominant_share_pct = 0
      THEN greatest(1.0, least(6.0, pow(getvariable('lines') / 60000.0, 0.35))) ELSE 1.0
    END AS scale
    FROM region_spec
  )
),

turnover AS (
  SELECT *,
    -- One in eight of the old firms leaves; regions with a handful of firms keep them.
    CASE WHEN at_start >= 8 THEN at_start // 8 ELSE 0 END AS leavers
  FROM counted
),

numbered AS (
  SELECT *, at_end - at_start + leavers AS arrivals,
    unnest(range(1, at_end + leavers + 1)) AS number
  FROM turnover
),

lives AS (
  SELECT *,
    row_number() OVER (ORDER BY region_code, number) AS firm,
    region_code || '/' || number AS who,
    CASE WHEN number <= at_start THEN -100000
      ELSE 2 + CAST(floor(
        (number - at_start - 1 + part(region_code || '/' || number, 'enter')) * 40 / arrivals
      ) AS INTEGER)
    END AS enters_no,
    CASE WHEN leavers > 0 AND number <= at_start AND number % 8 = 0
      THEN 6 + below(region_code || '/' || number, 'leave', 36) ELSE 100000
    END AS leaves_no,
    number * 0.6180339887498949 % 1 AS office_part,
    number * 0.7548776662466927 % 1 < switch_pct / 100.0 AS is_switcher
  FROM numbered
)

SELECT
  CAST(firm AS INTEGER) AS firm,
  region_code,
  CAST(number AS INTEGER) AS number,
  dominant_share_pct > 0 AND number = 1 AS is_dominant,
  enters_no,
  leaves_no,
  split_part(families, ' ', CAST(1 + number % len(string_split(families, ' ')) AS INTEGER))
    AS family,
  split_part(list_filter(
    string_split(offices, ' '),
    lambda office: CAST(split_part(office, ':', 2) AS DOUBLE) > office_part
  )[1], ':', 1) AS home_office,
  CASE WHEN is_switcher THEN switch_from END AS switch_from,
  CASE WHEN is_switcher THEN switch_to END AS switch_to,
  14 + below(who, 'switch', 21) AS switch_no,
  exp(0.6 * spread * bell(who, 'size')) AS size,
  'PT CONTOH ' || ['MAJU', 'MAKMUR', 'SENTOSA', 'KARYA', 'MITRA', 'PRIMA', 'SUMBER', 'CIPTA',
    'INDAH', 'ANEKA'][1 + below(who, 'name 1', 10)]
  || ' ' || ['JAYA', 'ABADI', 'LESTARI', 'MANDIRI', 'SEJAHTERA', 'UTAMA', 'PERSADA', 'GEMILANG']
    [1 + below(who, 'name 2', 8)] || format(' {:04d}', firm) AS firm_name,
  -- No real NIB begins with 99, no real NPWP with 97: nobody can be mistaken for a real firm (GK).
  format('99{:06d}{:05d}', firm, below(who, 'nib', 100000)) AS nib,
  format('97{:07d}{:03d}', firm, 400 + below(who, 'tax office', 90)) AS npwp_stem
FROM lives
ORDER BY firm
