//! JSON or HTML: by `f`, or else by what the client accepts.

use axum::http::{HeaderMap, header};

use super::super::problem::Problem;
use crate::question::Fields;

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Html,
}

impl Format {
    /// The word for `f`.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Format::Json => "json",
            Format::Html => "html",
        }
    }

    /// The other one.
    pub(super) fn other(self) -> Format {
        match self {
            Format::Json => Format::Html,
            Format::Html => Format::Json,
        }
    }

    /// What is wanted; JSON where the client does not mind.
    ///
    /// # Errors
    /// When `f` is another word, or the client accepts neither.
    pub(super) fn wanted(fields: &Fields, headers: &HeaderMap) -> Result<Format, Problem> {
        match fields.get("f") {
            Some("json") => Ok(Format::Json),
            Some("html") => Ok(Format::Html),
            Some(_) => Err(Problem::bad_request("malformed", "f is json or html")),
            None => accepted(headers),
        }
    }
}

const HTML: [&str; 4] = ["text/html", "application/xhtml+xml", "text/*", "*/*"];

fn accepted(headers: &HeaderMap) -> Result<Format, Problem> {
    let values = headers.get_all(header::ACCEPT).iter();
    let texts: Vec<&str> = values.filter_map(|value| value.to_str().ok()).collect();
    if texts.is_empty() {
        return Ok(Format::Json);
    }
    let accept = texts.join(",");
    let html = quality(&accept, |kind| HTML.contains(&kind));
    let json = quality(&accept, |kind| {
        matches!(kind, "*/*" | "application/*")
            || kind.starts_with("application/") && kind.contains("json")
    });
    match json > 0.0 || html > 0.0 {
        // A browser names HTML and takes anything besides.
        true if html > json => Ok(Format::Html),
        true if html == json && quality(&accept, |kind| HTML[..2].contains(&kind)) > 0.0 => {
            Ok(Format::Html)
        }
        true => Ok(Format::Json),
        false => Err(Problem::not_acceptable()),
    }
}

/// The best quality (RFC 9110, 12.5.1) of the kinds that are looked for; 0 where there is none.
fn quality(accept: &str, is_looked_for: impl Fn(&str) -> bool) -> f32 {
    let qualities = accept.split(',').filter_map(|range| {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next()?.to_ascii_lowercase();
        let quality = parts.find_map(|it| it.strip_prefix("q="));
        is_looked_for(&kind).then(|| quality.map_or(1.0, |it| it.parse().unwrap_or(0.0)))
    });
    qualities.fold(0.0, f32::max)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn browsers_get_html_and_programs_json() {
        let check = |accept: &str, expected: Option<Format>| {
            let value = HeaderValue::from_str(accept).expect("a value");
            let headers = HeaderMap::from_iter([(header::ACCEPT, value)]);
            assert_eq!(accepted(&headers).ok(), expected, "{accept}");
        };
        check("*/*", Some(Format::Json));
        check("application/geo+json, application/json", Some(Format::Json));
        check(
            "application/vnd.oai.openapi+json;version=3.0, application/openapi+json;q=0.9",
            Some(Format::Json),
        );
        check(
            "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8",
            Some(Format::Html),
        );
        check("text/html, */*", Some(Format::Html));
        check(
            "application/json;q=0.5, text/html;q=0.4",
            Some(Format::Json),
        );
        check(
            "application/json;q=0.4, text/html;q=0.5",
            Some(Format::Html),
        );
        check("image/png", None);
        check("text/html;q=0", None);
        assert_eq!(accepted(&HeaderMap::new()).ok(), Some(Format::Json));
    }
}
