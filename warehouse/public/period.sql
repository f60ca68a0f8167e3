-- en: Periods of the rankings, with a label in both languages
-- id: Periode peringkat, dengan label dalam dua bahasa
-- grain: period_kind, period_end
SELECT * FROM mart.period
