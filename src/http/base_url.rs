//! The base URL of the service, with which absolute links to the service start.
//!
//! The operator may configure the URL. Otherwise, the URL is derived from the `Host` header that a
//! trusted proxy sends. For a client on the same machine, the URL is derived from the client's own
//! `Host` header if the host is `localhost` or a loopback address. The `Host` header of any other
//! client is never used in a response, because a cache might store the response and serve it to
//! another client. If the base URL is not known, links start with a slash.

use std::convert::Infallible;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Uri, header};

use super::App;
use super::server::Connection;

/// The public URL of the service, such as `https://catchment.example.org` or, with a path prefix,
/// `https://www.example.org/catchment`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl(Arc<str>);

/// The error for text that is not a public URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the public URL must consist of http:// or https://, a host and an optional path, such as https://catchment.example.org"
)]
pub struct InvalidPublicUrl;

impl FromStr for PublicUrl {
    type Err = InvalidPublicUrl;

    fn from_str(text: &str) -> Result<PublicUrl, InvalidPublicUrl> {
        let uri: Uri = text.parse().map_err(|_| InvalidPublicUrl)?;
        let scheme = uri
            .scheme_str()
            .filter(|text| matches!(*text, "http" | "https"));
        let (Some(scheme), Some(authority)) = (scheme, uri.authority()) else {
            return Err(InvalidPublicUrl);
        };
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/%".contains(&byte);
        let is_valid = is_host(authority.as_str())
            && !authority.host().is_empty()
            && uri.query().is_none()
            && !text.contains('#')
            && uri.path().bytes().all(is_plain);
        if !is_valid {
            return Err(InvalidPublicUrl);
        }
        let host = authority.as_str().to_ascii_lowercase();
        let path = uri.path().trim_end_matches('/');
        Ok(PublicUrl(format!("{scheme}://{host}{path}").into()))
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The base URL for the links in a response, without a trailing slash. If the base URL is not
/// known, its text is empty, so that links start with a slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BaseUrl {
    text: Arc<str>,
    depends_on_host: bool,
}

impl BaseUrl {
    fn for_request(parts: &Parts, app: &App) -> BaseUrl {
        if let Some(PublicUrl(text)) = &app.public_url {
            return BaseUrl {
                text: Arc::clone(text),
                depends_on_host: false,
            };
        }
        let connection = parts.extensions.get::<Connection>();
        let peer = connection.and_then(Connection::peer);
        let is_trusted = connection
            .is_some_and(|connection| app.admission_control.is_trusted_peer(connection.peer()));
        let text = match host(&parts.headers) {
            Some(host) if is_trusted => format!("{}://{host}", scheme(&parts.headers)),
            // A program on this machine, such as QGIS on a desktop, connects to a loopback address.
            Some(host) if peer.is_some_and(|ip| ip.is_loopback()) && is_loopback(host) => {
                format!("http://{host}")
            }
            _ => String::new(),
        };
        BaseUrl {
            text: text.into(),
            depends_on_host: true,
        }
    }

    /// Returns the base URL, or `None` if it is not known.
    pub(super) fn as_absolute(&self) -> Option<&str> {
        Some(&*self.text).filter(|text| !text.is_empty())
    }

    /// Adds to `Vary` the request headers that the base URL depends on.
    pub(super) fn add_vary(&self, headers: &mut HeaderMap) {
        if !self.depends_on_host {
            return;
        }
        let existing = headers.get_all(header::VARY).iter();
        let existing = existing.filter_map(|value| value.to_str().ok());
        let names: Vec<&str> = existing.chain(["host, x-forwarded-proto"]).collect();
        let names = HeaderValue::try_from(names.join(", ")).expect("header names are ASCII");
        headers.insert(header::VARY, names);
    }

    /// Returns the path and query of `url`, relative to the base URL, or `None` if `url` is not a
    /// URL of this service or the base URL is not known.
    pub(super) fn strip_base<'u>(&self, url: &'u Uri) -> Option<&'u str> {
        let own: Uri = self.as_absolute()?.parse().ok()?;
        if !matches!(url.scheme_str(), Some("http" | "https")) {
            return None;
        }
        let (theirs, ours) = (url.authority()?.as_str(), own.authority()?.as_str());
        let prefix = own.path().trim_end_matches('/');
        let rest = url.path_and_query()?.as_str().strip_prefix(prefix)?;
        let is_ours = theirs.eq_ignore_ascii_case(ours);
        (is_ours && (rest.is_empty() || rest.starts_with(['/', '?']))).then_some(rest)
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromRequestParts<App> for BaseUrl {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<BaseUrl, Infallible> {
        Ok(BaseUrl::for_request(parts, app))
    }
}

fn host(headers: &HeaderMap) -> Option<&str> {
    let host = headers.get(header::HOST)?.to_str().ok()?;
    (!host.is_empty() && is_host(host)).then_some(host)
}

/// Returns the scheme of the client's request. The proxy reports the scheme, because TLS ends at
/// the proxy.
fn scheme(headers: &HeaderMap) -> &'static str {
    match headers.get("x-forwarded-proto").map(HeaderValue::as_bytes) {
        Some(b"https") => "https",
        _ => "http",
    }
}

/// Returns whether `host` contains only characters that can occur in a host name, an IP address or
/// a port.
fn is_host(host: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    host.bytes().all(is_plain)
}

/// Returns whether `host`, with or without a port, is a loopback address or `localhost`.
fn is_loopback(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    let name = authority.host();
    let address = name.trim_start_matches('[').trim_end_matches(']');
    let address = address.parse::<IpAddr>();
    name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_url_is_a_scheme_a_host_and_a_path() {
        for (text, expected) in [
            (
                "https://catchment.example.org",
                "https://catchment.example.org",
            ),
            (
                "https://Catchment.example.org/",
                "https://catchment.example.org",
            ),
            ("http://localhost:8080", "http://localhost:8080"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            (
                "https://www.example.org/nhs/catchment/",
                "https://www.example.org/nhs/catchment",
            ),
        ] {
            let url: PublicUrl = text.parse().expect(text);
            assert_eq!(url.to_string(), expected);
        }
        for text in [
            "",
            "catchment.example.org",
            "/catchment",
            "ftp://catchment.example.org",
            "https://",
            "https://user@catchment.example.org",
            "https://catchment.example.org/?a=b",
            "https://catchment.example.org/#top",
            "https://catchment.example.org/\"",
            "https://catchment.example.org/a b",
        ] {
            assert_eq!(text.parse::<PublicUrl>(), Err(InvalidPublicUrl), "{text}");
        }
    }

    #[test]
    fn loopback_hosts_are_recognized() {
        for host in [
            "localhost",
            "LOCALHOST:8080",
            "127.0.0.1",
            "127.8.9.1:80",
            "[::1]",
            "[::1]:80",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "localhost.example",
            "127.0.0.1.example",
            "10.0.0.1",
            "[2001:db8::1]:80",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn local_path_is_only_for_urls_of_this_service() {
        let base = |text: &str| BaseUrl {
            text: text.into(),
            depends_on_host: false,
        };
        let local_path = |ours: &str, url: &str| {
            let url: Uri = url.parse().expect("a URL");
            base(ours).strip_base(&url).map(str::to_string)
        };
        let expect_local_path =
            |ours, url| local_path(ours, url).unwrap_or_else(|| panic!("{ours} {url}"));
        assert_eq!(
            expect_local_path("https://a.example", "https://a.example/embed?layer=icc"),
            "/embed?layer=icc"
        );
        assert_eq!(
            expect_local_path("https://a.example", "http://A.example"),
            "/"
        );
        assert_eq!(
            expect_local_path("https://a.example/b", "https://a.example/b/embed"),
            "/embed"
        );
        assert_eq!(
            expect_local_path("https://a.example/b", "https://a.example/b"),
            ""
        );
        for (ours, url) in [
            ("", "https://a.example/embed"),
            ("https://a.example", "https://b.example/embed"),
            ("https://a.example", "https://a.example:8080/embed"),
            ("https://a.example", "ftp://a.example/embed"),
            ("https://a.example", "/embed"),
            ("https://a.example/b", "https://a.example/embed"),
            ("https://a.example/b", "https://a.example/bc/embed"),
        ] {
            assert_eq!(local_path(ours, url), None, "{ours} {url}");
        }
    }
}
