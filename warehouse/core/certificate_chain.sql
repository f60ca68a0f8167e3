-- en: Certificates that replace one another, and the one of each chain that counts
-- id: SKA yang saling menggantikan, dan satu dari tiap rantai yang dihitung
-- grain: certificate_key
-- part: knot
-- A chain is all that hangs together over "replaces", whichever way the links point, so that a
-- loop or a fork is harmless and only reported (trouble, with all links in link_text). It counts
-- once: with its latest valid link, in the period of its first issue date. A quarantined link still
-- ties its neighbours together. An office replaces its own certificates only: a link to another
-- issuer's number ties nothing, else a slip of one office would take value from another.
WITH RECURSIVE link AS (
    SELECT
        certificate_key AS one,
        replaces_ska_number AS other,
        state = 'current' AND status IN ('issued', 'withdrawal_requested') AND kind <> 'duplicate'
            AS is_valid
    FROM core.certificate_version
    WHERE state <> 'superseded'
        AND regexp_full_match(replaces_ska_number, '\d{7}/[A-Z0-9]{2,5}/\d{4}')
        AND split_part(replaces_ska_number, '/', 2) = split_part(certificate_key, '/', 2)
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
replaced AS (
    SELECT other AS certificate_key, count(*) AS replacements
    FROM link
    WHERE is_valid AND one <> other
    GROUP BY other
),
-- Each certificate names at most one, so a chain without a loop has one link less than numbers.
odd AS (
    SELECT
        c.chain_key,
        CASE WHEN count(l.one) = count(*) THEN 'chain_loop' ELSE 'chain_fork' END AS trouble,
        string_agg(l.one || ' replaces ' || l.other, ', ' ORDER BY l.one) AS link_text
    FROM chain AS c
    LEFT JOIN link AS l ON l.one = c.certificate_key
    LEFT JOIN replaced AS r USING (certificate_key)
    GROUP BY c.chain_key
    HAVING count(l.one) = count(*) OR max(r.replacements) > 1
),
member AS (
    SELECT
        c.chain_key,
        v.certificate_key,
        v.issued_on,
        v.status_at,
        v.peb_on,
        v.status IN ('issued', 'withdrawal_requested') AND v.kind <> 'duplicate' AS is_valid,
        r.certificate_key IS NULL AS is_last,
        v.status IN ('issued', 'withdrawal_requested', 'withdrawn') AS was_issued
    FROM chain AS c
    JOIN core.certificate_version AS v USING (certificate_key)
    LEFT JOIN replaced AS r USING (certificate_key)
    WHERE v.state = 'current'
)
SELECT
    m.certificate_key,
    m.chain_key,
    m.is_valid AND row_number() OVER (
        PARTITION BY m.chain_key
        ORDER BY m.is_valid DESC, m.is_last DESC, m.issued_on DESC, m.status_at DESC,
            m.certificate_key DESC
    ) = 1 AS is_counted,
    min(m.issued_on) FILTER (m.was_issued) OVER (PARTITION BY m.chain_key) AS first_issued_on,
    min(m.peb_on) FILTER (m.was_issued) OVER (PARTITION BY m.chain_key) AS first_peb_on,
    count(*) OVER (PARTITION BY m.chain_key) AS links,
    o.trouble,
    o.link_text
FROM member AS m
LEFT JOIN odd AS o USING (chain_key)
