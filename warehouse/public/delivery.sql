-- en: Every delivery, what became of it, and how many records it holds
-- id: Setiap kiriman, nasibnya, dan jumlah barisnya
-- grain: delivery_id
-- No US$: an office's month may be one firm's, and would give away what the other tables hide.
SELECT * EXCLUDE (accepted_usd, quarantined_usd) FROM meta.delivery
