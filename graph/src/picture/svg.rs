//! Pictures as SVG.

use super::content::{NodeKind, Picture, PictureNode};
use super::layers::Layers;
use super::placement::middles;

/// Size of the text in pixels, and the distance of lines.
const FONT_SIZE: f64 = 13.0;
const LINE: f64 = 17.0;
/// Space around the text of a node.
const PADDING: (f64, f64) = (12.0, 8.0);
/// Space between layers, and around everything.
const LAYER_GAP: f64 = 46.0;
const MARGIN: f64 = 16.0;

/// Width of a text in a usual sans-serif face, generously: it must fit whatever face is there.
fn text_width(text: &str) -> f64 {
    let em = |c: char| match c {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | ' ' => 0.36,
        'm' | 'w' | 'M' | 'W' | '@' => 0.98,
        'A'..='Z' => 0.76,
        c if c.is_ascii() => 0.63,
        // Other scripts, some of which are as wide as high.
        _ => 1.05,
    };
    text.chars().map(em).sum::<f64>() * FONT_SIZE
}

/// Width and height of a node.
fn size(node: &PictureNode) -> (f64, f64) {
    let width = node.lines.iter().map(|line| text_width(line)).fold(40.0, f64::max);
    (width + 2.0 * PADDING.0, node.lines.len() as f64 * LINE + 2.0 * PADDING.1)
}

impl Picture {
    /// The picture as a document that any browser shows, drawn in layers from what is read first to
    /// what is written last.
    pub fn to_svg(&self) -> String {
        let sizes: Vec<(f64, f64)> = self.nodes.iter().map(size).collect();
        let widths: Vec<f64> = sizes.iter().map(|size| size.0).collect();
        let layers = Layers::new(self.nodes.len(), &self.edges);
        let x = middles(&layers, &widths);
        // The middle of each place, and the top and bottom of its layer.
        let mut y = vec![(0.0, 0.0, 0.0); layers.places.len()];
        let mut top = MARGIN;
        for row in &layers.rows {
            let heights = row.iter().filter_map(|&place| sizes.get(place)).map(|size| size.1);
            let height = heights.fold(0.0, f64::max);
            row.iter().for_each(|&place| y[place] = (top + height / 2.0, top, top + height));
            top += height + LAYER_GAP;
        }
        let height = (top - LAYER_GAP + MARGIN).max(2.0 * MARGIN);
        let right = |node: usize| x[node] + widths[node] / 2.0;
        let inner = (0..self.nodes.len()).map(right).chain(x.iter().copied()).fold(0.0, f64::max);
        let width = inner + 2.0 * MARGIN;
        let x: Vec<f64> = x.into_iter().map(|x| x + MARGIN).collect();

        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
             viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"Helvetica, Arial, sans-serif\" \
             font-size=\"{FONT_SIZE}\">\n{STYLE}"
        );
        out.push_str("<g fill=\"none\" stroke=\"#6b7280\" stroke-width=\"1.3\">\n");
        for route in &layers.routes {
            let [first, .., last] = route.as_slice() else { continue };
            let begin = y[*first].0 + sizes[*first].1 / 2.0;
            // The head of the arrow touches the node.
            let end = y[*last].0 - sizes[*last].1 / 2.0 - 1.0;
            let mut path = format!("M{:.1} {begin:.1}V{:.1}", x[*first], y[*first].2);
            let mut from = (x[*first], y[*first].2);
            for place in &route[1..] {
                // Arrows bend between layers only, where nothing is in their way.
                let to = (x[*place], y[*place].1);
                let middle = (from.1 + to.1) / 2.0;
                let down = if place == last { end } else { y[*place].2 };
                path.push_str(&format!(
                    "C{:.1} {middle:.1} {:.1} {middle:.1} {:.1} {:.1}V{down:.1}",
                    from.0, to.0, to.0, to.1
                ));
                from = (to.0, y[*place].2);
            }
            out.push_str(&format!("<path d=\"{path}\" marker-end=\"url(#head)\"/>\n"));
        }
        out.push_str("</g>\n");
        for (number, node) in self.nodes.iter().enumerate() {
            draw(node, (x[number], y[number].0), sizes[number], &mut out);
        }
        out.push_str("</svg>\n");
        out
    }
}

const STYLE: &str = "<defs><marker id=\"head\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" \
    markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0L10 5L0 10z\" \
    fill=\"#6b7280\"/></marker></defs>\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n";

fn draw(node: &PictureNode, middle: (f64, f64), size: (f64, f64), out: &mut String) {
    let (fill, stroke, radius) = match node.kind {
        NodeKind::Work => ("#dbeafe", "#1d4ed8", 3.0),
        NodeKind::Data => ("#f8fafc", "#64748b", size.1 / 2.0),
    };
    let stroke_width = if node.is_centre { 3.0 } else { 1.2 };
    out.push_str(&format!(
        "<g><title>{}</title>\n<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" \
         rx=\"{radius:.1}\" fill=\"{fill}\" stroke=\"{stroke}\" stroke-width=\"{stroke_width}\"/>\n",
        escaped(&node.lines.join(" ")),
        middle.0 - size.0 / 2.0,
        middle.1 - size.1 / 2.0,
        size.0,
        size.1
    ));
    let mut y = middle.1 - size.1 / 2.0 + PADDING.1 + FONT_SIZE;
    for (position, line) in node.lines.iter().enumerate() {
        let (weight, fill) = match (node.kind, position) {
            (NodeKind::Work, 0) => (" font-weight=\"bold\"", "#111827"),
            (NodeKind::Data, 0) => ("", "#111827"),
            _ => ("", "#4b5563"),
        };
        let text = escaped(line);
        let x = middle.0;
        out.push_str(&format!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\" fill=\"{fill}\"{weight}>{text}\
             </text>\n"
        ));
        y += LINE;
    }
    out.push_str("</g>\n");
}

/// Text in XML, where most control characters cannot stand.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_place() {
        assert_eq!(escaped("</text>&\"\u{1b}"), "&lt;/text&gt;&amp;&quot;\u{fffd}");
    }

    #[test]
    fn nothing_makes_an_empty_document() {
        let svg = Picture::default().to_svg();
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        assert!(svg.contains("width=\"32\" height=\"32\""), "{svg}");
    }
}
