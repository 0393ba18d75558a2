//! Writing HTML, so that every element is closed and every text escaped.

use std::fmt::{Display, Write as _};

/// A document that is being written.
#[derive(Debug, Default)]
pub(super) struct Markup {
    text: String,
}

impl Markup {
    /// What was written.
    pub fn into_string(self) -> String {
        self.text
    }

    /// An element with what `content` writes into it.
    pub fn element(
        &mut self,
        name: &str,
        attributes: &[(&str, &dyn Display)],
        content: impl FnOnce(&mut Self),
    ) {
        self.tag(name, attributes);
        self.text.push('>');
        content(self);
        let _ = write!(self.text, "</{name}>");
    }

    /// An element that holds a text.
    pub fn leaf(&mut self, name: &str, attributes: &[(&str, &dyn Display)], text: &str) {
        self.element(name, attributes, |markup| markup.text(text));
    }

    /// An element of SVG that holds nothing, or one of those of HTML that never do.
    pub fn empty(&mut self, name: &str, attributes: &[(&str, &dyn Display)]) {
        self.tag(name, attributes);
        self.text.push_str("/>");
    }

    /// Text.
    pub fn text(&mut self, text: &str) {
        escape(text, &mut self.text);
    }

    /// What is markup already: parts of this program, never of a run.
    pub fn trusted(&mut self, markup: &'static str) {
        self.text.push_str(markup);
    }

    fn tag(&mut self, name: &str, attributes: &[(&str, &dyn Display)]) {
        self.text.push('<');
        self.text.push_str(name);
        for (name, value) in attributes {
            let _ = write!(self.text, " {name}=\"");
            escape(&value.to_string(), &mut self.text);
            self.text.push('"');
        }
    }
}

/// Characters that mean something get another form, in text and in attributes; those that HTML
/// does not allow are replaced.
fn escape(text: &str, into: &mut String) {
    for c in text.chars() {
        match c {
            '&' => into.push_str("&amp;"),
            '<' => into.push_str("&lt;"),
            '>' => into.push_str("&gt;"),
            '"' => into.push_str("&quot;"),
            '\'' => into.push_str("&#39;"),
            '\t' | '\n' => into.push(c),
            c if c.is_control() || is_noncharacter(c) => into.push('\u{FFFD}'),
            c => into.push(c),
        }
    }
}

fn is_noncharacter(c: char) -> bool {
    let code = u32::from(c);
    (0xFDD0..=0xFDEF).contains(&code) || code & 0xFFFE == 0xFFFE
}

#[cfg(test)]
mod tests {
    use super::Markup;

    #[test]
    fn nothing_that_is_given_becomes_markup() {
        let mut markup = Markup::default();
        let odd = "\"><script>alert('1')</script>&\u{0}\u{FFFE}ü";
        markup.element("p", &[("title", &odd)], |markup| {
            markup.text(odd);
            markup.empty("br", &[]);
        });
        let escaped =
            "&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;\u{FFFD}\u{FFFD}ü";
        assert_eq!(markup.into_string(), format!("<p title=\"{escaped}\">{escaped}<br/></p>"));
    }
}
