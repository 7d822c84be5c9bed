//! The query parameters of the routes of postcodes.io, which are read as leniently as there.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

/// An extractor of the query parameters. Unknown parameters are ignored, and so are repetitions of
/// a parameter.
pub(in crate::http) struct ClientQuery(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for ClientQuery {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<ClientQuery, Infallible> {
        Ok(ClientQuery::new(parts.uri.query().unwrap_or_default()))
    }
}

impl ClientQuery {
    /// Parses a query string.
    pub(super) fn new(query: &str) -> ClientQuery {
        let pairs = form_urlencoded::parse(query.as_bytes());
        ClientQuery(pairs.into_owned().collect())
    }

    /// Returns whether a parameter is present, with any value or none.
    pub(in crate::http) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    /// Returns the value of a parameter; `None` if the value is empty.
    pub(in crate::http) fn get(&self, name: &str) -> Option<&str> {
        let first = self.0.iter().find(|(known, _)| known == name);
        first
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// Returns the value of the first of these parameters that has one.
    pub(super) fn get_any(&self, names: [&str; 2]) -> Option<&str> {
        names.into_iter().find_map(|name| self.get(name))
    }

    /// Returns whether the request is for the fields of postcodes.io only, without our answer.
    pub(in crate::http) fn is_strict(&self) -> bool {
        self.has("strict")
    }
}

/// The maximum length in bytes of text that is read as a number.
const NUMBER_BYTES_MAX: usize = 64;

/// Returns the whole number at the start of a text. What follows the number is ignored, as
/// postcodes.io does: `10abc` is 10.
pub(super) fn leading_integer(text: &str) -> Option<i64> {
    let text = text.trim_start();
    let (is_negative, digits) = match text.as_bytes() {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        all => (false, all),
    };
    let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
    let digits: Vec<i64> = digits.map(|byte| i64::from(byte - b'0')).collect();
    if digits.is_empty() {
        return None;
    }
    let number = digits.iter().fold(0_i64, |number, digit| {
        number.saturating_mul(10).saturating_add(*digit)
    });
    Some(if is_negative { -number } else { number })
}

/// Returns the decimal number at the start of a text; see [`leading_integer`].
pub(super) fn leading_decimal(text: &str) -> Option<f64> {
    let text = text.trim_start();
    let is_of_number = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
    let bytes = text.bytes().take(NUMBER_BYTES_MAX);
    let length = bytes.take_while(is_of_number).count();
    (1..=length).rev().find_map(|end| text[..end].parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_from_the_start_of_a_text() {
        for (text, expected) in [
            ("10", Some(10)),
            (" 10abc", Some(10)),
            ("2.9", Some(2)),
            ("-3", Some(-3)),
            ("+3", Some(3)),
            ("99999999999999999999", Some(i64::MAX)),
            ("", None),
            ("-", None),
            ("ten", None),
        ] {
            assert_eq!(leading_integer(text), expected, "{text}");
        }
        for (text, expected) in [
            ("-2.8", Some(-2.8)),
            (" 54.05N", Some(54.05)),
            ("1e2e", Some(100.0)),
            (".5", Some(0.5)),
            ("5.", Some(5.0)),
            ("1.2.3", Some(1.2)),
            ("--1", None),
            ("NaN", None),
            ("inf", None),
            ("", None),
        ] {
            assert_eq!(leading_decimal(text), expected, "{text}");
        }
    }

    #[test]
    fn the_first_value_counts_and_an_empty_value_is_none() {
        let query = ClientQuery::new("q=LA1+1AA&q=LA2&limit=&strict&other=%ff");
        assert_eq!(query.get("q"), Some("LA1 1AA"));
        assert_eq!(query.get("limit"), None);
        assert_eq!(query.get_any(["limit", "q"]), Some("LA1 1AA"));
        assert!(query.is_strict() && query.has("limit") && !query.has("radius"));
    }
}
