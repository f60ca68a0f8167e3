-- How text becomes a value. Nothing is guessed: what doesn't fit exactly is NULL, and a rule says
-- so. How a layout writes things is in variables that conform.py sets before line.sql runs.

CREATE MACRO has(name) AS list_contains(getvariable('columns'), name);

-- trim() alone costs 0.15 s per million values, and 44 columns are trimmed: look first.
CREATE MACRO trimmed(value) AS
    CASE WHEN starts_with(value, ' ') OR ends_with(value, ' ') THEN trim(value) ELSE value END;

CREATE MACRO text_of(value) AS
    CASE WHEN NOT list_contains(getvariable('nulls'), trimmed(value)) THEN trimmed(value) END;

-- Patterns come from the layout's marks: whole groups of three or none, so 45634.60 is no number
-- where the point parts thousands. TRY_CAST gives NULL beyond 18 digits, never an exception.
CREATE MACRO plain_number(value) AS
    replace(replace(value, getvariable('thousands_mark'), ''), getvariable('decimal_mark'), '.');

-- No certificate is worth 10^12 of any currency it is written in; two amounts of 18 digits would
-- overflow a sum in load, and one bad delivery would stop the build of all.
CREATE MACRO money(value) AS
    CASE WHEN regexp_full_match(value, getvariable('money_pattern'))
        THEN TRY_CAST(TRY_CAST(plain_number(value) AS DECIMAL(14, 2)) AS DECIMAL(18, 2)) END;

CREATE MACRO weight(value) AS
    CASE WHEN regexp_full_match(value, getvariable('weight_pattern'))
        THEN TRY_CAST(plain_number(value) AS DECIMAL(18, 3)) END;

-- Codes made of digits: separators go, anything else makes them unreadable.
CREATE MACRO digits(value) AS
    CASE WHEN regexp_full_match(value, '[0-9 ./-]*[0-9][0-9 ./-]*')
        THEN regexp_replace(value, '[ ./-]', '', 'g') END;

-- 11 Oktober 2024 → 2024-10-11, whatever follows; NULL for a word that is no month. Not a CASE of
-- twelve: each branch would split and lower the text again, 1 s per million values.
CREATE MACRO iso_day(value) AS
    split_part(value, ' ', 3)[:4] || '-'
    || list_position(
        [
            'januari', 'februari', 'maret', 'april', 'mei', 'juni', 'juli', 'agustus',
            'september', 'oktober', 'november', 'desember'
        ],
        lower(split_part(value, ' ', 2))
    ) || '-' || split_part(value, ' ', 1);

-- A day: "11 Oktober 2024" or "2024-10-11", a time may follow. 31 Februari is none.
CREATE MACRO day_of(value) AS
    CASE
        WHEN regexp_full_match(
            value,
            '[0-9]{1,2} [A-Za-z]+ [0-9]{4}(,? ([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9])?'
        ) THEN TRY_CAST(iso_day(value) AS DATE)
        WHEN regexp_full_match(
            value,
            '[0-9]{4}-[0-9]{2}-[0-9]{2}( ([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9])?'
        ) THEN TRY_CAST(value[:10] AS DATE)
    END;

-- A moment in UTC: "11 Oktober 2024, 13:56:27", "20 Desember 2022 15:51:44" or
-- "2022-10-11 10:35:02" as the office's clock shows it. A day alone is none.
CREATE MACRO moment_of(value) AS
    CASE
        WHEN regexp_full_match(
            value,
            '[0-9]{1,2} [A-Za-z]+ [0-9]{4},? ([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]'
        ) THEN TRY_CAST(iso_day(value) || ' ' || right(value, 8) AS TIMESTAMP)
        WHEN regexp_full_match(
            value,
            '[0-9]{4}-[0-9]{2}-[0-9]{2} ([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]'
        ) THEN TRY_CAST(value AS TIMESTAMP)
    END - getvariable('utc_offset');

-- A tick that the layout has and the row leaves blank is "no"; a word we don't know is NULL.
CREATE MACRO tick(value, is_there) AS
    CASE
        WHEN NOT is_there THEN NULL
        WHEN value IS NULL OR lower(value) = 'tidak' THEN false
        WHEN lower(value) = 'ya' THEN true
    END;

-- Within 1 % of the larger; true where one is missing. DOUBLE: differences of 18 digits overflow.
CREATE MACRO is_close(one, other) AS
    coalesce(
        abs(one::DOUBLE - other::DOUBLE) <= 0.01 * greatest(abs(one::DOUBLE), abs(other::DOUBLE)),
        true
    );
