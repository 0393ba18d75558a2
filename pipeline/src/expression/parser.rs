//! Reading an expression.

use super::flow::{Flow, Meaning};
use super::problem::TaskExpressionProblem;

/// Deepest nesting of an expression.
const MAX_DEPTH: usize = 200;

/// A word or sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Name { qualifier: Option<char>, name: String },
    Open,
    Close,
    Not,
    Or,
    And,
    Direction { up: bool, inclusive: bool },
}

impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name { qualifier: Some(qualifier), name } => write!(f, "`{qualifier}:{name}`"),
            Self::Name { qualifier: None, name } => write!(f, "`{name}`"),
            Self::Open => f.write_str("`(`"),
            Self::Close => f.write_str("`)`"),
            Self::Not => f.write_str("`~`"),
            Self::Or => f.write_str("`|`"),
            Self::And => f.write_str("`&`"),
            Self::Direction { up, inclusive } => {
                let (sign, equal) =
                    (if *up { '<' } else { '>' }, if *inclusive { "=" } else { "" });
                write!(f, "`{sign}{equal}`")
            }
        }
    }
}

/// Position of a problem in characters from one, and the problem.
pub(super) type Fault = (usize, TaskExpressionProblem);

/// The tokens of an expression with their positions.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, Fault> {
    let chars: Vec<char> = text.chars().collect();
    let word = |from: usize| {
        let is_word = |c: &&char| c.is_alphanumeric() || **c == '_';
        chars[from..].iter().take_while(is_word).collect::<String>()
    };
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&char) = chars.get(at) {
        let begin = at;
        at += 1;
        let token = match char {
            ' ' | '\t' => continue,
            '(' => Token::Open,
            ')' => Token::Close,
            '~' => Token::Not,
            '|' => Token::Or,
            '&' => Token::And,
            '<' | '>' => {
                let inclusive = chars.get(at) == Some(&'=');
                at += usize::from(inclusive);
                Token::Direction { up: char == '<', inclusive }
            }
            'T' | 'D' | 'S' if chars.get(at) == Some(&':') && !word(at + 1).is_empty() => {
                let name = word(at + 1);
                at += 1 + name.chars().count();
                Token::Name { qualifier: Some(char), name }
            }
            _ => {
                let name = word(begin);
                if name.is_empty() {
                    return Err((begin + 1, TaskExpressionProblem::Character(char)));
                }
                at = begin + name.chars().count();
                Token::Name { qualifier: None, name }
            }
        };
        tokens.push((begin + 1, token));
    }
    Ok(tokens)
}

/// Parses and evaluates at once: an expression is a set of tasks.
pub(super) struct Parser<'a> {
    tokens: &'a [(usize, Token)],
    at: usize,
    end: usize,
    flow: &'a Flow<'a>,
    depth: usize,
}

impl<'a> Parser<'a> {
    /// `end` is the position after the last character.
    pub(super) fn new(tokens: &'a [(usize, Token)], end: usize, flow: &'a Flow<'a>) -> Self {
        Self { tokens, at: 0, end, flow, depth: 0 }
    }

    /// Whether each task is selected by all that is written.
    pub(super) fn whole(mut self) -> Result<Vec<bool>, Fault> {
        let selected = self.union()?;
        match self.peek() {
            Some(_) => Err(self.expected("an operator or the end")),
            None => Ok(selected),
        }
    }

    fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at).map(|(_, token)| token)
    }

    fn position(&self) -> usize {
        self.tokens.get(self.at).map_or(self.end, |(at, _)| *at)
    }

    fn expected(&self, expected: &'static str) -> Fault {
        let found = self.peek().map_or("the end".to_owned(), ToString::to_string);
        (self.position(), TaskExpressionProblem::Syntax { expected, found })
    }

    fn union(&mut self) -> Result<Vec<bool>, Fault> {
        let mut all = self.intersection()?;
        while self.peek() == Some(&Token::Or) {
            self.at += 1;
            let more = self.intersection()?;
            all.iter_mut().zip(more).for_each(|(a, b)| *a |= b);
        }
        Ok(all)
    }

    fn intersection(&mut self) -> Result<Vec<bool>, Fault> {
        let mut all = self.unary()?;
        while self.peek() == Some(&Token::And) {
            self.at += 1;
            let more = self.unary()?;
            all.iter_mut().zip(more).for_each(|(a, b)| *a &= b);
        }
        Ok(all)
    }

    fn unary(&mut self) -> Result<Vec<bool>, Fault> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err((self.position(), TaskExpressionProblem::Depth));
        }
        let selected = match self.peek() {
            Some(Token::Not) => {
                self.at += 1;
                self.unary()?.into_iter().map(|selected| !selected).collect()
            }
            Some(Token::Open) => {
                self.at += 1;
                let inside = self.union()?;
                if self.peek() != Some(&Token::Close) {
                    return Err(self.expected("`)` or an operator"));
                }
                self.at += 1;
                inside
            }
            Some(&Token::Direction { up, inclusive }) => {
                self.at += 1;
                let at = self.position();
                let meaning = self.name("a label or dataset type")?;
                let found = match up {
                    true => self.flow.upstream(meaning, inclusive),
                    false => self.flow.downstream(meaning, inclusive),
                };
                found.map_err(|problem| (at, problem))?
            }
            _ => {
                let at = self.position();
                let meaning = self.name("a label, a dataset type, `~`, `<`, `>` or `(`")?;
                self.flow.tasks(meaning).map_err(|problem| (at, problem))?
            }
        };
        self.depth -= 1;
        Ok(selected)
    }

    fn name(&mut self, expected: &'static str) -> Result<Meaning<'a>, Fault> {
        let Some(Token::Name { qualifier, name }) = self.peek() else {
            return Err(self.expected(expected));
        };
        let at = self.position();
        self.at += 1;
        self.flow.meaning(*qualifier, name).map_err(|problem| (at, problem))
    }
}
