//! Tests of static maps in SVG, PNG and PDF. GEOS checks that labels do not overlap and that
//! borders meet.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::Stdio;

use serde_json::Value;

use crate::support::external_tools::python;
use crate::support::server::{AS_OF, Reply, SERVER};

#[track_caller]
fn get(path: &str) -> Reply {
    SERVER.get(&map_path(path))
}

/// Returns the URL of a map for the date of the tests.
fn map_path(path: &str) -> String {
    let separator = if path.contains('?') { '&' } else { '?' };
    format!("/maps/{path}{separator}as_of={AS_OF}")
}

#[track_caller]
fn svg(path: &str) -> String {
    let reply = get(path).expect(200);
    assert_eq!(reply.header("content-type"), "image/svg+xml");
    reply.text().to_string()
}

/// Returns the contents of all elements with the name `element`, in order. Entities in the contents
/// are not decoded.
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

/// Returns all text on the map, with its lines joined by spaces.
fn all_text(svg: &str) -> String {
    texts(svg, "text").join(" ")
}

#[test]
fn a_map_has_a_title_a_description_and_its_sources() {
    let svg = svg("icc.svg");
    assert!(svg.contains("role=\"img\" aria-labelledby=\"map-title map-description\""));
    assert_eq!(texts(&svg, "title"), ["Map: Integrated Care Communities"]);
    let description = texts(&svg, "desc")[0];
    assert!(description.contains("on 1 December 2025 (16): "));
    let text = all_text(&svg);
    for expected in [
        "1 December 2025 · boundaries: indicative",
        "Dataset lancashire-and-cumbria 2026.1, of 30 April 2026.",
        "Contains OS data © Crown copyright and database right 2025.",
        "20 km",
        "Grid north",
    ] {
        assert!(text.contains(expected), "{expected} is not in {text}");
    }
    assert!(
        !svg.contains("href=\"http"),
        "the map must not load resources"
    );
}

#[test]
fn every_area_is_named_at_every_width() {
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
            let text = all_text(&svg);
            for area in areas["features"].as_array().expect("features") {
                let name = area["properties"]["name"].as_str().expect("a name");
                let name = name.replace('&', "&amp;");
                // Each line of a name is a separate element.
                assert!(text.contains(&name), "{layer} {width}: {name}");
            }
        }
    }
}

#[test]
fn every_community_is_filled_with_a_pattern() {
    let svg = svg("icc.svg");
    let patterns = svg.matches("<pattern id=").count();
    let uses = svg.matches("fill=\"url(#map-pattern-").count();
    assert_eq!((patterns > 3, uses), (true, 16));
}

#[test]
fn an_area_map_outlines_the_area_and_shows_its_surroundings() {
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
    assert!(
        !description.contains("Workington"),
        "the description must not name Workington, which is far from Kendal"
    );
    assert_eq!(svg.matches("stroke-width=\"2\"/>\n").count(), 1);
    assert_eq!(svg.matches("fill=\"url(#map-pattern-").count(), 1);
    for text in [
        ">Sea</text>",
        "Land that is not in the data",
        "Land in the data, outside these areas",
        ">Sedbergh</text>",
        "Towns: GeoNames (CC BY 4.0).",
    ] {
        assert!(svg.contains(text), "{text}");
    }
    // The name of the area already shows where Kendal is.
    assert!(!svg.contains(">Kendal</text>"));
}

/// Returns the value of an attribute of the first element after `start`.
fn attribute<'a>(start: &'a str, name: &str) -> &'a str {
    let element = &start[..start.find('>').expect("closed")];
    let value = element.split(&format!(" {name}=\"")).nth(1).expect(name);
    &value[..value.find('"').expect("closed")]
}

#[test]
fn sea_and_land_outside_the_data_have_different_colours() {
    let svg = svg("icc.svg");
    let colour_of = |text: &str| {
        let end = svg.find(text).expect(text);
        let square = svg[..end].rfind("<rect").expect("a square");
        attribute(&svg[square..], "fill")
    };
    let sea = colour_of(">Sea</text>");
    let other_land = colour_of("Land that is not in the data");
    let land = colour_of("Land in the data, outside these areas");
    assert!(sea != other_land && other_land != land && land != sea);
    let map = &svg[svg.find("<g clip-path").expect("the map")..];
    let background = attribute(&map[map.find("<rect").expect("the background")..], "fill");
    assert_eq!(background, sea);
    let great_britain = &map[map.find("<path").expect("the land")..];
    assert_eq!(attribute(great_britain, "fill"), other_land);
    assert!(attribute(great_britain, "d").len() > 1_000);
}

#[test]
fn the_coast_is_thinner_than_borders() {
    for path in ["icc.svg", "icc/mb-lancaster.svg"] {
        let svg = svg(path);
        let lines: Vec<&str> = svg
            .split("<path class=\"line\"")
            .skip(1)
            .map(|line| &line[..line.find("/>").expect("closed")])
            .collect();
        let is_coast = |line: &&&str| line.contains("stroke-width=\"0.7\"");
        let lengths = |lines: Vec<&&str>| lines.iter().map(|line| line.len()).sum::<usize>();
        assert!(
            lengths(lines.iter().filter(is_coast).collect()) > 500,
            "{path}"
        );
    }
    // Burnley is far from the coast.
    let inland = svg("neighbourhood-team.svg");
    assert!(!inland.contains("fill=\"none\" stroke=\"#5b7486\""));
}

#[test]
fn maps_that_are_hard_to_read_name_others() {
    for (path, expected) in [
        ("gp-practice.svg", Some("/maps/gp-practice/")),
        ("resilience-group.svg", Some("/maps/resilience-group/")),
        ("icc.svg", None),
        ("gp-practice/A82033.svg", None),
    ] {
        let svg = svg(path);
        let text = all_text(&svg);
        let note = text.contains("has a map of its own");
        assert_eq!(note, expected.is_some(), "{path}");
        if let Some(expected) = expected {
            let start = text.find(expected).expect("an example");
            let example = text[start..].split_whitespace().next().expect("a path");
            SERVER.get(&format!("{example}?as_of={AS_OF}")).expect(200);
        }
    }
    // Overlapping groups have patterns. The name of a group is in a part that belongs only to this
    // group.
    let groups = svg("resilience-group.svg");
    assert!(groups.matches("<pattern id=").count() > 3);
    assert!(groups.contains("class=\"label\""));
}

#[test]
fn the_scale_bar_has_the_length_that_it_states() {
    // Compare the extent from south to north on the map with the extent of the boundaries that
    // look-ups use.
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
    let areas = svg.split("id=\"map-area-").skip(1);
    let (mut top, mut bottom) = (f64::INFINITY, f64::NEG_INFINITY);
    for area in areas {
        let path = &area[area.find(" d=\"").expect("a path") + 4..];
        for (_, y) in absolute_vertices(&path[..path.find('"').expect("closed")]) {
            (top, bottom) = (top.min(y), bottom.max(y));
        }
    }
    let pixels_per_km = (end - start) / km;
    let height_km = (bottom - top) / pixels_per_km;
    assert!((height_km - height_of_communities_m() / 1_000.0).abs() < 0.3);
}

/// Returns the extent of the embedded communities from south to north, in metres on the British
/// National Grid.
fn height_of_communities_m() -> f64 {
    let index = catchment::index::Index::build(crate::support::server::embedded())
        .expect("a valid dataset");
    let day = AS_OF.parse().expect("a day");
    let boundaries = index.boundaries(crate::support::layer("icc"), day);
    let polygons = boundaries.flat_map(|boundary| &boundary.grid);
    let rings = polygons.flat_map(|polygon| &polygon.rings);
    let northings = rings.flatten().map(|vertex| vertex.northing_m());
    let (min, max) = northings.fold((f64::INFINITY, f64::NEG_INFINITY), |(min, max), y| {
        (min.min(y), max.max(y))
    });
    max - min
}

/// Returns the absolute vertices of a path of M, l and z commands.
fn absolute_vertices(path: &str) -> Vec<(f64, f64)> {
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

/// Returns the width and height of a PNG (ISO/IEC 15948, 11.2.2).
fn png_size(bytes: &[u8]) -> (u32, u32) {
    assert_eq!(&bytes[..8], b"\x89PNG\r\n\x1a\n");
    let u32_at = |offset: usize| {
        u32::from_be_bytes(bytes[offset..offset + 4].try_into().expect("four bytes"))
    };
    (u32_at(16), u32_at(20))
}

#[test]
fn a_png_has_the_requested_size_and_reproducible_bytes() {
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
fn a_pdf_is_one_page_with_legible_text_and_a_text_alternative() {
    let reply = get("icc/mb-kendal.pdf").expect(200);
    assert_eq!(reply.header("content-type"), "application/pdf");
    assert!(reply.body.starts_with(b"%PDF-1."));
    let Some(report) = oracle_report(&["pdf"], &reply.body) else {
        return;
    };
    assert_eq!(report["pages"], 1);
    assert_eq!(report["size"], serde_json::json!([595, 842]));
    assert_eq!(report["title"], "Map: Kendal ICC");
    for (name, size) in [("icc.pdf", [595, 842]), ("gp-practice.pdf", [1_191, 1_684])] {
        let reply = get(name).expect(200);
        let report = oracle_report(&["pdf"], &reply.body).expect("the oracle ran before");
        assert_eq!(report["size"], serde_json::json!(size), "{name}");
    }
    assert_eq!(report["lang"], "en-GB");
    let text = report["text"].as_str().expect("text");
    for word in ["KendalICC", "Gridnorth", "ContainsOSdata"] {
        assert!(text.contains(word), "{word} is not in {text}");
    }
    assert!(
        report["alt"]
            .as_str()
            .expect("alt")
            .starts_with("Kendal ICC (")
    );
}

#[test]
fn conditional_requests_return_304_without_a_body() {
    for path in ["icc.svg", "icc.png?width=300", "icc/mb-kendal.pdf"] {
        let reply = get(path).expect(200);
        assert_eq!(reply.header("cache-control"), "public, max-age=300");
        let etag = reply.header("etag").to_string();
        let address = map_path(path);
        let unchanged = SERVER.send("GET", &address, &[("if-none-match", &etag)], None);
        let unchanged = unchanged.expect(304);
        assert_eq!(unchanged.header("etag"), etag);
        assert!(unchanged.body.is_empty());
        let head = SERVER.send("HEAD", &address, &[], None).expect(200);
        assert_eq!(head.header("etag"), etag);
        assert_eq!(head.header("content-length"), reply.body.len().to_string());
        assert!(head.body.is_empty());
    }
    let etags: BTreeSet<String> = [
        "icc.svg",
        "icc.png",
        "icc.png?scale=2",
        "icc.pdf",
        "icc.svg?width=900",
    ]
    .iter()
    .map(|path| get(path).expect(200).header("etag").to_string())
    .collect();
    assert_eq!(etags.len(), 5);
}

#[test]
fn invalid_map_requests_are_rejected() {
    for path in [
        "icc.svg?width=239",
        "icc.svg?width=2001",
        "icc.svg?width=8e2",
        "icc.svg?width=%2B800",
    ] {
        get(path).expect_problem(400, "invalid_width");
    }
    for path in ["icc.png?scale=0", "icc.png?scale=5"] {
        get(path).expect_problem(400, "invalid_scale");
    }
    get("icc.svg?scale=2").expect_problem(400, "unknown_parameter");
    get("icc.png?width=2000&scale=4").expect_problem(400, "image_too_large");
    for path in ["icc", "icc.gif", "icc/mb-kendal.gif"] {
        let reply = get(path).expect_problem(404, "unknown_image_format");
        assert!(reply.text().contains(".svg, .png or .pdf"), "{reply}");
    }
    get("parish.svg").expect_problem(404, "unknown_layer");
    get("icc/mb-nowhere.svg").expect_problem(404, "unknown_area");
    // Garstang ICC ended in 2018, and the dataset contains no earlier boundaries.
    get("icc/mb-garstang.svg").expect_problem(404, "no_boundary");
    let early = SERVER.get("/maps/icc.svg?as_of=2020-01-01");
    early.expect_problem(422, "no_data_for_date");
    let unknown = SERVER.get("/maps/icc.svg?dataset=1900.1");
    unknown.expect_problem(404, "unknown_dataset");
}

/// On maps of several layers and widths, labels, which are measured with the font, neither overlap
/// nor extend beyond the image, and the areas of a partition neither overlap nor leave gaps.
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
        let Some(report) = oracle_report(&["svg"], &reply.body) else {
            return;
        };
        assert_eq!(report["faults"], serde_json::json!([]), "{path}");
        assert!(report["labels"].as_u64() > Some(0), "{path}");
        if !path.starts_with("gp-practice") && !path.starts_with("resilience") {
            assert_eq!(report["overlap"], 0.0, "{path}");
            assert_eq!(report["is_coverage"], true, "{path}");
        }
    }
}

/// Runs the independent checks of `tests/oracle/maps.py` on an image. Returns `None` if
/// `CATCHMENT_PYTHON` is not set.
fn oracle_report(arguments: &[&str], image: &[u8]) -> Option<Value> {
    let mut child = python("GEOS and pypdf")?
        .arg("tests/oracle/maps.py")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("CATCHMENT_PYTHON must name a Python interpreter");
    let mut input = child.stdin.take().expect("piped");
    input.write_all(image).expect("the script reads the image");
    drop(input);
    let output = child.wait_with_output().expect("the script ends");
    assert!(output.status.success());
    Some(serde_json::from_slice(&output.stdout).expect("JSON"))
}
