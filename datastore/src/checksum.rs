//! Checksums of artifacts.

use std::fs::File;
use std::io::{self, Read};

use camino::Utf8Path;

/// The checksum of a content as records hold it: BLAKE2b of 64 bytes, in hexadecimal digits.
pub fn checksum(content: &[u8]) -> String {
    blake2b_simd::blake2b(content).to_hex().to_string()
}

/// The checksum of a file.
///
/// # Errors
/// If it cannot be read.
pub fn checksum_of_file(file: &Utf8Path) -> io::Result<String> {
    checksum_of(File::open(file)?)
}

/// The checksum of all that can be read.
pub(crate) fn checksum_of(mut content: impl Read) -> io::Result<String> {
    let mut state = blake2b_simd::State::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match content.read(&mut buffer)? {
            0 => return Ok(state.finalize().to_hex().to_string()),
            length => state.update(&buffer[..length]),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `hashlib.blake2b(b"a: 1\n").hexdigest()` begins.
    #[test]
    fn it_is_that_of_the_middleware() {
        let digits = checksum(b"a: 1\n");
        assert_eq!(digits.len(), 128);
        assert!(digits.starts_with("d79dd6f6dc7ca22c"), "{digits}");
        let folder = tempfile::tempdir().unwrap();
        let file = Utf8Path::from_path(folder.path()).unwrap().join("a.yaml");
        fs_err::write(&file, "a: 1\n").unwrap();
        assert_eq!(checksum_of_file(&file).unwrap(), digits);
    }
}
