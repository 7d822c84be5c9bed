//! Tests of the public URL in links. The public URL comes from the configuration or from a trusted
//! proxy, and never from an untrusted `Host` header.

use std::sync::Arc;

use catchment::dataset::Dataset;
use catchment::http::{AccessConfig, App, ServerLimits};
use catchment::index::Index;
use catchment::ops::dataset_store::DatasetStore;
use serde_json::Value;

use crate::support::fixture::TestDataset;
use crate::support::server::{Reply, SERVER, Server, embedded, encode_fields, send_raw};

/// Starts a server with an optional public URL. `trusts_proxies` selects whether the server trusts
/// proxies on loopback.
fn server(dataset: Dataset, public_url: Option<&str>, trusts_proxies: bool) -> Server {
    let app = app(dataset, public_url, trusts_proxies);
    Server::for_app(app, ServerLimits::default())
}

fn app(dataset: Dataset, public_url: Option<&str>, trusts_proxies: bool) -> App {
    let index = Index::build(dataset).expect("the dataset is valid");
    let proxies = ["127.0.0.0/8"].into_iter().filter(|_| trusts_proxies);
    let access = AccessConfig {
        trusted_proxies: proxies
            .map(|proxy| proxy.parse().expect("a network"))
            .collect(),
        ..AccessConfig::default()
    };
    let public_url = public_url.map(|text| text.parse().expect("a URL"));
    App::new(Arc::new(DatasetStore::fixed(index)))
        .with_access(access, &ServerLimits::default())
        .with_public_url(public_url)
}

fn get_with_headers(server: &Server, path: &str, headers: &[(&str, &str)]) -> Reply {
    server.send("GET", path, headers, None)
}

/// Resources that contain absolute links.
const PATHS_WITH_LINKS: &[&str] = &[
    "/",
    "/embed",
    "/areas/icc/mb-kendal",
    "/practices/A82033",
    "/sources",
    "/dataset.jsonld",
    "/datasets.atom",
    "/put-this-map-on-your-site",
    "/openapi.json",
    "/tiles/icc.json",
    "/tiles/style.json",
    "/ogc",
    "/ogc?f=html",
    "/ogc/api",
    "/ogc/conformance",
    "/ogc/collections",
    "/ogc/collections/icc",
    "/ogc/collections/icc/items?limit=2",
    "/ogc/collections/icc/queryables",
    "/ogc/collections/icc/tiles",
    "/ogc/collections/icc/tiles/WebMercatorQuad",
    "/ogc/tiles",
    "/ogc/tiles/WebMercatorQuad",
    "/ogc/tileMatrixSets",
    "/ogc/tileMatrixSets/WebMercatorQuad",
];

fn headers_and_body(reply: &Reply) -> String {
    format!("{:?}\n{}", reply.headers, reply.text())
}

#[test]
fn forged_hosts_are_in_no_response() {
    let forged = [
        ("host", "evil.example"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "https"),
    ];
    for path in PATHS_WITH_LINKS {
        let reply = get_with_headers(&SERVER, path, &forged).expect(200);
        assert!(
            !headers_and_body(&reply).contains("evil"),
            "{path}: {reply}"
        );
    }
    let url = encode_fields(&[("url", "http://evil.example/embed?layer=icc")]);
    let reply = get_with_headers(&SERVER, &format!("/oembed?{url}"), &forged);
    reply.expect_problem(404, "no_public_url");
}

#[test]
fn links_are_relative_without_a_public_url() {
    let get = |path: &str| get_with_headers(&SERVER, path, &[("host", "maps.example")]).expect(200);
    let tilejson = get("/tiles/icc.json").json();
    assert_eq!(tilejson["tiles"][0], "/tiles/icc/{z}/{x}/{y}.mvt");
    let edition = tilejson["edition_tiles"][0].as_str().expect("a template");
    assert!(edition.starts_with("/tiles/20"), "{edition}");
    for link in get("/ogc").json()["links"].as_array().expect("links") {
        let href = link["href"].as_str().expect("an address");
        assert!(href.starts_with("/ogc/"), "{href}");
    }
    assert_eq!(get("/openapi.json").json()["servers"][0]["url"], "/");
    let page = get("/embed");
    assert_eq!(page.header("link"), "", "{page}");
    let site = get("/put-this-map-on-your-site");
    assert!(
        site.text()
            .contains("https://this-service.example/widget.js"),
        "{site}"
    );
    assert!(
        site.text()
            .contains("We do not know the public address of this service"),
        "{site}"
    );
}

#[test]
fn loopback_hosts_get_absolute_urls() {
    for host in ["localhost:8080", "127.0.0.1:8080", "[::1]:8080"] {
        let reply = get_with_headers(&SERVER, "/tiles/icc.json", &[("host", host)]).expect(200);
        let template = reply.json()["tiles"][0].to_string();
        assert!(
            template.contains(&format!("http://{host}/tiles/icc/")),
            "{template}"
        );
        assert_eq!(reply.header("vary"), "host, x-forwarded-proto", "{reply}");
    }
}

#[test]
fn the_host_is_accepted_from_a_trusted_proxy() {
    let server = server(embedded(), None, true);
    let headers = [("host", "maps.example"), ("x-forwarded-proto", "https")];
    for path in PATHS_WITH_LINKS {
        let reply = get_with_headers(&server, path, &headers).expect(200);
        assert!(
            headers_and_body(&reply).contains("https://maps.example"),
            "{path}: {reply}"
        );
        let vary = reply.header("vary");
        assert!(vary.contains("host, x-forwarded-proto"), "{path}: {reply}");
    }
    let url = encode_fields(&[("url", "https://maps.example/areas/icc/mb-kendal")]);
    let reply = get_with_headers(&server, &format!("/oembed?{url}"), &headers).expect(200);
    assert_eq!(reply.json()["title"], "Kendal ICC");
    // The header X-Forwarded-Proto is used only if its value is http or https.
    let odd = [
        ("host", "maps.example"),
        ("x-forwarded-proto", "javascript"),
    ];
    let tilejson = get_with_headers(&server, "/tiles/icc.json", &odd)
        .expect(200)
        .json();
    let template = tilejson["tiles"][0].as_str().expect("a template");
    assert!(template.starts_with("http://maps.example/"), "{template}");
}

/// Serves `app` on a Unix socket, and returns the response to a request.
#[cfg(unix)]
fn response_over_unix_socket(app: App, request: &str) -> String {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;
    let folder = tempfile::TempDir::new().expect("a folder");
    let path = folder.path().join("catchment.sock");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let listener = {
        let _context = runtime.enter();
        tokio::net::UnixListener::bind(&path).expect("the path is free")
    };
    runtime.spawn(catchment::http::serve(
        listener,
        catchment::http::router(app),
        ServerLimits::default(),
        std::future::pending(),
    ));
    let mut stream = UnixStream::connect(&path).expect("the socket is listening");
    stream
        .write_all(request.as_bytes())
        .expect("the request is sent");
    let mut response = String::new();
    stream.read_to_string(&mut response).expect("text");
    response
}

#[cfg(unix)]
#[test]
fn peer_of_a_unix_socket_is_a_trusted_proxy_if_any_is_configured() {
    const ID: &str = "59e1d7b3a4f86c1204efab7791c3d2e0";
    let request = format!(
        "GET /tiles/icc.json HTTP/1.1\r\nhost: maps.example\r\nx-forwarded-proto: https\r\n\
         x-request-id: {ID}\r\nconnection: close\r\n\r\n"
    );
    for trusts_proxies in [true, false] {
        let app = app(TestDataset::new().dataset(), None, trusts_proxies);
        let response = response_over_unix_socket(app, &request);
        assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
        for text in ["https://maps.example/", &format!("x-request-id: {ID}")] {
            assert_eq!(
                response.contains(text),
                trusts_proxies,
                "{text}: {response}"
            );
        }
    }
}

#[test]
fn public_url_is_used_in_every_link_whatever_the_host() {
    let server = server(embedded(), Some("https://www.example.org/catchment/"), true);
    let headers = [("host", "evil.example"), ("x-forwarded-proto", "http")];
    for path in PATHS_WITH_LINKS {
        let reply = get_with_headers(&server, path, &headers).expect(200);
        let text = headers_and_body(&reply);
        assert!(!text.contains("evil"), "{path}: {reply}");
        let prefixes = [
            "https://www.example.org/catchment",
            "https%3A%2F%2Fwww.example.org%2Fcatchment",
        ];
        assert!(
            prefixes.iter().any(|name| text.contains(name)),
            "{path}: {reply}"
        );
        assert!(!reply.header("vary").contains("host"), "{path}: {reply}");
    }
    let tilejson = get_with_headers(&server, "/tiles/icc.json", &headers)
        .expect(200)
        .json();
    let template = "https://www.example.org/catchment/tiles/icc/{z}/{x}/{y}.mvt";
    assert_eq!(tilejson["tiles"][0], template);
    // The oEmbed link of a page leads to the description of the page.
    let page = get_with_headers(&server, "/areas/icc/mb-kendal", &headers).expect(200);
    let link = page.header("link");
    let address = &link[1..link.find('>').expect("closed")];
    let path = address.strip_prefix("https://www.example.org/catchment");
    let described = get_with_headers(&server, path.expect("a URL of the service"), &headers)
        .expect(200)
        .json();
    assert_eq!(
        described["provider_url"],
        "https://www.example.org/catchment/"
    );
    let html = described["html"].as_str().expect("html");
    assert!(
        html.contains("src=\"https://www.example.org/catchment/embed?layer=icc"),
        "{html}"
    );
    // The policy contains the origin without the path. With the path, the policy would allow only
    // this path.
    let site = get_with_headers(&server, "/put-this-map-on-your-site", &headers).expect(200);
    assert!(
        site.text()
            .contains("frame-src 'self' https://www.example.org<"),
        "{site}"
    );
    assert!(
        site.text()
            .contains("https://www.example.org/catchment/widget.js"),
        "{site}"
    );
}

/// Ids from other publishers may contain spaces, slashes and non-ASCII letters.
#[test]
fn ids_are_percent_encoded_in_links_and_oembed() {
    for (id, encoded_id) in [
        ("k 1", "k%201"),
        ("k/1", "k%2F1"),
        ("k?1#2", "k%3F1%232"),
        ("k%20", "k%2520"),
        ("ké", "k%C3%A9"),
    ] {
        let mut dataset = TestDataset::new().dataset();
        for area in dataset.areas.iter_mut().filter(|area| area.id == "k") {
            area.id = id.into();
        }
        let boundaries = dataset.boundaries.iter_mut().flat_map(|value| &mut value.1);
        for boundary in boundaries.filter(|boundary| boundary.id == "k") {
            boundary.id = id.into();
        }
        dataset.memberships.clear();
        let server = server(dataset, Some("https://maps.example"), false);
        let page = format!("/areas/icc/{encoded_id}");
        let url = encode_fields(&[("url", &format!("https://maps.example{page}"))]);
        let described = server.get(&format!("/oembed?{url}")).expect(200).json();
        assert_eq!(described["title"], "Kay ICC", "{id}");
        let link = server.get(&page).expect(200);
        let link = link.header("link");
        let address = &link[1..link.find('>').expect("closed")];
        let path = address
            .strip_prefix("https://maps.example")
            .expect("a URL of the service");
        let discovered = server.get(path).expect(200).json();
        assert_eq!(discovered["html"], described["html"], "{id}");
        // The URLs of the frame, of the static map and of the postcodes are also encoded.
        let html = described["html"].as_str().expect("html");
        let source = html.split('"').nth(1).expect("an address");
        let source = source.replace("&amp;", "&");
        let frame = source
            .strip_prefix("https://maps.example")
            .expect("a URL of the service");
        let frame = server.get(frame).expect(200);
        assert!(
            frame
                .text()
                .contains(&format!("/maps/icc/{encoded_id}.svg")),
            "{frame}"
        );
        server
            .get(&format!("/maps/icc/{encoded_id}.svg"))
            .expect(200);
        server
            .get(&format!("/api/v1/areas/icc/{encoded_id}/postcodes?limit=1"))
            .expect(200);
    }
}

// ---- Host ---------------------------------------------------------------------------------------

fn send_request(request: &str) -> String {
    send_raw(SERVER.connect(), request.as_bytes())
}

#[test]
fn missing_duplicate_and_invalid_hosts_are_rejected_on_every_route() {
    for path in [
        "/health/live",
        "/api/v1/dataset",
        "/",
        "/nothing",
        "/api/v1/batch",
    ] {
        for hosts in [
            "",
            "Host: a.example\r\nHost: b.example\r\n",
            "Host: a.example\r\nHost: a.example\r\n",
            "Host: a.example, b.example\r\n",
            "Host: a.example/path\r\n",
            "Host: user@a.example\r\n",
        ] {
            let answer = send_request(&format!("GET {path} HTTP/1.1\r\n{hosts}\r\n"));
            assert!(answer.starts_with("HTTP/1.1 400 "), "{hosts}{answer}");
            for line in [
                "content-type: application/problem+json\r\n",
                "cache-control: no-store\r\n",
                "connection: close\r\n",
                "content-security-policy: default-src 'none'",
                "x-content-type-options: nosniff\r\n",
                "x-request-id: ",
                "\"code\":\"invalid_host\"",
            ] {
                assert!(answer.contains(line), "no `{line}`: {answer}");
            }
            assert!(!answer.contains("example"), "{answer}");
        }
    }
    let http10 = send_request("GET /health/live HTTP/1.0\r\n\r\n");
    assert!(http10.starts_with("HTTP/1.0 200 "), "{http10}");
    let http10 = send_request("GET /health/live HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n");
    assert!(http10.starts_with("HTTP/1.0 400 "), "{http10}");
}

#[test]
fn authority_of_an_absolute_request_target_overrides_host() {
    let server = server(embedded(), None, true);
    let request = "GET http://maps.example/tiles/icc.json HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    let answer = send_raw(server.connect(), request.as_bytes());
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.1 200 "), "{answer}");
    let body: Value = serde_json::from_str(body).expect("JSON");
    assert_eq!(
        body["tiles"][0],
        "http://maps.example/tiles/icc/{z}/{x}/{y}.mvt"
    );
}
