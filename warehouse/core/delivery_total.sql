-- en: Control totals both sides: what an office states of its delivery, and what its records add up to
-- id: Jumlah kontrol kedua sisi: yang dinyatakan kantor, dan jumlah baris yang diterima
-- grain: delivery_id, rule_name, column_name
-- rule_name is the rule of the layout that leaves the totals rows out; the amounts are as written,
-- whatever currency or unit. NULL: not stated, or not to be read.
SELECT t.delivery_id, d.state, t.rule_name, t.column_name, t.stated, t.ours
FROM stage.control_total AS t
JOIN core.delivery AS d USING (delivery_id)
