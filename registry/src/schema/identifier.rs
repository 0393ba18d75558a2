//! Names that PostgreSQL would cut off.

use std::fmt::Write as _;

/// PostgreSQL's longest name, in bytes.
const LONGEST: usize = 63;
/// Bytes of the digest that takes the place of a name's end.
const DIGEST: usize = 4;

/// A name as the middleware shortens it: its beginning, and a digest of all of it.
pub(crate) fn shortened(name: String) -> String {
    if name.len() <= LONGEST {
        return name;
    }
    // A digest in hexadecimal, after an underscore.
    let keep = LONGEST - 2 * DIGEST - 1;
    let keep = (0..=keep).rev().find(|&at| name.is_char_boundary(at)).unwrap_or(0);
    let digest = blake2b_simd::Params::new().hash_length(DIGEST).hash(name.as_bytes());
    let mut short = format!("{}_", &name[..keep]);
    for byte in digest.as_bytes() {
        // Writing to a string cannot fail.
        let _ = write!(short, "{byte:02x}");
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names in a database that the middleware has made.
    #[test]
    fn long_names_end_in_a_digest() {
        let cases = [
            ("fkey_dataset_dataset_type_id_dataset_type_id", None),
            (
                "fkey_dataset_calibs_00000001_collection_collection_id_collection_id",
                Some("fkey_dataset_calibs_00000001_collection_collection_id__70d67f96"),
            ),
            (
                "dataset_calibs_00000002_idx_dataset_type_id_collection_id_instrument_detector_\
                 physical_filter_timespan",
                Some("dataset_calibs_00000002_idx_dataset_type_id_collection_8706429e"),
            ),
        ];
        for (name, short) in cases {
            assert_eq!(shortened(name.to_owned()), short.unwrap_or(name));
        }
        assert_eq!(shortened("é".repeat(40)).len(), 63);
    }
}
