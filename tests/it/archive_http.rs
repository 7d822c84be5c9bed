//! The PMTiles archive over HTTP, including range requests from browsers, GDAL and the pmtiles
//! package.

use std::io::Cursor;
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use catchment::domain::{Layer, today_in_london};
use catchment::http::ServerLimits;
use catchment::index::Index;
use catchment::tiles::pmtiles::{ARCHIVE_ZOOM, write};

use crate::programs::{printed, python};
use crate::server::{Reply, Server};
use crate::toy::World;

const ADDRESS: &str = "/tiles/toy.pmtiles";

static TOY: LazyLock<Server> =
    LazyLock::new(|| Server::with(World::new().dataset(), ServerLimits::default()));

/// Sends a request, and repeats it until the archive has been built.
#[track_caller]
fn sent(method: &str, headers: &[(&str, &str)]) -> Reply {
    let started = Instant::now();
    loop {
        let reply = TOY.send(method, ADDRESS, headers, None);
        if reply.status != 503 || started.elapsed() > Duration::from_secs(60) {
            return reply;
        }
        assert_eq!(reply.header("retry-after"), "10");
        thread::sleep(Duration::from_millis(500));
    }
}

fn whole() -> Vec<u8> {
    sent("GET", &[]).expect(200).body
}

#[test]
fn it_is_the_file_that_export_writes() {
    let index = Index::build(World::new().dataset()).expect("the dataset is valid");
    let mut expected = Cursor::new(Vec::new());
    let day = today_in_london();
    write(&index, &[Layer::Icc], day, ARCHIVE_ZOOM, &mut expected).expect("the archive is written");
    let reply = sent("GET", &[]).expect(200);
    assert!(reply.body == expected.into_inner());
    assert_eq!(reply.header("content-type"), "application/vnd.pmtiles");
    assert_eq!(reply.header("accept-ranges"), "bytes");
    assert_eq!(
        reply.header("cache-control"),
        "public, max-age=300, no-transform"
    );
    assert_eq!(reply.header("content-encoding"), "");
    // Concurrent requests get the same bytes.
    let all: Vec<_> = (0..8).map(|_| thread::spawn(whole)).collect();
    for each in all {
        assert!(each.join().expect("the thread does not panic") == reply.body);
    }
}

#[test]
fn a_range_is_a_part_of_it() {
    let whole = whole();
    let length = whole.len();
    let check = |range: &str, first: usize, last: usize| {
        let reply = sent("GET", &[("range", range), ("accept-encoding", "gzip, br")]).expect(206);
        let expected = format!("bytes {first}-{last}/{length}");
        assert_eq!(reply.header("content-range"), expected, "{range}");
        assert_eq!(reply.header("content-type"), "application/vnd.pmtiles");
        assert_eq!(reply.header("content-encoding"), "", "{range}");
        assert_eq!(
            reply.header("content-length"),
            (last - first + 1).to_string()
        );
        assert!(reply.body == whole[first..=last], "{range}");
    };
    check("bytes=0-126", 0, 126);
    check("bytes=0-0", 0, 0);
    check("bytes=127-16383", 127, length.min(16_384) - 1);
    check("bytes=-100", length - 100, length - 1);
    check(&format!("bytes={}-", length - 1), length - 1, length - 1);
    check("bytes=0-999999999", 0, length - 1);
    for range in ["bytes=0-1,5-6", "lines=0-1", "bytes=9-2", "bytes"] {
        let reply = sent("GET", &[("range", range)]).expect(200);
        assert!(reply.body == whole, "{range}");
    }
    let beyond = format!("bytes={length}-");
    for range in [beyond.as_str(), "bytes=-0"] {
        let reply = sent("GET", &[("range", range)]).expect_problem(416, "range_not_satisfiable");
        assert_eq!(reply.header("content-range"), format!("bytes */{length}"));
    }
}

#[test]
fn a_part_is_of_the_version_that_the_client_has() {
    let tag = sent("GET", &[]).expect(200).header("etag").to_string();
    assert!(tag.starts_with('"'), "the ETag is not strong: {tag}");
    let part = ("range", "bytes=0-9");
    assert_eq!(
        sent("GET", &[part, ("if-range", &tag)])
            .expect(206)
            .body
            .len(),
        10
    );
    let weak = format!("W/{tag}");
    for other in ["\"other\"", weak.as_str(), "Sun, 22 Nov 2026 08:00:00 GMT"] {
        let reply = sent("GET", &[part, ("if-range", other)]).expect(200);
        assert!(reply.body.len() > 10, "{other}");
    }
    let known = sent("GET", &[part, ("if-none-match", &tag)]).expect(304);
    assert_eq!(known.header("etag"), tag);
    assert!(known.body.is_empty());
    let head = sent("HEAD", &[part]).expect(200);
    assert_eq!(head.header("content-length"), whole().len().to_string());
    assert_eq!((head.header("etag"), head.body.len()), (tag.as_str(), 0));
    TOY.get("/tiles/nobody.pmtiles")
        .expect_problem(404, "unknown_dataset");
    TOY.get("/tiles/toy.pmtiles?as_of=2025-01-01").expect(400);
    TOY.get("/tiles/toy.pmtiles?dataset=2")
        .expect_problem(404, "unknown_dataset");
}

#[test]
fn a_page_elsewhere_may_read_it_in_parts() {
    let origin = ("origin", "https://elsewhere.example");
    let asked = [
        origin,
        ("access-control-request-method", "GET"),
        ("access-control-request-headers", "range"),
    ];
    let reply = TOY.send("OPTIONS", ADDRESS, &asked, None);
    assert!(
        reply
            .header("access-control-allow-headers")
            .contains("range"),
        "{reply}"
    );
    let reply = sent("GET", &[origin, ("range", "bytes=0-9")]).expect(206);
    let shown = reply.header("access-control-expose-headers");
    assert!(
        shown.contains("etag") && shown.contains("content-range"),
        "{shown}"
    );
}

/// The pmtiles package and GDAL read the archive, if Python has them.
#[test]
fn readers_of_the_format_read_it_where_it_is() {
    let Some(mut python) = python("PMTiles over HTTP") else {
        return;
    };
    whole();
    let address = format!("{}{ADDRESS}", TOY.origin());
    printed(python.arg("tests/clients/archive.py").arg(address));
}
