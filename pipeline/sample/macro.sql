-- Randomness: every draw is a hash of the seed, of whom it is for and of what it decides, so the
-- same seed gives the same bytes whatever the threads and whatever else is drawn.
-- Hashed twice: DuckDB's hash of several values is an XOR at the end, so two purposes of one `who`
-- would differ by a constant (measured: of 35 kinds of fault only 3 were ever drawn).
CREATE MACRO draw(who, purpose) AS hash(hash(getvariable('seed'), who, purpose));
CREATE MACRO below(who, purpose, n) AS CAST(draw(who, purpose) % CAST(n AS UBIGINT) AS INTEGER);
CREATE MACRO part(who, purpose) AS CAST(draw(who, purpose) >> 11 AS DOUBLE) / 9007199254740992;
-- Nearly normal, mean 0, deviation 1: the sum of twelve uniform parts does it, four will do.
CREATE MACRO bell(who, purpose) AS sqrt(3) * (
  part(who, purpose || '1') + part(who, purpose || '2')
  + part(who, purpose || '3') + part(who, purpose || '4') - 2
);

-- How values are written in a delivery.
CREATE MACRO bulan(moment) AS [
  'Januari', 'Februari', 'Maret', 'April', 'Mei', 'Juni', 'Juli', 'Agustus', 'September',
  'Oktober', 'November', 'Desember'
][month(moment)];
CREATE MACRO tanggal(moment) AS replace(strftime(moment, '%-d # %Y'), '#', bulan(moment));
CREATE MACRO waktu(moment, pattern) AS replace(
  CASE pattern
    WHEN 0 THEN strftime(moment, '%-d # %Y, %H:%M:%S')
    WHEN 1 THEN strftime(moment, '%d # %Y %H:%M:%S')
  END,
  '#', bulan(moment)
);
CREATE MACRO usd(cents) AS format('{:t.},{:02d}', cents // 100, cents % 100);
CREATE MACRO kg(grams) AS rtrim(
  rtrim(format('{:t.},{:03d}', grams // 1000, grams % 1000), '0'), ','
);
CREATE MACRO nothing(who, purpose) AS ['', '-', 'N/A'][1 + below(who, purpose, 3)];

-- Days between shipment and issue: one in fifty is issued long after ("retroaktif").
CREATE MACRO shipment_gap(root) AS CASE
  WHEN below(root, 'retroactive', 100) < 2 THEN 21 + below(root, 'gap', 180)
  ELSE below(root, 'gap', 15) - 4
END;

CREATE MACRO criterion(goods, number) AS [
  'PE', 'RVC', 'CTC', 'CTH', 'CTSH', 'SP', 'PSR', 'WO'
][1 + below(goods * 16 + number, 'criterion', 8)];

CREATE MACRO is_counting(status) AS status IN ('Diterbitkan', 'Pengajuan Cabut SKA');
CREATE MACRO has_number(status) AS is_counting(status) OR status = 'Pencabutan';

-- Where line `number` ends, in thousandths of a line's equal share of its certificate.
CREATE MACRO edge(goods, number, lines) AS number * 1000 + CASE
  WHEN number IN (0, lines) THEN 0
  ELSE CAST((draw(goods, 'parts') >> CAST(7 * number AS UBIGINT)) & 127 AS BIGINT) * 6 - 381
END;
