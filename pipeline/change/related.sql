-- en: Certificates whose value changed with another one's, and the delivery that changed that one
-- id: SKA yang nilainya berubah bersama SKA lain, dan kiriman yang mengubah SKA lain itu
-- grain: certificate_key
-- Certificates hang together over replacement chains and over the declarations (PEB) they share,
-- in either build; also over each other: one that replaces another frees the PEB of a third.
WITH RECURSIVE open AS (
    SELECT item_key AS certificate_key
    FROM change_direct
    WHERE grain = 'certificate_line' AND change_cause IS NULL
),
changed AS (
    SELECT item_key AS certificate_key, delivery_id, replaces_ska_number, before_replaces
    FROM change_direct
    WHERE grain = 'certificate_line' AND change_cause <> 'rules_changed'
),
tie AS (
    SELECT certificate_key, 'chain ' || chain_key AS tie_key FROM core.certificate_chain
    UNION
    SELECT certificate_key, 'chain ' || chain_key FROM before.core.certificate_chain
    UNION
    SELECT certificate_key, 'peb ' || peb_key FROM core.certificate_peb
    UNION
    SELECT certificate_key, 'peb ' || peb_key FROM before.core.certificate_peb
),
open_tie AS (
    SELECT * FROM tie SEMI JOIN open USING (certificate_key)
),
-- A quarantined version stands in no chain and yet ties the one that it replaces to others.
source AS (
    SELECT c.certificate_key AS through_key, c.delivery_id FROM changed AS c
    UNION
    SELECT replaces_ska_number, delivery_id FROM changed WHERE replaces_ska_number IS NOT NULL
    UNION
    SELECT before_replaces, delivery_id FROM changed WHERE before_replaces IS NOT NULL
),
reached (node, delivery_id) AS (
    SELECT t.tie_key, s.delivery_id
    FROM source AS s
    JOIN tie AS t ON t.certificate_key = s.through_key
    SEMI JOIN open_tie AS o ON o.tie_key = t.tie_key
    UNION
    SELECT next.node, r.delivery_id
    FROM reached AS r
    JOIN (
        SELECT tie_key AS node, 'open ' || certificate_key AS from_node FROM open_tie
        UNION ALL
        SELECT 'open ' || certificate_key, tie_key FROM open_tie
    ) AS next ON next.from_node = r.node
)
SELECT node[6:] AS certificate_key, min(delivery_id) AS delivery_id
FROM reached
WHERE node LIKE 'open %'
GROUP BY node
