-- How text becomes a value. Nothing is guessed: what doesn't fit exactly is NULL, and a rule says
-- so. How a layout writes things is in variables that conform.py sets before line.sql runs.

CREATE MACRO has(name) AS list_contains(getvariable('columns'), name);

-- trim() alone costs 0.2 s per million values, and 44 columns are trimmed: look first. What sorts
-- before "!" begins with a space, a tab or another control character; 160 doesn't break a line.
CREATE MACRO trimmed(value) AS
    CASE
        WHEN value < '!' OR starts_with(value, chr(160)) OR ends_with(value, ' ')
            OR ends_with(value, chr(9)) OR ends_with(value, chr(160))
            THEN trim(value, ' ' || chr(9) || chr(160))
        ELSE value
    END;

CREATE MACRO text_of(value) AS
    CASE WHEN NOT list_contains(getvariable('nulls'), trimmed(value)) THEN trimmed(value) END;

-- Patterns come from the layout's marks: whole groups of three or none, so 45634.60 is no number
-- where the point parts thousands. TRY_CAST gives NULL beyond 18 digits, never an exception.
-- `adapted` has the columns with a unit behind the number or a multiplier, a power of ten; what is
-- asked of it is constant for a column, so the others pay nothing.
CREATE MACRO adapted(list_name, column_name) AS
    list_extract(
        getvariable(list_name), list_position(getvariable('adapted'), column_name)
    );

CREATE MACRO plain_number(value, column_name) AS
    CASE WHEN adapted('exponents', column_name) IS NULL
        THEN replace(
            replace(value, getvariable('thousands_mark'), ''), getvariable('decimal_mark'), '.'
        )
        ELSE replace(
            replace(
                rtrim(replace(value, adapted('units', column_name), '')),
                getvariable('thousands_mark'), ''
            ),
            getvariable('decimal_mark'), '.'
        ) || adapted('exponents', column_name)
    END;

-- No certificate is worth 10^12 of any currency it is written in, nor weighs 10^12 kg; two amounts
-- of 18 digits would overflow a sum in load, and one bad delivery would stop the build of all.
CREATE MACRO money(value, column_name := '') AS
    CASE WHEN regexp_full_match(
            value, coalesce(adapted('patterns', column_name), getvariable('money_pattern'))
        )
        THEN TRY_CAST(
            TRY_CAST(plain_number(value, column_name) AS DECIMAL(14, 2)) AS DECIMAL(18, 2)
        )
    END;

-- What a column adds up to may be larger, in rupiah for one; not so large that sums overflow.
CREATE MACRO total_of(value, column_name, kind) AS
    CASE WHEN regexp_full_match(
            value, coalesce(adapted('patterns', column_name), getvariable(kind || '_pattern'))
        )
        THEN TRY_CAST(plain_number(value, column_name) AS DECIMAL(28, 3))
    END;
CREATE MACRO told_total(amount, column_name) AS
    CASE WHEN column_name LIKE '%kg' THEN amount::VARCHAR ELSE amount::DECIMAL(38, 2)::VARCHAR END;

CREATE MACRO weight(value, column_name := '') AS
    CASE WHEN regexp_full_match(
            value, coalesce(adapted('patterns', column_name), getvariable('weight_pattern'))
        )
        THEN TRY_CAST(
            TRY_CAST(plain_number(value, column_name) AS DECIMAL(15, 3)) AS DECIMAL(18, 3)
        )
    END;

-- Codes made of digits: separators go, anything else makes them unreadable.
CREATE MACRO digits(value) AS
    CASE WHEN regexp_full_match(value, '[0-9]+') THEN value -- nearly all, at half the cost
        WHEN regexp_full_match(value, '[0-9 ./-]*[0-9][0-9 ./-]*')
            THEN regexp_replace(value, '[ ./-]', '', 'g') END;

-- The first of a month: "2013-01", "Januari 2013", "January 2013"; where the year stands apart, the
-- month may be its name or number alone.
CREATE MACRO month_number(word) AS
    coalesce(
        (list_position(getvariable('month_names'), lower(word)) - 1) % 12 + 1,
        TRY_CAST(word AS INTEGER)
    );
CREATE MACRO first_of_month(year, month) AS
    CASE
        WHEN regexp_full_match(year, '[0-9]{4}') AND regexp_full_match(month, '[A-Za-z]+|[0-9]{1,2}')
            THEN TRY_CAST(year || '-' || month_number(month) || '-01' AS DATE)
        WHEN year IS NULL AND regexp_full_match(month, '[0-9]{4}-[0-9]{2}')
            THEN TRY_CAST(month || '-01' AS DATE)
        WHEN year IS NULL AND regexp_full_match(month, '[A-Za-z]+ [0-9]{4}')
            THEN TRY_CAST(
                right(month, 4) || '-' || month_number(split_part(month, ' ', 1)) || '-01' AS DATE
            )
    END;

-- day_of(value), a DATE, and moment_of(value), a TIMESTAMP in UTC, are made from the layout's date
-- patterns: dates.py. 31 Februari is no day, and a day alone is no moment.

-- What a word of the layout's vocabulary means; NULL for one we don't know.
CREATE MACRO meaning(vocabulary, value) AS
    list_extract(
        getvariable(vocabulary || '_meanings'),
        list_position(getvariable(vocabulary || '_words'), lower(value))
    );

-- A tick that the layout has and the row leaves blank is "no".
CREATE MACRO tick(value, is_there) AS
    CASE WHEN NOT is_there THEN NULL WHEN value IS NULL THEN false
        ELSE meaning('tick', value)::BOOLEAN END;

-- Within 1 % of the larger; true where one is missing. DOUBLE: differences of 18 digits overflow.
CREATE MACRO is_close(one, other) AS
    coalesce(
        abs(one::DOUBLE - other::DOUBLE) <= 0.01 * greatest(abs(one::DOUBLE), abs(other::DOUBLE)),
        true
    );
