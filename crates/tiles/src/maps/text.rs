//! Text on a map: widths, line breaks and XML escaping.

use std::sync::LazyLock;

use ttf_parser::Face;

/// The font Arimo. Arimo has the same metrics as Arial, Helvetica and Liberation Sans, so a map
/// looks the same in any of these fonts.
pub(super) const REGULAR: &[u8] = include_bytes!("../../../../data/fonts/Arimo-Regular.ttf");
pub(super) const BOLD: &[u8] = include_bytes!("../../../../data/fonts/Arimo-Bold.ttf");

/// The `font-family` of maps.
pub(super) const FONT_FAMILIES: &str = "Arial, Helvetica, 'Liberation Sans', Arimo, sans-serif";

/// A factor that allows for slightly wider fonts.
const WIDTH_ALLOWANCE: f64 = 1.04;
/// The distance between baselines, as a multiple of the font size.
pub(super) const LINE_HEIGHT: f64 = 1.2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FontWeight {
    Regular,
    Bold,
}

static FACES: LazyLock<[Face<'static>; 2]> = LazyLock::new(|| {
    [REGULAR, BOLD].map(|bytes| Face::parse(bytes, 0).expect("the embedded fonts are valid"))
});

/// Returns the width of a line of text, in CSS pixels.
pub(super) fn width(text: &str, size: f64, weight: FontWeight) -> f64 {
    let face = &FACES[weight as usize];
    let advance = |character: char| {
        let glyph = face.glyph_index(character);
        let units = glyph.and_then(|glyph| face.glyph_hor_advance(glyph));
        units.map_or(0.7, |units| {
            f64::from(units) / f64::from(face.units_per_em())
        })
    };
    text.chars().map(advance).sum::<f64>() * size * WIDTH_ALLOWANCE
}

/// Wraps text between words into lines of at most `max_width`. A wider word is on a separate line.
pub(super) fn wrap(text: &str, size: f64, weight: FontWeight, max_width: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(&format!("{line} {word}"), size, weight) <= max_width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_string()),
        }
    }
    lines
}

/// Returns the ways to break a name into lines, starting with the fewest lines. For each number of
/// lines, returns only the narrowest way.
pub(super) fn line_breaks(name: &str, size: f64, weight: FontWeight) -> Vec<Vec<String>> {
    let full_width = width(name, size, weight);
    let mut layouts: Vec<Vec<String>> = Vec::new();
    // A narrower layout replaces the previous layout, unless the narrower layout needs more lines.
    for sixteenths in (0..=16).rev() {
        let max_width = full_width * f64::from(sixteenths) / 16.0;
        let lines = wrap(name, size, weight, max_width);
        match layouts.last_mut() {
            Some(last) if last.len() == lines.len() => *last = lines,
            _ => layouts.push(lines),
        }
    }
    layouts
}

/// Escapes text for XML. Control characters become spaces, and characters that XML does not allow
/// are removed.
pub fn escape_xml(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => {}
            character if character.is_control() => escaped.push(' '),
            character => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_those_of_arial() {
        // In Arial, where an em is 2,048 units, the advances of A, the space and i are 1,366, 569
        // and 455.
        let expected = f64::from(1_366 + 569 + 455) / 2_048.0 * 10.0 * WIDTH_ALLOWANCE;
        assert!((width("A i", 10.0, FontWeight::Regular) - expected).abs() < 0.02);
    }

    #[test]
    fn names_break_into_one_line_or_more() {
        let layouts = line_breaks("Barrow and Millom ICC", 13.0, FontWeight::Bold);
        assert_eq!(layouts[0], ["Barrow and Millom ICC"]);
        assert_eq!(layouts[1], ["Barrow and", "Millom ICC"]);
        assert_eq!(layouts.last().map(Vec::len), Some(4));
    }

    #[test]
    fn markup_in_names_is_escaped() {
        assert_eq!(escape_xml("A & B <i>\"\u{0}"), "A &amp; B &lt;i&gt;&quot; ");
    }
}
