//! Pictures in the language of Mermaid.

use super::content::{NodeKind, Picture};

impl Picture {
    /// The picture for Mermaid.
    pub fn to_mermaid(&self) -> String {
        let mut out = String::from("flowchart TB\n");
        for (number, node) in self.nodes.iter().enumerate() {
            let lines: Vec<String> = node.lines.iter().map(|line| escaped(line)).collect();
            let label = lines.join("<br>");
            let node = match node.kind {
                NodeKind::Work => format!("n{number}[\"{label}\"]"),
                NodeKind::Data => format!("n{number}([\"{label}\"])"),
            };
            out.push_str(&format!("    {node}\n"));
        }
        for (from, to) in &self.edges {
            out.push_str(&format!("    n{from} --> n{to}\n"));
        }
        for (number, _) in self.nodes.iter().enumerate().filter(|(_, node)| node.is_centre) {
            out.push_str(&format!("    style n{number} stroke-width:3px\n"));
        }
        out
    }
}

/// Text within quotes: all that could mean something to Mermaid, Markdown or HTML by its code.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if c.is_control() => out.push('\u{fffd}'),
            '"' | '#' | '&' | '<' | '>' | ';' | '`' | '*' | '\\' | '[' | ']' => {
                out.push_str(&format!("#{};", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_is_written_by_its_code() {
        assert_eq!(escaped("a_b \"<i>`#;"), "a_b #34;#60;i#62;#96;#35;#59;");
    }
}
