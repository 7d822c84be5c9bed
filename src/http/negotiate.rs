//! Content negotiation (RFC 9110, section 12.5): the encoding of a response, and HTML or JSON.

use axum::http::{HeaderMap, header};

use catchment_tiles::ContentEncoding;

/// Returns the encoding that the client prefers, or `None` if the client does not accept any
/// supported encoding, not even `identity`. If the client prefers several encodings equally, the
/// encoding with the smallest output is returned.
pub(super) fn preferred_encoding(headers: &HeaderMap) -> Option<ContentEncoding> {
    let weight = weights(headers);
    let accepted = ContentEncoding::ALL
        .into_iter()
        .filter(|encoding| weight(*encoding) > 0);
    accepted.max_by_key(|encoding| weight(*encoding))
}

/// Returns whether the client accepts an encoding.
pub(super) fn accepts(headers: &HeaderMap, encoding: ContentEncoding) -> bool {
    weights(headers)(encoding) > 0
}

/// Returns a function that maps each encoding to its weight in thousandths.
fn weights(headers: &HeaderMap) -> impl Fn(ContentEncoding) -> u16 {
    let mut weights: [Option<u16>; ContentEncoding::ALL.len()] = [None; ContentEncoding::ALL.len()];
    let mut wildcard = None;
    let values = headers.get_all(header::ACCEPT_ENCODING).iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    for item in texts.flat_map(|text| text.split(',')) {
        let (coding, weight) = item.split_once(';').unwrap_or((item, ""));
        let (coding, weight) = (coding.trim(), self::parse_weight(weight));
        if coding == "*" {
            wildcard = Some(weight);
        }
        let is_named = |encoding: &ContentEncoding| {
            let is_x_gzip =
                *encoding == ContentEncoding::Gzip && coding.eq_ignore_ascii_case("x-gzip");
            is_x_gzip || coding.eq_ignore_ascii_case(encoding.as_str())
        };
        if let Some(encoding) = ContentEncoding::ALL
            .iter()
            .find(|encoding| is_named(encoding))
        {
            weights[*encoding as usize] = Some(weight);
        }
    }
    // An encoding that is not listed is not accepted. `identity`, however, is accepted unless it is
    // excluded.
    move |encoding| match (weights[encoding as usize], encoding) {
        (Some(weight), _) => weight,
        // `identity` is accepted, but with a lower weight than any listed encoding.
        (None, ContentEncoding::Identity) => wildcard.map_or(1, |any| any.min(1)),
        (None, _) => wildcard.unwrap_or(0),
    }
}

/// Parses a weight such as `q=0.5`, and returns it in thousandths. A missing or malformed weight is
/// treated as 1.
fn parse_weight(parameter: &str) -> u16 {
    let weight = quality_value(parameter)
        .and_then(|number| number.parse::<f32>().ok())
        .filter(|number| (0.0..=1.0).contains(number));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 0 to 1,000"
    )]
    weight.map_or(1_000, |number| (number * 1_000.0).round() as u16)
}

/// Returns the value of a parameter whose name is `q` or `Q` (RFC 9110, section 12.4.2). White space
/// around the name and the value is not allowed, but is ignored.
fn quality_value(parameter: &str) -> Option<&str> {
    let (name, value) = parameter.split_once('=')?;
    name.trim().eq_ignore_ascii_case("q").then(|| value.trim())
}

const HTML_TYPES: [&str; 4] = ["text/html", "application/xhtml+xml", "text/*", "*/*"];

/// Returns whether the client prefers HTML to JSON, or `None` if it accepts neither. The result is
/// `Some(false)` if the client has no preference.
pub(super) fn prefers_html(headers: &HeaderMap) -> Option<bool> {
    let values = headers.get_all(header::ACCEPT).iter();
    let texts: Vec<&str> = values.filter_map(|value| value.to_str().ok()).collect();
    if texts.is_empty() {
        return Some(false);
    }
    let accept = texts.join(",");
    let html = quality(&accept, |kind| HTML_TYPES.contains(&kind));
    let json = quality(&accept, |kind| {
        matches!(kind, "*/*" | "application/*")
            || kind.starts_with("application/") && kind.contains("json")
    });
    let names_html = quality(&accept, |kind| HTML_TYPES[..2].contains(&kind)) > 0.0;
    // A browser lists HTML explicitly, and accepts any other type with `*/*`.
    let prefers_html = html > json || (html == json && names_html);
    (json > 0.0 || html > 0.0).then_some(prefers_html)
}

/// Returns the highest quality (RFC 9110, section 12.5.1) of the listed media types that match, or
/// 0 if no listed type matches.
fn quality(accept: &str, matches_type: impl Fn(&str) -> bool) -> f32 {
    let qualities = accept.split(',').filter_map(|range| {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next()?.to_ascii_lowercase();
        let quality = parts.find_map(quality_value);
        matches_type(&kind).then(|| quality.map_or(1.0, |text| text.parse().unwrap_or(0.0)))
    });
    qualities.fold(0.0, f32::max)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[track_caller]
    fn check(accepted: &'static str, expected: Option<ContentEncoding>) {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(accepted));
        assert_eq!(preferred_encoding(&headers), expected, "{accepted}");
    }

    #[test]
    fn smallest_of_the_preferred_encodings_is_chosen() {
        use ContentEncoding::{Brotli, Gzip, Identity, Zstd};
        assert_eq!(preferred_encoding(&HeaderMap::new()), Some(Identity));
        check("", Some(Identity));
        check("gzip", Some(Gzip));
        check("x-gzip", Some(Gzip));
        check("GZIP", Some(Gzip));
        check("gzip, deflate", Some(Gzip));
        check("gzip, deflate, br, zstd", Some(Brotli));
        check("gzip, zstd", Some(Zstd));
        check("br;q=0.5, gzip", Some(Gzip));
        check("br;q=0.5, gzip;q=0.50", Some(Brotli));
        check("br; q = 0, gzip ;q=0.1", Some(Gzip));
        check("br;Q=0.5, gzip", Some(Gzip));
        check("identity, gzip;q=0.5", Some(Identity));
        check("identity;q=0.1, gzip;q=0.5", Some(Gzip));
        check("*", Some(Brotli));
        check("br;q=0, *;q=0.5", Some(Zstd));
        check("deflate", Some(Identity));
        check("deflate, identity;q=0", None);
        check("*;q=0", None);
        check("gzip, *;q=0", Some(Gzip));
        check("identity;q=0, gzip", Some(Gzip));
        check("gzip;q=high", Some(Gzip));
    }

    #[test]
    fn browsers_get_html_and_other_clients_json() {
        let check = |accept: &str, expected: Option<bool>| {
            let value = HeaderValue::from_str(accept).expect("a value");
            let headers = HeaderMap::from_iter([(header::ACCEPT, value)]);
            assert_eq!(prefers_html(&headers), expected, "{accept}");
        };
        check("*/*", Some(false));
        check("application/geo+json, application/json", Some(false));
        check(
            "application/vnd.oai.openapi+json;version=3.0, application/openapi+json;q=0.9",
            Some(false),
        );
        check(
            "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8",
            Some(true),
        );
        check("text/html, */*", Some(true));
        check("application/json;q=0.5, text/html;q=0.4", Some(false));
        check("application/json;q=0.4, text/html;q=0.5", Some(true));
        check("image/png", None);
        check("text/html;q=0", None);
        check("application/json;Q=0.4, text/html;Q=0.5", Some(true));
        check("text/html; Q=0", None);
        assert_eq!(prefers_html(&HeaderMap::new()), Some(false));
    }
}
