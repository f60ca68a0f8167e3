"""What a night touches: deliveries, certificates, what ties these, periods.

The SQL of increment.py, which says what the databases are.
"""

ONLY = "SEMI JOIN memory.touched.certificate USING (certificate_key)"
# Deliveries of certificates that are current and weren't, or were and aren't, or are others now.
DELIVERIES = """
    CREATE TABLE touched.delivery AS
    WITH past AS (
        SELECT * EXCLUDE (is_stale) FROM before.core.delivery
        WHERE state = 'current' AND grain = 'certificate_line'
    ),
    now AS (
        SELECT * EXCLUDE (is_stale) FROM core.delivery
        WHERE state = 'current' AND grain = 'certificate_line'
    ),
    other AS (
        (FROM past EXCEPT FROM now) UNION ALL (FROM now EXCEPT FROM past)
    )
    SELECT delivery_id FROM other
    UNION
    SELECT resubmits FROM other WHERE resubmits IS NOT NULL
"""
SHARE = """
    SELECT coalesce(sum(records) FILTER (t.delivery_id IS NOT NULL) / sum(records), 0)
    FROM (
        FROM core.delivery WHERE state = 'current' AND grain = 'certificate_line'
        UNION ALL BY NAME
        SELECT b.* FROM before.core.delivery AS b JOIN touched.delivery USING (delivery_id)
    ) AS d
    LEFT JOIN touched.delivery AS t USING (delivery_id)
"""
# Certificates of exporters that are known by another number now, or linked otherwise for a time.
MOVED = """
    WITH linked AS (
        (FROM before.core.exporter_link EXCEPT FROM whole.core.exporter_link)
        UNION ALL
        (FROM whole.core.exporter_link EXCEPT FROM before.core.exporter_link)
    ),
    moved AS (
        SELECT identifier FROM (
            FROM before.core.exporter_identifier EXCEPT FROM whole.core.exporter_identifier
        )
        UNION
        SELECT identifier FROM (
            FROM whole.core.exporter_identifier EXCEPT FROM before.core.exporter_identifier
        )
        UNION
        SELECT identifier FROM whole.core.exporter_identifier
        WHERE exporter_key IN (SELECT exporter_key FROM linked)
    )
    SELECT certificate_key
    FROM whole.core.certificate_version
    WHERE state = 'current' AND (nib_id IN (FROM moved) OR npwp_id IN (FROM moved))
"""
# What ties certificates, as it was and as it is: numbers that replace one another, declarations.
TIES = f"""
    CREATE TABLE touched.link AS
    WITH link AS (
        SELECT certificate_key, replaces_ska_number AS other FROM whole.core.certificate_version
        WHERE replaces_ska_number IS NOT NULL
        UNION
        SELECT certificate_key, replaces_ska_number FROM before.core.certificate_version
        WHERE replaces_ska_number IS NOT NULL
    )
    FROM link UNION SELECT other, certificate_key FROM link;
    CREATE TABLE touched.peb AS FROM before.core.certificate_peb {ONLY}
"""
# Who draws on a declaration that one with a new version draws on, or did.
DRAWING = """
    WITH peb AS (
        SELECT peb_key FROM memory.core.certificate_peb UNION SELECT peb_key FROM touched.peb
    )
    SELECT certificate_key FROM whole.core.certificate_peb SEMI JOIN peb USING (peb_key)
"""
# What others share they shared before.
TIED = f"""
    WITH peb AS (SELECT peb_key FROM before.core.shared_peb {ONLY})
    SELECT certificate_key FROM before.core.shared_peb SEMI JOIN peb USING (peb_key)
    UNION
    SELECT other FROM touched.link {ONLY}
"""
ISSUERS = f"""
    CREATE TABLE touched.issuer AS
    SELECT issuer_code FROM memory.core.certificate_version
    UNION
    SELECT issuer_code FROM before.core.certificate_version {ONLY}
"""
# Periods with a month of which an exporter's sum is another now; pairs that hold one, both sides.
PERIODS = """
    CREATE TABLE touched.span AS
    SELECT DISTINCT span_no FROM whole.core.span_month
    SEMI JOIN difference.exporter_place_month USING (month)
    WHERE basis = 'domicile';
    CREATE TABLE touched.side AS
    SELECT DISTINCT period_kind, period_end, baseline, unnest([span_no, base_no]) AS span_no
    FROM whole.core.span_pair
    WHERE basis = 'domicile' AND (span_no IN (FROM touched.span) OR base_no IN (FROM touched.span));
    CREATE TABLE touched.pair AS SELECT DISTINCT period_kind, period_end, baseline FROM touched.side
"""
# What periods there are, and whose: where it isn't as it was, the rows of all of them are made.
CALENDAR = ("series", "region_leaf", "span", "span_month", "span_pair")
PAIR = "period_kind, period_end, baseline"
FLAGGED = """
    SELECT certificate_key FROM (
        FROM before.core.certificate_flag EXCEPT FROM whole.core.certificate_flag
    )
    UNION
    SELECT certificate_key FROM (
        FROM whole.core.certificate_flag EXCEPT FROM before.core.certificate_flag
    )
"""
