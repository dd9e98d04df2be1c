#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lodedb_fuzz::text::sparse(data));
