//! The page is well-formed HTML whatever the run is called.

use std::cell::RefCell;

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::{
    BufferQueue, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
    states::RawKind,
};

use super::document::page;
use crate::report::{Report, ReportLimits};
use crate::synthetic::{Story, at};

/// What was found in a page: elements as they nest, text, and what is wrong.
#[derive(Default)]
struct Found {
    open: RefCell<Vec<String>>,
    /// Beginnings of elements, indented by how deep they are.
    structure: RefCell<Vec<String>>,
    text: RefCell<String>,
    attributes: RefCell<Vec<(String, String)>>,
    wrong: RefCell<Vec<String>>,
}

/// Elements of HTML that have no end.
const VOID: [&str; 2] = ["meta", "br"];

impl TokenSink for Found {
    type Handle = ();

    fn process_token(&self, token: Token, line: u64) -> TokenSinkResult<()> {
        match token {
            Token::TagToken(tag) => {
                let name = tag.name.to_string();
                for attribute in &tag.attrs {
                    let value = attribute.value.to_string();
                    self.attributes.borrow_mut().push((attribute.name.local.to_string(), value));
                }
                let mut open = self.open.borrow_mut();
                if tag.kind == TagKind::EndTag {
                    let expected = open.pop();
                    if expected.as_deref() != Some(&name) {
                        let text = format!("line {line}: </{name}> ends {expected:?}");
                        self.wrong.borrow_mut().push(text);
                    }
                    return TokenSinkResult::Continue;
                }
                let depth = open.len();
                self.structure.borrow_mut().push(format!("{}{name}", "  ".repeat(depth)));
                if !tag.self_closing && !VOID.contains(&name.as_str()) {
                    open.push(name.clone());
                }
                match name.as_str() {
                    "script" => TokenSinkResult::RawData(RawKind::ScriptData),
                    "style" => TokenSinkResult::RawData(RawKind::Rawtext),
                    "title" if !open.contains(&"svg".to_owned()) => {
                        TokenSinkResult::RawData(RawKind::Rcdata)
                    }
                    _ => TokenSinkResult::Continue,
                }
            }
            Token::CharacterTokens(text) => {
                self.text.borrow_mut().push_str(&text);
                TokenSinkResult::Continue
            }
            Token::ParseError(error) => {
                self.wrong.borrow_mut().push(format!("line {line}: {error}"));
                TokenSinkResult::Continue
            }
            Token::NullCharacterToken => {
                self.wrong.borrow_mut().push(format!("line {line}: a null character"));
                TokenSinkResult::Continue
            }
            _ => TokenSinkResult::Continue,
        }
    }
}

fn parsed(text: &str) -> Found {
    let tokenizer = Tokenizer::new(
        Found::default(),
        TokenizerOpts { exact_errors: true, ..Default::default() },
    );
    let input = BufferQueue::default();
    input.push_back(StrTendril::from(text));
    let _ = tokenizer.feed(&input);
    tokenizer.end();
    let found = tokenizer.sink;
    assert_eq!(*found.wrong.borrow(), Vec::<String>::new());
    assert_eq!(*found.open.borrow(), Vec::<String>::new(), "left open");
    found
}

fn page_of(story: &Story) -> String {
    let history = story.history();
    let report = Report::of(&story.graph, &history, None, ReportLimits::default());
    page(&story.graph, &history, &report, at(100.0))
}

#[test]
fn the_structure_of_the_page() {
    let found = parsed(&page_of(&Story::told(true)));
    // Rows and marks are as many as there are quanta; what they are in matters.
    let mut outline: Vec<String> = found.structure.take();
    let wanted = ["tr", "td", "th", "rect", "path", "text", "g", "title", "dt", "dd"];
    outline.retain(|line| !wanted.contains(&line.trim_start()));
    insta::assert_snapshot!(outline.join("\n"));
}

#[test]
fn odd_names_are_text_and_nothing_else() {
    let odd = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&amp;\u{7}";
    let mut story = Story::new();
    story.graph.header.output_run = format!("u/{odd}");
    for task in &mut story.graph.pipeline.tasks {
        task.label.push_str(odd);
    }
    let quantum = story.graph.quanta.iter().next().unwrap();
    let failure = story.failure(quantum, odd, odd);
    story.process(odd, 2, 0).attempt(quantum, 0, 0.0, 1.0, failure);
    let found = parsed(&page_of(&story));
    let structure = found.structure.take();
    assert_eq!(structure.iter().filter(|line| line.trim() == "script").count(), 1);
    assert!(!structure.iter().any(|line| line.trim() == "img"));
    assert!(found.attributes.take().iter().all(|(name, _)| !name.starts_with("on")));
    let shown = odd.replace('\u{7}', "\u{FFFD}");
    assert!(found.text.take().matches(&shown).count() > 5);
}

#[test]
fn nothing_is_loaded() {
    let text = page_of(&Story::told(true));
    let found = parsed(&text);
    for (name, value) in found.attributes.take() {
        assert!(
            !["src", "href", "xlink:href", "action"].contains(&name.as_str()),
            "{name}={value}"
        );
    }
    assert!(!text.contains("url(") && !text.contains("@import") && !text.contains("fetch("));
    assert!(!text.contains("://"), "not even a namespace is needed in HTML");
}

/// Beyond some thousands of attempts, the page does not grow with them.
#[test]
fn large_runs_have_pages_of_bounded_size() {
    let story = Story::new();
    let isr = story.quanta("isr");
    let mut process = story.process("node", 8, 0);
    for i in 0..20_000u32 {
        let quantum = isr[i as usize % isr.len()];
        let begin = f64::from(i / 8) + f64::from(i % 8) / 10.0;
        let outcome = story.failure(quantum, "E", "no");
        process.attempt(quantum, i / 8, begin, begin + 0.9, outcome);
    }
    let text = page_of(&story);
    parsed(&text);
    assert!(text.len() < 1_500_000, "{} bytes", text.len());
}
