//! Colours of the view.

use ratatui::style::{Color, Modifier, Style};

/// Colours, unless somebody does not want any.
#[derive(Debug, Clone, Copy)]
pub(super) struct Palette {
    pub coloured: bool,
}

impl Palette {
    pub fn good(self) -> Style {
        self.colour(Color::Green)
    }

    pub fn bad(self) -> Style {
        self.colour(Color::Red)
    }

    pub fn busy(self) -> Style {
        self.colour(Color::Cyan)
    }

    pub fn dim(self) -> Style {
        if self.coloured { Style::new().add_modifier(Modifier::DIM) } else { Style::new() }
    }

    fn colour(self, colour: Color) -> Style {
        if self.coloured { Style::new().fg(colour) } else { Style::new() }
    }
}
