//! A JSON writer that appends to one buffer. Names and punctuation are literals in the code,
//! numbers and strings are copied once, and no intermediate value is built.

use std::fmt::Display;
use std::io::Write as _;

use catchment_core::domain::SourceDate;
use serde::Serialize;

/// The initial capacity of the buffer, enough for a response with every layer.
const INITIAL_CAPACITY: usize = 4 * 1024;

/// A writer that appends JSON to a buffer. The caller writes commas and brackets.
pub(crate) struct JsonWriter {
    bytes: Vec<u8>,
}

impl JsonWriter {
    pub(crate) fn new() -> JsonWriter {
        JsonWriter {
            bytes: Vec::with_capacity(INITIAL_CAPACITY),
        }
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Appends text that is already JSON.
    pub(crate) fn raw(&mut self, json: &str) {
        self.bytes.extend_from_slice(json.as_bytes());
    }

    /// Appends a string in quotes, with escapes where they are needed.
    pub(crate) fn string(&mut self, text: &str) {
        // The loop has no early exit, so that the compiler can vectorize it.
        let is_special = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
        let needs_escaping = text.bytes().fold(false, |any, byte| any | is_special(byte));
        if needs_escaping {
            return self.value(text);
        }
        self.bytes.push(b'"');
        self.raw(text);
        self.bytes.push(b'"');
    }

    /// Appends a value, such as a date or a postcode, as a string in quotes. The text of the value
    /// must not need escaping.
    pub(crate) fn display(&mut self, value: impl Display) {
        write!(self.bytes, "\"{value}\"").expect("writing to a Vec");
    }

    /// Appends a date as a string in quotes. Responses contain many dates, so this function does not
    /// use the slower `Display`.
    pub(crate) fn date(&mut self, date: SourceDate) {
        let day = date.first_day();
        let Ok(year @ ..10_000) = u16::try_from(day.year()) else {
            return self.display(date);
        };
        self.bytes.push(b'"');
        self.digits::<4>(year);
        if !matches!(date, SourceDate::Year(_)) {
            self.bytes.push(b'-');
            self.digits::<2>(day.month().unsigned_abs().into());
        }
        if matches!(date, SourceDate::Day(_)) {
            self.bytes.push(b'-');
            self.digits::<2>(day.day().unsigned_abs().into());
        }
        self.bytes.push(b'"');
    }

    /// Appends the last `N` decimal digits of a number.
    fn digits<const N: usize>(&mut self, mut number: u16) {
        let mut text = [b'0'; N];
        for digit in text.iter_mut().rev() {
            *digit += u8::try_from(number % 10).expect("a digit");
            number /= 10;
        }
        self.bytes.extend_from_slice(&text);
    }

    /// Appends a value, or `null` for `None`.
    pub(crate) fn or_null<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut JsonWriter, T)) {
        match value {
            Some(value) => write(self, value),
            None => self.raw("null"),
        }
    }

    /// Appends any other value, using its implementation of `Serialize`.
    pub(crate) fn value(&mut self, value: &(impl Serialize + ?Sized)) {
        serde_json::to_writer(&mut self.bytes, value).expect("our values serialize to a Vec");
    }

    /// Appends a number, rounded to `decimals` decimal places and without trailing zeros.
    pub(crate) fn number(&mut self, number: f64, decimals: u32) {
        let scale = 10_u64.pow(decimals);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            clippy::cast_sign_loss,
            reason = "scaled metres and degrees are far below 2^53"
        )]
        let scaled = (number.abs() * scale as f64).round() as u64;
        if number < 0.0 && scaled > 0 {
            self.bytes.push(b'-');
        }
        self.integer(scaled / scale);
        let (mut fraction, mut width) = (scaled % scale, decimals);
        if fraction == 0 {
            return;
        }
        while fraction % 10 == 0 {
            (fraction, width) = (fraction / 10, width - 1);
        }
        // A 1 before the digits preserves leading zeros. The 1 itself is not written.
        let mut digits = itoa::Buffer::new();
        self.bytes.push(b'.');
        self.raw(&digits.format(fraction + 10_u64.pow(width))[1..]);
    }

    fn integer(&mut self, number: u64) {
        self.raw(itoa::Buffer::new().format(number));
    }

    /// Appends items with commas between them.
    pub(crate) fn comma_separated<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        write_item: impl Fn(&mut JsonWriter, T),
    ) {
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                self.bytes.push(b',');
            }
            write_item(self, item);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn write_to_string(write: impl FnOnce(&mut JsonWriter)) -> String {
        let mut json = JsonWriter::new();
        write(&mut json);
        String::from_utf8(json.into_bytes()).expect("JSON is UTF-8")
    }

    #[test]
    fn numbers_have_no_trailing_zeros() {
        for (number, decimals, expected) in [
            (0.0, 1, "0"),
            (-0.04, 1, "0"),
            (0.05, 1, "0.1"),
            (-2.800_000_4, 6, "-2.8"),
            (-2.000_000_6, 6, "-2.000001"),
            (54.05, 6, "54.05"),
            (317_303.0, 3, "317303"),
            (317_303.001, 3, "317303.001"),
            (2140.25, 1, "2140.3"),
            (129.5, 0, "130"),
        ] {
            assert_eq!(
                write_to_string(|json| json.number(number, decimals)),
                expected
            );
        }
    }

    #[test]
    fn dates_are_written_as_displayed() {
        let texts = [
            "2011",
            "1800",
            "1980-01",
            "2025-11",
            "2022-01-05",
            "0001-12-31",
        ];
        let dates = texts.map(|text| text.parse().expect("a date"));
        let before_the_era = SourceDate::Day(jiff::civil::date(-44, 3, 15));
        for date in dates.into_iter().chain([before_the_era]) {
            assert_eq!(
                write_to_string(|json| json.date(date)),
                write_to_string(|json| json.display(date))
            );
        }
    }

    proptest! {
        #[test]
        fn strings_round_trip(text in any::<String>()) {
            let json = write_to_string(|json| json.string(&text));
            prop_assert_eq!(serde_json::from_str::<String>(&json).expect("JSON"), text);
        }

        #[test]
        fn numbers_are_rounded_to_nearest(number in -1e7..1e7_f64, decimals in 0..7_u32) {
            let json = write_to_string(|json| json.number(number, decimals));
            let back: f64 = serde_json::from_str(&json).expect("JSON");
            prop_assert!((back - number).abs() <= 0.5 / 10_f64.powi(decimals.cast_signed()) + 1e-9);
        }
    }
}
