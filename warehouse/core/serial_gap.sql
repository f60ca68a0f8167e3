-- en: Serial numbers of certificates by issuer and year: first, last, and which ones no delivery holds
-- id: Nomor urut SKA menurut penerbit dan tahun: pertama, terakhir, dan yang tidak ada di kiriman mana pun
-- grain: issuer_code, year
-- part: issuer_code
-- One counter per issuer and year, so a gap is a record missing from the extracts. Every readable
-- number counts as known, whatever its status, quarantined or superseded. A year that began before
-- its feed's first month starts at the first known number, earlier years are not looked at. Numbers of
-- the newest month's last three days may still be under way: last_serial is the last one before.
-- strays lie far above the others (more than three quartile ranges above the third quartile):
-- misspelt, and no sign that millions are missing.
WITH number AS (
    SELECT
        split_part(v.certificate_key, '/', 2) AS issuer_code,
        split_part(v.certificate_key, '/', 3)::INTEGER AS year,
        split_part(v.certificate_key, '/', 1)::INTEGER AS serial,
        max(v.issued_on) AS issued_on,
        min(d.first_month) AS first_month,
        max(d.last_month) AS last_month
    FROM core.certificate_version AS v
    JOIN core.delivery AS d USING (delivery_id)
    WHERE regexp_full_match(v.certificate_key, '[0-9]{1,7}/[A-Z0-9]{2,5}/[0-9]{4}')
    GROUP BY ALL
),
issuer AS (
    SELECT
        issuer_code,
        min(first_month) AS first_month,
        last_day(max(last_month)) - 3 AS settled_on
    FROM number
    GROUP BY issuer_code
),
fence AS (
    SELECT
        issuer_code,
        year,
        4 * quantile_cont(serial, 0.75) - 3 * quantile_cont(serial, 0.25) AS highest
    FROM number
    WHERE serial > 0
    GROUP BY issuer_code, year
),
extent AS (
    SELECT
        n.issuer_code,
        n.year,
        CASE WHEN i.first_month <= make_date(n.year, 1, 1) THEN 1 ELSE min(n.serial) END
            AS first_serial,
        max(n.serial) FILTER (n.serial <= f.highest AND n.issued_on <= i.settled_on)
            AS last_serial,
        count(*) FILTER (n.serial > f.highest) AS strays
    FROM number AS n
    JOIN issuer AS i USING (issuer_code)
    JOIN fence AS f USING (issuer_code, year)
    WHERE n.serial > 0 AND n.year >= year(i.first_month)
    GROUP BY n.issuer_code, n.year, i.first_month
),
known AS (
    SELECT
        e.issuer_code,
        e.year,
        e.first_serial,
        e.last_serial,
        e.strays,
        count(*) AS certificates,
        e.last_serial - e.first_serial + 1 - count(*) AS missing
    FROM extent AS e
    JOIN number AS n
        ON n.issuer_code = e.issuer_code AND n.year = e.year
        AND n.serial BETWEEN e.first_serial AND e.last_serial
    GROUP BY e.issuer_code, e.year, e.first_serial, e.last_serial, e.strays
),
step AS (
    SELECT
        n.issuer_code,
        n.year,
        coalesce(
            lag(n.serial) OVER (PARTITION BY n.issuer_code, n.year ORDER BY n.serial) + 1,
            k.first_serial
        ) AS from_serial,
        n.serial - 1 AS until_serial
    FROM known AS k
    JOIN number AS n
        ON n.issuer_code = k.issuer_code AND n.year = k.year
        AND n.serial BETWEEN k.first_serial AND k.last_serial
    WHERE k.missing > 0
),
gap AS (
    SELECT
        issuer_code,
        year,
        count(*) AS gaps,
        list(
            CASE WHEN from_serial = until_serial THEN from_serial::VARCHAR
                ELSE from_serial || '-' || until_serial END
            ORDER BY from_serial
        ) AS ranges
    FROM step
    WHERE from_serial <= until_serial
    GROUP BY issuer_code, year
)
SELECT
    k.*,
    (100 * k.missing / (k.last_serial - k.first_serial + 1))::DOUBLE AS missing_pct,
    array_to_string(g.ranges[:10], ', ') || CASE WHEN g.gaps > 10 THEN ', …' ELSE '' END
        AS missing_serials
FROM known AS k
LEFT JOIN gap AS g USING (issuer_code, year)
