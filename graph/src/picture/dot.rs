//! Pictures in the DOT language of Graphviz.

use super::content::{NodeKind, Picture};

impl Picture {
    /// The picture for Graphviz.
    pub fn to_dot(&self) -> String {
        let mut out = String::from("digraph {\n");
        for (number, node) in self.nodes.iter().enumerate() {
            let shape = match node.kind {
                NodeKind::Work => "box",
                NodeKind::Data => "ellipse",
            };
            let style = if node.is_centre { ", style=bold" } else { "" };
            let label = quoted(&node.lines.join("\n"));
            out.push_str(&format!("    n{number} [shape={shape}{style}, label={label}]\n"));
        }
        for (from, to) in &self.edges {
            out.push_str(&format!("    n{from} -> n{to}\n"));
        }
        out.push_str("}\n");
        out
    }
}

/// A quoted DOT string.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_backslashes_are_escaped() {
        assert_eq!(quoted("a \"b\\\nc\u{1}"), "\"a \\\"b\\\\\\nc\u{fffd}\"");
    }
}
