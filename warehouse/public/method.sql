-- en: The rules in force when this was made
-- id: Aturan yang berlaku ketika ini dibuat
-- grain: rule_name
SELECT * FROM meta.method
