//! The map on somebody else's site: its script, what it draws, its frame and oEmbed.

use std::collections::BTreeSet;
use std::io::Read;

use catchment::http::Limits;
use flate2::read::GzDecoder;
use serde_json::Value;

use crate::server::{Reply, SERVER, Server, encoded};
use crate::toy::{World, square};

/// The script and what it draws of one area, as a browser gets them.
const BYTES_MAX: usize = 15_000;

#[track_caller]
fn get(path: &str) -> Reply {
    SERVER.get(path).expect(200)
}

#[track_caller]
fn in_encoding(path: &str, encoding: &str) -> Reply {
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
    let script = in_encoding("/widget.js", "gzip").body.len();
    for id in communities() {
        let path = format!("/widget/icc/{id}.json");
        let data = in_encoding(&path, "gzip").body.len();
        assert!(script + data <= BYTES_MAX, "{path}: {script} and {data}");
    }
}

#[test]
fn every_site_may_take_them_in_any_encoding_and_asks_again_by_their_tags() {
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
        let mut unpacked = Vec::new();
        let packed = in_encoding(path, "gzip");
        GzDecoder::new(&packed.body[..])
            .read_to_end(&mut unpacked)
            .expect("gzip");
        assert!(unpacked == plain.body, "{path}");
        assert!(packed.header("vary").contains("accept-encoding"), "{path}");
        let tags =
            [&plain, &packed, &in_encoding(path, "br")].map(|it| it.header("etag").to_string());
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
fn what_is_not_there_is_told() {
    for (path, status, code) in [
        ("/widget/nowhere.json", 404, "unknown_layer"),
        ("/widget/icc", 404, "not_found"),
        ("/widget/icc/mb-kendal", 404, "not_found"),
        ("/widget/icc/mb-nowhere.json", 404, "unknown_area"),
        ("/widget/icc.json?area=mb-kendal", 400, "unknown_parameter"),
        ("/widget/icc.json?as_of=1999-01-01", 422, "no_data_for_date"),
        ("/widget.js?v=1", 400, "unknown_parameter"),
        ("/embed?area=mb-nowhere", 404, "unknown_area"),
        ("/embed?search=yes", 400, "malformed"),
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

/// The vertices of a path as the widget draws it: `M`, then steps.
fn vertices(path: &str) -> Vec<(f64, f64)> {
    let mut found = Vec::new();
    for ring in path.split('z').filter(|ring| !ring.is_empty()) {
        let spaced = ring.replace(['M', 'l'], " ").replace('-', " -");
        let numbers: Vec<f64> = spaced
            .split_whitespace()
            .map(|number| number.parse().expect("a number"))
            .collect();
        let mut at = (0.0, 0.0);
        for step in numbers.chunks(2) {
            at = (at.0 + step[0], at.1 + step[1]);
            found.push(at);
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

/// Against the boundaries that the API gives, projected here: they are no further from the line drawn
/// than half a pixel of a tile, which is 4 units, and rounding. The tip of a spike that is thinner than a
/// unit goes with it; of 2,717 vertices that is two.
#[test]
fn what_is_drawn_is_the_boundary_to_half_a_pixel() {
    let mut tips = 0;
    for id in communities() {
        let drawn = get(&format!("/widget/icc/{id}.json")).json();
        let number = |value: &Value| value.as_f64().expect("a number");
        let [earth, west, north] = [0, 1, 2].map(|at| number(&drawn["earth"][at]));
        let areas = drawn["areas"].as_array().expect("areas");
        let area = areas
            .iter()
            .find(|area| area["id"] == id.as_str())
            .expect("it is drawn");
        let line = vertices(area["path"].as_str().expect("a path"));
        let (width, height) = (number(&drawn["size"][0]), number(&drawn["size"][1]));
        assert!(
            line.iter()
                .all(|it| (0.0..=width).contains(&it.0) && (0.0..=height).contains(&it.1)),
            "{id} is whole"
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
fn neighbours_are_drawn_of_layers_side_by_side_alone() {
    let names = |path: &str| -> Vec<String> {
        let drawn = get(path).json();
        let areas = drawn["areas"].as_array().expect("areas").clone();
        areas
            .iter()
            .map(|it| it["name"].as_str().expect("a name").to_string())
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
        assert!(kendal.iter().any(|it| it == name), "{kendal:?}");
    }
    assert!(
        !kendal.iter().any(|it| it == "Carlisle Network ICC"),
        "{kendal:?}"
    );
    assert_eq!(names("/widget/icc.json").len(), 16);
    assert_eq!(names("/widget/gp-practice/A82025.json").len(), 1);
}

#[test]
fn two_squares_side_by_side_have_their_border_in_common() {
    let server = Server::with(World::new().dataset(), Limits::default());
    let drawn = server.get("/widget/icc.json").expect(200).json();
    let [k, l] = [0, 1].map(|at| {
        let path = drawn["areas"][at]["path"].as_str().expect("a path");
        let line = vertices(path).into_iter();
        line.map(|(x, y)| format!("{x} {y}"))
            .collect::<BTreeSet<_>>()
    });
    let shared: Vec<&String> = k.intersection(&l).collect();
    assert_eq!(shared.len(), 2, "{k:?} {l:?}");
}

#[test]
fn a_layer_of_very_many_areas_is_no_picture() {
    let world = (0..500).fold(World::new(), |world, at| {
        let id: &'static str = format!("m{at:03}").leak();
        let ground = square(320_000.0 + 100.0 * f64::from(at), 400_000.0, 100.0);
        let line = format!("icc,{id},Em {at},,toy,indicative,,");
        world.add("areas.csv", &line).ground(id, ground)
    });
    let server = Server::with(world.dataset(), Limits::default());
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
fn the_frame_alone_may_be_framed() {
    let page = get("/embed?area=mb-kendal&search=on");
    let policy = page.header("content-security-policy");
    assert!(policy.contains("frame-ancestors *"), "{policy}");
    assert!(
        policy.contains("default-src 'none'") && policy.contains("script-src 'self'"),
        "{policy}"
    );
    for word in [
        "Kendal ICC",
        "<noscript>",
        "/maps/icc/mb-kendal.svg",
        "Crown copyright",
    ] {
        assert!(page.text().contains(word), "{page}");
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

/// The address in a `Link` header.
fn described(page: &Reply) -> String {
    let link = page.header("link");
    assert!(
        link.ends_with("; rel=\"alternate\"; type=\"application/json+oembed\""),
        "{link}"
    );
    let address = &link[1..link.find('>').expect("closed")];
    let path = address.strip_prefix(&SERVER.origin()).expect("absolute");
    path.to_string()
}

#[test]
fn pages_lead_to_their_description() {
    let page = get("/embed?area=mb-kendal&search=on");
    let body = get(&described(&page)).json();
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
    let layer = get(&described(&get("/"))).json();
    assert_eq!(layer["title"], "Integrated Care Communities");
}

#[test]
fn oembed_keeps_to_its_rules() {
    let ask = |fields: &[(&str, &str)]| SERVER.get(&format!("/oembed?{}", encoded(fields)));
    let own = format!("{}/embed?area=mb-kendal", SERVER.origin());
    let narrow = ask(&[
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
            .is_some_and(|it| it.contains("width=\"320\"")),
        "{narrow}"
    );
    let area = format!("{}/areas/icc/mb-kendal", SERVER.origin());
    assert_eq!(
        ask(&[("url", &area)]).expect(200).json()["title"],
        "Kendal ICC"
    );
    ask(&[("url", &own), ("format", "xml")]).expect_problem(501, "not_implemented");
    ask(&[]).expect_problem(400, "missing");
    ask(&[("url", &own), ("maxwidth", "wide")]).expect_problem(400, "malformed");
    ask(&[("url", &own), ("url", &own)]).expect_problem(400, "repeated_parameter");
    let elsewhere = own.replace("127.0.0.1", "www.example.nhs.uk");
    let nowhere = own.replace("mb-kendal", "mb-nowhere");
    let unshown = format!("{}/privacy", SERVER.origin());
    for url in [
        elsewhere.as_str(),
        &nowhere,
        &unshown,
        "mb-kendal",
        "javascript:alert(1)",
    ] {
        assert_eq!(ask(&[("url", url)]).status, 404, "{url}");
    }
}

#[test]
fn the_lines_to_copy_are_there_without_script() {
    let page = get("/put-this-map-on-your-site?show=icc%2Fmb-kendal&search=on");
    let origin = SERVER.origin();
    for lines in [
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
        assert!(page.text().contains(&lines), "{lines}\n{}", page.text());
    }
    assert!(
        get("/")
            .text()
            .contains("href=\"/put-this-map-on-your-site\"")
    );
}
