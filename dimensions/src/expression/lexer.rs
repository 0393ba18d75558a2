//! Splitting the text of an expression into tokens.

use super::error::{ExpressionError, ExpressionErrorKind, Span};

/// A token; names keep their case, keywords lose it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Number(String),
    Text(String),
    Time(String),
    Range { first: i64, last: i64, stride: u64 },
    Name(String),
    Bind(String),
    And,
    Or,
    Not,
    In,
    Overlaps,
    Symbol(&'static str),
    End,
}

impl Token {
    /// The token as it reads in a message.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Number(text) | Self::Name(text) => format!("`{text}`"),
            Self::Text(text) => format!("'{text}'"),
            Self::Time(text) => format!("T'{text}'"),
            Self::Range { first, last, .. } => format!("`{first}..{last}`"),
            Self::Bind(name) => format!("`:{name}`"),
            Self::And => "AND".to_owned(),
            Self::Or => "OR".to_owned(),
            Self::Not => "NOT".to_owned(),
            Self::In => "IN".to_owned(),
            Self::Overlaps => "OVERLAPS".to_owned(),
            Self::Symbol(text) => format!("`{text}`"),
            Self::End => "the end".to_owned(),
        }
    }
}

/// Longer symbols first.
const SYMBOLS: [&str; 14] =
    ["!=", "<=", ">=", "=", "<", ">", "+", "-", "*", "/", "%", "(", ")", ","];

/// All tokens with their places, an [`Token::End`] last.
pub(super) fn tokens(text: &str) -> Result<Vec<(Token, Span)>, ExpressionError> {
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens = Vec::new();
    loop {
        let (token, span) = lexer.next()?;
        let done = token == Token::End;
        tokens.push((token, span));
        if done {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl Lexer<'_> {
    fn next(&mut self) -> Result<(Token, Span), ExpressionError> {
        self.skip_spaces();
        let begin = self.at;
        let token = self.token()?;
        Ok((token, Span { begin, end: self.at }))
    }

    fn token(&mut self) -> Result<Token, ExpressionError> {
        let Some(byte) = self.peek(0) else {
            return Ok(Token::End);
        };
        let begin = self.at;
        match byte {
            b't' | b'T' if self.peek(1) == Some(b'\'') => {
                self.at += 1;
                self.quoted().map(Token::Time)
            }
            b'\'' => self.quoted().map(Token::Text),
            b'0'..=b'9' | b'.' | b'-' => {
                if let Some(range) = self.range()? {
                    return Ok(range);
                }
                self.number().map_or_else(|| self.symbol(), Ok)
            }
            b':' if self.peek(1).is_some_and(starts_name) => {
                self.at += 1;
                self.word();
                Ok(Token::Bind(self.text[begin + 1..self.at].to_owned()))
            }
            byte if starts_name(byte) => {
                self.word();
                let mut parts = 1;
                while parts < 3
                    && self.peek(0) == Some(b'.')
                    && self.peek(1).is_some_and(starts_name)
                {
                    self.at += 1;
                    self.word();
                    parts += 1;
                }
                let name = &self.text[begin..self.at];
                Ok(match name.to_ascii_uppercase().as_str() {
                    "AND" => Token::And,
                    "OR" => Token::Or,
                    "NOT" => Token::Not,
                    "IN" => Token::In,
                    "OVERLAPS" => Token::Overlaps,
                    _ => Token::Name(name.to_owned()),
                })
            }
            _ => self.symbol(),
        }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    /// Between tokens stand blanks, tabs and line feeds; nothing else.
    fn skip_spaces(&mut self) {
        while matches!(self.peek(0), Some(b' ' | b'\t' | b'\n')) {
            self.at += 1;
        }
    }

    /// Inside a range stands whatever a Python regular expression takes for a space.
    fn skip_range_spaces(&mut self) {
        let is_space = |c: &char| c.is_whitespace() || ('\x1c'..='\x1f').contains(c);
        let spaces = self.text[self.at..].chars().take_while(is_space);
        self.at += spaces.map(char::len_utf8).sum::<usize>();
    }

    fn error(&self, begin: usize, kind: ExpressionErrorKind) -> ExpressionError {
        ExpressionError::new(self.text, Span { begin, end: self.at.max(begin + 1) }, kind)
    }

    fn symbol(&mut self) -> Result<Token, ExpressionError> {
        let rest = &self.text[self.at..];
        if let Some(&symbol) = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
            self.at += symbol.len();
            return Ok(Token::Symbol(symbol));
        }
        let character = rest.chars().next().unwrap_or(' ');
        Err(self.error(self.at, ExpressionErrorKind::Character(character)))
    }

    /// Text up to the next quote; there is no way to write a quote inside.
    fn quoted(&mut self) -> Result<String, ExpressionError> {
        let open = self.at;
        let rest = &self.text[open + 1..];
        match rest.find(['\'', '\n']) {
            Some(length) if rest.as_bytes()[length] == b'\'' => {
                self.at = open + length + 2;
                Ok(rest[..length].to_owned())
            }
            _ => Err(self.error(open, ExpressionErrorKind::UnterminatedText)),
        }
    }

    fn word(&mut self) {
        while self.peek(0).is_some_and(|byte| starts_name(byte) || byte.is_ascii_digit()) {
            self.at += 1;
        }
    }

    fn digits(&mut self) -> bool {
        let begin = self.at;
        while self.peek(0).is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        self.at > begin
    }

    fn integer(&mut self) -> Result<Option<i64>, ExpressionError> {
        let begin = self.at;
        if self.peek(0) == Some(b'-') {
            self.at += 1;
        }
        if !self.digits() {
            return Ok(None);
        }
        let text = &self.text[begin..self.at];
        text.parse()
            .map(Some)
            .map_err(|_| self.error(begin, ExpressionErrorKind::Number(text.to_owned())))
    }

    /// `first..last[:stride]`, tried before numbers and the minus sign.
    fn range(&mut self) -> Result<Option<Token>, ExpressionError> {
        let begin = self.at;
        let range = self.range_after(begin)?;
        if range.is_none() {
            self.at = begin;
        }
        Ok(range)
    }

    fn range_after(&mut self, begin: usize) -> Result<Option<Token>, ExpressionError> {
        if self.peek(0) == Some(b'-') {
            self.at += 1;
        }
        if !self.digits() {
            return Ok(None);
        }
        self.skip_range_spaces();
        if self.peek(0) != Some(b'.') || self.peek(1) != Some(b'.') {
            return Ok(None);
        }
        let after = self.at + 2;
        self.at = begin;
        let Some(first) = self.integer()? else { return Ok(None) };
        self.at = after;
        self.skip_range_spaces();
        let Some(last) = self.integer()? else { return Ok(None) };
        let end = self.at;
        self.skip_range_spaces();
        let mut stride = 1;
        if self.peek(0) == Some(b':') {
            self.at += 1;
            self.skip_range_spaces();
            let digits = self.at;
            if self.peek(0) != Some(b'0') && self.digits() {
                let text = &self.text[digits..self.at];
                let number: i64 = text.parse().map_err(|_| {
                    self.error(digits, ExpressionErrorKind::Number(text.to_owned()))
                })?;
                stride = number.unsigned_abs();
                return Ok(Some(Token::Range { first, last, stride }));
            }
        }
        self.at = end;
        Ok(Some(Token::Range { first, last, stride }))
    }

    fn number(&mut self) -> Option<Token> {
        let begin = self.at;
        if self.digits() {
            if self.peek(0) == Some(b'.') {
                self.at += 1;
                self.digits();
            }
        } else {
            if self.peek(0) == Some(b'.') {
                self.at += 1;
            }
            if self.at == begin || !self.digits() {
                self.at = begin;
                return None;
            }
        }
        let mantissa = self.at;
        if matches!(self.peek(0), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(0), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if !self.digits() {
                self.at = mantissa;
            }
        }
        Some(Token::Number(self.text[begin..self.at].to_owned()))
    }
}

fn starts_name(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<Token> {
        tokens(text).unwrap().into_iter().map(|(token, _)| token).collect()
    }

    #[test]
    fn keywords_lose_their_case_and_names_keep_it() {
        let expected = [
            Token::Name("Visit".into()),
            Token::In,
            Token::Not,
            Token::Name("a.b.c".into()),
            Token::End,
        ];
        assert_eq!(kinds("Visit iN nOt a.b.c"), expected);
    }

    #[test]
    fn ranges_come_before_numbers_and_signs() {
        assert_eq!(
            kinds("-3 .. 5:2 1. .5 2e3"),
            [
                Token::Range { first: -3, last: 5, stride: 2 },
                Token::Number("1.".into()),
                Token::Number(".5".into()),
                Token::Number("2e3".into()),
                Token::End
            ]
        );
        assert_eq!(kinds("1..5"), [Token::Range { first: 1, last: 5, stride: 1 }, Token::End]);
    }

    #[test]
    fn times_are_quoted_after_a_t_and_strings_end_at_the_next_quote() {
        assert_eq!(
            kinds("t'2025-01-01''x'"),
            [Token::Time("2025-01-01".into()), Token::Text("x".into()), Token::End]
        );
        let error = tokens("a = 'b").unwrap_err();
        assert_eq!((error.column(), error.kind), (5, ExpressionErrorKind::UnterminatedText));
    }

    #[test]
    fn foreign_operators_are_refused_at_their_place() {
        assert_eq!(tokens("visit & 3").unwrap_err().column(), 7);
        let error = tokens("ö").unwrap_err();
        assert_eq!(error.kind, ExpressionErrorKind::Character('ö'));
    }
}
