//! Python's format specifications, as far as path templates use them.

/// How a value is written: `[[fill]align][sign][#][0][width][grouping][.precision][type]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FormatSpec {
    fill: char,
    align: Option<Align>,
    sign: Sign,
    alternate: bool,
    width: usize,
    grouping: Option<char>,
    precision: Option<usize>,
    kind: Option<char>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Align {
    Left,
    Right,
    Center,
    /// Padding between sign and digits.
    Inside,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Negative,
    Always,
    Space,
}

/// Paths are short; wider fields are refused rather than filled.
const MAX_WIDTH: usize = 255;

impl FormatSpec {
    /// The specification without anything in it.
    pub const PLAIN: Self = Self {
        fill: ' ',
        align: None,
        sign: Sign::Negative,
        alternate: false,
        width: 0,
        grouping: None,
        precision: None,
        kind: None,
    };

    /// Reads a specification; `None` if it is not one that is understood.
    pub fn parse(text: &str) -> Option<Self> {
        let chars: Vec<char> = text.chars().collect();
        let mut at = 0;
        let mut spec = Self::PLAIN;
        if let Some(align) = chars.get(1).copied().and_then(align_of) {
            (spec.fill, spec.align) = (chars[0], Some(align));
            at = 2;
        } else if let Some(align) = chars.first().copied().and_then(align_of) {
            spec.align = Some(align);
            at = 1;
        }
        let take = |at: &mut usize, wanted: &[char]| -> Option<char> {
            let found = chars.get(*at).copied().filter(|c| wanted.contains(c))?;
            *at += 1;
            Some(found)
        };
        spec.sign = match take(&mut at, &['+', '-', ' ']) {
            Some('+') => Sign::Always,
            Some(' ') => Sign::Space,
            _ => Sign::Negative,
        };
        spec.alternate = take(&mut at, &['#']).is_some();
        if take(&mut at, &['0']).is_some() && spec.align.is_none() {
            (spec.fill, spec.align) = ('0', Some(Align::Inside));
        }
        let number = |at: &mut usize| -> Option<Option<usize>> {
            let start = *at;
            while chars.get(*at).is_some_and(char::is_ascii_digit) {
                *at += 1;
            }
            if start == *at {
                return Some(None);
            }
            let digits: String = chars[start..*at].iter().collect();
            digits.parse().ok().filter(|&n| n <= MAX_WIDTH).map(Some)
        };
        spec.width = number(&mut at)?.unwrap_or(0);
        if let Some(&grouping @ (',' | '_')) = chars.get(at) {
            spec.grouping = Some(grouping);
            at += 1;
        }
        if chars.get(at) == Some(&'.') {
            at += 1;
            spec.precision = Some(number(&mut at)??);
        }
        if let Some(&kind) = chars.get(at) {
            spec.kind = Some(kind);
            at += 1;
        }
        (at == chars.len()).then_some(spec)
    }

    /// Whether integers can be written so.
    pub fn fits_int(&self) -> bool {
        self.precision.is_none()
            && match self.kind {
                None | Some('d') => true,
                Some('b' | 'o' | 'x' | 'X') => self.grouping != Some(','),
                _ => false,
            }
    }

    /// Whether text can be written so.
    pub fn fits_text(&self) -> bool {
        // A zero before the width fills text on the right, but an explicit `=` is refused.
        let inside = self.align == Some(Align::Inside) && self.fill != '0';
        !inside
            && self.sign == Sign::Negative
            && !self.alternate
            && self.grouping.is_none()
            && matches!(self.kind, None | Some('s'))
    }

    /// Whether nothing is changed.
    pub fn is_plain(&self) -> bool {
        *self == Self::PLAIN
    }

    /// Appends an integer.
    pub fn write_int(&self, value: i64, out: &mut String) {
        use std::fmt::Write as _;
        if self.is_plain() {
            // Writing to a string cannot fail.
            let _ = write!(out, "{value}");
            return;
        }
        let magnitude = value.unsigned_abs();
        let (digits, prefix) = match self.kind {
            Some('b') => (format!("{magnitude:b}"), "0b"),
            Some('o') => (format!("{magnitude:o}"), "0o"),
            Some('x') => (format!("{magnitude:x}"), "0x"),
            Some('X') => (format!("{magnitude:X}"), "0X"),
            _ => (magnitude.to_string(), ""),
        };
        let mut head = match (value < 0, self.sign) {
            (true, _) => "-".to_owned(),
            (false, Sign::Always) => "+".to_owned(),
            (false, Sign::Space) => " ".to_owned(),
            (false, Sign::Negative) => String::new(),
        };
        if self.alternate {
            head.push_str(prefix);
        }
        let zeros = self.align == Some(Align::Inside) && self.fill == '0';
        let digits = match self.grouping {
            Some(separator) => {
                let every = if prefix.is_empty() { 3 } else { 4 };
                let room = if zeros { self.width.saturating_sub(head.len()) } else { 0 };
                grouped(&digits, separator, every, room)
            }
            None => digits,
        };
        let padding = self.width.saturating_sub(head.len() + digits.len());
        let (left, inside, right) = match self.align.unwrap_or(Align::Right) {
            Align::Right => (padding, 0, 0),
            Align::Left => (0, 0, padding),
            Align::Center => (padding / 2, 0, padding - padding / 2),
            Align::Inside => (0, padding, 0),
        };
        let fill = |n: usize, out: &mut String| out.extend(std::iter::repeat_n(self.fill, n));
        fill(left, out);
        out.push_str(&head);
        fill(inside, out);
        out.push_str(&digits);
        fill(right, out);
    }

    /// Appends what `value` writes as text.
    pub fn write_text(&self, value: &str, out: &mut String) {
        if self.is_plain() {
            out.push_str(value);
            return;
        }
        let length = value.chars().count().min(self.precision.unwrap_or(usize::MAX));
        let padding = self.width.saturating_sub(length);
        let (left, right) = match self.align.unwrap_or(Align::Left) {
            Align::Left | Align::Inside => (0, padding),
            Align::Right => (padding, 0),
            Align::Center => (padding / 2, padding - padding / 2),
        };
        out.extend(std::iter::repeat_n(self.fill, left));
        out.extend(value.chars().take(length));
        out.extend(std::iter::repeat_n(self.fill, right));
    }
}

fn align_of(c: char) -> Option<Align> {
    match c {
        '<' => Some(Align::Left),
        '>' => Some(Align::Right),
        '^' => Some(Align::Center),
        '=' => Some(Align::Inside),
        _ => None,
    }
}

/// Puts separators between groups of digits, and zeros before them up to a width; a separator
/// never comes first, so that the result may be one wider.
fn grouped(digits: &str, separator: char, every: usize, width: usize) -> String {
    let mut reversed = String::with_capacity(width.max(digits.len() * 2));
    let mut source = digits.chars().rev();
    let mut written = 0;
    loop {
        let digit = source.next();
        if digit.is_none() && reversed.len() >= width {
            break;
        }
        if written > 0 && written % every == 0 {
            reversed.push(separator);
        }
        reversed.push(digit.unwrap_or('0'));
        written += 1;
    }
    reversed.chars().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Results of Python's `format(value, spec)`.
    #[test]
    fn integers_are_written_as_python_does() {
        for (value, spec, expected) in [
            (1, "", "1"),
            (1, "03d", "001"),
            (-1, "03d", "-01"),
            (1001, "08d", "00001001"),
            (42, "x", "2a"),
            (42, "#06x", "0x002a"),
            (42, "+d", "+42"),
            (42, " d", " 42"),
            (7, "*^5", "**7**"),
            (7, "<3", "7  "),
            (7, "_>4d", "___7"),
            (1_234_567, ",", "1,234,567"),
            (1_234_567, "_", "1_234_567"),
            (1234, "010,", "00,001,234"),
            (1234, "08,", "0,001,234"),
            (65535, "_b", "1111_1111_1111_1111"),
            (-5, "=5", "-   5"),
            (i64::MIN, "d", "-9223372036854775808"),
        ] {
            let spec_read = FormatSpec::parse(spec).unwrap();
            assert!(spec_read.fits_int(), "{spec}");
            let mut out = String::new();
            spec_read.write_int(value, &mut out);
            assert_eq!(out, expected, "{spec}");
        }
    }

    #[test]
    fn text_is_written_as_python_does() {
        for (value, spec, expected) in [
            ("ab", "", "ab"),
            ("ab", "5s", "ab   "),
            ("ab", ">5", "   ab"),
            ("ab", "*^5s", "*ab**"),
            ("ab", "05", "ab000"),
            ("abcdef", ".3", "abc"),
            ("é1", "3", "é1 "),
        ] {
            let spec_read = FormatSpec::parse(spec).unwrap();
            assert!(spec_read.fits_text(), "{spec}");
            let mut out = String::new();
            spec_read.write_text(value, &mut out);
            assert_eq!(out, expected, "{spec}");
        }
    }

    #[test]
    fn what_python_refuses_is_refused() {
        for spec in ["d3", "{width}", "999999", "3.", "dd"] {
            assert_eq!(FormatSpec::parse(spec), None, "{spec}");
        }
        for spec in [".3d", "s", ",x", "c", "f"] {
            assert!(!FormatSpec::parse(spec).is_some_and(|s| s.fits_int()), "{spec}");
        }
        for spec in ["d", "+", "=5", ",", "#"] {
            assert!(!FormatSpec::parse(spec).is_some_and(|s| s.fits_text()), "{spec}");
        }
    }
}
