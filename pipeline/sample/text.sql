-- The bytes of files $first to $last, in pieces of 500 lines. Columns are named as in the layout,
-- which decides their order: {head} once per certificate, {goods} once per line.
-- grain: file_no, piece
WITH entry AS (
  SELECT
    version.file_no, version.first_line, version.moment AS version_at,
    version.status AS version_status, version.status_at AS version_status_at,
    is_crlf, file.month, office, office_name,
    certificate.*,
    -- Replacements and duplicates speak of the same goods.
    CASE WHEN link > 4 THEN id ELSE root END AS goods_id,
    has_number(version.status) AS is_issued,
    below(id, 'pattern', 2) AS pattern,
    below(id, 'paper', 3) = 0 AS is_paper
  FROM version
  INNER JOIN certificate USING (id)
  INNER JOIN file USING (file_no)
  INNER JOIN seed_issuer ON issuer_code = office
  WHERE version.file_no BETWEEN $first AND $last
),

header AS (
  SELECT
    file_no, first_line, id, root, goods_id, lines, cents, serial,
    year(entry.moment) AS serial_year, office, version_at, version_status_at, pattern, is_crlf,
    family, rule,
    chr(65 + office_no) || chr(CAST(73 + day_number // 10000 AS INTEGER))
      || strftime(registered_at, '%Y%m%d') || format('{:04d}', day_number % 10000) AS no_aju,
    CASE WHEN is_issued THEN format('{:07d}/{}/{}', serial, office, year(entry.moment))
      ELSE nothing(id, 'no_ska') END AS no_ska,
    version_status AS status_pengajuan,
    CASE WHEN link IN (1, 2) THEN 'Perubahan' WHEN link = 3 THEN 'Duplikat' ELSE 'Baru' END
      AS jenis_pengajuan,
    CASE WHEN replaces_serial IS NULL THEN nothing(id, 'no_ska_diganti')
      ELSE format('{:07d}/{}/{}', replaces_serial, office, replaces_year) END AS no_ska_diganti,
    waktu(registered_at, pattern) AS tgl_daftar,
    waktu(registered_at + to_seconds(60 + below(id, 'processed', 7000)), pattern) AS tgl_proses,
    waktu(version_status_at, pattern) AS waktu_status,
    strftime(registered_at + to_seconds(below(id, 'sent', 50)), '%Y-%m-%d %H:%M:%S') AS tgl_kirim,
    CASE WHEN NOT is_issued THEN nothing(id, 'tgl_terbit')
      WHEN below(id, 'with time', 2) = 0 THEN tanggal(version_at)
      ELSE waktu(version_at, pattern) END AS tgl_terbit,
    firm_name AS nama_eksportir,
    CASE WHEN identity = 'NPWP' THEN nothing(id, 'nib') ELSE nib END AS nib,
    CASE WHEN identity = 'NIB' THEN nothing(id, 'npwp')
      -- 16 digits since 1 July 2024: a zero and the old number. One in ten uses its branch's.
      ELSE CASE WHEN version_at >= TIMESTAMP '2024-07-01' THEN '0' ELSE '' END || npwp_stem
        || CASE WHEN below(id, 'branch', 10) = 0 THEN '001' ELSE '000' END
    END AS npwp,
    coalesce(place.place, nothing(id, 'kota')) AS kota_eksportir,
    coalesce(place.province, nothing(id, 'provinsi')) AS provinsi_eksportir,
    office_name AS kantor_ipska,
    format('CONTOH {} {:03d}', country_code, below(id, 'buyer', 400)) AS nama_importir,
    country AS negara_importir,
    ['IDTPP, Tanjung Priok', 'IDTPP, Tanjung Priok', 'IDJKT, Tanjung Priok', 'ID431, Tanjung Priok',
      'IDPAT, Patimban', 'IDCGK, Soekarno-Hatta'][1 + below(root, 'port', 6)] AS plb_muat,
    discharge_port AS plb_bongkar,
    CASE WHEN below(id, 'form', 2) = 0 THEN 'FORM ' ELSE '' END || form_code AS tipe_form,
    CASE WHEN is_paper THEN 'Konvensional' ELSE 'eForm' END AS jenis_form,
    CASE WHEN is_paper THEN format('{:08d}', below(id, 'blank', 100000000))
      ELSE nothing(id, 'blank') END AS serial_blangko,
    CASE WHEN is_without_peb THEN nothing(id, 'no_peb')
      ELSE format('{:06d}', peb_serial) END AS no_peb,
    -- Nobody declares after the first certificate that names the declaration.
    exported_on - greatest(below(root, 'PEB date', 4), -shipment_gap(root)) AS peb_date,
    CASE WHEN is_without_peb THEN nothing(id, 'tgl_peb')
      WHEN pattern = 0 THEN tanggal(peb_date) ELSE CAST(peb_date AS VARCHAR) END AS tgl_peb,
    CASE WHEN is_without_peb THEN nothing(id, 'kantor_pabean')
      ELSE ['KPU Tanjung Priok', 'KPPBC Bandung', 'KPPBC Bekasi'][1 + below(root, 'customs', 3)]
    END AS kantor_pabean,
    format('INV{:05d}', below(id, 'invoice no', 100000)) AS no_invoice,
    CASE WHEN pattern = 1 THEN tanggal(peb_date - 2)
      ELSE CAST(CAST(peb_date - 2 AS DATE) AS VARCHAR) END AS tgl_invoice,
    CASE WHEN pattern = 1 THEN tanggal(exported_on) ELSE CAST(exported_on AS VARCHAR) END
      AS tgl_ekspor,
    'USD' AS mata_uang,
    CASE WHEN peb_cents IS NULL THEN nothing(id, 'fob_peb') ELSE usd(peb_cents) END AS fob_peb,
    CASE WHEN invoice_cents IS NULL THEN nothing(id, 'fob_invoice') ELSE usd(invoice_cents) END
      AS fob_invoice,
    CASE WHEN document_cents IS NULL THEN nothing(id, 'fob_dokumen') ELSE usd(document_cents) END
      AS fob_dokumen,
    CASE WHEN is_third_country THEN 'Ya' ELSE 'Tidak' END AS invoice_negara_ketiga,
    CASE below(id, 'back to back', 40) WHEN 0 THEN 'Ya' WHEN 1 THEN '-' ELSE 'Tidak' END
      AS back_to_back,
    CASE WHEN shipment_gap(root) > 20 THEN 'Ya' ELSE 'Tidak' END AS retroaktif
  FROM entry
  INNER JOIN firm USING (firm)
  INNER JOIN place USING (place_no)
  INNER JOIN market USING (market_no)
),

head AS (
  SELECT *,
    concat_ws(';', {head}) AS head,
    CASE rule
      WHEN 'number_present' THEN nothing(id, 'no number')
      WHEN 'number_format' THEN format('{}/{}/{}', serial, office, serial_year)
      WHEN 'number_unique' THEN 'ZZ' || substr(no_aju, 3)
      WHEN 'status_present' THEN nothing(id, 'no status')
      WHEN 'status_known' THEN 'Arsip'
      WHEN 'kind_known' THEN 'Ralat'
      WHEN 'status_at_readable' THEN [
        strftime(version_status_at, '%-d Oktobr %Y, %H:%M:%S'),
        '31 Februari ' || strftime(version_status_at, '%Y %H:%M:%S'),
        nothing(id, 'no status date')
      ][1 + below(id, 'unreadable', 3)]
      WHEN 'issued_on_readable' THEN [
        strftime(version_at, '%-d Agusuts %Y'), '31 November ' || year(version_at),
        nothing(id, 'no issue date')
      ][1 + below(id, 'unreadable', 3)]
      WHEN 'issued_on_not_future' THEN '28 Desember ' || year(version_at)
      -- After every extract, also a second one.
      WHEN 'status_at_not_future' THEN waktu(version_status_at + INTERVAL 400 DAY, pattern)
      WHEN 'fob_present' THEN nothing(id, 'no total')
      WHEN 'fob_not_stated' THEN nothing(id, 'no total')
      WHEN 'currency_known' THEN ['US$', 'USDX', '-'][1 + below(id, 'currency', 3)]
      WHEN 'header_agrees' THEN waktu(version_status_at + INTERVAL 1 MINUTE, pattern)
      WHEN 'line_unique' THEN '1'
      WHEN 'application_number_format' THEN ['I' || substr(no_aju, 3),
        substr(no_aju, 1, 6) || '1331' || substr(no_aju, 11)][1 + below(id, 'aju', 2)]
      WHEN 'application_number_date' THEN 'ZA'
        || strftime(version_at + INTERVAL 400 DAY, '%Y%m%d') || substr(no_aju, 11)
      WHEN 'number_office_match' THEN format('9{:06d}/DIT/{}', root % 1000000, serial_year)
      -- Twenty years back: no other certificate of the sample has that number.
      WHEN 'number_year_match' THEN format('{:07d}/{}/{}', serial, office, serial_year - 20)
      WHEN 'replacement_named' THEN 'Perubahan'
      WHEN 'nib_format' THEN substr(nib, 1, 11)
      WHEN 'npwp_format' THEN CASE
        WHEN below(id, 'npwp', 2) = 0 THEN substr(npwp, 1, 14)
        WHEN length(npwp) = 15 THEN '0' || npwp
        ELSE substr(npwp, 2)
      END
      WHEN 'hs_format' THEN ['77011000', '8471'][1 + below(id, 'hs', 2)]
      -- Jackets and telephone parts of HS 2017.
      WHEN 'hs_in_force' THEN '62019990'
      WHEN 'hs_old_version' THEN '85177000'
      WHEN 'weight_readable' THEN '12 koli'
      WHEN 'net_le_gross' THEN '0,001'
      WHEN 'totals_agree' THEN usd(cents * 3)
      WHEN 'form_known' THEN 'ZZ'
      WHEN 'form_destination' THEN 'SOUTH AFRICA'
      WHEN 'form_started' THEN 'RCEP'
      WHEN 'destination_known' THEN 'NEGERI CONTOH'
      WHEN 'load_port_in_indonesia' THEN 'SGSIN, Singapore'
      WHEN 'export_window' THEN strftime(version_at - INTERVAL 400 DAY, '%Y-%m-%d')
      WHEN 'issued_after_registered' THEN waktu(version_at + INTERVAL 2 DAY, pattern)
      WHEN 'dates_not_future' THEN strftime(version_at + INTERVAL 400 DAY, '%Y-%m-%d %H:%M:%S')
      WHEN 'number_without_issue'
        THEN format('9{:06d}/{}/{}', root % 1000000, office, serial_year)
      WHEN 'tick_known' THEN 'Mungkin'
      WHEN 'peb_complete' THEN nothing(id, 'no PEB date')
    END AS broken
  FROM header
),

line AS (
  SELECT *, unnest(range(1, lines + 1)) AS number
  FROM head
),

parted AS (
  -- Line n ends at its share of the total, shifted by up to 0.38 of a share: whole cents that add
  -- up exactly, without looking at the other lines.
  SELECT *,
    cents * edge(goods_id, number, lines) // (lines * 1000)
    - cents * edge(goods_id, number - 1, lines) // (lines * 1000) AS line_cents
  FROM line
),

item AS (
  SELECT
    parted.* EXCLUDE (family),
    CAST(number AS VARCHAR) AS no_urut_barang,
    CASE below(goods_id * 16 + number, 'digits', 10) WHEN 0 THEN substr(hs8, 1, 6)
      WHEN 1 THEN hs8 || '00' ELSE hs8 END AS kode_hs,
    CASE WHEN rule IS NULL THEN quoted ELSE plain END AS uraian_barang,
    unit_code AS satuan,
    criterion(goods_id, number) AS kriteria_asal,
    usd(line_cents) AS fob_barang,
    greatest(10, line_cents * (700 + below(goods_id * 16 + number, 'price', 600))
      // usd_cent_per_kg) AS net_grams,
    kg(net_grams) AS berat_bersih_kg,
    kg(net_grams * (1030 + below(goods_id * 16 + number, 'package', 120)) // 1000 + 1)
      AS berat_kotor_kg,
    CASE WHEN unit_code = 'KGM' THEN kg(net_grams)
      ELSE format('{:t.}', greatest(1, net_grams // gram_per_unit)) END AS jumlah,
    'SINTETIS' AS sumber_data
  FROM parted
  INNER JOIN goods_family USING (family)
  INNER JOIN goods_slot
    ON goods_slot.family = parted.family
    AND goods_slot.slot = below(goods_id * 16 + number, 'goods', goods_family.slots)
),

written AS (
  SELECT
    file_no, first_line + number - 1 AS line_no, is_crlf,
    concat_ws(';', head, {goods}) AS text,
    rule, id, number, lines, line_cents,
    CASE rule
      WHEN 'record_split' THEN CASE below(id, 'split', 2) WHEN 0 THEN '1;1' END
      WHEN 'fob_readable' THEN [
        usd(line_cents) || '5', '1.8509E+11',
        format('{}.{:02d}', line_cents // 100, line_cents % 100)
      ][1 + below(id, 'unreadable', 3)]
      WHEN 'line_sum_agrees' THEN usd(line_cents * 3)
      ELSE broken
    END AS broken
  FROM item
),

broken_line AS (
  SELECT
    file_no, line_no, is_crlf,
    CASE WHEN positions IS NULL OR coalesce(on_line, number) <> number THEN text
      -- A NULL leaves its field out: the record can't be split into as many as the header names.
      ELSE array_to_string(list_transform(
        string_split(text, ';'),
        lambda field, position: CASE WHEN list_contains(positions, position) THEN broken
          ELSE field END
      ), ';')
    END AS text
  FROM written
  LEFT JOIN fault USING (id)
)

SELECT
  file_no,
  (line_no - 2) // 500 AS piece,
  encode(string_agg(text || CASE WHEN is_crlf THEN chr(13) || chr(10) ELSE chr(10) END, ''
    ORDER BY line_no)) AS bytes
FROM broken_line
GROUP BY ALL
ORDER BY file_no, piece
