//! Text in a terminal that is replaced by newer text.

use std::io::{self, Write as _};

use ratatui::crossterm::terminal;
use ratatui::text::Span;

/// Remembers how much of the terminal it has written to.
#[derive(Debug, Default)]
pub struct Redrawn {
    lines: usize,
}

impl Redrawn {
    /// Replaces what it wrote before. Text that will be replaced is cut to the size of the
    /// terminal, since what has scrolled away cannot be replaced; the last one is not.
    ///
    /// # Errors
    /// If standard output cannot be written.
    pub fn redraw(&mut self, text: &str, again: bool) -> io::Result<()> {
        let mut block = String::new();
        if self.lines > 0 {
            // To the beginning of the line where it began, then everything below is cleared.
            block.push_str(&format!("\x1b[{}F\x1b[J", self.lines));
        }
        if again {
            let (width, height) = terminal::size().unwrap_or((80, 24));
            let lines: Vec<&str> =
                text.lines().take(usize::from(height).saturating_sub(1)).collect();
            for line in &lines {
                block.push_str(clip(line, usize::from(width)));
                block.push('\n');
            }
            self.lines = lines.len();
        } else {
            block.push_str(text);
            self.lines = 0;
        }
        let mut out = io::stdout().lock();
        out.write_all(block.as_bytes())?;
        out.flush()
    }
}

/// As much of a line as fits into some columns.
fn clip(line: &str, width: usize) -> &str {
    let mut used = 0;
    for (i, c) in line.char_indices() {
        used += Span::raw(&line[i..i + c.len_utf8()]).width();
        if used > width {
            return &line[..i];
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::clip;

    #[test]
    fn lines_are_cut_by_columns_not_by_bytes() {
        assert_eq!(clip("größer", 4), "größ");
        assert_eq!(clip("日本語", 5), "日本");
        assert_eq!(clip("short", 80), "short");
        assert_eq!(clip("", 0), "");
    }
}
