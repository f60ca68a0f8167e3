-- en: Counted goods lines whose unit value lies far out of the range of their HS subheading
-- id: Baris barang terhitung yang nilai satuannya jauh di luar rentang subpos HS-nya
-- grain: delivery_id, line
-- Decided here and not at validate: the range grows with the data and never changes a verdict.
SELECT
    l.delivery_id,
    l.line,
    l.certificate_key,
    lpad(b.hs6::VARCHAR, 6, '0') AS hs6,
    (l.fob_usd / l.net_kg)::DOUBLE AS usd_per_kg,
    b.low_usd_per_kg,
    b.high_usd_per_kg
FROM core.certificate_line AS l
JOIN core.unit_value_band AS b USING (hs6)
WHERE l.is_counted AND l.fob_usd > 0 AND l.net_kg > 0
    AND NOT l.fob_usd / l.net_kg BETWEEN b.low_usd_per_kg AND b.high_usd_per_kg
