"""Small deliveries for tests: one sound row of e-SKA V2, changed where a test wants it."""

import hashlib
import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline import layouts, store

Row = dict[str, str] | str
FIRST_LANDING = datetime(2024, 10, 1, tzinfo=UTC)
SOUND = {
    "no_aju": "II202210110001",
    "no_ska": "0000038/BGR/2022",
    "status_pengajuan": "Diterbitkan",
    "jenis_pengajuan": "Baru",
    "no_ska_diganti": "-",
    "tgl_daftar": "11 Oktober 2022, 13:56:27",
    "tgl_proses": "11 Oktober 2022 14:56:27",
    "waktu_status": "12 Oktober 2022, 09:00:00",
    "tgl_kirim": "2022-10-11 10:35:02",
    "tgl_terbit": "12 Oktober 2022, 09:00:00",
    "nama_eksportir": "PT Contoh Sintetis",
    "nib": "1234567890123",
    "npwp": "123456789012345",
    "kota_eksportir": "Kota Depok",
    "provinsi_eksportir": "Jawa Barat",
    "kantor_ipska": "Kab. Bogor",
    "nama_importir": "Contoh Importir",
    "negara_importir": "REPUBLIC OF KOREA",
    "plb_muat": "IDTPP, Tanjung Priok",
    "plb_bongkar": "KRPUS, Busan",
    "tipe_form": "FORM AK",
    "jenis_form": "eForm",
    "serial_blangko": "-",
    "no_peb": "000123",
    "tgl_peb": "10 Oktober 2022",
    "kantor_pabean": "040300",
    "no_invoice": "INV-1",
    "tgl_invoice": "2022-10-09",
    "tgl_ekspor": "11 Oktober 2022",
    "mata_uang": "USD",
    "fob_peb": "1.234,50",
    "fob_invoice": "1.234,50",
    "fob_dokumen": "1.234,50",
    "invoice_negara_ketiga": "Tidak",
    "back_to_back": "-",
    "retroaktif": "Ya",
    "no_urut_barang": "1",
    "kode_hs": "6109.10.00",
    "uraian_barang": "Kaos katun",
    "jumlah": "10,5",
    "satuan": "PCE",
    "berat_bersih_kg": "10,123",
    "berat_kotor_kg": "11",
    "kriteria_asal": "WO",
    "fob_barang": "1.234,50",
    "sumber_data": "SINTETIS",
}
_serial = itertools.count(1)


def columns(layout: str = "eska_v2") -> list[str]:
    return list(layouts.load_layout(layout).columns)


def line(row: Row, layout: str = "eska_v2") -> str:
    """One line of a file: the sound row with these values, or text as it stands."""
    if isinstance(row, str):
        return row
    return ";".join({**SOUND, **row}[name] for name in columns(layout))


def filler(count: int) -> list[Row]:
    """Sound certificates of one line each, with numbers and applications of their own."""
    return [
        {"no_ska": f"9{n:06d}/BGR/2022", "no_aju": f"II20221011{n + 5000:04d}"}
        for n in range(count)
    ]


def text(rows: list[Row], layout: str = "eska_v2") -> str:
    return "\n".join([";".join(columns(layout)), *(line(row, layout) for row in rows), ""])


def land(
    content: str | bytes,
    office: str = "BGR",
    month: str = "2022-10",
    layout: str = "eska_v2",
    **manifest: Any,
) -> store.Landing:
    """Put a delivery into landing/ as the verb `land` would, each a second after the one before."""
    data = content.encode() if isinstance(content, str) else content
    landed_at = FIRST_LANDING + timedelta(seconds=next(_serial))
    sha = hashlib.sha256(data).hexdigest()
    name = f"eska/{office}_{month}/{store.stamp(landed_at)}-{sha[:8]}"
    facts = {
        "source": "memory",
        "size": len(data),
        "sha256": sha,
        "token": "",
        "file_name": f"SINTETIS_{office}_{month}_20221105T080000.csv",
        "extracted_at": "2022-11-05T01:00:00+00:00",
        "forced": False,
        "landed_at": landed_at.isoformat(),
        "office": office,
        "month": month,
        "last_month": month,
        "mode": "snapshot",
        "resubmits": None,
        "feed": "eska",
        "layout": layout,
        "refusal": None,
        **manifest,
    }
    landing = store.Landing(name, facts)
    store.write_atomic(landing.payload, data)
    store.write_json(landing.folder / "manifest.json", facts)
    return landing
