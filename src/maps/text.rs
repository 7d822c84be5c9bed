//! Text on a picture: how wide it is, where it breaks, and how it stands in XML.

use std::sync::LazyLock;

use ttf_parser::Face;

/// Arimo, which is as wide as Arial, Helvetica and Liberation Sans: a picture looks the same with any.
pub(super) const REGULAR: &[u8] = include_bytes!("../../data/fonts/Arimo-Regular.ttf");
pub(super) const BOLD: &[u8] = include_bytes!("../../data/fonts/Arimo-Bold.ttf");

/// What a picture asks for; the last one is whatever the machine has.
pub(super) const FAMILIES: &str = "Arial, Helvetica, 'Liberation Sans', Arimo, sans-serif";

/// Room for fonts that are a little wider.
const SLACK: f64 = 1.04;
/// From one line to the next, in font sizes.
pub(super) const LEADING: f64 = 1.2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    Regular,
    Bold,
}

static FACES: LazyLock<[Face<'static>; 2]> = LazyLock::new(|| {
    [REGULAR, BOLD].map(|bytes| Face::parse(bytes, 0).expect("the embedded fonts are sound"))
});

/// How wide a line is, in units of the picture.
pub(super) fn width(text: &str, size: f64, weight: Weight) -> f64 {
    let face = &FACES[weight as usize];
    let advance = |character: char| {
        let glyph = face.glyph_index(character);
        let units = glyph.and_then(|glyph| face.glyph_hor_advance(glyph));
        units.map_or(0.7, |units| {
            f64::from(units) / f64::from(face.units_per_em())
        })
    };
    text.chars().map(advance).sum::<f64>() * size * SLACK
}

/// The text in lines no wider than this, broken between words; a longer word has a line of its own.
pub(super) fn wrapped(text: &str, size: f64, weight: Weight, widest: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(&format!("{line} {word}"), size, weight) <= widest => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_string()),
        }
    }
    lines
}

/// The ways to set a name in one line, two lines and so on, each as narrow as it can be.
pub(super) fn settings(name: &str, size: f64, weight: Weight) -> Vec<Vec<String>> {
    let whole = width(name, size, weight);
    let mut settings: Vec<Vec<String>> = Vec::new();
    // From the widest on: each narrower width that takes another line is another setting.
    for part in 0..=16 {
        let lines = wrapped(name, size, weight, whole * f64::from(16 - part) / 16.0);
        match settings.last_mut() {
            Some(last) if last.len() == lines.len() => *last = lines,
            _ => settings.push(lines),
        }
    }
    settings
}

/// The text with what XML minds written otherwise; without what XML cannot hold.
pub(super) fn escaped(text: &str) -> String {
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
        // Arial's advances: A 1366, space 569, i 455 of 2,048 to the em.
        let expected = f64::from(1_366 + 569 + 455) / 2_048.0 * 10.0 * SLACK;
        assert!((width("A i", 10.0, Weight::Regular) - expected).abs() < 0.02);
    }

    #[test]
    fn a_name_is_set_in_fewer_and_more_lines() {
        let settings = settings("Barrow and Millom ICC", 13.0, Weight::Bold);
        assert_eq!(settings[0], ["Barrow and Millom ICC"]);
        assert_eq!(settings[1], ["Barrow and", "Millom ICC"]);
        assert_eq!(settings.last().map(Vec::len), Some(4));
    }

    #[test]
    fn nothing_in_a_name_breaks_the_picture() {
        assert_eq!(escaped("A & B <i>\"\u{0}"), "A &amp; B &lt;i&gt;&quot; ");
    }
}
