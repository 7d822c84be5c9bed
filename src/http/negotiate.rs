//! Which encoding of an answer a client takes best (RFC 9110, 12.5.3), and whether it is a browser.

use axum::http::{HeaderMap, header};

use crate::tiles::Encoding;

/// The encoding that the client gives the highest weight; of several the smallest. `None` where it takes
/// none of ours, not even the bytes as they are.
pub(super) fn encoding(headers: &HeaderMap) -> Option<Encoding> {
    let weight_of = weights(headers);
    let taken = Encoding::ALL.into_iter().filter(|it| weight_of(*it) > 0);
    taken.max_by_key(|it| weight_of(*it))
}

/// Whether the client takes an encoding at all.
pub(super) fn takes(headers: &HeaderMap, encoding: Encoding) -> bool {
    weights(headers)(encoding) > 0
}

/// Thousandths for each encoding.
fn weights(headers: &HeaderMap) -> impl Fn(Encoding) -> u16 {
    let mut weights: [Option<u16>; Encoding::ALL.len()] = [None; Encoding::ALL.len()];
    let mut any = None;
    let values = headers.get_all(header::ACCEPT_ENCODING).iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    for item in texts.flat_map(|text| text.split(',')) {
        let (coding, weight) = item.split_once(';').unwrap_or((item, ""));
        let (coding, weight) = (coding.trim(), self::weight(weight));
        if coding == "*" {
            any = Some(weight);
        }
        let named = |encoding: &Encoding| {
            let is_old_name = *encoding == Encoding::Gzip && coding.eq_ignore_ascii_case("x-gzip");
            is_old_name || coding.eq_ignore_ascii_case(encoding.as_str())
        };
        if let Some(encoding) = Encoding::ALL.iter().find(|it| named(it)) {
            weights[*encoding as usize] = Some(weight);
        }
    }
    // What is not named is not taken, but the bytes as they are, unless they are refused.
    move |encoding| match (weights[encoding as usize], encoding) {
        (Some(weight), _) => weight,
        // Taken, but any that was named is rather.
        (None, Encoding::Identity) => any.map_or(1, |any| any.min(1)),
        (None, _) => any.unwrap_or(0),
    }
}

/// Thousandths, from `q=0.5`; what is not well-formed is 1, as if it were not there.
fn weight(parameter: &str) -> u16 {
    let parameter = parameter.trim();
    let number = parameter
        .split_once('=')
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case("q"))
        .and_then(|(_, number)| number.trim().parse::<f32>().ok())
        .filter(|number| (0.0..=1.0).contains(number));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 0 to 1,000"
    )]
    number.map_or(1_000, |number| (number * 1_000.0).round() as u16)
}

const HTML: [&str; 4] = ["text/html", "application/xhtml+xml", "text/*", "*/*"];

/// Whether the client would rather have HTML than JSON; JSON where it does not mind, `None` where it takes
/// neither.
pub(super) fn prefers_html(headers: &HeaderMap) -> Option<bool> {
    let values = headers.get_all(header::ACCEPT).iter();
    let texts: Vec<&str> = values.filter_map(|value| value.to_str().ok()).collect();
    if texts.is_empty() {
        return Some(false);
    }
    let accept = texts.join(",");
    let html = quality(&accept, |kind| HTML.contains(&kind));
    let json = quality(&accept, |kind| {
        matches!(kind, "*/*" | "application/*")
            || kind.starts_with("application/") && kind.contains("json")
    });
    let names_html = quality(&accept, |kind| HTML[..2].contains(&kind)) > 0.0;
    // A browser names HTML and takes anything besides.
    let prefers_html = html > json || (html == json && names_html);
    (json > 0.0 || html > 0.0).then_some(prefers_html)
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

    #[track_caller]
    fn check(accepted: &'static str, expected: Option<Encoding>) {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(accepted));
        assert_eq!(encoding(&headers), expected, "{accepted}");
    }

    #[test]
    fn the_smallest_of_what_is_taken_most_gladly() {
        use Encoding::{Brotli, Gzip, Identity, Zstd};
        assert_eq!(encoding(&HeaderMap::new()), Some(Identity));
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
    fn browsers_get_html_and_programs_json() {
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
        assert_eq!(prefers_html(&HeaderMap::new()), Some(false));
    }
}
