//! The grammar, by example and by properties.

use proptest::prelude::*;

use super::error::{ExpressionErrorKind, Span};
use super::operator::{ArithmeticOperator, Comparison, Sign};
use super::parser::parse;
use super::syntax::{Item, Node};

fn tree(text: &str) -> Option<Node> {
    parse(text).unwrap().root
}

fn printed(text: &str) -> String {
    parse(text).unwrap().to_string()
}

#[test]
fn precedence_is_that_of_the_middleware() {
    assert_eq!(printed("NOT detector=1"), "NOT detector = 1");
    for (text, meaning) in [
        ("NOT a AND b", "(NOT a) AND b"),
        ("a=1 OR b=2 AND c=3", "a=1 OR (b=2 AND c=3)"),
        ("a+1*2 < 3", "(a+(1*2)) < 3"),
        ("a % 2 IN (0, 4..6)", "(a % 2) IN (0, 4..6)"),
        ("NOT a NOT IN (1)", "NOT (a NOT IN (1))"),
        ("a OVERLAPS b = c < d", "((a OVERLAPS b) = c) < d"),
        ("- a * b", "(-a) * b"),
        ("a - b - c", "(a - b) - c"),
    ] {
        assert_eq!(tree(text), tree(meaning), "{text}");
    }
    assert_ne!(tree("a - (b - c)"), tree("a - b - c"));
}

#[test]
fn everything_in_the_language_parses() {
    for text in [
        "",
        "  \n ",
        "instrument='Cam' AND visit IN (1..2000:1000)",
        "visit.timespan OVERLAPS (T'2025-01-01', NULL)",
        "POINT(10.2, -0.2) OVERLAPS visit_detector_region.region",
        "POINT(,10.2, -0.2) OVERLAPS visit.region",
        "GLOB(exposure.target_name, 'f*') and exposure.can_see_sky",
        "visit.timespan.begin > :t0 OR x in (:list, -3, +.5)",
        "raw.dataset_id IN (UUID('8a8a8a8a-0000-7000-8000-000000000000'))",
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
    for (text, column) in [
        ("a = NOT b", 5),
        ("a IN ()", 7),
        ("a IN (visit.id)", 7),
        ("a IN ((1))", 7),
        ("a IN (- - 1)", 9),
        ("a.b(1)", 4),
        ("(a, b, c)", 6),
        ("a IN (1) IN (2)", 10),
        ("f(a,)", 5),
        ("a.b.c.d = 1", 6),
    ] {
        assert_eq!(parse(text).unwrap_err().column(), column, "{text}");
    }
}

#[test]
fn depth_is_limited_and_length_is_not() {
    for text in ["(".repeat(100_000), "NOT ".repeat(100_000), "-".repeat(100_000)] {
        assert_eq!(parse(&text).unwrap_err().kind, ExpressionErrorKind::TooDeep);
    }
    for text in ["a".to_owned() + &"+a".repeat(1000), "a".to_owned() + &"=a".repeat(1000)] {
        assert_eq!(parse(&text).unwrap_err().kind, ExpressionErrorKind::TooDeep);
    }
    let long = "a = 1".to_owned() + &" OR a = 1".repeat(100_000);
    assert!(parse(&long).is_ok());
}

fn any_literal() -> impl Strategy<Value = Node> {
    let span = Span::default();
    prop_oneof![
        (0u32..99).prop_map(move |n| Node::Number(n.to_string(), span)),
        "[a-z ]{0,4}".prop_map(move |text| Node::Text(text, span)),
        "[0-9:/-]{0,9}".prop_map(move |text| Node::Time(text, span)),
        "[a-z]{1,3}".prop_map(move |name| Node::Bind(name, span)),
    ]
}

fn any_item() -> impl Strategy<Value = Item> {
    let span = Span::default();
    prop_oneof![
        any_literal().prop_map(Item::Value),
        (-9i32..0).prop_map(move |n| Item::Value(Node::Number(n.to_string(), span))),
        (-9i64..9, -9i64..9, 1u64..4).prop_map(move |(first, last, stride)| Item::Range {
            first,
            last,
            stride,
            span
        }),
    ]
}

fn any_node() -> impl Strategy<Value = Node> {
    let span = Span::default();
    let name = prop::sample::select(vec!["visit", "detector.raft", "a.b.c"])
        .prop_map(move |name| Node::Name(name.to_owned(), span));
    prop_oneof![any_literal(), name].prop_recursive(4, 24, 3, move |inner| {
        let some = || prop::collection::vec(inner.clone(), 2..4);
        prop_oneof![
            some().prop_map(Node::Any),
            some().prop_map(Node::All),
            inner.clone().prop_map(move |a| Node::Not(a.into(), span)),
            (prop::sample::select(Comparison::ALL.to_vec()), inner.clone(), inner.clone())
                .prop_map(|(o, a, b)| Node::Compare(o, a.into(), b.into())),
            (prop::sample::select(ArithmeticOperator::ALL.to_vec()), inner.clone(), inner.clone())
                .prop_map(|(o, a, b)| Node::Arithmetic(o, a.into(), b.into())),
            (prop::sample::select(vec![Sign::Plus, Sign::Minus]), inner.clone())
                .prop_map(move |(sign, a)| Node::Signed(sign, a.into(), span)),
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
            (inner.clone(), prop::collection::vec(any_item(), 1..3), any::<bool>()).prop_map(
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
    fn no_text_makes_the_parser_panic(text in "[ -~ö\u{a0}\n]{0,40}") {
        let _ = parse(&text);
    }

    #[test]
    fn no_tokens_make_the_parser_panic(tokens in prop::collection::vec(prop::sample::select(vec![
        "visit", "a.b", "NOT", "AND", "OR", "IN", "OVERLAPS", "(", ")", ",", "1", "2..3", ":4",
        "-", "=", "'x'", "T'1'", ":b", "%", "POINT", "NULL", ".5", "..",
    ]), 0..24)) {
        let text = tokens.join(" ");
        if let Ok(expression) = parse(&text) {
            let again = parse(&expression.to_string()).unwrap();
            prop_assert_eq!(expression.root, again.root, "{}", text);
        }
    }
}
