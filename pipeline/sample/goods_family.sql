-- How many goods a trade has.
-- grain: family
SELECT DISTINCT family, slots FROM goods_slot ORDER BY family
