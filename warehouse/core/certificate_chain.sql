-- en: Certificates that replace one another, and the one of each chain that counts
-- id: SKA yang saling menggantikan, dan satu dari tiap rantai yang dihitung
-- grain: certificate_key
-- A chain is all that hangs together over "replaces", whichever way the links point, so that a
-- loop or a fork is harmless. It counts once: with its latest valid link, in the period of its
-- first issue date. A quarantined link still ties its neighbours together.
WITH RECURSIVE link AS (
    SELECT certificate_key AS one, replaces_ska_number AS other
    FROM core.certificate_version
    WHERE state <> 'superseded'
        AND regexp_full_match(replaces_ska_number, '\d{7}/[A-Z0-9]{2,5}/\d{4}')
),
edge AS (
    SELECT one, other FROM link UNION SELECT other, one FROM link
),
-- Each number takes the smallest name among its neighbours until nothing changes.
chain (certificate_key, chain_key) USING KEY (certificate_key) AS (
    SELECT one, least(one, min(other)) FROM edge GROUP BY one
    UNION
    SELECT e.one, min(c.chain_key)
    FROM chain AS c
    JOIN edge AS e ON e.other = c.certificate_key
    JOIN recurring.chain AS known ON known.certificate_key = e.one
    WHERE c.chain_key < known.chain_key
    GROUP BY e.one
),
member AS (
    SELECT
        c.chain_key,
        v.certificate_key,
        v.issued_on,
        v.status_at,
        v.status IN ('issued', 'withdrawal_requested') AND v.kind <> 'duplicate' AS is_valid,
        v.status IN ('issued', 'withdrawal_requested', 'withdrawn') AS was_issued
    FROM chain AS c
    JOIN core.certificate_version AS v USING (certificate_key)
    WHERE v.state = 'current'
)
SELECT
    certificate_key,
    chain_key,
    is_valid AND row_number() OVER (
        PARTITION BY chain_key
        ORDER BY is_valid DESC, issued_on DESC, status_at DESC, certificate_key DESC
    ) = 1 AS is_counted,
    min(issued_on) FILTER (was_issued) OVER (PARTITION BY chain_key) AS first_issued_on,
    count(*) OVER (PARTITION BY chain_key) AS links
FROM member
