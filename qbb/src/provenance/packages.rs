//! The versions of packages that a run wrote down.

use std::collections::BTreeMap;

/// The JSON text of a `Packages` dataset, which is YAML: one tagged mapping of names to versions.
pub(super) fn packages_json(yaml: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(yaml).ok()?;
    let mut versions: BTreeMap<String, String> = BTreeMap::new();
    // The dumper of the middleware writes one line for each package and quotes what would not be
    // taken for text.
    for line in text.lines() {
        let line = line.trim_end();
        if line.is_empty() || line.starts_with(['!', '#', '-']) {
            continue;
        }
        let (name, version) = line.split_once(": ")?;
        versions.insert(scalar(name)?, scalar(version.trim_start())?);
    }
    serde_json::to_vec(&versions).ok()
}

/// A plain or quoted scalar on one line.
fn scalar(text: &str) -> Option<String> {
    if let Some(quoted) = text.strip_prefix('\'') {
        return Some(quoted.strip_suffix('\'')?.replace("''", "'"));
    }
    if text.starts_with('"') {
        return serde_json::from_str(text).ok();
    }
    Some(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_text_whatever_they_look_like() {
        let yaml =
            b"!<lsst.utils.packages.Packages>\nastropy: 7.1.0\npython: '3.11'\n\"a b\": \"x: y\"\n";
        let json = packages_json(yaml).unwrap();
        assert_eq!(json, br#"{"a b":"x: y","astropy":"7.1.0","python":"3.11"}"#);
        assert_eq!(packages_json(b"").unwrap(), b"{}");
        assert!(packages_json(b"\x80pickled").is_none());
        assert!(packages_json(b"a: 1\n  nested\n").is_none());
    }
}
