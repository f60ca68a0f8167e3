-- en: The rules in force when this was made
-- id: Aturan yang berlaku ketika ini dibuat
-- grain: rule_name
SELECT rule_name, value::DOUBLE AS rule_value, unit, note_en, note_id FROM seed.rule
