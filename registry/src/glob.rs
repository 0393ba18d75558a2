//! Shell globs as the middleware accepts them for names of collections.

/// Whether a name is meant as a pattern: it has `*`, `?` or a `[` that is closed.
#[must_use]
pub fn is_glob(text: &str) -> bool {
    text.contains(['*', '?']) || text.find('[').is_some_and(|open| text[open + 1..].contains(']'))
}

/// A pattern of `*`, `?`, `[abc]`, `[a-z]` and `[!abc]` that must match the whole of a name.
/// There are no escapes and slashes are ordinary characters.
#[derive(Debug, Clone)]
pub struct Glob(Vec<Token>);

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Literal(char),
    AnyOne,
    AnyRun,
    Set { negated: bool, ranges: Vec<(char, char)> },
}

impl Glob {
    /// Reads a pattern.
    #[must_use]
    pub fn new(pattern: &str) -> Self {
        let chars: Vec<char> = pattern.chars().collect();
        let mut tokens = Vec::new();
        let mut at = 0;
        while let Some(&char) = chars.get(at) {
            at += 1;
            tokens.push(match char {
                '*' => Token::AnyRun,
                '?' => Token::AnyOne,
                '[' => match set(&chars[at..]) {
                    Some((token, length)) => {
                        at += length;
                        token
                    }
                    None => Token::Literal('['),
                },
                char => Token::Literal(char),
            });
        }
        tokens.dedup_by(|a, b| *a == Token::AnyRun && *b == Token::AnyRun);
        Self(tokens)
    }

    /// Whether the whole of a name fits.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let name: Vec<char> = name.chars().collect();
        let (mut token, mut at) = (0, 0);
        // Where to go on if the last `*` has to take one more character.
        let mut retry: Option<(usize, usize)> = None;
        loop {
            match self.0.get(token) {
                None if at == name.len() => return true,
                Some(Token::AnyRun) => {
                    retry = Some((token + 1, at));
                    token += 1;
                    continue;
                }
                Some(single) if at < name.len() && single.accepts(name[at]) => {
                    token += 1;
                    at += 1;
                    continue;
                }
                _ => {}
            }
            match &mut retry {
                Some((next, taken)) if *taken < name.len() => {
                    *taken += 1;
                    (token, at) = (*next, *taken);
                }
                _ => return false,
            }
        }
    }
}

impl Token {
    fn accepts(&self, char: char) -> bool {
        match self {
            Self::Literal(literal) => *literal == char,
            Self::AnyOne | Self::AnyRun => true,
            Self::Set { negated, ranges } => {
                ranges.iter().any(|&(first, last)| first <= char && char <= last) != *negated
            }
        }
    }
}

/// A name, or a glob that must match the end of one: this is how the middleware reads lists of
/// dataset types to retain, where `raw*` also means `my_raw_image`.
#[derive(Debug, Clone)]
pub struct NamePattern(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Name(String),
    Ending(Glob),
}

impl NamePattern {
    /// Reads a name or a glob.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(match is_glob(text) {
            true => Kind::Ending(Glob::new(text)),
            false => Kind::Name(text.to_owned()),
        })
    }

    /// Whether a name is meant.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        match &self.0 {
            Kind::Name(text) => text == name,
            Kind::Ending(glob) => {
                glob.matches("") || name.char_indices().any(|(at, _)| glob.matches(&name[at..]))
            }
        }
    }
}

/// The set whose text follows a `[`, and how many characters it took; `None` if it is not closed.
fn set(chars: &[char]) -> Option<(Token, usize)> {
    let negated = chars.first() == Some(&'!');
    let begin = usize::from(negated);
    // A bracket in first place is a member, not the end.
    let end = begin + 1 + chars.get(begin + 1..)?.iter().position(|&char| char == ']')?;
    let members = &chars[begin..end];
    let mut ranges = Vec::new();
    let mut at = 0;
    while at < members.len() {
        let is_range = at + 2 < members.len() && members[at + 1] == '-';
        let last = if is_range { members[at + 2] } else { members[at] };
        ranges.push((members[at], last));
        at += if is_range { 3 } else { 1 };
    }
    Some((Token::Set { negated, ranges }, end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_whole_names() {
        let cases = [
            ("u/*", "u/me/run1", true),
            ("u/*", "xu/me", false),
            ("u/?e/*1", "u/me/run11", true),
            ("u/?e/*1", "u/mee/run1", false),
            ("*", "", true),
            ("**a**", "bab", true),
            ("run[0-9]", "run5", true),
            ("run[!0-9]", "run5", false),
            ("run[]x]", "run]", true),
            ("run[", "run[", true),
            ("a.b", "axb", false),
            ("*a*b*c", "xxaxxbxxbxc", true),
            ("*a*b*c", "xxaxxbxxbx", false),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(Glob::new(pattern).matches(name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn patterns_of_names_match_their_ends() {
        let cases = [
            ("raw", "raw", true),
            ("raw", "my_raw", false),
            ("raw*", "my_raw_image", true),
            ("*_image", "raw_image2", false),
            ("r?w", "my_raw", true),
            ("[!a]", "ab", true),
            ("[!a]", "ba", false),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(NamePattern::new(pattern).matches(name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn an_open_bracket_alone_makes_no_pattern() {
        assert!(!is_glob("a[b"));
        assert!(!is_glob("a]b["));
        assert!(is_glob("a[b]"));
        assert!(is_glob("a?"));
    }
}
