-- en: Who is first by growth rate, and whether without its largest exporter it still would be
-- id: Siapa yang pertama menurut laju pertumbuhan, dan apakah tetap pertama tanpa eksportir terbesarnya
-- grain: basis, scope_code, league, period_kind, period_end, baseline
FROM mart.first_place
