//! The patterns of GLOB.

/// A pattern of `*` for anything and `?` for one character; a backslash takes the meaning from
/// these, from brackets and from a backslash, and stands for itself before anything else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    text: String,
    symbols: Box<[Symbol]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Symbol {
    Anything,
    Character,
    Exactly(char),
}

impl Glob {
    /// Reads a pattern; every text is one.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut symbols = Vec::with_capacity(text.len());
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            symbols.push(match character {
                '*' => Symbol::Anything,
                '?' => Symbol::Character,
                '\\' => match characters.next_if(|next| "\\[]*?".contains(*next)) {
                    Some(escaped) => Symbol::Exactly(escaped),
                    None => Symbol::Exactly('\\'),
                },
                other => Symbol::Exactly(other),
            });
        }
        Self { text: text.to_owned(), symbols: symbols.into() }
    }

    /// The pattern as written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it matches everything, even what is null.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.text == "*"
    }

    /// Whether it matches the whole text.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let mut rest = text.chars();
        let mut at = 0;
        // Where to go on if the present try fails: after the last star, one character later.
        let mut retry: Option<(usize, std::str::Chars<'_>)> = None;
        loop {
            match self.symbols.get(at) {
                Some(Symbol::Anything) => {
                    at += 1;
                    retry = Some((at, rest.clone()));
                    continue;
                }
                None if rest.as_str().is_empty() => return true,
                Some(symbol) => {
                    let mut ahead = rest.clone();
                    let fits = ahead.next().is_some_and(|character| match symbol {
                        Symbol::Exactly(wanted) => *wanted == character,
                        _ => true,
                    });
                    if fits {
                        (at, rest) = (at + 1, ahead);
                        continue;
                    }
                }
                None => {}
            }
            let Some((after, from)) = &mut retry else { return false };
            if from.next().is_none() {
                return false;
            }
            (at, rest) = (*after, from.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_whole_texts() {
        for (pattern, text, expected) in [
            ("f*d", "field", true),
            ("f*d", "fields", false),
            ("*", "", true),
            ("?", "", false),
            ("?", "ö", true),
            ("a*b*c", "aXbYbZc", true),
            ("", "", true),
            ("F*", "field", false),
            ("a*", "", false),
            (r"\*", "*", true),
            (r"\*", "x", false),
            (r"a\", r"a\", true),
            (r"\x", r"\x", true),
            ("[ab]", "[ab]", true),
            ("[ab]", "a", false),
        ] {
            assert_eq!(Glob::new(pattern).matches(text), expected, "{pattern} {text}");
        }
    }
}
