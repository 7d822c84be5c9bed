//! Tests of maps on other websites: the script, its data, the frame and oEmbed.

use std::collections::BTreeSet;
use std::io::Read;

use catchment::http::ServerLimits;
use flate2::read::GzDecoder;
use serde_json::Value;

use crate::support::fixture::{TestDataset, square};
use crate::support::server::{Reply, SERVER, Server, encode_fields};

/// The maximum total size of the script and of the data of one area, both compressed with gzip.
const BYTES_MAX: usize = 15_000;

#[track_caller]
fn get(path: &str) -> Reply {
    SERVER.get(path).expect(200)
}

#[track_caller]
fn get_encoded(path: &str, encoding: &str) -> Reply {
    let headers = [("accept-encoding", encoding)];
    let reply = SERVER.send("GET", path, &headers, None).expect(200);
    assert_eq!(reply.header("content-encoding"), encoding, "{path}");
    reply
}

fn communities() -> Vec<String> {
    let areas = get("/api/v1/areas/icc").json();
    let areas = areas["areas"].as_array().expect("areas").clone();
    let id = |area: &Value| area["id"].as_str().expect("an id").to_string();
    areas.iter().map(id).collect()
}

#[test]
fn script_and_data_are_small() {
    let script = get_encoded("/widget.js", "gzip").body.len();
    for id in communities() {
        let path = format!("/widget/icc/{id}.json");
        let data = get_encoded(&path, "gzip").body.len();
        assert!(script + data <= BYTES_MAX, "{path}: {script} and {data}");
    }
}

#[test]
fn scripts_and_data_are_cross_origin_compressed_and_have_etags() {
    let origin = ("origin", "https://www.example.nhs.uk");
    for path in [
        "/widget.js",
        "/embed.js",
        "/widget/icc.json",
        "/widget/icc/mb-kendal.json",
    ] {
        let plain = SERVER.send("GET", path, &[origin], None).expect(200);
        for (name, value) in [
            ("access-control-allow-origin", "*"),
            ("cross-origin-resource-policy", "cross-origin"),
            ("x-content-type-options", "nosniff"),
            ("cache-control", "public, max-age=300"),
            ("content-encoding", ""),
        ] {
            assert_eq!(plain.header(name), value, "{path}");
        }
        let mut decompressed = Vec::new();
        let compressed = get_encoded(path, "gzip");
        GzDecoder::new(&compressed.body[..])
            .read_to_end(&mut decompressed)
            .expect("gzip");
        assert!(decompressed == plain.body, "{path}");
        assert!(
            compressed.header("vary").contains("accept-encoding"),
            "{path}"
        );
        let tags = [&plain, &compressed, &get_encoded(path, "br")]
            .map(|reply| reply.header("etag").to_string());
        assert!(tags[0] != tags[1] && tags[1] != tags[2], "{tags:?}");
        let again = [
            ("if-none-match", tags[1].as_str()),
            ("accept-encoding", "gzip"),
        ];
        let again = SERVER.send("GET", path, &again, None).expect(304);
        assert!(again.body.is_empty(), "{path}");
        let head = SERVER.send("HEAD", path, &[], None).expect(200);
        assert_eq!(head.header("etag"), tags[0], "{path}");
    }
    assert_eq!(
        get("/widget.js").header("content-type"),
        "text/javascript; charset=utf-8"
    );
}

#[test]
fn invalid_requests_get_a_problem() {
    for (path, status, code) in [
        ("/widget/nowhere.json", 404, "unknown_layer"),
        ("/widget/icc", 404, "not_found"),
        ("/widget/icc/mb-kendal", 404, "not_found"),
        ("/widget/icc/mb-nowhere.json", 404, "unknown_area"),
        ("/widget/icc.json?area=mb-kendal", 400, "unknown_parameter"),
        ("/widget/icc.json?as_of=1999-01-01", 422, "no_data_for_date"),
        ("/widget.js?v=1", 400, "unknown_parameter"),
        ("/embed?area=mb-nowhere", 404, "unknown_area"),
        ("/embed?search=yes", 400, "invalid_search"),
        ("/embed?postcode=1", 400, "unknown_parameter"),
        (
            "/put-this-map-on-your-site?show=icc/mb-nowhere",
            404,
            "unknown_area",
        ),
    ] {
        SERVER.get(path).expect_problem(status, code);
    }
}

/// Returns the vertices of an SVG path. In each ring, relative steps follow the position after `M`.
fn vertices(path: &str) -> Vec<(f64, f64)> {
    let mut found = Vec::new();
    for ring in path.split('z').filter(|ring| !ring.is_empty()) {
        let spaced = ring.replace(['M', 'l'], " ").replace('-', " -");
        let numbers: Vec<f64> = spaced
            .split_whitespace()
            .map(|number| number.parse().expect("a number"))
            .collect();
        let mut position = (0.0, 0.0);
        for step in numbers.chunks(2) {
            position = (position.0 + step[0], position.1 + step[1]);
            found.push(position);
        }
        found.push(found[found.len() - numbers.len() / 2]);
    }
    found
}

fn distance(p: (f64, f64), (a, b): ((f64, f64), (f64, f64))) -> f64 {
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let length = dx * dx + dy * dy;
    let along = if length == 0.0 {
        0.0
    } else {
        ((p.0 - a.0) * dx + (p.1 - a.1) * dy) / length
    };
    let along = along.clamp(0.0, 1.0);
    (p.0 - a.0 - along * dx).hypot(p.1 - a.1 - along * dy)
}

/// Projects the boundaries that the API returns, and compares them with the drawn lines. Each
/// vertex is within half a tile pixel (4 units, plus rounding) of a line, except for 2 of the 2,717
/// vertices, which are the tips of spikes that are thinner than one unit.
#[test]
fn drawn_boundaries_are_exact_to_half_a_pixel() {
    let mut tips = 0;
    for id in communities() {
        let drawn = get(&format!("/widget/icc/{id}.json")).json();
        let number = |value: &Value| value.as_f64().expect("a number");
        let [earth, west, north] = [0, 1, 2].map(|index| number(&drawn["earth"][index]));
        let areas = drawn["areas"].as_array().expect("areas");
        let area = areas
            .iter()
            .find(|area| area["id"] == id.as_str())
            .expect("the area is drawn");
        let line = vertices(area["path"].as_str().expect("a path"));
        let (width, height) = (number(&drawn["size"][0]), number(&drawn["size"][1]));
        assert!(
            line.iter()
                .all(|(x, y)| (0.0..=width).contains(x) && (0.0..=height).contains(y)),
            "{id} extends beyond the map"
        );
        let feature = get(&format!("/api/v1/areas/icc/{id}.geojson")).json();
        let geometry = &feature["geometry"];
        let coordinates = geometry["coordinates"].as_array().expect("coordinates");
        let one = [Value::from(coordinates.clone())];
        let polygons = match geometry["type"].as_str() {
            Some("Polygon") => &one[..],
            _ => coordinates,
        };
        let largest = polygons
            .iter()
            .map(|rings| &rings[0])
            .max_by_key(|ring| ring.as_array().map(Vec::len));
        for position in largest.and_then(Value::as_array).expect("a ring") {
            let (lon, lat) = (number(&position[0]), number(&position[1]).to_radians());
            let x = (lon / 360.0 + 0.5) * earth - west;
            let y = (0.5 - lat.tan().asinh() / std::f64::consts::TAU) * earth - north;
            let edges = line.windows(2).map(|edge| (edge[0], edge[1]));
            let nearest = edges
                .map(|edge| distance((x, y), edge))
                .fold(f64::MAX, f64::min);
            tips += usize::from(nearest > 5.0);
        }
    }
    assert!(tips <= 2, "{tips}");
}

#[test]
fn neighbours_are_drawn_only_for_partition_layers() {
    let names = |path: &str| -> Vec<String> {
        let drawn = get(path).json();
        let areas = drawn["areas"].as_array().expect("areas").clone();
        areas
            .iter()
            .map(|area| area["name"].as_str().expect("a name").to_string())
            .collect()
    };
    let kendal = names("/widget/icc/mb-kendal.json");
    for name in [
        "Kendal ICC",
        "Grange and Lakes ICC",
        "East ICC",
        "Eden ICC",
        "Carnforth ICC",
    ] {
        assert!(kendal.iter().any(|drawn| drawn == name), "{kendal:?}");
    }
    assert!(
        !kendal.iter().any(|drawn| drawn == "Carlisle Network ICC"),
        "{kendal:?}"
    );
    assert_eq!(names("/widget/icc.json").len(), 16);
    assert_eq!(names("/widget/gp-practice/A82025.json").len(), 1);
}

#[test]
fn adjacent_squares_share_two_vertices() {
    let server = Server::with(TestDataset::new().dataset(), ServerLimits::default());
    let drawn = server.get("/widget/icc.json").expect(200).json();
    let [k, l] = [0, 1].map(|index| {
        let path = drawn["areas"][index]["path"].as_str().expect("a path");
        let line = vertices(path).into_iter();
        line.map(|(x, y)| format!("{x} {y}"))
            .collect::<BTreeSet<_>>()
    });
    let shared: Vec<&String> = k.intersection(&l).collect();
    assert_eq!(shared.len(), 2, "{k:?} {l:?}");
}

#[test]
fn layers_with_more_than_500_areas_are_rejected() {
    let fixture = (0..500).fold(TestDataset::new(), |fixture, number| {
        let id: &'static str = format!("m{number:03}").leak();
        let geometry = square(320_000.0 + 100.0 * f64::from(number), 400_000.0, 100.0);
        let line = format!("icc,{id},Em {number},,toy,indicative,,");
        fixture
            .add_row("areas.csv", &line)
            .with_boundary(id, geometry)
    });
    let server = Server::with(fixture.dataset(), ServerLimits::default());
    for path in [
        "/widget/icc.json",
        "/embed",
        "/put-this-map-on-your-site?show=icc",
    ] {
        server.get(path).expect_problem(422, "too_many_areas");
    }
    server.get("/widget/icc/m007.json").expect(200);
    let page = server.get("/put-this-map-on-your-site").expect(200);
    assert!(page.text().contains("area="), "{page}");
}

#[test]
fn only_the_embed_page_may_be_framed() {
    let page = get("/embed?area=mb-kendal&search=on");
    let policy = page.header("content-security-policy");
    assert!(policy.contains("frame-ancestors *"), "{policy}");
    assert!(
        policy.contains("default-src 'none'") && policy.contains("script-src 'self'"),
        "{policy}"
    );
    for part in [
        "Kendal ICC",
        "<noscript>",
        "/maps/icc/mb-kendal.svg",
        "Crown copyright",
    ] {
        assert!(page.text().contains(part), "{page}");
    }
    for path in [
        "/",
        "/privacy",
        "/put-this-map-on-your-site",
        "/widget.js",
        "/embed?area=x",
        "/nothing",
    ] {
        let reply = SERVER.get(path);
        let policy = reply.header("content-security-policy");
        assert!(
            policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
        );
    }
}

/// Returns the path of the URL in a `Link` header.
fn oembed_path(page: &Reply) -> String {
    let link = page.header("link");
    assert!(
        link.ends_with("; rel=\"alternate\"; type=\"application/json+oembed\""),
        "{link}"
    );
    let url = &link[1..link.find('>').expect("closed")];
    let path = url.strip_prefix(&SERVER.origin()).expect("absolute");
    path.to_string()
}

#[test]
fn pages_link_to_their_oembed_description() {
    let page = get("/embed?area=mb-kendal&search=on");
    let body = get(&oembed_path(&page)).json();
    for (name, value) in [
        ("version", Value::from("1.0")),
        ("type", "rich".into()),
        ("title", "Kendal ICC".into()),
        ("width", 640.into()),
        ("height", 860.into()),
    ] {
        assert_eq!(body[name], value, "{name}");
    }
    let html = body["html"].as_str().expect("html");
    let source = format!(
        "src=\"{}/embed?layer=icc&amp;area=mb-kendal&amp;search=on\"",
        SERVER.origin()
    );
    assert!(
        html.starts_with("<iframe ") && html.contains(&source),
        "{html}"
    );
    assert!(
        html.contains("sandbox=\"allow-scripts allow-popups\""),
        "{html}"
    );
    let layer = get(&oembed_path(&get("/"))).json();
    assert_eq!(layer["title"], "Integrated Care Communities");
}

#[test]
fn oembed_follows_the_specification() {
    let oembed =
        |fields: &[(&str, &str)]| SERVER.get(&format!("/oembed?{}", encode_fields(fields)));
    let own = format!("{}/embed?area=mb-kendal", SERVER.origin());
    let narrow = oembed(&[
        ("url", &own),
        ("maxwidth", "320"),
        ("maxheight", "400"),
        ("dnt", "1"),
    ]);
    let narrow = narrow.expect(200).json();
    assert_eq!(
        (&narrow["width"], &narrow["height"]),
        (&320.into(), &400.into())
    );
    assert!(
        narrow["html"]
            .as_str()
            .is_some_and(|html| html.contains("width=\"320\"")),
        "{narrow}"
    );
    let area = format!("{}/areas/icc/mb-kendal", SERVER.origin());
    assert_eq!(
        oembed(&[("url", &area)]).expect(200).json()["title"],
        "Kendal ICC"
    );
    oembed(&[("url", &own), ("format", "xml")]).expect_problem(501, "not_implemented");
    oembed(&[]).expect_problem(400, "missing_url");
    oembed(&[("url", &own), ("maxwidth", "wide")]).expect_problem(400, "invalid_size");
    oembed(&[("url", &own), ("url", &own)]).expect_problem(400, "repeated_parameter");
    let other_host = own.replace("127.0.0.1", "www.example.nhs.uk");
    let unknown_area = own.replace("mb-kendal", "mb-nowhere");
    let without_map = format!("{}/privacy", SERVER.origin());
    for url in [
        other_host.as_str(),
        &unknown_area,
        &without_map,
        "mb-kendal",
        "javascript:alert(1)",
    ] {
        assert_eq!(oembed(&[("url", url)]).status, 404, "{url}");
    }
}

#[test]
fn code_to_copy_works_without_script() {
    let page = get("/put-this-map-on-your-site?show=icc%2Fmb-kendal&search=on");
    let origin = SERVER.origin();
    for code in [
        format!(
            "&lt;script type=&quot;module&quot; src=&quot;{origin}/widget.js&quot;&gt;&lt;/script&gt;"
        ),
        "&lt;catchment-map area=&quot;mb-kendal&quot; search&gt;".to_string(),
        format!("Content-Security-Policy: script-src 'self' {origin}; connect-src 'self' {origin}"),
        format!("Content-Security-Policy: frame-src 'self' {origin}"),
        format!("Content-Security-Policy: img-src 'self' {origin}"),
        format!("&lt;img src=&quot;{origin}/maps/icc/mb-kendal.svg&quot;"),
        "<option value=\"icc/mb-kendal\" selected>".to_string(),
    ] {
        assert!(page.text().contains(&code), "{code}\n{}", page.text());
    }
    assert!(
        get("/")
            .text()
            .contains("href=\"/put-this-map-on-your-site\"")
    );
}
