"""Per row rule: rows that are sound, and rows that are not with the rules that each must trip."""

from deliveries import Row, line

Case = tuple[list[Row], list[set[str]]]

# The rules that a row must trip: no more and no fewer.
SIBLING = {"sibling"}
PENDING = {"status_pengajuan": "Verifikasi", "no_ska": "-", "tgl_terbit": "-", "waktu_status": ""}
SECOND = {"no_urut_barang": "2"}
HALF = {"fob_barang": "617,25"}
NO_TOTALS = {"fob_peb": "-", "fob_invoice": "", "fob_dokumen": "N/A", "fob_barang": "-"}
FORM_D = {"tipe_form": "FORM D", "negara_importir": "MALAYSIA"}
# Of HS 2017: 6201.99 and 8517.70 are no subheadings of HS 2022.
OLD_HS = {"kode_hs": "6201.99.90", "tipe_form": "B", "tgl_ekspor": "-"}
RULES: dict[str, tuple[list[list[Row]], list[Case]]] = {
    "record_split": (
        [[{"uraian_barang": '"kaos; 5"" katun"'}]],
        [
            ([line({}) + ";"], [{"record_split"}]),
            (["II202210110001;0000038/BGR/2022"], [{"record_split"}]),
        ],
    ),
    "number_present": (
        [[{**PENDING}]],
        [
            ([{"no_ska": "N/A"}], [{"number_present"}]),
            ([{"no_ska": "", "status_pengajuan": "Pencabutan"}], [{"number_present"}]),
            # The line without number belongs to the certificate of its application.
            ([{"fob_barang": "-"}, {**SECOND, "no_ska": "-", "fob_barang": "-"}],
             [SIBLING, {"number_present"}]),
        ],
    ),
    "number_format": (
        # Codes of two and of five characters: see number_office_match.
        [[{"no_ska": "9999999/BGR/2022"}], [{**PENDING}]],
        [
            ([{"no_ska": "38/BGR/2022"}], [{"number_format"}]),
            ([{"no_ska": "0000038/bgr/2022"}], [{"number_format"}]),
            ([{"no_ska": "0000038/BGR/22"}], [{"number_format"}]),
        ],
    ),
    "number_unique": (
        [[{**HALF}, {**SECOND, **HALF}]],
        [([{**HALF}, {**SECOND, **HALF, "no_aju": "II202210110002"}], [{"number_unique"}] * 2)],
    ),
    "status_present": (
        [[{"status_pengajuan": "diterbitkan "}]],
        [([{"status_pengajuan": "-"}], [{"status_present"}])],
    ),
    "status_known": (
        [[{**PENDING, "status_pengajuan": status}]
         for status in ("Verifikasi", "Request Revisi", "Diproses IPSKA", "Ditolak")]
        + [[{"status_pengajuan": status}] for status in ("Pengajuan Cabut SKA", "Pencabutan")],
        [([{"status_pengajuan": "Terbit"}], [{"status_known"}])],
    ),
    "kind_known": (
        [[{"jenis_pengajuan": "-"}], [{"jenis_pengajuan": "BARU"}]],
        [([{"jenis_pengajuan": "Salinan"}], [{"kind_known"}])],
    ),
    "status_at_readable": (
        [[{"waktu_status": "2022-10-12 09:00:00"}], [{**PENDING}]],
        [
            ([{"waktu_status": "12 Oktober 2022"}], [{"status_at_readable"}]),
            ([{"waktu_status": "12 Octobre 2022, 09:00:00"}], [{"status_at_readable"}]),
            ([{"waktu_status": "-"}], [{"status_at_readable"}]),
        ],
    ),
    "status_at_not_future": (
        # The extract is of 5 November: a day of tolerance, in Jakarta.
        [[{"waktu_status": "6 November 2022, 23:59:59"}]],
        [
            ([{"waktu_status": "7 November 2022, 00:00:00"}], [{"status_at_not_future"}]),
            ([{**PENDING, "waktu_status": "2122-10-12 09:00:00"}], [{"status_at_not_future"}]),
            ([{**HALF, "waktu_status": "7 November 2022, 00:00:00"},
              {**SECOND, **HALF, "waktu_status": ""}],
             [{"status_at_not_future"}, {"status_at_readable"}]),
        ],
    ),
    "issued_on_readable": (
        [[{"tgl_terbit": "12 Oktober 2022"}], [{"tgl_terbit": "2022-10-12"}], [{**PENDING}],
         [{"tgl_terbit": "N/A", "status_pengajuan": "Pencabutan"}]],
        [
            ([{"tgl_terbit": "31 September 2022"}], [{"issued_on_readable"}]),
            ([{"tgl_terbit": "12/10/2022"}], [{"issued_on_readable"}]),
            ([{"tgl_terbit": "N/A"}], [{"issued_on_readable"}]),
        ],
    ),
    "issued_on_not_future": (
        [[{"tgl_terbit": "5 November 2022"}]],
        [
            ([{"tgl_terbit": "6 November 2022"}], [{"issued_on_not_future"}]),
            ([{"tgl_terbit": "31 Desember 1989", "tgl_daftar": "-", "tgl_ekspor": "-",
               "tipe_form": "B", "no_ska": "0000038/BGR/1989", "no_aju": "-"}],
             [{"issued_on_not_future"}]),
        ],
    ),
    "fob_readable": (
        [[{"fob_peb": "1234,5", "fob_invoice": "1.234,5", "fob_dokumen": "01234"}]],
        [
            ([{name: value}], [{"fob_readable"}])
            for name in ("fob_peb", "fob_invoice", "fob_dokumen", "fob_barang")
            for value in ("1.239,999", "45634.60 USD")
        ] + [
            ([{**HALF, "fob_peb": "9" * 40}, {**SECOND, **HALF}], [{"fob_readable"}, SIBLING]),
            ([{**NO_TOTALS, "fob_dokumen": "1e400"}], [{"fob_readable"}]),
            ([{"fob_peb": "1.000.000.000.000,00"}], [{"fob_readable"}]),
        ],
    ),
    "fob_present": (
        [[{**NO_TOTALS, "fob_peb": "0,01"}], [{**NO_TOTALS, "fob_invoice": "1"}],
         [{**PENDING, **NO_TOTALS}]],
        [
            ([{**NO_TOTALS}], [{"fob_present"}]),
            ([{**NO_TOTALS, "fob_peb": "0"}], [{"fob_present"}]),
            ([{**NO_TOTALS, "fob_invoice": "1", "invoice_negara_ketiga": "Ya"}],
             [{"fob_present"}]),
            ([{**NO_TOTALS, "fob_peb": "1", "fob_barang": "-1"}],
             [{"fob_present", "line_sum_agrees"}]),
            ([{**PENDING, "fob_peb": "-5", "fob_invoice": "-5", "fob_dokumen": "-5",
               "fob_barang": "-5"}], [{"fob_present", "totals_agree"}]),
            # Form D shows FOB where RVC applies: on one line is enough, and a blank doesn't tell.
            ([{**FORM_D, **NO_TOTALS, "kriteria_asal": "RVC 40%"}], [{"fob_present"}]),
            ([{**FORM_D, **NO_TOTALS}, {**FORM_D, **NO_TOTALS, **SECOND, "kriteria_asal": "rvc"}],
             [{"fob_present"}] * 2),
            ([{**FORM_D, **NO_TOTALS, "kriteria_asal": "-"}], [{"fob_present"}]),
            ([{**FORM_D, **NO_TOTALS, "fob_dokumen": "0"}], [{"fob_present"}]),
            ([{**FORM_D, **NO_TOTALS, "fob_barang": "1"}], [{"fob_present"}]),
        ],
    ),
    "currency_known": (
        [[{"mata_uang": "EUR"}], [{"mata_uang": "usd"}], [{**PENDING, "mata_uang": "-"}]],
        [
            ([{"mata_uang": "US$"}], [{"currency_known"}]),
            ([{"mata_uang": "-"}], [{"currency_known"}]),
        ],
    ),
    "header_agrees": (
        # A blank contradicts nothing, and a value that can't be read has its own rule.
        # One certificate may draw on several PEBs.
        [
            [{**HALF, "fob_peb": "-"}, {**SECOND, **HALF}],
            [{**HALF}, {**SECOND, **HALF, "no_peb": "000124"}],
        ],
        [
            ([{**HALF}, {**SECOND, **HALF, name: value}], [{"header_agrees"}] * 2)
            for name, value in {
                "status_pengajuan": "Pencabutan",
                "tgl_terbit": "13 Oktober 2022",
                "waktu_status": "12 Oktober 2022, 09:00:01",
                "mata_uang": "EUR",
                "fob_peb": "1.234,51",
                "fob_invoice": "1.234,51",
                "fob_dokumen": "1.234,51",
                "nib": "1234567890124",
                "npwp": "123456789012346",
            }.items()
        ] + [
            ([{**HALF, "no_ska_diganti": "0000001/BGR/2022"},
              {**SECOND, **HALF, "jenis_pengajuan": "Perubahan",
               "no_ska_diganti": "0000001/BGR/2022"}], [{"header_agrees"}] * 2),
        ],
    ),
    "line_unique": (
        [[{**HALF}, {**SECOND, **HALF}]],
        [
            ([{**HALF}, {**HALF}], [{"line_unique"}] * 2),
            ([{"fob_barang": "411,50"}, {"fob_barang": "411,50"},
              {**SECOND, "fob_barang": "411,50"}], [{"line_unique"}, {"line_unique"}, SIBLING]),
        ],
    ),
    "application_number_format": (
        [[{"no_aju": "-"}], [{"no_aju": "ZZ202002290001"}]],
        [
            ([{"no_aju": "II202302290001"}], [{"application_number_format"}]),
            ([{"no_aju": "202210110001"}], [{"application_number_format"}]),
        ],
    ),
    "application_number_date": (
        [[{"no_aju": "II202210120001"}], [{**PENDING, "no_aju": "II202211060001"}]],
        [
            ([{"no_aju": "II202210130001"}], [{"application_number_date"}]),
            ([{**PENDING, "no_aju": "II202211070001"}], [{"application_number_date"}]),
        ],
    ),
    "number_office_match": (
        [[{"no_ska": "0000039/BGR/2022"}], [{**PENDING}]],
        [
            ([{"no_ska": f"0000038/{code}/2022"}], [{"number_office_match"}])
            for code in ("BDG", "B2", "ABCDE")
        ],
    ),
    "number_year_match": (
        [[{}]],
        [([{"no_ska": "0000038/BGR/2021"}], [{"number_year_match"}])],
    ),
    "replacement_named": (
        [[{"jenis_pengajuan": "Perubahan", "no_ska_diganti": "0000001/BGR/2022"}]],
        [
            ([{"jenis_pengajuan": "Perubahan"}], [{"replacement_named"}]),
            ([{"jenis_pengajuan": "Duplikat", "no_ska_diganti": "0000038/BGR/2022"}],
             [{"replacement_named"}]),
        ],
    ),
    "nib_format": (
        [[{"nib": "-"}], [{"nib": "1.234.567.890.123"}]],
        [
            ([{"nib": "123456789012"}], [{"nib_format"}]),
            ([{"nib": "0000000000000"}], [{"nib_format"}]),
            ([{"nib": "123456789012X"}], [{"nib_format"}]),
            ([{"nib": "-", "npwp": "N/A"}], [{"nib_format", "npwp_format"}]),
        ],
    ),
    "npwp_format": (
        [[{"npwp": "12.345.678.9-012.345"}], [{"npwp": "-"}],
         [{**PENDING, "npwp": "1234567890123456"}]],
        [
            ([{"npwp": "1234567890123456"}], [{"npwp_format"}]),
            ([{"npwp": "12345678901234"}], [{"npwp_format"}]),
            ([{**PENDING, "npwp": "x"}], [{"npwp_format"}]),
        ],
    ),
    "hs_format": (
        [[{"kode_hs": "610910"}], [{"kode_hs": "6109100000"}]],
        [
            ([{"kode_hs": value}], [{"hs_format"}])
            for value in ("61091", "61091000001", "770110", "980110", "000110", "kaos", "-")
        ],
    ),
    "hs_in_force": (
        [[{**OLD_HS, "tgl_peb": "31 Maret 2022"}],
         [{"kode_hs": "850110", "tgl_peb": "1 April 2022"}]],
        [
            ([{**OLD_HS, "no_ska": "0000038/BGR/2023", "tgl_peb": "1 April 2023",
               "tgl_terbit": "3 April 2023"}], [{"hs_in_force"}]),
        ],
    ),
    "hs_old_version": (
        [[{**OLD_HS, "tgl_peb": "31 Maret 2022"}]],
        [
            ([{**OLD_HS, "tgl_peb": day}], [{"hs_old_version"}])
            for day in ("1 April 2022", "31 Oktober 2022")
        ] + [
            # Without the declaration's date the issue date decides.
            ([{**OLD_HS, "kode_hs": "851770", "no_peb": "-", "tgl_peb": "-"}],
             [{"hs_old_version"}]),
        ],
    ),
    "weight_readable": (
        [[{"berat_bersih_kg": "-", "berat_kotor_kg": "1.234,567"}]],
        [
            ([{"berat_bersih_kg": "10 kg"}], [{"weight_readable"}]),
            ([{"berat_kotor_kg": "11,1234"}], [{"weight_readable"}]),
            ([{"berat_bersih_kg": "-1"}], [{"weight_readable"}]),
            ([{"berat_kotor_kg": "1.000.000.000.000"}], [{"weight_readable"}]),
        ],
    ),
    "net_le_gross": (
        [[{"berat_bersih_kg": "11", "berat_kotor_kg": "11,000"}]],
        [([{"berat_bersih_kg": "11,001", "berat_kotor_kg": "11"}], [{"net_le_gross"}])],
    ),
    "totals_agree": (
        # A PEB may cover more than this certificate: its total may be larger.
        [[{"fob_invoice": "1.246,84"}], [{"fob_peb": "9.999"}],
         [{"fob_invoice": "5", "invoice_negara_ketiga": "Ya"}], [{"fob_invoice": "-"}]],
        [
            ([{"fob_invoice": "1.248"}], [{"totals_agree"}]),
            ([{"fob_peb": "2"}], [{"totals_agree"}]),
        ],
    ),
    "line_sum_agrees": (
        [[{"fob_barang": "-"}], [{"fob_barang": "1.230"}],
         [{"fob_dokumen": "-", "fob_invoice": "-", "fob_barang": "1.230"}],
         [{**HALF}, {**SECOND, "fob_barang": "-"}]],
        [
            ([{"fob_barang": "1.200"}], [{"line_sum_agrees"}]),
            ([{**HALF}, {**SECOND}], [{"line_sum_agrees"}] * 2),
        ],
    ),
    "form_known": (
        [[{"tipe_form": "ak"}]],
        [([{"tipe_form": "FORM XY"}], [{"form_known"}]), ([{"tipe_form": "-"}], [{"form_known"}])],
    ),
    "form_destination": (
        # GSTP: its partners are not known, so no destination is wrong.
        [[{"tipe_form": "FORM B", "negara_importir": "CHINA"}],
         [{"tipe_form": "GSTP", "negara_importir": "CHINA"}]],
        [([{"negara_importir": "CHINA"}], [{"form_destination"}])],
    ),
    "form_started": (
        [[{"tipe_form": "AK"}]],
        [([{"tipe_form": "RCEP"}], [{"form_started"}])],
    ),
    "destination_known": (
        [[{"negara_importir": "Korea, Republic of"}], [{"negara_importir": "South Korea"}],
         [{"negara_importir": "Korea Selatan"}], [{"negara_importir": "REPUBLIK KOREA"}]],
        [
            ([{"negara_importir": "KOREAA"}], [{"destination_known"}]),
            ([{"negara_importir": "-"}], [{"destination_known"}]),
        ],
    ),
    "load_port_in_indonesia": (
        [[{"plb_muat": "id431"}], [{"plb_muat": "-"}]],
        [
            ([{"plb_muat": "SGSIN, Singapore"}], [{"load_port_in_indonesia"}]),
            ([{"plb_muat": "Tanjung Priok"}], [{"load_port_in_indonesia"}]),
        ],
    ),
    "export_window": (
        [[{"tgl_ekspor": "11 November 2022"}], [{"tgl_ekspor": "12 Oktober 2021"}]],
        [
            ([{"tgl_ekspor": "12 November 2022"}], [{"export_window"}]),
            ([{"tgl_ekspor": "2021-10-11"}], [{"export_window"}]),
        ],
    ),
    "issued_after_registered": (
        # Days of Jakarta: in UTC this one ends at 17:00.
        [[{"tgl_daftar": "12 Oktober 2022, 23:59:59"}]],
        [([{"tgl_daftar": "13 Oktober 2022, 00:00:00"}], [{"issued_after_registered"}])],
    ),
    "dates_not_future": (
        [[{"tgl_peb": "6 November 2022"}], [{"tgl_kirim": "2022-11-06 23:59:59"}],
         [{"tgl_ekspor": "11 November 2022"}]],
        [
            ([{name: value}], [{"dates_not_future"}])
            for name, value in {
                "tgl_proses": "7 November 2022, 00:00:00",
                "tgl_kirim": "2022-11-07 00:00:00",
                "tgl_peb": "7 November 2022",
            }.items()
        ] + [
            ([{**PENDING, "tgl_daftar": "7 November 2022, 00:00:00"}], [{"dates_not_future"}]),
        ],
    ),
    "fob_not_stated": (
        [[{**FORM_D}], [{**FORM_D, "kriteria_asal": "RVC"}],
         [{**FORM_D, **NO_TOTALS, **PENDING}]],
        [
            ([{**FORM_D, **NO_TOTALS}], [{"fob_not_stated"}]),
            ([{**FORM_D, **NO_TOTALS, "mata_uang": "-"}], [{"fob_not_stated"}]),
            ([{**FORM_D, **NO_TOTALS}, {**FORM_D, **NO_TOTALS, **SECOND, "kriteria_asal": "CTH"}],
             [{"fob_not_stated"}] * 2),
        ],
    ),
    "number_without_issue": (
        [[{**PENDING}]],
        [
            ([{**PENDING, "no_ska": "0000038/BGR/2022"}], [{"number_without_issue"}]),
            ([{**PENDING, "tgl_terbit": "12 Oktober 2022"}], [{"number_without_issue"}]),
        ],
    ),
    "tick_known": (
        [[{"back_to_back": "ya"}]],
        [([{"retroaktif": "mungkin"}], [{"tick_known"}])],
    ),
    "peb_complete": (
        [[{"no_peb": "-", "tgl_peb": "-"}]],
        [
            ([{"tgl_peb": "-"}], [{"peb_complete"}]),
            ([{"no_peb": "-"}], [{"peb_complete"}]),
        ],
    ),
}  # fmt: skip
# What the manifest says of these rules' deliveries, else extracted on 5 November 2022.
MANIFEST = {"hs_in_force": {"extracted_at": "2023-05-05T01:00:00+00:00"}}
GOOD = [(rule, rows) for rule, (sound, _) in RULES.items() for rows in sound]
BAD = [(rule, *case) for rule, (_, broken) in RULES.items() for case in broken]

# The same for cells of aggregates; test_aggregate.py has the layout and the sound cell.
CELLS: dict[str, tuple[list[list[Row]], list[Case]]] = {
    "record_split": (
        [[{"nama": '"BADE, IRIAN JAYA"'}]],
        [(["IDTPP;PRIOK;2022"], [{"record_split"}])],
    ),
    "region_present": (
        [[{"kode": "", "nama": "TANJUNG PRIOK"}], [{"nama": "-"}]],
        [([{"kode": "-", "nama": ""}], [{"region_present"}])],
    ),
    "month_readable": (
        [[{"bulan": month}] for month in ("1", "02", "Mei", "february")]
        + [[{"tahun": "-", "bulan": month}] for month in ("2022-03", "Januari 2022", "May 2022")],
        [
            ([{"bulan": month}], [{"month_readable"}])
            for month in ("13", "0", "Jan", "2022-03", "-")
        ] + [([{"tahun": "22"}], [{"month_readable"}]), ([{"tahun": "-"}], [{"month_readable"}])],
    ),
    "month_covered": (
        # A sheet for the whole year: what is to come is blank.
        [[{"bulan": "Desember", "nilai": "-", "berat": ""}], [{"bulan": "November"}]],
        [
            ([{"bulan": "Desember"}], [{"month_covered"}]),
            ([{"tahun": "2021"}], [{"month_covered"}]),
            ([{"tahun": "9999", "nilai": ""}], [{"month_covered"}]),
        ],
    ),
    "value_readable": (
        [[{"nilai": "1234,5"}], [{"nilai": "0"}], [{"nilai": ""}], [{"nilai": "1,7284E+08"}],
         [{"nilai": "1,2345e2"}]],
        [
            ([{"nilai": value}], [{"value_readable"}])
            for value in ("1.239,999", "1.5", "N/K", "1e400", "1,23456e2", "1E-5", "1e12")
        ],
    ),
    "value_not_negative": (
        [[{"nilai": "0,00"}]],
        [([{"nilai": "-0,01"}], [{"value_not_negative"}])],
    ),
    "currency_reporting": (
        [[{"mata_uang": "usd"}], [{"mata_uang": "-"}]],
        [([{"mata_uang": "IDR"}], [{"currency_reporting"}])],
    ),
    "hs_readable": (
        [[{"hs": "61"}], [{"hs": "6109.10.00.00"}]],
        [([{"hs": value}], [{"hs_readable"}]) for value in ("-", "6", "kaos", "61091000001")],
    ),
    "destination_present": (
        [[{"tujuan": "Korea Selatan"}]],
        [([{"tujuan": "-"}], [{"destination_present"}])],
    ),
    "cell_unique": (
        [[{}, {"bulan": "Februari"}], [{}, {"hs": "62"}], [{}, {"tujuan": "CHINA"}]],
        [([{}, {"nilai": "7"}], [{"cell_unique"}] * 2)],
    ),
    "weight_readable": (
        [[{"berat": "-"}], [{"berat": "1.000,123"}]],
        [
            ([{"berat": value}], [{"weight_readable"}])
            for value in ("10 kg", "-1", "1,1234", "1" + "0" * 12)
        ],
    ),
    "hs_known": (
        [[{"hs": "97"}]],
        [([{"hs": value}], [{"hs_known"}]) for value in ("7709", "99", "00")],
    ),
    "destination_known": (
        [[{"tujuan": "JAPAN"}]],
        [([{"tujuan": "JAPANN"}], [{"destination_known"}])],
    ),
}  # fmt: skip
