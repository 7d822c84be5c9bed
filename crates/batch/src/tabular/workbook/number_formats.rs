//! The display of the numbers of a workbook: as numbers, as dates or with leading zeros.

use std::io::BufRead;

use jiff::ToSpan;
use jiff::civil::{Date, DateTime, Time, date};
use quick_xml::events::Event;

use super::super::error::TabularError;
use super::unreadable;
use super::xml::{XmlError, XmlEvents, attribute};

/// The way in which a number is displayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NumberFormat {
    /// As a number. Colours, units and decimal places are ignored.
    Number,
    /// As a date, a time, or both.
    Date,
    /// As a duration, which may be longer than 24 hours.
    Duration,
    /// With leading zeros, up to this number of digits.
    Padded(usize),
}

/// The formats of the styles of a workbook.
#[derive(Debug, Default)]
pub(crate) struct NumberFormats {
    /// The format of each style of cells.
    styles: Vec<NumberFormat>,
    /// Whether dates are counted from 1904 instead of 1900.
    is_1904: bool,
}

/// The maximum number of styles. Excel allows 65,490.
const STYLES_MAX: usize = 1 << 17;
/// The number of seconds in a day.
const DAY_S: f64 = 86_400.0;

impl NumberFormats {
    /// The formats of a workbook without styles.
    pub(crate) fn without_styles(is_1904: bool) -> NumberFormats {
        NumberFormats {
            styles: Vec::new(),
            is_1904,
        }
    }

    /// Reads the part with the styles.
    pub(crate) fn read(source: impl BufRead, is_1904: bool) -> Result<NumberFormats, TabularError> {
        let mut formats = NumberFormats::without_styles(is_1904);
        match formats.read_styles(XmlEvents::new(source)) {
            Ok(()) => Ok(formats),
            Err(XmlError::Invalid(what)) => {
                Err(unreadable(format!("its styles cannot be read: {what}")))
            }
            Err(XmlError::Failed(error)) => Err(error),
        }
    }

    fn read_styles(&mut self, mut events: XmlEvents<impl BufRead>) -> Result<(), XmlError> {
        let mut buffer = Vec::new();
        let mut custom: Vec<(u32, NumberFormat)> = Vec::new();
        let mut is_in_cell_styles = false;
        loop {
            match events.next(&mut buffer)? {
                Event::Start(tag) | Event::Empty(tag) => match tag.local_name().as_ref() {
                    "numFmt" => {
                        let id = attribute(&tag, "numFmtId")?;
                        let id = id.and_then(|id| id.trim().parse().ok());
                        let code = attribute(&tag, "formatCode")?;
                        if let (Some(id), Some(code)) = (id, code)
                            && custom.len() < STYLES_MAX
                        {
                            custom.push((id, NumberFormat::of_code(&code)));
                        }
                    }
                    "cellXfs" => {
                        is_in_cell_styles = true;
                        custom.sort_by_key(|(id, _)| *id);
                    }
                    "xf" if is_in_cell_styles => {
                        let id = attribute(&tag, "numFmtId")?;
                        let id = id.and_then(|id| id.trim().parse().ok()).unwrap_or(0);
                        let found = custom.binary_search_by_key(&id, |(id, _)| *id);
                        self.styles.push(match found {
                            Ok(index) => custom[index].1,
                            Err(_) => NumberFormat::built_in(id),
                        });
                        if self.styles.len() > STYLES_MAX {
                            return Err(XmlError::Invalid("it has too many styles"));
                        }
                    }
                    _ => {}
                },
                Event::End(tag) if tag.local_name().as_ref() == "cellXfs" => {
                    is_in_cell_styles = false;
                }
                Event::Eof => return Ok(()),
                _ => {}
            }
        }
    }

    /// Writes a number in the form in which it is displayed. Returns whether it is written as a
    /// number, or `None` if the text is not a number.
    pub(crate) fn write(&self, out: &mut Vec<u8>, text: &str, style: usize) -> Option<bool> {
        let format = self.styles.get(style).copied();
        let format = format.unwrap_or(NumberFormat::Number);
        let text = text.trim();
        let is_integer = text.len() <= 15
            && !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_digit())
            && (text.len() == 1 || !text.starts_with('0'));
        if is_integer && format == NumberFormat::Number {
            out.extend_from_slice(text.as_bytes());
            return Some(true);
        }
        let number: f64 = text
            .parse()
            .ok()
            .filter(|number: &f64| number.is_finite())?;
        let displayed = match format {
            NumberFormat::Number => None,
            NumberFormat::Date => self.date_text(number),
            NumberFormat::Duration => duration_text(number),
            NumberFormat::Padded(width) => {
                let is_whole = number >= 0.0 && number.fract() == 0.0;
                is_whole.then(|| format!("{:0>width$}", number_text(number)))
            }
        };
        let is_number = displayed.is_none();
        let displayed = displayed.unwrap_or_else(|| number_text(number));
        out.extend_from_slice(displayed.as_bytes());
        Some(is_number)
    }

    /// Returns a date, a time or both in ISO 8601, or `None` if there is no such date.
    fn date_text(&self, number: f64) -> Option<String> {
        // The seconds are rounded, because 0.1 days cannot be represented exactly.
        let seconds = (number * DAY_S).round();
        // 31 December 9999.
        if !(0.0..2_958_466.0 * DAY_S).contains(&seconds) {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "below 2^53, and a whole number"
        )]
        let seconds = seconds as i64;
        let (day, second) = (seconds / 86_400, seconds % 86_400);
        let time = Time::midnight().checked_add(second.seconds()).ok()?;
        if day == 0 && second > 0 {
            return Some(time.to_string());
        }
        let base: Date = match (self.is_1904, day) {
            (true, _) => date(1904, 1, 1),
            // In Excel, day 60 is 29 February 1900, which did not exist.
            (false, 60) => return Some("1900-02-29".into()),
            (false, ..60) => date(1899, 12, 31),
            (false, _) => date(1899, 12, 30),
        };
        let day = base.checked_add(day.days()).ok()?;
        Some(if second == 0 {
            day.to_string()
        } else {
            DateTime::from_parts(day, time).to_string()
        })
    }
}

fn duration_text(number: f64) -> Option<String> {
    let seconds = (number * DAY_S).round();
    if !(0.0..1e12).contains(&seconds) {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "below 2^53, and a whole number"
    )]
    let seconds = seconds as i64;
    let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
    Some(format!("{hours:02}:{minutes:02}:{:02}", seconds % 60))
}

/// Returns a number with at most 15 significant digits, as in Excel.
fn number_text(number: f64) -> String {
    let rounded: f64 = format!("{number:.14e}").parse().expect("a number");
    // Adding 0.0 turns -0.0 into 0.0.
    (rounded + 0.0).to_string()
}

impl NumberFormat {
    /// Returns the format for a format code such as `dd/mm/yyyy`.
    fn of_code(code: &str) -> NumberFormat {
        if code.eq_ignore_ascii_case("general") {
            return NumberFormat::Number;
        }
        if (2..=20).contains(&code.len()) && code.bytes().all(|byte| byte == b'0') {
            return NumberFormat::Padded(code.len());
        }
        let mut characters = code.chars();
        while let Some(character) = characters.next() {
            match character {
                ';' => break,
                '"' => while characters.next().is_some_and(|next| next != '"') {},
                '\\' | '_' | '*' => {
                    characters.next();
                }
                '[' => {
                    let inner: String = characters.by_ref().take_while(|c| *c != ']').collect();
                    let is_elapsed =
                        !inner.is_empty() && inner.chars().all(|c| "hmsHMS".contains(c));
                    if is_elapsed {
                        return NumberFormat::Duration;
                    }
                }
                'y' | 'Y' | 'm' | 'M' | 'd' | 'D' | 'h' | 'H' | 's' | 'S' => {
                    return NumberFormat::Date;
                }
                _ => {}
            }
        }
        NumberFormat::Number
    }

    /// Returns the built-in format with this id. In some languages, the ids from 27 are dates.
    fn built_in(id: u32) -> NumberFormat {
        match id {
            14..=22 | 27..=36 | 45 | 47 | 50..=58 => NumberFormat::Date,
            46 => NumberFormat::Duration,
            _ => NumberFormat::Number,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn format_codes_are_classified() {
        for (code, expected) in [
            ("General", NumberFormat::Number),
            ("0.00E+00", NumberFormat::Number),
            ("[Red]0.00;[Blue]-0.00", NumberFormat::Number),
            ("0\" days\"", NumberFormat::Number),
            ("#,##0\\d", NumberFormat::Number),
            ("00000", NumberFormat::Padded(5)),
            ("0", NumberFormat::Number),
            ("dd/mm/yyyy", NumberFormat::Date),
            ("[$-809]d mmmm yyyy;@", NumberFormat::Date),
            ("hh:mm", NumberFormat::Date),
            ("[h]:mm:ss", NumberFormat::Duration),
        ] {
            assert_eq!(NumberFormat::of_code(code), expected, "{code}");
        }
    }

    #[test]
    fn numbers_are_written_as_they_are_displayed() {
        let styles = "<styleSheet><numFmts><numFmt numFmtId=\"164\" formatCode=\"0000000\"/></numFmts>\
                      <cellStyleXfs><xf numFmtId=\"14\"/></cellStyleXfs>\
                      <cellXfs><xf numFmtId=\"0\"/><xf numFmtId=\"14\"/><xf numFmtId=\"164\"/><xf numFmtId=\"46\"/></cellXfs>\
                      </styleSheet>";
        let write = |is_1904, text: &str, style| {
            let formats = NumberFormats::read(styles.as_bytes(), is_1904).expect("styles");
            let mut out = Vec::new();
            let is_number = formats.write(&mut out, text, style);
            let text = String::from_utf8(out).expect("text");
            is_number.map(|is_number| format!("{text}{}", if is_number { " n" } else { "" }))
        };
        for (text, style, expected) in [
            ("12", 0, "12 n"),
            ("12.0", 0, "12 n"),
            ("1.2E3", 9, "1200 n"),
            ("0.30000000000000004", 0, "0.3 n"),
            ("-0.5", 0, "-0.5 n"),
            ("46113", 1, "2026-04-01"),
            ("46113.5", 1, "2026-04-01T12:00:00"),
            ("0.25", 1, "06:00:00"),
            ("1", 1, "1900-01-01"),
            ("59", 1, "1900-02-28"),
            ("61", 1, "1900-03-01"),
            ("-1", 1, "-1 n"),
            ("123", 2, "0000123"),
            ("12.5", 2, "12.5 n"),
            ("1.5", 3, "36:00:00"),
        ] {
            assert_eq!(
                write(false, text, style).as_deref(),
                Some(expected),
                "{text}"
            );
        }
        assert_eq!(write(true, "44651", 1).as_deref(), Some("2026-04-01"));
        assert_eq!(write(false, "LA1", 0), None);
        assert_eq!(write(false, "NaN", 0), None);
    }
}
