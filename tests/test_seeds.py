"""Reference data: complete, consistent with itself, and documented."""

import re
from collections import Counter
from zoneinfo import ZoneInfo

import pytest

import golden
from pipeline import countries, duck, seeds, settings

ALL = sorted(path.stem for path in settings.ROOT.joinpath("seeds").glob("*.csv"))
JAWA_BARAT = (
    "3201 Kab. Bogor · 3202 Kab. Sukabumi · 3203 Kab. Cianjur · 3204 Kab. Bandung · "
    "3205 Kab. Garut · 3206 Kab. Tasikmalaya · 3207 Kab. Ciamis · 3208 Kab. Kuningan · "
    "3209 Kab. Cirebon · 3210 Kab. Majalengka · 3211 Kab. Sumedang · 3212 Kab. Indramayu · "
    "3213 Kab. Subang · 3214 Kab. Purwakarta · 3215 Kab. Karawang · 3216 Kab. Bekasi · "
    "3217 Kab. Bandung Barat · 3218 Kab. Pangandaran · 3271 Kota Bogor · 3272 Kota Sukabumi · "
    "3273 Kota Bandung · 3274 Kota Cirebon · 3275 Kota Bekasi · 3276 Kota Depok · "
    "3277 Kota Cimahi · 3278 Kota Tasikmalaya · 3279 Kota Banjar"
)
REGIONS = seeds.rows("region")
LEAVES = [row for row in REGIONS if row["region_kind"] != "province"]


def bare(name: str) -> str:
    return re.sub(r"^(Kab\.|Kota) (Adm\. )?", "", name)


def test_indonesia_has_38_provinces_416_kabupaten_and_98_kota() -> None:
    kinds = Counter(row["region_kind"] for row in REGIONS)
    assert kinds == {"province": 38, "kabupaten": 416, "kota": 98}
    assert {row["region_set"] for row in REGIONS} == {"ID"}


@pytest.mark.parametrize("column", ["region_code", "kemendagri_code", "region_name"])
def test_a_region_is_named_once(column: str) -> None:
    assert len({row[column] for row in REGIONS}) == len(REGIONS) == 552


def test_every_region_lies_in_its_province() -> None:
    provinces = {r["region_code"]: r for r in REGIONS if r["region_kind"] == "province"}
    assert all(code == row["province_code"] for code, row in provinces.items())
    for row in LEAVES:
        province = provinces[row["province_code"]]
        assert re.fullmatch(province["region_code"] + r"\d\d", row["region_code"])
        assert re.fullmatch(province["kemendagri_code"] + r"\.\d\d", row["kemendagri_code"])
        # <province>99 is the unallocated.
        assert not row["region_code"].endswith("99")


def test_kind_is_said_by_name_and_by_both_codes() -> None:
    assert LEAVES
    for row in LEAVES:
        is_kota = row["region_kind"] == "kota"
        assert row["region_name"].startswith("Kota " if is_kota else "Kab. ")
        assert (row["region_code"][2] == "7") == (row["kemendagri_code"][3] == "7") == is_kota


def test_bps_and_kemendagri_differ_for_199() -> None:
    differ = [r for r in LEAVES if r["region_code"] != r["kemendagri_code"].replace(".", "")]
    assert len(differ) == 199


def test_26_names_are_both_a_kabupaten_and_a_kota() -> None:
    names = Counter(bare(row["region_name"]) for row in LEAVES)
    twice = {name for name, count in names.items() if count > 1}
    assert len(twice) == 26
    assert {"Bogor", "Sukabumi", "Bandung", "Tasikmalaya", "Cirebon", "Bekasi", "Banjar"} <= twice


def test_the_27_of_jawa_barat() -> None:
    found = [row for row in LEAVES if row["province_code"] == "32"]
    assert " · ".join(f"{r['region_code']} {r['region_name']}" for r in found) == JAWA_BARAT
    assert all(r["kemendagri_code"] == f"32.{r['region_code'][2:]}" for r in found)


@pytest.mark.parametrize(
    ("bps", "kemendagri", "name"),
    [
        ("1101", "11.09", "Kab. Simeulue"),
        ("3171", "31.74", "Kota Adm. Jakarta Selatan"),
        ("9105", "92.02", "Kab. Manokwari"),
        ("9271", "96.71", "Kota Sorong"),
        ("9471", "91.71", "Kota Jayapura"),
        ("9501", "93.01", "Kab. Merauke"),
        ("9601", "94.04", "Kab. Mimika"),
        ("9702", "95.01", "Kab. Jayawijaya"),
    ],
)
def test_known_pairs_of_codes(bps: str, kemendagri: str, name: str) -> None:
    (row,) = [row for row in REGIONS if row["region_code"] == bps]
    assert (row["kemendagri_code"], row["region_name"]) == (kemendagri, name)


def test_the_provinces_of_2022_begin_with_their_laws() -> None:
    dated = {r["region_code"]: r["valid_from"] for r in REGIONS if r["valid_from"] > "2022"}
    assert dated == {
        "92": "2022-12-08", "95": "2022-07-25", "96": "2022-07-25", "97": "2022-07-25",
    }  # fmt: skip


def placed(places: list[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """(place, province) → the region that core.place finds with these seeds."""
    columns = "exporter_place VARCHAR, exporter_province VARCHAR, load_port_code VARCHAR"
    with duck.connect() as con:
        golden.seeds(con)
        golden.table(con, "core.certificate_version", columns, [(*one, "") for one in places])
        found = golden.result(con, "core.place", "exporter_place, exporter_province, region_code")
    assert len(found) == len(places)
    return {(place, province): region for place, province, region in found}


def test_every_region_is_found_by_its_name_however_spaced() -> None:
    province = {r["region_code"]: r["region_name"] for r in REGIONS}
    expected = {}
    for row in LEAVES:
        kind = "KOTA" if row["region_kind"] == "kota" else "KAB."
        name = bare(row["region_name"])
        for place in (row["region_name"], f"{kind} {name.upper()}", f"{kind} {name}".lower(),
                      f"{kind} {name.replace(' ', '')}"):  # fmt: skip
            for stated in ("", province[row["province_code"]]):
                expected[place, stated] = row["region_code"]
    assert len(expected) > 3 * 1028
    found = placed(list(expected))
    assert {key: found[key] for key in expected if found[key] != expected[key]} == {}


def test_old_and_short_names_are_found() -> None:
    expected = {
        ("S I A K", "Riau"): "1405",
        ("TOLI TOLI", "SULTENG"): "7206",
        ("Kab. Toba Samosir", "Sumut"): "1206",
        ("KAB PANGKAJENE KEP.", "Sulsel"): "7309",
        ("Kota Baru", "Kalimantan Selatan"): "6302",
        ("Sleman", "D.I. Yogyakarta"): "3404",
        ("Jakarta Pusat", "Daerah Khusus Jakarta"): "3173",
        # Both a kota and its province: never guessed.
        ("Yogyakarta", "DI Yogyakarta"): "3499",
        ("Jambi", "Jambi"): "1599",
    }
    assert placed(list(expected)) == expected


def test_codes_that_other_seeds_use_are_there() -> None:
    home = seeds.country()["country_code"]
    provinces = {row["province_code"] for row in REGIONS}
    known = {row["region_code"]: row["province_code"] for row in REGIONS}
    known |= {f"{code}99": code for code in provinces} | {f"{home}99": ""}
    aliases = seeds.rows("region_aliases")
    assert aliases
    # An alias may name the province where its region stood earlier.
    moved = {row["region_code"] for row in aliases if "stood in" in row["note"]}
    assert len(moved) == 26
    assert all(
        known[row["region_code"]] == row["province_code"]
        for row in aliases
        if row["region_code"] not in moved
    )
    assert {row["province_code"] for row in aliases} <= provinces
    assert {row["region_code"] for row in seeds.rows("issuer")} <= set(known)
    assert {row["scope_code"] for row in seeds.rows("scope") if row["region_set"] == home} <= {
        home, *provinces,
    }  # fmt: skip
    assert seeds.default_scope() == "32"


def test_the_country_is_one_row_that_libraries_know() -> None:
    home = seeds.country()
    assert home["country_code"] in {code for code, _, _ in countries.names()}
    assert home["currency_code"] in countries.currency_codes()
    assert seeds.time_zone() == ZoneInfo("Asia/Jakarta")


def test_hs_chapters_are_those_of_the_nomenclature_in_both_languages() -> None:
    rows = seeds.rows("hs_chapter")
    assert [r["hs_chapter"] for r in rows] == [f"{n:02d}" for n in range(1, 98) if n != 77]
    for column in ("name_en", "name_id"):
        assert len({row[column] for row in rows if row[column]}) == 96


def test_forms_have_partners_and_a_mark() -> None:
    forms = {row["form_code"]: row for row in seeds.rows("form")}
    partners = {code: set(row["partner_codes"].split()) for code, row in forms.items()}
    asean = {"BN", "KH", "LA", "MY", "MM", "PH", "SG", "TH", "VN"}
    assert partners["D"] == asean
    assert partners["RCEP"] == asean | {"AU", "CN", "JP", "KR", "NZ"}
    assert len(partners["RCEP"]) == 14
    assert set().union(*partners.values()) <= {code for code, _, _ in countries.names()}
    for code, row in forms.items():
        assert re.search(r"\b(DOMAIN|GK|open)\b", row["source"]), code
        is_open = "open:" in row["source"] or row["is_preferential"] == "false"
        assert bool(row["starts_on"]) == bool(partners[code]) == (not is_open), code


def test_countries_are_known_in_both_languages() -> None:
    spelling = dict(countries.country_spellings())
    for name in ("REPUBLIC OF KOREA", "KOREA SELATAN", "SOUTH KOREA", "KOREA, REPUBLIC OF"):
        assert spelling[name] == "KR"
    assert (spelling["JEPANG"], spelling["AMERIKA SERIKAT"]) == ("JP", "US")
    assert ("CN", "China", "Tiongkok") in countries.names()
    assert len(countries.names()) == 249


def test_no_country_alias_says_what_the_libraries_say() -> None:
    known = countries._iso_spellings()
    aliases = seeds.rows("country_aliases")
    assert aliases
    assert [row["spelling"] for row in aliases if row["spelling"] in known] == []


def test_no_name_means_two_countries() -> None:
    meant: dict[str, set[str]] = {}
    for code, *names in countries.names():
        for name in names:
            meant.setdefault(name.upper(), set()).add(code)
    assert len(meant) > 300
    assert [name for name, codes in meant.items() if len(codes) > 1] == []


@pytest.mark.parametrize("name", ALL)
def test_the_readme_describes_every_seed_and_column(name: str) -> None:
    text = seeds.path(name).with_name("README.md").read_text("utf-8")
    (line,) = [line for line in text.splitlines() if line.startswith(f"| `{name}.csv`")]
    header = seeds.path(name).read_text("utf-8").splitlines()[0]
    assert [column for column in header.split(",") if f"`{column}`" not in line] == []
