-- en: Records that a current resubmission replaces, and what can be read on them
-- id: Baris yang digantikan kiriman perbaikan yang berlaku, dan nilai yang terbaca padanya
-- grain: delivery_id, line
SELECT delivery_id, line, resubmission_id, stated_usd, is_unreadable
FROM stage.resubmitted
