-- en: Accepted records, as load reads them: what stands on the line itself
-- id: Baris yang diterima, untuk dibaca tahap load: isi baris itu sendiri
-- grain: delivery_no, line
SELECT
    b.delivery_no,
    b.delivery_id, b.line, b.certificate_key, b.line_number, b.hs_code, b.net_kg, b.gross_kg,
    b.line_fob, b.origin_criterion,
    coalesce(f.flags, []::VARCHAR[]) AS flags
FROM batch AS b
ANTI JOIN aside AS a ON a.row_id = b.row_id
LEFT JOIN flag AS f ON f.row_id = b.row_id
