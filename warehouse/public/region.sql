-- en: Regions: kabupaten, kota, provinces, the country, its ports, and the unallocated of each
-- id: Wilayah: kabupaten, kota, provinsi, negara, pelabuhan, dan yang tak teralokasi dari masing-masing
-- grain: region_code
SELECT * FROM mart.region
