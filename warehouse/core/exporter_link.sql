-- en: Exporters that someone knows to be one firm for a time, by seeds/exporter_links.csv. Restricted
-- id: Eksportir yang diketahui satu perusahaan selama suatu masa, menurut seeds/exporter_links.csv. Terbatas
-- grain: exporter_key, valid_from
-- A link without dates joins for ever and is part of core.exporter_identifier.
SELECT DISTINCT
    i.exporter_key,
    s.exporter_key AS same_as_key,
    coalesce(TRY_CAST(l.valid_from AS DATE), DATE '0001-01-01') AS valid_from,
    coalesce(TRY_CAST(l.valid_until AS DATE), DATE '9999-12-31') AS valid_until
FROM seed.exporter_links AS l
JOIN core.exporter_identifier AS i ON i.identifier = l.identifier
JOIN core.exporter_identifier AS s ON s.identifier = l.same_as
WHERE coalesce(l.valid_from, l.valid_until) IS NOT NULL AND i.exporter_key <> s.exporter_key
