-- en: Periods of the rankings, with a label in both languages, and whether all that is owed came
-- id: Periode peringkat, dengan label dalam dua bahasa, dan apakah semua kiriman wajib sudah lengkap
-- grain: period_kind, period_end
SELECT * FROM mart.period
