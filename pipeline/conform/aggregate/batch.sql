-- en: Each physical record, with the rule that only all cells of a delivery can decide
-- id: Tiap baris fisik, dengan aturan yang hanya dapat diputuskan dari semua sel suatu kiriman
-- grain: row_id
SELECT
    *,
    -- 'line:7' names no cell: of an unpivoted sheet several records stand on a line.
    cell_key LIKE 'line:%' OR count(*) OVER (PARTITION BY delivery_no, cell_key) = 1
        AS ok_cell_unique
FROM line
