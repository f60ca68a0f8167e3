-- en: What this release has of every month that an office owes, and until when it was due
-- id: Apa yang dimiliki rilis ini dari setiap bulan yang wajib dikirim suatu kantor, dan batas waktunya
-- grain: feed, office_code, month
SELECT feed, office_code, month, freshness, due_on, landed_at, records, quarantined_records
FROM core.freshness
