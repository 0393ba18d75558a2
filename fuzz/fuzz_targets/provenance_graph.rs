#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| qbb_fuzz_bodies::provenance_graph(data));
