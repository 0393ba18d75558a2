//! Expressions and regions.

use qbb_dimensions::expression::parse;
use qbb_dimensions::sphere::Region;

/// An expression. What was understood is written so that it is understood again.
pub fn expression(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(expression) = parse(text) {
        let written = expression.to_string();
        let again = parse(&written).map(|expression| expression.to_string());
        assert_eq!(again.as_deref().ok(), Some(&*written), "{text:?}");
    }
}

/// An encoded region. What was decoded is encoded so that it is decoded to the same.
pub fn region(bytes: &[u8]) {
    if let Ok(region) = Region::decode(bytes) {
        let encoded = region.encode();
        let again = Region::decode(&encoded).map(|region| region.encode());
        assert_eq!(again.as_deref().ok(), Some(&*encoded));
        let _ = (region.bounding_circle(), region.bounding_box(), region.relate(&region));
    }
}
