-- en: Goods lines that count under another certificate of the same declaration, and which one
-- id: Baris barang yang dihitung pada SKA lain dari PEB yang sama, dan SKA yang mana
-- grain: certificate_key, line
-- part: knot
-- Identical: PEB, HS6, net weight and FOB, the latter in US$. They count for the earlier issued.
WITH goods AS (
    SELECT
        v.certificate_key,
        l.line,
        first_value(v.certificate_key) OVER (
            PARTITION BY
                p.peb_key,
                l.hs_code[1:6],
                l.net_kg,
                (
                    2 * (l.line_fob::DECIMAL(38, 2) * 100)::HUGEINT * coalesce(r.numerator, 1)
                    + coalesce(r.denominator, 1)
                ) // (2 * coalesce(r.denominator, 1))
            ORDER BY v.issued_on, v.certificate_key
        ) AS counted_under
    FROM core.shared_peb AS p
    JOIN core.certificate_version AS v USING (certificate_key)
    LEFT JOIN core.certificate_reason AS r USING (certificate_key)
    JOIN stage.accepted_line AS l USING (certificate_key, delivery_id)
    WHERE v.state = 'current' AND r.reason IS NULL
        AND l.hs_code IS NOT NULL AND l.net_kg IS NOT NULL AND l.line_fob IS NOT NULL
)
SELECT certificate_key, line, min(counted_under) AS counted_under
FROM goods
WHERE counted_under <> certificate_key
GROUP BY certificate_key, line
