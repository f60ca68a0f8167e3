-- What a perfect pipeline counts: each certificate that counts, by the rules of METHOD.md.
-- grain: id
WITH latest AS (
  SELECT
    certificate.*,
    coalesce(change.moment, certificate.moment) AS final_at,
    CASE WHEN withdrawn_at IS NULL THEN status ELSE 'Pencabutan' END AS final_status
  FROM certificate
  LEFT JOIN change USING (id)
),

counted AS (
  -- Duplicates (link 3), the same goods again (4) and what states no value count zero.
  SELECT *
  FROM latest
  WHERE is_counting(final_status) AND NOT is_quarantined AND link NOT IN (3, 4)
    AND rule IS DISTINCT FROM 'fob_not_stated'
),

standing AS (
  -- Of a chain (links 0, 1, 2) the latest link counts, in the month of the first.
  SELECT *
  FROM counted
  QUALIFY link > 2 OR row_number() OVER (PARTITION BY root, link > 2 ORDER BY link DESC) = 1
)

SELECT
  id,
  firm,
  office_no,
  domicile_code,
  CAST(date_trunc('month', coalesce(first.moment, final_at)) AS DATE) AS month,
  -- The PEB's total unless other counted certificates draw on it, else the document's.
  CASE
    WHEN peb_cents IS NOT NULL AND count(*) OVER (PARTITION BY standing.root) = 1 THEN peb_cents
    ELSE coalesce(document_cents, invoice_cents)
  END AS cents
FROM standing
LEFT JOIN (SELECT root, moment FROM certificate WHERE link = 0 AND fate LIKE 'repla%') AS first
  ON first.root = standing.root
