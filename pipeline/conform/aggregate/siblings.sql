-- en: What cells that stand more than once are told: the rule that only all cells can decide
-- id: Penanda pada sel yang muncul lebih dari sekali: aturan yang hanya dapat diputuskan dari semua sel
-- 'line:7' names no cell: of an unpivoted sheet several records stand on a line.
UPDATE batch AS b SET ok_cell_unique = false
FROM (
    SELECT delivery_no, cell_key
    FROM batch
    WHERE cell_key NOT LIKE 'line:%'
    GROUP BY delivery_no, cell_key
    HAVING count(*) > 1
) AS o
WHERE o.delivery_no = b.delivery_no AND o.cell_key = b.cell_key
