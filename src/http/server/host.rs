//! The `Host` header of a request (RFC 9112, section 3.2). Proxies, caches and this service must
//! agree on the host, so a request with an ambiguous host is rejected.

use axum::http::uri::Authority;
use axum::http::{HeaderValue, Request, Version, header};

use super::super::problem::Problem;

/// Validates the `Host` header, and replaces its value with the authority of an absolute-form
/// target, because the target takes precedence.
///
/// # Errors
/// If there are several `Host` headers, if `Host` is not valid, or if an HTTP/1.1 request has no
/// `Host` header (400).
pub(super) fn normalize_host<B>(request: &mut Request<B>) -> Result<(), Problem> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(_), Some(_)) => {
            return Err(malformed("there must be exactly one Host header"));
        }
        (Some(host), None) if !is_host(host) => {
            return Err(malformed(
                "Host must be a host name or IP address, with an optional port",
            ));
        }
        (None, _) if request.version() == Version::HTTP_11 => {
            return Err(malformed("HTTP/1.1 requires a Host header"));
        }
        _ => {}
    }
    if let Some(authority) = request.uri().authority() {
        let authority = authority.as_str();
        let host = authority
            .rsplit_once('@')
            .map_or(authority, |(_, host)| host);
        let host = HeaderValue::from_str(host)
            .map_err(|_| malformed("the request target is not a valid URL"))?;
        request.headers_mut().insert(header::HOST, host);
    }
    Ok(())
}

fn malformed(detail: &'static str) -> Problem {
    Problem::bad_request("invalid_host", detail)
}

/// Returns whether the value is `uri-host [":" port]` or is empty. The value is empty if the target
/// has no authority.
fn is_host(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    bytes.is_empty() || (!bytes.contains(&b'@') && Authority::try_from(bytes).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the normalized host of a request, or `None` if the request is rejected.
    fn normalized_host(version: Version, target: &str, hosts: &[&str]) -> Option<String> {
        let mut request = Request::builder().version(version).uri(target);
        for host in hosts {
            request = request.header(header::HOST, *host);
        }
        let mut request = request.body(()).expect("a request");
        normalize_host(&mut request).ok()?;
        let host = request.headers().get(header::HOST);
        Some(host.map_or(String::new(), |host| host.to_str().expect("ASCII").into()))
    }

    #[test]
    fn http_1_1_requires_exactly_one_valid_host() {
        for (hosts, expected) in [
            (&["a.example"][..], Some("a.example")),
            (&["a.example:8080"], Some("a.example:8080")),
            (&["[::1]:8080"], Some("[::1]:8080")),
            (&["my_service"], Some("my_service")),
            (&[""], Some("")),
            (&[], None),
            (&["a.example", "a.example"], None),
            (&["a.example", "b.example"], None),
            (&["a.example, b.example"], None),
            (&["a.example/path"], None),
            (&["user@a.example"], None),
            (&["a b"], None),
        ] {
            let host = normalized_host(Version::HTTP_11, "/", hosts);
            assert_eq!(host.as_deref(), expected, "{hosts:?}");
        }
        assert_eq!(
            normalized_host(Version::HTTP_10, "/", &[]).as_deref(),
            Some("")
        );
        assert_eq!(normalized_host(Version::HTTP_10, "/", &["a", "a"]), None);
    }

    #[test]
    fn the_authority_of_an_absolute_target_has_priority() {
        let target = "http://user@a.example:8080/health/live";
        let host = normalized_host(Version::HTTP_11, target, &["b.example"]);
        assert_eq!(host.as_deref(), Some("a.example:8080"));
        assert_eq!(normalized_host(Version::HTTP_11, target, &[]), None);
    }
}
