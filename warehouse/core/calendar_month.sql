-- en: The months that the deliveries cover, from the first month of the first feed to the newest slice
-- id: Bulan-bulan yang dicakup kiriman, dari bulan pertama sumber pertama sampai bagian terbaru
-- grain: month
SELECT unnest(generate_series(min(first_month), max(month), INTERVAL 1 MONTH))::DATE AS month
FROM core.delivery
