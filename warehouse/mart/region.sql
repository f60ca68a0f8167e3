-- en: Regions: kabupaten, kota, provinces, the country, its ports, and the unallocated of each
-- id: Wilayah: kabupaten, kota, provinsi, negara, pelabuhan, dan yang tak teralokasi dari masing-masing
-- grain: region_code
SELECT region_set, region_code, region_name, region_kind, province_code FROM core.region
