//! Tests of the PMTiles archive over HTTP, with range requests from browsers, GDAL and the pmtiles
//! package.

use std::io::Cursor;
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use catchment::domain::today_in_london;
use catchment::http::ServerLimits;
use catchment::index::Index;
use catchment::tiles::pmtiles::{ARCHIVE_ZOOM, write};

use crate::support::external_tools::{python, stdout_of};
use crate::support::fixture::TestDataset;
use crate::support::server::{Reply, Server};

const PATH: &str = "/tiles/toy.pmtiles";

static FIXTURE_SERVER: LazyLock<Server> =
    LazyLock::new(|| Server::with(TestDataset::new().dataset(), ServerLimits::default()));

/// Sends a request, and repeats it until the archive has been built.
#[track_caller]
fn request_until_ready(method: &str, headers: &[(&str, &str)]) -> Reply {
    let started = Instant::now();
    loop {
        let reply = FIXTURE_SERVER.send(method, PATH, headers, None);
        if reply.status != 503 || started.elapsed() > Duration::from_secs(60) {
            return reply;
        }
        assert_eq!(reply.header("retry-after"), "10");
        thread::sleep(Duration::from_millis(500));
    }
}

fn full_body() -> Vec<u8> {
    request_until_ready("GET", &[]).expect(200).body
}

#[test]
fn archive_is_identical_to_the_exported_file() {
    let index = Index::build(TestDataset::new().dataset()).expect("the dataset is valid");
    let mut expected = Cursor::new(Vec::new());
    let day = today_in_london();
    write(
        &index,
        &[crate::support::layer("icc")],
        day,
        ARCHIVE_ZOOM,
        &mut expected,
    )
    .expect("the archive is written");
    let reply = request_until_ready("GET", &[]).expect(200);
    assert!(reply.body == expected.into_inner());
    assert_eq!(reply.header("content-type"), "application/vnd.pmtiles");
    assert_eq!(reply.header("accept-ranges"), "bytes");
    assert_eq!(
        reply.header("cache-control"),
        "public, max-age=300, no-transform"
    );
    assert_eq!(reply.header("content-encoding"), "");
    // Concurrent requests receive the same bytes.
    let all: Vec<_> = (0..8).map(|_| thread::spawn(full_body)).collect();
    for each in all {
        assert!(each.join().expect("the thread does not panic") == reply.body);
    }
}

#[test]
fn range_requests_return_the_requested_bytes() {
    let archive = full_body();
    let length = archive.len();
    let check = |range: &str, first: usize, last: usize| {
        let reply =
            request_until_ready("GET", &[("range", range), ("accept-encoding", "gzip, br")])
                .expect(206);
        let expected = format!("bytes {first}-{last}/{length}");
        assert_eq!(reply.header("content-range"), expected, "{range}");
        assert_eq!(reply.header("content-type"), "application/vnd.pmtiles");
        assert_eq!(reply.header("content-encoding"), "", "{range}");
        assert_eq!(
            reply.header("content-length"),
            (last - first + 1).to_string()
        );
        assert!(reply.body == archive[first..=last], "{range}");
    };
    check("bytes=0-126", 0, 126);
    check("bytes=0-0", 0, 0);
    check("bytes=127-16383", 127, length.min(16_384) - 1);
    check("bytes=-100", length - 100, length - 1);
    check(&format!("bytes={}-", length - 1), length - 1, length - 1);
    check("bytes=0-999999999", 0, length - 1);
    for range in ["bytes=0-1,5-6", "lines=0-1", "bytes=9-2", "bytes"] {
        let reply = request_until_ready("GET", &[("range", range)]).expect(200);
        assert!(reply.body == archive, "{range}");
    }
    let beyond = format!("bytes={length}-");
    for range in [beyond.as_str(), "bytes=-0"] {
        let reply = request_until_ready("GET", &[("range", range)])
            .expect_problem(416, "range_not_satisfiable");
        assert_eq!(reply.header("content-range"), format!("bytes */{length}"));
    }
}

#[test]
fn if_range_and_conditional_requests_compare_a_strong_etag() {
    let tag = request_until_ready("GET", &[])
        .expect(200)
        .header("etag")
        .to_string();
    assert!(tag.starts_with('"'), "the ETag is not strong: {tag}");
    let part = ("range", "bytes=0-9");
    assert_eq!(
        request_until_ready("GET", &[part, ("if-range", &tag)])
            .expect(206)
            .body
            .len(),
        10
    );
    let weak = format!("W/{tag}");
    for other in ["\"other\"", weak.as_str(), "Sun, 22 Nov 2026 08:00:00 GMT"] {
        let reply = request_until_ready("GET", &[part, ("if-range", other)]).expect(200);
        assert!(reply.body.len() > 10, "{other}");
    }
    let not_modified = request_until_ready("GET", &[part, ("if-none-match", &tag)]).expect(304);
    assert_eq!(not_modified.header("etag"), tag);
    assert!(not_modified.body.is_empty());
    let head = request_until_ready("HEAD", &[part]).expect(200);
    assert_eq!(head.header("content-length"), full_body().len().to_string());
    assert_eq!((head.header("etag"), head.body.len()), (tag.as_str(), 0));
    FIXTURE_SERVER
        .get("/tiles/nobody.pmtiles")
        .expect_problem(404, "unknown_dataset");
    FIXTURE_SERVER
        .get("/tiles/toy.pmtiles?as_of=2025-01-01")
        .expect(400);
    FIXTURE_SERVER
        .get("/tiles/toy.pmtiles?dataset=2")
        .expect_problem(404, "unknown_dataset");
}

#[test]
fn cors_allows_range_requests() {
    let origin = ("origin", "https://elsewhere.example");
    let preflight_headers = [
        origin,
        ("access-control-request-method", "GET"),
        ("access-control-request-headers", "range"),
    ];
    let reply = FIXTURE_SERVER.send("OPTIONS", PATH, &preflight_headers, None);
    assert!(
        reply
            .header("access-control-allow-headers")
            .contains("range"),
        "{reply}"
    );
    let reply = request_until_ready("GET", &[origin, ("range", "bytes=0-9")]).expect(206);
    let exposed_headers = reply.header("access-control-expose-headers");
    assert!(
        exposed_headers.contains("etag") && exposed_headers.contains("content-range"),
        "{exposed_headers}"
    );
}

/// Reads the archive with the pmtiles package and GDAL, if `CATCHMENT_PYTHON` is set.
#[test]
fn pmtiles_readers_can_read_the_archive_over_http() {
    let Some(mut python) = python("PMTiles over HTTP") else {
        return;
    };
    full_body();
    let address = format!("{}{PATH}", FIXTURE_SERVER.origin());
    stdout_of(python.arg("tests/clients/archive.py").arg(address));
}
