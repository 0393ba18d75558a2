//! The functions of the language: regions, GLOB and UUID.

use uuid::Uuid;

use crate::sphere::{Circle, ConvexPolygon, LonLat, LonLatBox, Region, UnitVector3d};

use super::bind::{Binder, Operand};
use super::condition::Condition;
use super::error::{ExpressionError, ExpressionErrorKind, Span};
use super::glob::Glob;
use super::syntax::Node;
use super::value::{RegionLiteral, Value, ValueType};

/// Names of all functions, and how they are called.
const FUNCTIONS: [(&str, &str); 7] = [
    ("POINT", "POINT(ra, dec)"),
    ("CIRCLE", "CIRCLE(ra, dec, radius)"),
    ("BOX", "BOX(ra, dec, width, height)"),
    ("POLYGON", "POLYGON(ra1, dec1, ra2, dec2, ra3, dec3, …)"),
    ("REGION", "REGION('CIRCLE, RANGE or POLYGON and numbers')"),
    ("GLOB", "GLOB(column, 'pattern')"),
    ("UUID", "UUID('hexadecimal digits')"),
];

impl Binder<'_> {
    pub(super) fn call(
        &self,
        name: &str,
        arguments: &[Node],
        span: Span,
    ) -> Result<Operand, ExpressionError> {
        let upper = name.to_ascii_uppercase();
        let Some((_, usage)) = FUNCTIONS.iter().find(|(function, _)| *function == upper) else {
            let names = FUNCTIONS.iter().map(|(function, _)| *function);
            let similar = crate::suggestion::nearest_name(&upper, names).map(str::to_owned);
            let kind = ExpressionErrorKind::UnknownFunction { name: name.to_owned(), similar };
            return Err(self.error(span, kind));
        };
        let wrong = || self.error(span, ExpressionErrorKind::Arguments { usage });
        let region = match (upper.as_str(), arguments) {
            ("GLOB", [value, pattern]) => return self.glob(value, pattern),
            ("UUID", [text]) => {
                let Node::Text(text, _) = text.inside() else { return Err(wrong()) };
                let uuid = parse_uuid(text).ok_or_else(wrong)?;
                return Ok(Operand::Value(Value::Uuid(uuid)));
            }
            ("POINT", [ra, dec]) => self.numbers([ra, dec], true)?.and_then(point),
            ("CIRCLE", [ra, dec, radius]) => {
                self.numbers([ra, dec, radius], false)?.and_then(circle)
            }
            ("BOX", [ra, dec, width, height]) => {
                self.numbers([ra, dec, width, height], false)?.and_then(rectangle)
            }
            ("POLYGON", _) if arguments.len() >= 6 && arguments.len().is_multiple_of(2) => {
                let mut vertices = Vec::with_capacity(arguments.len() / 2);
                for pair in arguments.chunks_exact(2) {
                    let numbers = self.numbers([&pair[0], &pair[1]], false)?;
                    vertices.push(numbers.ok_or_else(wrong)?);
                }
                polygon(&vertices)
            }
            ("REGION", [Node::Text(..) | Node::Bind(..) | Node::Name(..)]) => {
                match self.operand(&arguments[0])? {
                    Operand::Value(Value::Text(text)) => ivoa_region(&text),
                    _ => None,
                }
            }
            _ => None,
        };
        let literal = RegionLiteral::new(region.ok_or_else(wrong)?);
        Ok(Operand::Value(Value::Region(literal)))
    }

    /// Literal numbers; `None` if an argument is none. Most functions take no parentheses around
    /// their arguments.
    fn numbers<const N: usize>(
        &self,
        arguments: [&Node; N],
        parentheses: bool,
    ) -> Result<Option<[f64; N]>, ExpressionError> {
        let mut numbers = [0.0; N];
        for (number, node) in numbers.iter_mut().zip(arguments) {
            if !parentheses && matches!(node, Node::Parentheses(..)) {
                return Ok(None);
            }
            let found = match self.operand(node)? {
                Operand::Value(value) => match value.folded() {
                    Value::Int(number) => Some(number as f64),
                    Value::Float(number) => Some(number),
                    _ => None,
                },
                _ => None,
            };
            let Some(found) = found else { return Ok(None) };
            *number = found;
        }
        Ok(Some(numbers))
    }

    fn glob(&self, value: &Node, pattern: &Node) -> Result<Operand, ExpressionError> {
        let value = value.inside();
        let column = match value {
            Node::Name(..) => self.operand(value)?,
            _ => return Err(self.glob_error(value, "an expression")),
        };
        let column = match column {
            Operand::Value(column @ Value::Column(_, ValueType::Text)) => column,
            other => return Err(self.glob_error(value, other.type_name())),
        };
        let pattern = pattern.inside();
        let text = match pattern {
            Node::Text(..) | Node::Bind(..) => self.operand(pattern)?,
            _ => return Err(self.glob_error(pattern, "an expression")),
        };
        match text {
            Operand::Value(Value::Text(text)) => {
                Ok(Operand::Condition(Condition::Glob(column, Glob::new(&text))))
            }
            other => Err(self.glob_error(pattern, other.type_name())),
        }
    }

    fn glob_error(&self, node: &Node, operand: &'static str) -> ExpressionError {
        self.error(node.span(), ExpressionErrorKind::Operand { operator: "GLOB", operand })
    }
}

fn direction(ra: f64, dec: f64) -> Option<UnitVector3d> {
    LonLat::from_degrees(ra, dec).map(UnitVector3d::from)
}

/// A point is a circle without radius.
fn point([ra, dec]: [f64; 2]) -> Option<Region> {
    Some(Region::Circle(Circle::from_angle(direction(ra, dec)?, 0.0)))
}

/// The middleware passes twice the radius for the circle's opening angle, which is the angle from
/// the center already. So circles have twice the radius that was asked for.
fn circle([ra, dec, radius]: [f64; 3]) -> Option<Region> {
    Some(Region::Circle(Circle::from_angle(direction(ra, dec)?, (radius * 2.0).to_radians())))
}

fn rectangle([ra, dec, width, height]: [f64; 4]) -> Option<Region> {
    let center = LonLat::from_degrees(ra, dec)?;
    let (width, height) = ((width / 2.0).to_radians(), (height / 2.0).to_radians());
    Some(Region::Box(LonLatBox::around(center, width, height)))
}

fn polygon(vertices: &[[f64; 2]]) -> Option<Region> {
    let directions: Option<Vec<UnitVector3d>> =
        vertices.iter().map(|&[ra, dec]| direction(ra, dec)).collect();
    ConvexPolygon::hull(&directions?).ok().map(Region::ConvexPolygon)
}

/// `CIRCLE`, `RANGE` or `POLYGON` and numbers in degrees, as the IVOA's SIA writes positions.
fn ivoa_region(text: &str) -> Option<Region> {
    let mut words = text.split_whitespace();
    let shape = words.next()?;
    let numbers: Vec<f64> = words.map(python_float).collect::<Option<_>>()?;
    match (shape, numbers.as_slice()) {
        ("CIRCLE", &[ra, dec, radius]) => {
            Some(Region::Circle(Circle::from_angle(direction(ra, dec)?, radius.to_radians())))
        }
        ("RANGE", &[west, east, south, north]) => {
            // Infinite bounds stand for the end of the coordinate's range.
            let bound = |value: f64, least: f64, most: f64| match value {
                f64::INFINITY => most,
                f64::NEG_INFINITY => least,
                value => value,
            };
            let lon = |value| bound(value, 0.0, 360.0);
            let lat = |value| bound(value, -90.0, 90.0);
            let low = LonLat::from_degrees(lon(west), lat(south))?;
            let high = LonLat::from_degrees(lon(east), lat(north))?;
            Some(Region::Box(LonLatBox::between(low, high)))
        }
        ("POLYGON", numbers) if numbers.len() >= 6 && numbers.len().is_multiple_of(2) => {
            let pairs: Vec<[f64; 2]> =
                numbers.chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect();
            polygon(&pairs)
        }
        _ => None,
    }
}

/// A number as Python reads one; it differs from Rust in single underscores between digits.
fn python_float(text: &str) -> Option<f64> {
    let bytes = text.as_bytes();
    let joins = |at: usize| {
        let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
        at > 0 && digit(at - 1) && digit(at + 1)
    };
    if (0..bytes.len()).any(|at| bytes[at] == b'_' && !joins(at)) {
        return None;
    }
    text.replace('_', "").parse().ok()
}

/// A UUID as Python reads one: 32 hexadecimal digits, with hyphens anywhere, perhaps in braces and
/// after `urn:` and `uuid:`.
fn parse_uuid(text: &str) -> Option<Uuid> {
    let text = text.replace("urn:", "").replace("uuid:", "");
    let digits = text.trim_matches(['{', '}']).replace('-', "");
    let is_hex = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| u128::from_str_radix(&digits, 16).ok()).flatten().map(Uuid::from_u128)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_may_be_dressed_up() {
        let plain = "01a1f818924c7bd1b8c2d3d17226232c";
        for text in [
            "01a1f818-924c-7bd1-b8c2-d3d17226232c",
            "{01A1F818-924C-7BD1-B8C2-D3D17226232C}",
            "urn:uuid:01a1f818924c7bd1b8c2d3d17226232c",
        ] {
            assert_eq!(parse_uuid(text), Uuid::parse_str(plain).ok(), "{text}");
        }
        assert_eq!(parse_uuid("01a1f818"), None);
        assert_eq!(parse_uuid(&"+".repeat(32)), None);
    }

    #[test]
    fn circles_are_twice_as_wide_as_asked_for() {
        let Some(Region::Circle(found)) = circle([10.0, 0.0, 1.5]) else { panic!("a circle") };
        assert!((found.angle().to_degrees() - 3.0).abs() < 1e-12);
        let Some(Region::Circle(found)) = ivoa_region("CIRCLE 10 0 1.5") else {
            panic!("a circle")
        };
        assert!((found.angle().to_degrees() - 1.5).abs() < 1e-12);
    }

    #[test]
    fn positions_that_are_none_are_refused() {
        for text in ["", "CIRCLE 1 2", "CIRCLE 1 95 2", "RANGE 1 2 3", "BLOB 1 2 3", "CIRCLE 1 2 x"]
        {
            assert!(ivoa_region(text).is_none(), "{text}");
        }
        assert!(ivoa_region("RANGE -Inf +Inf -Inf +Inf").is_some());
    }
}
