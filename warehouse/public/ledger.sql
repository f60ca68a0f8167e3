-- en: The books: every record received, in exactly one state
-- id: Pembukuan: setiap baris yang diterima, dalam tepat satu keadaan
-- grain: delivery_id, state, state_reason
-- No US$: an office's month may be one firm's, and would give away what the other tables hide.
SELECT * EXCLUDE (stated_usd, fob_usd) FROM meta.ledger
