//! Building the syntax tree by recursive descent.
//!
//! From weakest to strongest: OR, AND, NOT, comparisons (all alike, from left to right), IN, sums,
//! products, signs. A comparison's right operand is at least an IN, so `a = b < c` compares a
//! condition with `c`; binding refuses that later.

use super::error::{ExpressionError, ExpressionErrorKind, Span};
use super::lexer::{Token, tokens};
use super::operator::{ArithmeticOperator, Comparison, Sign};
use super::syntax::{Expression, Item, Node};

/// Nesting beyond this is refused instead of exhausting the stack.
const MAX_DEPTH: u32 = 64;

/// Parses the text of a `where` expression. Blank text always holds.
///
/// # Errors
/// If the text is not in the language; with the place of the first slip.
pub fn parse(text: &str) -> Result<Expression, ExpressionError> {
    let mut parser = Parser { text, tokens: tokens(text)?, at: 0, depth: 0 };
    if *parser.peek() == Token::End {
        return Ok(Expression { text: text.to_owned(), root: None });
    }
    let root = parser.condition()?;
    parser.expect(&Token::End, "AND, OR or the end")?;
    Ok(Expression { text: text.to_owned(), root: Some(root) })
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<(Token, Span)>,
    at: usize,
    /// Nodes above the one being parsed.
    depth: u32,
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        &self.tokens[self.at].0
    }

    fn span(&self) -> Span {
        self.tokens[self.at].1
    }

    /// The current token and its place; the end is never passed.
    fn take(&mut self) -> (Token, Span) {
        let taken = self.tokens[self.at].clone();
        if self.at + 1 < self.tokens.len() {
            self.at += 1;
        }
        taken
    }

    fn takes(&mut self, token: &Token) -> bool {
        let found = self.peek() == token;
        if found {
            self.take();
        }
        found
    }

    fn expect(&mut self, token: &Token, wanted: &'static str) -> Result<Span, ExpressionError> {
        if self.peek() == token {
            return Ok(self.take().1);
        }
        Err(self.unexpected(wanted))
    }

    fn unexpected(&self, wanted: &'static str) -> ExpressionError {
        let found = self.peek().describe();
        self.error(self.span(), ExpressionErrorKind::Expected { wanted, found })
    }

    fn error(&self, span: Span, kind: ExpressionErrorKind) -> ExpressionError {
        ExpressionError::new(self.text, span, kind)
    }

    /// Parses one level deeper.
    fn deeper(
        &mut self,
        parse: impl FnOnce(&mut Self) -> Result<Node, ExpressionError>,
    ) -> Result<Node, ExpressionError> {
        if self.depth >= MAX_DEPTH {
            return Err(self.error(self.span(), ExpressionErrorKind::TooDeep));
        }
        self.depth += 1;
        let node = parse(self);
        self.depth -= 1;
        node
    }

    fn condition(&mut self) -> Result<Node, ExpressionError> {
        let first = self.conjunction()?;
        if *self.peek() != Token::Or {
            return Ok(first);
        }
        let mut parts = vec![first];
        while self.takes(&Token::Or) {
            parts.push(self.conjunction()?);
        }
        Ok(Node::Any(parts))
    }

    fn conjunction(&mut self) -> Result<Node, ExpressionError> {
        let first = self.negation()?;
        if *self.peek() != Token::And {
            return Ok(first);
        }
        let mut parts = vec![first];
        while self.takes(&Token::And) {
            parts.push(self.negation()?);
        }
        Ok(Node::All(parts))
    }

    fn negation(&mut self) -> Result<Node, ExpressionError> {
        if *self.peek() != Token::Not {
            return self.comparison();
        }
        let (_, span) = self.take();
        let operand = self.deeper(Self::negation)?;
        let span = span.to(operand.span());
        Ok(Node::Not(Box::new(operand), span))
    }

    fn comparison(&mut self) -> Result<Node, ExpressionError> {
        let mut left = self.membership()?;
        let before = self.depth;
        while let Some(operator) = comparison(self.peek()) {
            self.take();
            // Each turn puts the nodes so far one level deeper.
            let right = self.deeper(Self::membership)?;
            self.depth += 1;
            left = Node::Compare(operator, Box::new(left), Box::new(right));
        }
        self.depth = before;
        Ok(left)
    }

    fn membership(&mut self) -> Result<Node, ExpressionError> {
        let value = self.arithmetic(false)?;
        let negated = match self.peek() {
            Token::In => false,
            Token::Not if self.tokens.get(self.at + 1).is_some_and(|(t, _)| *t == Token::In) => {
                self.take();
                true
            }
            _ => return Ok(value),
        };
        self.take();
        self.expect(&Token::Symbol("("), "`(`")?;
        let mut items = Vec::new();
        loop {
            items.push(self.item()?);
            if !self.takes(&Token::Symbol(",")) {
                break;
            }
        }
        let end = self.expect(&Token::Symbol(")"), "`,` or `)`")?;
        let span = value.span().to(end);
        Ok(Node::In { value: Box::new(value), items, negated, span })
    }

    /// An item of an IN list: a literal, a range, a bind name, a simple name or a function call.
    fn item(&mut self) -> Result<Item, ExpressionError> {
        const WANTED: &str = "a literal, a range or a bind name";
        let (token, span) = (self.peek().clone(), self.span());
        match token {
            Token::Range { first, last, stride } => {
                self.take();
                Ok(Item::Range { first, last, stride, span })
            }
            Token::Symbol(sign @ ("+" | "-")) => {
                self.take();
                let Token::Number(number) = self.peek().clone() else {
                    return Err(self.unexpected("a number"));
                };
                let span = span.to(self.take().1);
                Ok(Item::Value(Node::Number(format!("{sign}{number}"), span)))
            }
            Token::Name(name) if name.contains('.') => Err(self.unexpected(WANTED)),
            Token::Number(_)
            | Token::Text(_)
            | Token::Time(_)
            | Token::Name(_)
            | Token::Bind(_) => self.primary().map(Item::Value),
            _ => Err(self.unexpected(WANTED)),
        }
    }

    /// Sums of products, or `products` alone.
    fn arithmetic(&mut self, products: bool) -> Result<Node, ExpressionError> {
        let operand = |parser: &mut Self| {
            if products { parser.signed() } else { parser.arithmetic(true) }
        };
        let mut left = operand(self)?;
        let before = self.depth;
        while let Some(operator) = arithmetic(self.peek())
            && operator.is_product() == products
        {
            self.take();
            let right = self.deeper(operand)?;
            self.depth += 1;
            left = Node::Arithmetic(operator, Box::new(left), Box::new(right));
        }
        self.depth = before;
        Ok(left)
    }

    fn signed(&mut self) -> Result<Node, ExpressionError> {
        let sign = match self.peek() {
            Token::Symbol("+") => Sign::Plus,
            Token::Symbol("-") => Sign::Minus,
            _ => return self.primary(),
        };
        let (_, span) = self.take();
        let operand = self.deeper(Self::signed)?;
        let span = span.to(operand.span());
        Ok(Node::Signed(sign, Box::new(operand), span))
    }

    fn primary(&mut self) -> Result<Node, ExpressionError> {
        let (token, span) = (self.peek().clone(), self.span());
        match token {
            Token::Symbol("(") => self.deeper(Self::parentheses),
            Token::Number(text) => self.leaf(Node::Number(text, span)),
            Token::Text(text) => self.leaf(Node::Text(text, span)),
            Token::Time(text) => self.leaf(Node::Time(text, span)),
            Token::Bind(name) => self.leaf(Node::Bind(name, span)),
            Token::Name(name) => {
                self.take();
                if *self.peek() == Token::Symbol("(") && !name.contains('.') {
                    return self.deeper(|parser| parser.call(name, span));
                }
                Ok(Node::Name(name, span))
            }
            Token::Range { .. } => Err(self.unexpected("a value (ranges stand inside IN)")),
            _ => Err(self.unexpected("a value")),
        }
    }

    fn leaf(&mut self, node: Node) -> Result<Node, ExpressionError> {
        self.take();
        Ok(node)
    }

    fn parentheses(&mut self) -> Result<Node, ExpressionError> {
        let (_, open) = self.take();
        let first = self.condition()?;
        if self.takes(&Token::Symbol(",")) {
            let second = self.condition()?;
            let close = self.expect(&Token::Symbol(")"), "`)`")?;
            return Ok(Node::Pair(Box::new(first), Box::new(second), open.to(close)));
        }
        let close = self.expect(&Token::Symbol(")"), "`,` or `)`")?;
        Ok(Node::Parentheses(Box::new(first), open.to(close)))
    }

    fn call(&mut self, name: String, begin: Span) -> Result<Node, ExpressionError> {
        self.take();
        let mut arguments = Vec::new();
        if *self.peek() != Token::Symbol(")") {
            // The middleware's grammar lets a list of arguments begin with a comma.
            self.takes(&Token::Symbol(","));
            loop {
                arguments.push(self.condition()?);
                if !self.takes(&Token::Symbol(",")) {
                    break;
                }
            }
        }
        let end = self.expect(&Token::Symbol(")"), "`,` or `)`")?;
        Ok(Node::Call(name, arguments, begin.to(end)))
    }
}

fn comparison(token: &Token) -> Option<Comparison> {
    Some(match token {
        Token::Overlaps => Comparison::Overlaps,
        Token::Symbol("=") => Comparison::Equal,
        Token::Symbol("!=") => Comparison::NotEqual,
        Token::Symbol("<") => Comparison::Less,
        Token::Symbol("<=") => Comparison::LessEqual,
        Token::Symbol(">") => Comparison::Greater,
        Token::Symbol(">=") => Comparison::GreaterEqual,
        _ => return None,
    })
}

fn arithmetic(token: &Token) -> Option<ArithmeticOperator> {
    Some(match token {
        Token::Symbol("+") => ArithmeticOperator::Add,
        Token::Symbol("-") => ArithmeticOperator::Subtract,
        Token::Symbol("*") => ArithmeticOperator::Multiply,
        Token::Symbol("/") => ArithmeticOperator::Divide,
        Token::Symbol("%") => ArithmeticOperator::Remainder,
        _ => return None,
    })
}
