//! Static maps: what stands on them, read as XML and as pixels; that no two labels hide each other, and that
//! borders meet, by GEOS.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::Stdio;

use serde_json::Value;

use crate::programs::python;
use crate::server::{AS_OF, Reply, SERVER};

#[track_caller]
fn get(path: &str) -> Reply {
    let join = if path.contains('?') { '&' } else { '?' };
    SERVER.get(&format!("/maps/{path}{join}as_of={AS_OF}"))
}

#[track_caller]
fn svg(path: &str) -> String {
    let reply = get(path).expect(200);
    assert_eq!(reply.header("content-type"), "image/svg+xml");
    reply.text().to_string()
}

/// The texts of the elements of a name, in order, as they stand.
fn texts<'a>(svg: &'a str, element: &str) -> Vec<&'a str> {
    let (open, close) = (format!("<{element}"), format!("</{element}>"));
    svg.split(&open)
        .skip(1)
        .filter(|rest| rest.starts_with([' ', '>']))
        .map(|rest| {
            let rest = &rest[rest.find('>').expect("closed") + 1..];
            &rest[..rest.find(&close).expect("ended")]
        })
        .collect()
}

/// All that is written on the map, lines joined.
fn written(svg: &str) -> String {
    texts(svg, "text").join(" ")
}

#[test]
fn a_map_tells_what_it_is_and_where_it_is_from() {
    let svg = svg("icc.svg");
    assert!(svg.contains("role=\"img\" aria-labelledby=\"map-title map-description\""));
    assert_eq!(texts(&svg, "title"), ["Map: Integrated Care Communities"]);
    let description = texts(&svg, "desc")[0];
    assert!(description.contains("on 1 December 2025, 16 of them: "));
    let written = written(&svg);
    for told in [
        "1 December 2025 · boundaries: indicative",
        "Dataset lancashire-and-cumbria 2025.2, of 30 November 2025.",
        "Contains OS data © Crown copyright and database right 2025.",
        "20 km",
        "Grid north",
    ] {
        assert!(written.contains(told), "{told} is not in {written}");
    }
    assert!(!svg.contains("href=\"http"), "nothing is fetched");
}

#[test]
fn no_area_is_left_out_whatever_the_width() {
    let layers = [
        "icc",
        "gp-practice",
        "pcn",
        "neighbourhood-team",
        "sub-community",
    ];
    for layer in layers {
        let areas = SERVER.get(&format!("/api/v1/areas/{layer}.geojson?as_of={AS_OF}"));
        let areas = areas.expect(200).json();
        for width in [240, 320, 800, 2_000] {
            let svg = svg(&format!("{layer}.svg?width={width}"));
            let written = written(&svg);
            for area in areas["features"].as_array().expect("features") {
                let name = area["properties"]["name"].as_str().expect("a name");
                let name = name.replace('&', "&amp;");
                // A name may be broken into lines, which are texts of their own.
                assert!(written.contains(&name), "{layer} {width}: {name}");
            }
        }
    }
}

#[test]
fn neighbours_differ_in_pattern() {
    let svg = svg("icc.svg");
    let patterns = svg.matches("<pattern id=").count();
    let uses = svg.matches("fill=\"url(#map-pattern-").count();
    assert_eq!((patterns > 3, uses), (true, 16));
}

#[test]
fn one_area_is_in_bold_outline_with_those_around_it() {
    let svg = svg("icc/mb-kendal.svg");
    assert_eq!(texts(&svg, "title"), ["Map: Kendal ICC"]);
    let description = texts(&svg, "desc")[0];
    assert!(description.starts_with("Kendal ICC (Integrated Care Communities) on 1 December 2025"));
    for name in [
        "Eden ICC",
        "East ICC",
        "Carnforth ICC",
        "Grange and Lakes ICC",
    ] {
        assert!(description.contains(name), "{name}");
    }
    assert!(!description.contains("Workington"), "it is far away");
    assert_eq!(svg.matches("stroke-width=\"3\"/>\n").count(), 1);
    assert_eq!(svg.matches("fill=\"url(#map-pattern-").count(), 1);
}

#[test]
fn the_scale_bar_is_as_long_as_it_says() {
    // From the southernmost to the northernmost place of all shapes, against the boundaries that look-ups use.
    let svg = svg("icc.svg?width=1000");
    let bar = svg.find(" km</text>").expect("a scale bar");
    let km: f64 = svg[..bar]
        .rsplit('>')
        .next()
        .expect("a number")
        .parse()
        .expect("km");
    let path = svg[..bar].rsplit("<path d=\"M").next().expect("the bar");
    let start: f64 = path[..path.find(' ').expect("x y")].parse().expect("x");
    let end = &path[path.find('H').expect("to the right") + 1..];
    let end: f64 = end[..end.find('V').expect("up")].parse().expect("x");
    let shapes = svg.split("id=\"map-area-").skip(1);
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for shape in shapes {
        let path = &shape[shape.find(" d=\"").expect("a path") + 4..];
        for y in absolute(&path[..path.find('"').expect("closed")])
            .iter()
            .map(|it| it.1)
        {
            (low, high) = (low.min(y), high.max(y));
        }
    }
    let north_south = extent_m();
    let per_km = (end - start) / km;
    assert!(((high - low) / per_km - north_south / 1_000.0).abs() < 0.3);
}

/// South to north of the embedded communities, in metres on the grid.
fn extent_m() -> f64 {
    let index = catchment::index::Index::build(crate::server::embedded()).expect("sound");
    let day = AS_OF.parse().expect("a day");
    let boundaries = index.boundaries(catchment::domain::Layer::Icc, day);
    let rings = boundaries.flat_map(|it| &it.grid).flat_map(|it| &it.rings);
    let northings = rings.flatten().map(|it| it.northing_m());
    let (low, high) = northings.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), y| {
        (low.min(y), high.max(y))
    });
    high - low
}

/// The vertices of a path of M, l and z.
fn absolute(path: &str) -> Vec<(f64, f64)> {
    let mut vertices = Vec::new();
    for ring in path.split('M').skip(1) {
        let (mut x, mut y) = (0.0, 0.0);
        for step in ring.trim_end_matches('z').split('l') {
            let (dx, dy) = step.split_once(' ').expect("two numbers");
            x += dx.parse::<f64>().expect("a number");
            y += dy.parse::<f64>().expect("a number");
            vertices.push((x, y));
        }
    }
    vertices
}

/// Width and height of a PNG (ISO/IEC 15948, 11.2.2).
fn png_size(bytes: &[u8]) -> (u32, u32) {
    assert_eq!(&bytes[..8], b"\x89PNG\r\n\x1a\n");
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four"));
    (number(16), number(20))
}

#[test]
fn a_png_has_the_size_that_was_asked_for_and_the_same_bytes_each_time() {
    let path = "icc/mb-kendal.png?width=400&scale=2";
    let reply = get(path).expect(200);
    assert_eq!(reply.header("content-type"), "image/png");
    let (width, height) = png_size(&reply.body);
    assert_eq!(width, 800);
    let svg = svg("icc/mb-kendal.svg?width=400");
    assert!(svg.contains(&format!("width=\"400\" height=\"{}\"", height / 2)));
    assert_eq!(get(path).body, reply.body);
    assert_eq!(get("icc.svg").body, get("icc.svg").body);
}

#[test]
fn a_pdf_is_one_page_of_a4_with_text_and_a_text_alternative() {
    let reply = get("icc/mb-kendal.pdf").expect(200);
    assert_eq!(reply.header("content-type"), "application/pdf");
    assert!(reply.body.starts_with(b"%PDF-1."));
    let told = judged(&["pdf"], &reply.body);
    let Some(told) = told else { return };
    assert_eq!(told["pages"], 1);
    assert_eq!(told["size"], serde_json::json!([595, 842]));
    assert_eq!(told["title"], "Map: Kendal ICC");
    assert_eq!(told["lang"], "en-GB");
    let text = told["text"].as_str().expect("text");
    for word in ["KendalICC", "Gridnorth", "ContainsOSdata"] {
        assert!(text.contains(word), "{word} is not in {text}");
    }
    assert!(
        told["alt"]
            .as_str()
            .expect("alt")
            .starts_with("Kendal ICC (")
    );
}

#[test]
fn what_a_client_has_is_not_sent_again() {
    for path in ["icc.svg", "icc.png?width=300", "icc/mb-kendal.pdf"] {
        let reply = get(path).expect(200);
        assert_eq!(reply.header("cache-control"), "public, max-age=300");
        let tag = reply.header("etag").to_string();
        let join = if path.contains('?') { '&' } else { '?' };
        let address = format!("/maps/{path}{join}as_of={AS_OF}");
        let again = SERVER.send("GET", &address, &[("if-none-match", &tag)], None);
        let again = again.expect(304);
        assert_eq!(again.header("etag"), tag);
        assert!(again.body.is_empty());
        let head = SERVER.send("HEAD", &address, &[], None).expect(200);
        assert_eq!(head.header("etag"), tag);
        assert_eq!(head.header("content-length"), reply.body.len().to_string());
        assert!(head.body.is_empty());
    }
    let tags: BTreeSet<String> = [
        "icc.svg",
        "icc.png",
        "icc.png?scale=2",
        "icc.pdf",
        "icc.svg?width=900",
    ]
    .iter()
    .map(|path| get(path).expect(200).header("etag").to_string())
    .collect();
    assert_eq!(tags.len(), 5);
}

#[test]
fn what_cannot_be_drawn_is_told() {
    for path in [
        "icc.svg?width=239",
        "icc.svg?width=2001",
        "icc.svg?width=8e2",
        "icc.svg?width=%2B800",
        "icc.png?scale=0",
        "icc.png?scale=5",
    ] {
        get(path).expect_problem(400, "malformed");
    }
    get("icc.svg?scale=2").expect_problem(400, "unknown_parameter");
    get("icc.png?width=2000&scale=4").expect_problem(400, "picture_too_large");
    get("icc").expect_problem(404, "unknown_layer");
    get("icc.gif").expect_problem(404, "unknown_layer");
    get("parish.svg").expect_problem(404, "unknown_layer");
    get("icc/mb-nowhere.svg").expect_problem(404, "unknown_area");
    // It came to its end in 2018, before anything is known of its ground.
    get("icc/mb-garstang.svg").expect_problem(404, "no_boundary");
    let early = SERVER.get("/maps/icc.svg?as_of=2020-01-01");
    early.expect_problem(422, "no_data_for_date");
    let unknown = SERVER.get("/maps/icc.svg?dataset=1900.1");
    unknown.expect_problem(404, "unknown_dataset");
}

/// Of maps of all layers at several widths: boxes of labels, by the width of their letters in the font, do not
/// meet and stay within the picture; shapes of a partition neither overlap nor leave gaps.
#[test]
fn labels_do_not_collide_and_borders_meet() {
    let paths = [
        "icc.svg",
        "icc.svg?width=240",
        "icc.svg?width=2000",
        "gp-practice.svg?width=320",
        "gp-practice.svg",
        "pcn.svg",
        "neighbourhood-team.svg?width=500",
        "sub-icb.svg",
        "resilience-group.svg",
        "icb.svg?width=300",
        "icc/mb-kendal.svg",
        "icc/mb-kendal.svg?width=240",
        "icc/nc-carlisle-network.svg",
        "gp-practice/A82033.svg",
        "gp-practice/P81002.svg?width=320",
    ];
    for path in paths {
        let reply = get(path).expect(200);
        let Some(told) = judged(&["svg"], &reply.body) else {
            return;
        };
        assert_eq!(told["faults"], serde_json::json!([]), "{path}");
        assert!(told["labels"].as_u64() > Some(0), "{path}");
        if !path.starts_with("gp-practice") && !path.starts_with("resilience") {
            assert_eq!(told["overlap"], 0.0, "{path}");
            assert_eq!(told["is_coverage"], true, "{path}");
        }
    }
}

/// What the independent judge says of a picture; `None` where there is no Python.
fn judged(arguments: &[&str], picture: &[u8]) -> Option<Value> {
    let mut child = python("GEOS and pypdf")?
        .arg("tests/oracle/maps.py")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("CATCHMENT_PYTHON names a Python");
    let mut input = child.stdin.take().expect("it is piped");
    input.write_all(picture).expect("it reads");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success());
    Some(serde_json::from_slice(&output.stdout).expect("JSON"))
}
