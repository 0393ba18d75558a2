//! Building the syntax tree, by operator precedence.

use super::error::{ExpressionError, ExpressionErrorKind, Span};
use super::lexer::{Token, tokens};
use super::syntax::{BinaryOperator, Expression, IN, Item, NOT, Node, SIGN, UnaryOperator};

/// Nesting beyond this is refused instead of exhausting the stack.
const MAX_DEPTH: u32 = 128;

/// Parses the text of a `where` expression. Blank text always holds.
///
/// # Errors
/// If the text is not in the language; with the place of the first slip.
pub fn parse(text: &str) -> Result<Expression, ExpressionError> {
    let mut parser = Parser { text, tokens: tokens(text)?, at: 0, depth: 0 };
    if *parser.peek() == Token::End {
        return Ok(Expression { text: text.to_owned(), root: None });
    }
    let root = parser.expression(0)?;
    parser.expect(&Token::End, "AND, OR or the end")?;
    Ok(Expression { text: text.to_owned(), root: Some(root) })
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<(Token, Span)>,
    at: usize,
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

    /// An expression of operators that bind at least as strongly as `at_least`.
    fn expression(&mut self, at_least: u8) -> Result<Node, ExpressionError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error(self.span(), ExpressionErrorKind::TooDeep));
        }
        let mut left = self.operand()?;
        loop {
            if let Some(negated) = self.in_ahead()
                && IN >= at_least
            {
                left = self.membership(left, negated)?;
                continue;
            }
            let Some(operator) = binary_operator(self.peek()) else { break };
            if operator.precedence() < at_least {
                break;
            }
            self.take();
            let right = self.expression(operator.precedence() + 1)?;
            let span = left.span().to(right.span());
            left = Node::Binary(operator, Box::new(left), Box::new(right), span);
        }
        self.depth -= 1;
        Ok(left)
    }

    fn in_ahead(&self) -> Option<bool> {
        match self.peek() {
            Token::In => Some(false),
            Token::Not if self.tokens.get(self.at + 1).is_some_and(|(t, _)| *t == Token::In) => {
                Some(true)
            }
            _ => None,
        }
    }

    fn membership(&mut self, value: Node, negated: bool) -> Result<Node, ExpressionError> {
        if negated {
            self.take();
        }
        self.take();
        self.expect(&Token::Symbol("("), "`(`")?;
        let mut items = Vec::new();
        loop {
            items.push(match self.peek() {
                Token::Range { first, last, stride } => {
                    let (first, last, stride) = (*first, *last, *stride);
                    let (_, span) = self.take();
                    Item::Range { first, last, stride, span }
                }
                _ => Item::Value(self.expression(SIGN)?),
            });
            if !self.takes(&Token::Symbol(",")) {
                break;
            }
        }
        let end = self.expect(&Token::Symbol(")"), "`,` or `)`")?;
        let span = value.span().to(end);
        Ok(Node::In { value: Box::new(value), items, negated, span })
    }

    fn operand(&mut self) -> Result<Node, ExpressionError> {
        let (token, span) = (self.peek().clone(), self.span());
        match token {
            Token::Not => self.unary(UnaryOperator::Not, NOT),
            Token::Symbol("+") => self.unary(UnaryOperator::Plus, SIGN),
            Token::Symbol("-") => self.unary(UnaryOperator::Minus, SIGN),
            Token::Symbol("(") => self.parentheses(),
            Token::Number(text) => self.leaf(Node::Number(text, span)),
            Token::Text(text) => self.leaf(Node::Text(text, span)),
            Token::Time(text) => self.leaf(Node::Time(text, span)),
            Token::Bind(name) => self.leaf(Node::Bind(name, span)),
            Token::Name(name) => {
                self.take();
                if *self.peek() == Token::Symbol("(") {
                    return self.call(name, span);
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

    fn unary(&mut self, operator: UnaryOperator, precedence: u8) -> Result<Node, ExpressionError> {
        let (_, span) = self.take();
        let operand = self.expression(precedence)?;
        let span = span.to(operand.span());
        Ok(Node::Unary(operator, Box::new(operand), span))
    }

    fn parentheses(&mut self) -> Result<Node, ExpressionError> {
        let (_, open) = self.take();
        let first = self.expression(0)?;
        if self.takes(&Token::Symbol(",")) {
            let second = self.expression(0)?;
            let close = self.expect(&Token::Symbol(")"), "`)`")?;
            return Ok(Node::Pair(Box::new(first), Box::new(second), open.to(close)));
        }
        self.expect(&Token::Symbol(")"), "`)`")?;
        Ok(first)
    }

    fn call(&mut self, name: String, begin: Span) -> Result<Node, ExpressionError> {
        self.take();
        let mut arguments = Vec::new();
        if *self.peek() != Token::Symbol(")") {
            loop {
                arguments.push(self.expression(0)?);
                if !self.takes(&Token::Symbol(",")) {
                    break;
                }
            }
        }
        let end = self.expect(&Token::Symbol(")"), "`,` or `)`")?;
        Ok(Node::Call(name, arguments, begin.to(end)))
    }
}

fn binary_operator(token: &Token) -> Option<BinaryOperator> {
    Some(match token {
        Token::Or => BinaryOperator::Or,
        Token::And => BinaryOperator::And,
        Token::Overlaps => BinaryOperator::Overlaps,
        Token::Symbol("=") => BinaryOperator::Equal,
        Token::Symbol("!=") => BinaryOperator::NotEqual,
        Token::Symbol("<") => BinaryOperator::Less,
        Token::Symbol("<=") => BinaryOperator::LessEqual,
        Token::Symbol(">") => BinaryOperator::Greater,
        Token::Symbol(">=") => BinaryOperator::GreaterEqual,
        Token::Symbol("+") => BinaryOperator::Add,
        Token::Symbol("-") => BinaryOperator::Subtract,
        Token::Symbol("*") => BinaryOperator::Multiply,
        Token::Symbol("/") => BinaryOperator::Divide,
        Token::Symbol("%") => BinaryOperator::Remainder,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tree(text: &str) -> Option<Node> {
        parse(text).unwrap().root
    }

    fn printed(text: &str) -> String {
        parse(text).unwrap().to_string()
    }

    #[test]
    fn precedence_is_that_of_the_middleware() {
        assert_eq!(printed("NOT detector=1"), "NOT detector = 1");
        assert_eq!(tree("NOT a AND b"), tree("(NOT a) AND b"));
        assert_eq!(tree("a=1 OR b=2 AND c=3"), tree("a=1 OR (b=2 AND c=3)"));
        assert_eq!(tree("a+1*2 < 3"), tree("(a+(1*2)) < 3"));
        assert_eq!(tree("a % 2 IN (0, 4..6)"), tree("(a % 2) IN (0, 4..6)"));
        assert_eq!(tree("NOT a NOT IN (1)"), tree("NOT (a NOT IN (1))"));
        assert_eq!(printed("(a - b) - c - (d - e)"), "a - b - c - (d - e)");
    }

    #[test]
    fn everything_in_the_language_parses() {
        for text in [
            "",
            "  \n ",
            "instrument='Cam' AND visit IN (1..2000:1000)",
            "visit.timespan OVERLAPS (T'2025-01-01', NULL)",
            "POINT(10.2, -0.2) OVERLAPS visit_detector_region.region",
            "GLOB(exposure.target_name, 'f*') and exposure.can_see_sky",
            "visit.timespan.begin > :t0 OR x in (:list, -3)",
            "f()",
        ] {
            parse(text).unwrap();
        }
    }

    #[test]
    fn slips_are_reported_where_they_are() {
        let message = |text: &str| parse(text).unwrap_err().to_string();
        assert_eq!(
            message("visit = 1 AND"),
            "in `visit = 1 AND`, column 14: expected a value, found the end"
        );
        assert_eq!(message("visit == 1"), "in `visit == 1`, column 8: expected a value, found `=`");
        assert_eq!(
            message("visit = 1..3"),
            "in `visit = 1..3`, column 9: expected a value (ranges stand inside IN), found `1..3`"
        );
        assert_eq!(
            message("visit IN (1, 2"),
            "in `visit IN (1, 2`, column 15: expected `,` or `)`, found the end"
        );
        let deep = "(".repeat(100_000);
        assert_eq!(parse(&deep).unwrap_err().kind, ExpressionErrorKind::TooDeep);
    }

    fn any_value() -> impl Strategy<Value = Node> {
        let span = Span::default();
        prop_oneof![
            (0u32..99).prop_map(move |n| Node::Number(n.to_string(), span)),
            "[a-z ]{0,4}".prop_map(move |text| Node::Text(text, span)),
            prop::sample::select(vec!["visit", "detector.raft", "a.b.c"])
                .prop_map(move |name| Node::Name(name.to_owned(), span)),
            "[a-z]{1,3}".prop_map(move |name| Node::Bind(name, span)),
        ]
    }

    fn any_operator() -> impl Strategy<Value = BinaryOperator> {
        use BinaryOperator as B;
        prop::sample::select(vec![
            B::Or,
            B::And,
            B::Overlaps,
            B::Equal,
            B::NotEqual,
            B::Less,
            B::LessEqual,
            B::Greater,
            B::GreaterEqual,
            B::Add,
            B::Subtract,
            B::Multiply,
            B::Divide,
            B::Remainder,
        ])
    }

    fn any_node() -> impl Strategy<Value = Node> {
        let span = Span::default();
        any_value().prop_recursive(4, 24, 3, move |inner| {
            let item = prop_oneof![
                any_value().prop_map(Item::Value),
                (-9i64..9, -9i64..9, 1u64..4).prop_map(move |(first, last, stride)| {
                    Item::Range { first, last, stride, span }
                }),
            ];
            let unary = prop::sample::select(vec![
                UnaryOperator::Not,
                UnaryOperator::Plus,
                UnaryOperator::Minus,
            ]);
            prop_oneof![
                (any_operator(), inner.clone(), inner.clone())
                    .prop_map(move |(o, a, b)| Node::Binary(o, a.into(), b.into(), span)),
                (unary, inner.clone()).prop_map(move |(o, a)| Node::Unary(o, a.into(), span)),
                (inner.clone(), inner.clone()).prop_map(move |(a, b)| Node::Pair(
                    a.into(),
                    b.into(),
                    span
                )),
                prop::collection::vec(inner.clone(), 0..3).prop_map(move |arguments| Node::Call(
                    "f".to_owned(),
                    arguments,
                    span
                )),
                (inner, prop::collection::vec(item, 1..3), any::<bool>()).prop_map(
                    move |(value, items, negated)| Node::In {
                        value: value.into(),
                        items,
                        negated,
                        span
                    }
                ),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_to_the_same_tree(node in any_node()) {
            let text = node.to_string();
            prop_assert_eq!(parse(&text).map(|e| e.root), Ok(Some(node)), "{}", text);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "[ -~ö\n]{0,40}") {
            let _ = parse(&text);
        }
    }
}
