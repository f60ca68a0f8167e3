-- en: The books: every record received, in exactly one state, and the US$ on it
-- id: Pembukuan: setiap baris yang diterima, dalam tepat satu keadaan, beserta US$-nya
-- grain: delivery_id, state, state_reason
SELECT delivery_id, state, state_reason, records, stated_usd, unreadable_records, fob_usd
FROM core.ledger
