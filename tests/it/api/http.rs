//! Tests of the HTTP API with the embedded dataset: results, problems, headers, caching and CORS.

use std::io::Write;
use std::net::Shutdown;

use catchment::domain::{OdsCode, today_in_london};
use catchment::http::ServerLimits;
use geo::{MultiPolygon, Validation, Winding};
use geojson::FeatureCollection;
use serde_json::{Value, json};

use crate::data::brute_force::dataset_of;
use crate::data::embedded_dataset::{DAY, index};
use crate::support::server::{
    AS_OF, Reply, SERVER, Server, embedded, encode_fields, read_to_close, send_raw,
};

const JSON: &str = "application/json";

/// A text that occurs only in requests. If a response contains it, the response repeats the
/// request.
const MARKER: &str = "Zq7Mark";

/// Sends a look-up for the as-of date of the tests, and returns the JSON of the response.
#[track_caller]
fn locate(fields: &[(&str, &str)]) -> Value {
    locate_on(&SERVER, fields)
}

#[track_caller]
fn locate_on(server: &Server, fields: &[(&str, &str)]) -> Value {
    let mut fields = fields.to_vec();
    if !fields.iter().any(|(name, _)| *name == "as_of") {
        fields.push(("as_of", AS_OF));
    }
    let reply = server.locate(&fields).expect(200);
    assert_eq!(reply.header("content-type"), JSON, "{reply}");
    reply.json()
}

/// Returns the ids of the areas of a layer, or `unknown: ` followed by the reason.
fn ids_or_unknown(layer: &Value) -> String {
    match layer.as_array() {
        Some(areas) => {
            let ids = areas.iter().map(|area| area["id"].as_str().expect("an id"));
            ids.collect::<Vec<_>>().join(" ")
        }
        None => format!("unknown: {}", layer["unknown"].as_str().expect("a reason")),
    }
}

#[track_caller]
fn check_status(fields: &[(&str, &str)], status: &str, icc: &str) {
    let body = locate(fields);
    let found = (
        body["status"].as_str().unwrap_or_default(),
        ids_or_unknown(&body["residence"]["icc"]),
    );
    assert_eq!(found, (status, icc.to_string()), "{fields:?}: {body:#}");
}

#[track_caller]
fn check_problem(fields: &[(&str, &str)], status: u16, code: &str) {
    SERVER.locate(fields).expect_problem(status, code);
}

#[test]
fn every_kind_of_postcode_has_its_status() {
    let check = |postcode, status, icc| check_status(&[("postcode", postcode)], status, icc);
    check("LA18 4DB", "located", "mb-barrow-and-millom");
    check("la184db", "located", "mb-barrow-and-millom");
    check("LA1 1PN", "located", "mb-lancaster");
    check("CA1 1AA", "located", "nc-carlisle-network");
    check("CA1 1EF", "terminated", "nc-carlisle-healthcare");
    check("ZZ99 3VZ", "no_fixed_abode", "");
    check("ZZ99 3WZ", "address_not_known", "");
    check("ZZ99 6CZ", "pseudo_country", "");
    // The first postcode is in the directory, but without a position. The others are well-formed,
    // but have no location.
    check("CA12 9AB", "no_location", "");
    check("GIR 0AA", "no_location", "");
    check("BF1 2AA", "no_location", "");
    // The first two postcodes are in the directory, but outside every area. The districts of the
    // other two postcodes are not in the directory.
    check("CA8 7JG", "outside_coverage", "");
    check("PR3 0SG", "outside_coverage", "");
    check("SW1A 1AA", "outside_coverage", "");
    check("BT1 1AA", "outside_coverage", "");
    check("JE2 3AB", "outside_coverage", "");
}

#[test]
fn invalid_postcodes_are_problems_with_a_code() {
    let check = |postcode, status, code| check_problem(&[("postcode", postcode)], status, code);
    check("LA1 0AA", 404, "unknown_postcode");
    check("LA1", 400, "partial_postcode");
    check("LA1 1", 400, "partial_postcode");
    check("", 400, "missing");
    check("  ", 400, "missing");
    check("LA1 11AA", 400, "malformed");
    check("LA1 1CA", 400, "malformed");
    check("LA1 1AA; DROP", 400, "malformed");
    check("LA1 1A\u{0}A", 400, "malformed");
    check("LA1 \u{200f}1AA", 400, "malformed");
    check("🏥", 400, "malformed");
    check(&"A".repeat(10_000), 400, "malformed");
}

#[test]
fn misspelt_postcodes_get_a_suggestion_but_no_result() {
    let reply = SERVER
        .locate(&[("postcode", "LA1O 5DL")])
        .expect_problem(400, "malformed");
    assert_eq!(reply.json()["suggestion"], "LA10 5DL", "{reply}");
    assert!(!reply.text().contains("LA1 5DL"), "{reply}");
    let plain = SERVER.locate(&[("postcode", "LA1 1CA")]);
    assert_eq!(plain.json().get("suggestion"), None, "{plain}");
}

#[test]
fn double_encoded_postcodes_get_a_hint() {
    let body = json!({ "postcode": "PR3%200SG" }).to_string();
    let reply = SERVER.post("/api/v1/locate", JSON, &body);
    let reply = reply.expect_problem(400, "malformed");
    assert_eq!(reply.json()["hint"], "percent_encoded", "{reply}");
}

#[test]
fn invalid_parameters_are_problems() {
    check_problem(&[], 400, "missing_location");
    check_problem(&[("as_of", AS_OF)], 400, "missing_location");
    check_problem(&[("lon", "-3.27")], 400, "incomplete_coordinates");
    check_problem(&[("practice", "&")], 400, "missing_practice");
    check_problem(&[("practice", "P8?")], 400, "invalid_practice_code");
    check_problem(
        &[("postcode", "LA1 1AA"), (MARKER, "1")],
        400,
        "unknown_parameter",
    );
    check_problem(
        &[("postcode", "LA1 1AA"), ("postcode", "LA1 1AA")],
        400,
        "repeated_parameter",
    );
    check_problem(
        &[("postcode", "LA1 1AA"), ("lon", "-2.8"), ("lat", "54")],
        400,
        "ambiguous_location",
    );
    check_problem(
        &[("postcode", "LA1 1AA"), ("layers", "icc,iccs")],
        400,
        "unknown_layer",
    );
}

#[test]
fn coordinates_are_located_anywhere_on_earth() {
    let millom = &[("lon", "-3.269471"), ("lat", "54.209742")];
    check_status(millom, "located", "mb-barrow-and-millom");
    let grid = &[("easting", "317303"), ("northing", "480077")];
    check_status(grid, "located", "mb-barrow-and-millom");
    check_status(&[("lon", "2.35"), ("lat", "48.86")], "outside_coverage", "");
    check_status(&[("lon", "-180"), ("lat", "-90")], "outside_coverage", "");
}

#[test]
fn points_at_sea_are_outside_coverage_with_the_nearest_community() {
    let body = locate(&[("lon", "-2.95"), ("lat", "54.1")]);
    assert_eq!(body["status"], "outside_coverage");
    assert_eq!(body["residence"]["icc"], json!([]));
    assert_eq!(body["agreement"], "neither");
    let nearest = &body["nearest"]["icc"];
    assert_eq!(nearest["id"], "mb-grange-and-lakes");
    let distance_m = nearest["distance_m"].as_f64().expect("metres");
    assert!((1_000.0..10_000.0).contains(&distance_m), "{distance_m}");
    let inland = locate(&[("postcode", "LA18 4DB")]);
    assert_eq!(inland.get("nearest"), None);
}

#[test]
fn implausible_coordinates_are_rejected() {
    let lonlat =
        |lon, lat, status, code| check_problem(&[("lon", lon), ("lat", lat)], status, code);
    lonlat("54.05", "-2.8", 422, "coordinates_swapped");
    lonlat("317303", "480077", 422, "not_degrees");
    lonlat("-2.8", "-1000.1", 422, "not_degrees");
    for number in ["NaN", "inf", "-Infinity", "1e400", "", "x", "0x10"] {
        lonlat(number, "54.05", 400, "not_a_number");
    }
    for number in ["NaN", "Infinity", "1e400", "", "54,05"] {
        lonlat("-2.8", number, 400, "not_a_number");
    }
    lonlat("180.1", "54.05", 400, "coordinates_out_of_range");
    for latitude in ["90.1", "-90.1"] {
        lonlat("-2.8", latitude, 400, "coordinates_out_of_range");
    }
    let grid = |easting, northing, status, code| {
        check_problem(
            &[("easting", easting), ("northing", northing)],
            status,
            code,
        );
    };
    grid("-2.8", "54.05", 422, "not_metres");
    grid("9e9", "480077", 400, "coordinates_out_of_range");
    grid("317303", "NaN", 400, "coordinates_out_of_range");
}

#[test]
fn get_and_post_return_the_same_response() {
    let requests: &[&[(&str, &str)]] = &[
        &[("postcode", "LA18 4DB"), ("as_of", AS_OF)],
        &[
            ("postcode", "LA18 4DB"),
            ("practice", "P81064"),
            ("as_of", AS_OF),
        ],
        &[
            ("postcode", "LA1 1PN"),
            ("layers", "icc,pcn"),
            ("as_of", AS_OF),
        ],
        &[("lon", "-3.269471"), ("lat", "54.209742"), ("as_of", AS_OF)],
        &[("practice", "A82033"), ("as_of", AS_OF)],
        &[("postcode", "ZZ99 3VZ"), ("practice", "V81997")],
        &[("postcode", "LA1O 5DL")],
        &[("postcode", "LA1 0AA")],
        &[("postcode", "LA1")],
        &[("lon", "54.05"), ("lat", "-2.8")],
        &[("lon", "NaN"), ("lat", "54")],
        &[("as_of", AS_OF)],
        &[("postcode", "LA1 1AA"), ("as_of", "2023-02-29")],
        &[("postcode", "LA1 1AA"), ("nhs_number", "1")],
        &[("postcode", "LA1 1AA"), ("postcode", "LA1 1AA")],
    ];
    for fields in requests {
        // The JSON is written by hand, so that a test can duplicate a member of an object.
        let members = fields
            .iter()
            .map(|(name, value)| format!("{}:{}", Value::from(*name), Value::from(*value)));
        let object = format!("{{{}}}", members.collect::<Vec<_>>().join(","));
        let got = SERVER.locate(fields);
        let posted = SERVER.post("/api/v1/locate", JSON, &object);
        assert_eq!(
            (got.status, got.text()),
            (posted.status, posted.text()),
            "{fields:?}"
        );
        assert_eq!(posted.header("cache-control"), "no-store", "{posted}");
    }
}

#[test]
fn json_accepts_numbers_nulls_and_arrays_of_layers() {
    let object = json!({
        "lon": -3.269471, "lat": 54.209742, "practice": null, "layers": ["icc", "pcn"], "as_of": AS_OF,
    });
    let reply = SERVER
        .post(
            "/api/v1/locate",
            "Application/JSON; charset=utf-8",
            &object.to_string(),
        )
        .expect(200);
    let residence = &reply.json()["residence"];
    assert_eq!(ids_or_unknown(&residence["icc"]), "mb-barrow-and-millom");
    assert_eq!(ids_or_unknown(&residence["pcn"]), "U16644");
    assert_eq!(residence.as_object().expect("an object").len(), 2);
}

#[test]
fn known_layers_missing_from_the_dataset_are_not_in_dataset() {
    let iccs = index()
        .boundaries(crate::support::layer("icc"), DAY)
        .cloned()
        .collect();
    let server = Server::with(
        dataset_of(crate::support::layer("icc"), iccs),
        ServerLimits::default(),
    );
    let fields = [
        ("lon", "-3.269471"),
        ("lat", "54.209742"),
        ("layers", "icc,pcn"),
    ];
    let residence = &locate_on(&server, &fields)["residence"];
    assert_eq!(ids_or_unknown(&residence["icc"]), "mb-barrow-and-millom");
    assert_eq!(ids_or_unknown(&residence["pcn"]), "unknown: not_in_dataset");
    assert_eq!(residence.as_object().expect("an object").len(), 2);
    let reply = server.get("/api/v1/areas/pcn");
    reply.expect_problem(404, "unknown_layer");
    let reply = server.get("/tiles/pcn.json");
    reply.expect_problem(404, "unknown_layer");
}

#[test]
fn invalid_bodies_are_rejected() {
    let post = |content_type, body: &str| SERVER.post("/api/v1/locate", content_type, body);
    for body in [
        "",
        "null",
        "[]",
        "{",
        "\"LA1 1AA\"",
        r#"{"lon":1e400,"lat":54}"#,
        r#"{"postcode":"LA1 1AA"} x"#,
    ] {
        post(JSON, body).expect_problem(400, "invalid_json");
    }
    for body in [
        r#"{"postcode":true}"#,
        r#"{"postcode":{}}"#,
        r#"{"layers":[1]}"#,
        r#"{"postcode":["LA1 1AA"]}"#,
        r#"{"postcode":"LA1 1AA","practice":0}"#,
        r#"{"postcode":"LA1 1AA","layers":1}"#,
    ] {
        post(JSON, body).expect_problem(400, "invalid_json_value");
    }
    // An unknown member is reported before any invalid value, with a list of the allowed members.
    for body in [
        r#"{"postcode":"LA18 4DB","foo":1}"#,
        r#"{"postcode":true,"foo":null}"#,
    ] {
        let reply = post(JSON, body).expect_problem(400, "unknown_parameter");
        let detail = reply.json()["detail"].to_string();
        assert!(detail.contains("allowed: postcode, lon, lat"), "{detail}");
        assert!(!detail.contains("foo"), "{detail}");
    }
    let object = r#"{"postcode":"LA1 1AA"}"#;
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "json",
        "application/json5",
    ] {
        post(content_type, object).expect_problem(415, "unsupported_media_type");
    }
    SERVER
        .send("POST", "/api/v1/locate", &[], None)
        .expect_problem(415, "unsupported_media_type");
    let large = json!({ "postcode": "A".repeat(17_000) }).to_string();
    post(JSON, &large).expect_problem(413, "too_large");
}

#[test]
fn chunked_bodies_are_limited() {
    let chunk = format!("4000\r\n{}\r\n", "A".repeat(0x4000));
    let request = format!(
        "POST /api/v1/locate HTTP/1.1\r\nHost: test\r\nContent-Type: {JSON}\r\nConnection: close\r\n\
         Transfer-Encoding: chunked\r\n\r\n{chunk}10\r\nAAAAAAAAAAAAAAAA\r\n0\r\n\r\n"
    );
    let answer = send_raw(SERVER.connect(), request.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[test]
fn truncated_bodies_are_bad_requests() {
    let mut stream = SERVER.connect();
    let head = format!(
        "POST /api/v1/locate HTTP/1.1\r\nHost: test\r\nContent-Type: {JSON}\r\nContent-Length: 100\r\n\r\n{{"
    );
    stream
        .write_all(head.as_bytes())
        .expect("the request is sent");
    stream
        .shutdown(Shutdown::Write)
        .expect("the connection is half-closed");
    let answer = read_to_close(stream);
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
}

#[test]
fn malformed_http_is_rejected() {
    for request in [
        "LA18 4DB\r\n\r\n",
        "GET /api/v1/locate?postcode=LA18 4DB HTTP/1.1\r\nHost: test\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: test\r\nContent-Length: x\r\n\r\n",
    ] {
        let answer = send_raw(SERVER.connect(), request.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 400 "), "{request}: {answer}");
        assert!(!answer.contains("4DB"), "{answer}");
    }
    let long = format!("GET /{} HTTP/1.1\r\nHost: test\r\n\r\n", "a".repeat(20_000));
    let answer = send_raw(SERVER.connect(), long.as_bytes());
    assert!(
        answer.starts_with("HTTP/1.1 431 ") || answer.starts_with("HTTP/1.1 414 "),
        "{answer}"
    );
}

#[test]
fn responses_have_the_documented_members() {
    let body = locate(&[("postcode", "LA18 4DB")]);
    let expected = [
        "status",
        "location",
        "residence",
        "registration",
        "agreement",
        "notes",
        "as_of",
        "data",
        "dataset",
    ];
    let names: Vec<&String> = body.as_object().expect("an object").keys().collect();
    assert_eq!(names.len(), expected.len(), "{names:?}");
    for name in expected {
        assert!(body.get(name).is_some(), "{name} is missing");
    }
    assert_eq!(body["location"]["source"], "postcode");
    assert_eq!(
        body["location"]["positional_quality"],
        json!({ "scale": "code-point-open", "value": 10 })
    );
}

/// Checks that the response to a GET request is a problem with this status and code.
#[track_caller]
fn check_get_problem(path: &str, status: u16, code: &str) {
    SERVER.get(path).expect_problem(status, code);
}

#[test]
fn unknown_resources_are_404_with_a_specific_code() {
    check_get_problem("/nothing", 404, "not_found");
    check_get_problem("/api/v1/nothing", 404, "not_found");
    check_get_problem("/assets/nothing.css", 404, "not_found");
    check_get_problem("/api/v1/areas/nothing", 404, "unknown_layer");
    // `mb-kendal` is an area of another layer.
    check_get_problem("/api/v1/areas/pcn/mb-kendal", 404, "unknown_area");
    check_get_problem("/api/v1/areas/icc/nothing", 404, "unknown_area");
    check_get_problem("/api/v1/areas/icc/mb-nothing.geojson", 404, "unknown_area");
    check_get_problem("/api/v1/areas/icc/mb-garstang.geojson", 404, "no_boundary");
    check_get_problem("/api/v1/practices/P99999", 404, "unknown_practice");
    check_get_problem("/api/v1/practices/%20", 404, "unknown_practice");
    check_get_problem("/api/v1/postcodes/LA1%200AA", 404, "unknown_postcode");
    check_get_problem("/api/v1/postcodes/LA1O%205DL", 400, "malformed");
    check_get_problem("/api/v1/postcodes/LA1", 400, "partial_postcode");
    check_get_problem("/api/v1/postcodes/%ff", 400, "invalid_path");
    check_get_problem("/tiles/nothing.json", 404, "unknown_layer");
    check_get_problem("/tiles/icc", 404, "unknown_layer");
    check_get_problem("/tiles/nothing/8/125/81.mvt", 404, "unknown_layer");
}

#[test]
fn unknown_and_repeated_parameters_are_rejected() {
    for path in GET_PATHS {
        let separator = if path.contains('?') { '&' } else { '?' };
        let reply = SERVER.get(&format!("{path}{separator}{MARKER}=1"));
        if path.starts_with("/health") || path.starts_with("/assets") {
            continue;
        }
        reply.expect_problem(400, "unknown_parameter");
    }
    check_get_problem(
        "/api/v1/areas?as_of=2025-12-01&as_of=2025-12-01",
        400,
        "repeated_parameter",
    );
    check_get_problem(
        "/api/v1/dataset?dataset=2026.1&dataset=2026.1",
        400,
        "repeated_parameter",
    );
}

#[test]
fn every_lookup_accepts_dataset_and_as_of() {
    for path in GET_PATHS {
        let separator = if path.contains('?') { '&' } else { '?' };
        // The look-up page accepts these parameters only in its form. The other skipped paths do
        // not return look-ups.
        if *path == "/"
            || ["/batch", "/privacy", "/health", "/assets"]
                .iter()
                .any(|other| path.starts_with(other))
        {
            continue;
        }
        let with = |query: &str| SERVER.get(&format!("{path}{separator}{query}"));
        let plain = with("as_of=2025-12-01").expect(200);
        let named = with("as_of=2025-12-01&dataset=2026.1").expect(200);
        // Only links may differ, because they contain the release.
        let text = named.latin1_text().replace("&dataset=2026.1", "");
        assert_eq!(text, plain.latin1_text(), "{path}");
        with("as_of=2025-12-01&dataset=1999.1").expect_problem(404, "unknown_dataset");
        with("dataset=").expect_problem(404, "unknown_dataset");
    }
}

/// One path of each kind that supports GET.
const GET_PATHS: &[&str] = &[
    "/",
    "/batch",
    "/privacy",
    "/sources",
    "/api/v1/locate?postcode=LA18+4DB",
    "/api/v1/postcodes/LA18%204DB",
    "/api/v1/practices",
    "/api/v1/practices/A82033",
    "/api/v1/areas",
    "/api/v1/areas/icc",
    "/api/v1/areas/icc.geojson",
    "/api/v1/areas/icc/mb-kendal",
    "/api/v1/areas/icc/mb-kendal.geojson",
    "/api/v1/dataset",
    "/tiles/icc.json",
    "/tiles/icc/8/125/81.mvt",
    "/health/live",
    "/health/ready",
];

fn is_api(path: &str) -> bool {
    path.starts_with("/api/") || path.starts_with("/tiles/")
}

#[test]
fn wrong_methods_are_405_with_an_allow_header() {
    for path in GET_PATHS {
        let reply = SERVER.send("DELETE", path, &[], None);
        let reply = reply.expect_problem(405, "method_not_allowed");
        let accepts_post = ["/", "/batch"].contains(path) || path.contains("/locate");
        let expected = if accepts_post {
            "GET,HEAD,POST"
        } else {
            "GET,HEAD"
        };
        assert_eq!(reply.header("allow"), expected, "{reply}");
    }
    SERVER
        .send("ZQ7MARK", "/api/v1/locate", &[], None)
        .expect_problem(405, "method_not_allowed");
}

#[test]
fn head_has_the_headers_of_get_and_no_body() {
    for path in GET_PATHS.iter().chain(&["/api/v1/locate", "/nothing"]) {
        let got = SERVER.get(path);
        let head = SERVER.send("HEAD", path, &[], None);
        let status_and_headers = |reply: &Reply| {
            let mut headers = reply.headers.clone();
            for header in ["date", "x-request-id"] {
                headers.remove(header);
            }
            (reply.status, headers)
        };
        assert_eq!(
            status_and_headers(&head),
            status_and_headers(&got),
            "{path}"
        );
        assert!(head.body.is_empty(), "{head}");
    }
}

#[test]
fn lookup_responses_are_not_cacheable() {
    for path in [
        "/",
        "/api/v1/locate?postcode=LA18+4DB",
        "/api/v1/postcodes/LA18%204DB",
        "/health/ready",
    ] {
        let reply = SERVER.get(path).expect(200);
        assert_eq!(reply.header("cache-control"), "no-store", "{reply}");
        assert_eq!(reply.header("etag"), "", "{reply}");
    }
}

/// URLs reveal a location if they contain a bounding box, a tile of a few streets or a postcode.
#[test]
fn responses_that_reveal_a_location_are_not_cacheable() {
    let edition = SERVER.get("/tiles/icc.json").json()["edition"].to_string();
    let edition = edition.trim_matches('"').to_string();
    let items = "/ogc/collections/icc/items";
    for path in [
        format!("{items}?bbox=-3.2694711,54.2097422,-3.2694711,54.2097422"),
        format!("{items}?bbox=-3.27,54.20,-3.26,54.21&f=html"),
        format!("{items}?bbox=-4,53,-1,56"),
        format!(
            "{items}?bbox=317303,480077,317304,480078&bbox-crs=http://www.opengis.net/def/crs/EPSG/0/27700"
        ),
        "/tiles/icc/15/16086/10488.mvt".into(),
        "/tiles/icc,gp-practice/22/2059059/1342546.mvt".into(),
        format!("/tiles/{edition}/icc/15/16086/10488.mvt"),
        "/ogc/collections/icc/tiles/WebMercatorQuad/15/10488/16086".into(),
        "/ogc/tiles/WebMercatorQuad/16/20977/32172".into(),
        "/api/v1/areas/icc/mb-lancaster/postcodes?after=LA1+1AA".into(),
        "/areas/icc/mb-lancaster/postcodes?after=LA1+1AA".into(),
        "/api/v1/postcodes?lon=-3.27&lat=54.21".into(),
        "/api/v1/postcodes?prefix=LA18".into(),
        "/api/v1/practices?postcode=LA18+4DB".into(),
    ] {
        for if_none_match in ["", "*"] {
            let reply = SERVER.send("GET", &path, &[("if-none-match", if_none_match)], None);
            assert!(matches!(reply.status, 200 | 204), "{reply}");
            let control = reply.header("cache-control");
            assert!(
                matches!(control, "private, no-store" | "no-store"),
                "{reply}"
            );
            assert_eq!(reply.header("etag"), "", "{reply}");
        }
    }
    // A tile that is a mile wide does not reveal a location.
    let wide = SERVER.get("/tiles/icc/14/8043/5244.mvt");
    assert_eq!(
        wide.header("cache-control"),
        "public, max-age=300",
        "{wide}"
    );
}

/// Paths whose responses are cacheable.
const CACHEABLE_PATHS: &[&str] = &[
    "/privacy",
    "/sources",
    "/api/v1/practices?as_of=2025-12-01",
    "/api/v1/practices/A82033?as_of=2025-12-01",
    "/api/v1/areas?as_of=2025-12-01",
    "/api/v1/areas/icc?as_of=2025-12-01",
    "/api/v1/areas/icc.geojson?as_of=2025-12-01",
    "/api/v1/areas/icc/mb-kendal?as_of=2025-12-01",
    "/api/v1/areas/icc/mb-kendal.geojson?as_of=2025-12-01",
    "/api/v1/dataset",
    "/tiles/icc.json",
    "/tiles/icc/8/125/81.mvt",
];

#[test]
fn conditional_requests_return_304() {
    for path in CACHEABLE_PATHS {
        let first = SERVER.get(path).expect(200);
        let tag = first.header("etag");
        assert!(tag.starts_with('"') && tag.len() > 10, "{first}");
        assert!(
            first
                .header("cache-control")
                .starts_with("public, max-age="),
            "{first}"
        );
        for tags in [tag, &format!("W/{tag}"), &format!("\"other\", {tag}"), "*"] {
            let again = SERVER.send("GET", path, &[("if-none-match", tags)], None);
            let again = again.expect(304);
            assert_eq!(again.header("etag"), tag, "{again}");
            assert!(again.body.is_empty(), "{again}");
        }
        let stale = SERVER.send("GET", path, &[("if-none-match", "\"other\"")], None);
        assert_eq!(stale.expect(200).body, first.body);
    }
}

#[test]
fn etags_survive_a_restart_and_differ_between_versions() {
    let restarted = Server::start();
    let mut altered = embedded();
    altered.manifest.version = "made-up".into();
    altered.manifest.attribution = "made up".into();
    let altered = Server::with(altered, ServerLimits::default());
    for path in [
        "/api/v1/areas/icc.geojson?as_of=2025-12-01",
        "/api/v1/dataset",
        "/tiles/icc/8/125/81.mvt",
    ] {
        let tag = SERVER.get(path).header("etag").to_string();
        assert_eq!(restarted.get(path).header("etag"), tag, "{path}");
        if !path.starts_with("/tiles") {
            assert_ne!(altered.get(path).header("etag"), tag, "{path}");
        }
    }
}

#[test]
fn cors_allows_any_origin_without_credentials() {
    let origin = [("origin", "https://surgery.example")];
    for path in GET_PATHS {
        let reply = SERVER.send("GET", path, &origin, None).expect(200);
        let expected = if is_api(path) { "*" } else { "" };
        assert_eq!(
            reply.header("access-control-allow-origin"),
            expected,
            "{reply}"
        );
        assert_eq!(
            reply.header("access-control-allow-credentials"),
            "",
            "{reply}"
        );
    }
    for (method, path) in [
        ("GET", "/api/v1/locate?postcode=LA1O+5DL"),
        ("DELETE", "/api/v1/locate"),
        ("GET", "/api/v1/areas/icc/nothing"),
    ] {
        let reply = SERVER.send(method, path, &origin, None);
        assert_eq!(reply.header("access-control-allow-origin"), "*", "{reply}");
    }
}

#[test]
fn preflight_allows_the_documented_methods_and_headers() {
    for (path, method) in [
        ("/api/v1/locate", "POST"),
        ("/api/v1/areas/icc.geojson", "GET"),
        ("/tiles/icc/8/125/81.mvt", "GET"),
    ] {
        let preflight_headers = [
            ("origin", "https://surgery.example"),
            ("access-control-request-method", method),
            ("access-control-request-headers", "content-type"),
        ];
        let reply = SERVER
            .send("OPTIONS", path, &preflight_headers, None)
            .expect(200);
        assert_eq!(reply.header("access-control-allow-origin"), "*", "{reply}");
        let methods = reply.header("access-control-allow-methods");
        assert!(methods.contains(method), "{reply}");
        let headers = reply.header("access-control-allow-headers");
        assert!(headers.contains("content-type"), "{reply}");
        assert_eq!(
            reply.header("access-control-allow-credentials"),
            "",
            "{reply}"
        );
    }
    let preflight_headers = [
        ("origin", "https://surgery.example"),
        ("access-control-request-method", "POST"),
    ];
    let page = SERVER.send("OPTIONS", "/", &preflight_headers, None);
    assert_eq!(page.header("access-control-allow-origin"), "", "{page}");
}

#[test]
fn every_class_of_response_has_security_headers() {
    let mut replies: Vec<Reply> = GET_PATHS.iter().map(|path| SERVER.get(path)).collect();
    let tag = SERVER.get("/api/v1/dataset").header("etag").to_string();
    let if_none_match = [("if-none-match", tag.as_str())];
    let preflight_headers = [
        ("origin", "https://surgery.example"),
        ("access-control-request-method", "POST"),
    ];
    replies.extend([
        SERVER.send("GET", "/api/v1/dataset", &if_none_match, None),
        SERVER.send("OPTIONS", "/api/v1/locate", &preflight_headers, None),
        SERVER.send("DELETE", "/", &[], None),
        SERVER.get("/tiles/icc/8/0/0.mvt"),
        SERVER.get("/nothing"),
        SERVER.get("/api/v1/locate"),
        SERVER.locate(&[("lon", "54.05"), ("lat", "-2.8")]),
        SERVER.post("/api/v1/locate", "text/plain", "x"),
        SERVER.post("/api/v1/locate", JSON, &" ".repeat(17_000)),
        SERVER.post(
            "/",
            "application/x-www-form-urlencoded",
            "postcode=LA18+4DB",
        ),
        SERVER.post(
            "/",
            "application/x-www-form-urlencoded",
            "postcode=LA1O+5DL",
        ),
    ]);
    let mut statuses: Vec<u16> = replies.iter().map(|reply| reply.status).collect();
    statuses.sort_unstable();
    statuses.dedup();
    assert_eq!(statuses, [200, 204, 304, 400, 404, 405, 413, 415, 422]);
    for reply in &replies {
        let policy = reply.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'") && !policy.contains("unsafe"),
            "{reply}"
        );
        assert_eq!(reply.header("x-content-type-options"), "nosniff", "{reply}");
        assert_eq!(reply.header("referrer-policy"), "no-referrer", "{reply}");
        assert_ne!(reply.header("permissions-policy"), "", "{reply}");
        assert_eq!(
            reply.header("cross-origin-opener-policy"),
            "same-origin",
            "{reply}"
        );
        assert_ne!(reply.header("cross-origin-resource-policy"), "", "{reply}");
        assert_eq!(reply.header("server"), "", "{reply}");
        assert_eq!(reply.header("set-cookie"), "", "{reply}");
    }
}

#[test]
fn errors_never_repeat_the_request() {
    let marked = |template: &str| template.replace('@', MARKER);
    for path in [
        "/@",
        "/api/v1/locate?postcode=@",
        "/api/v1/locate?@=1",
        "/api/v1/locate?lon=@&lat=54",
        "/api/v1/locate?easting=@&northing=1",
        "/api/v1/locate?practice=@@@",
        "/api/v1/locate?postcode=LA1+1AA&as_of=@",
        "/api/v1/locate?postcode=LA1+1AA&layers=@",
        "/api/v1/postcodes/@",
        "/api/v1/practices/@",
        "/api/v1/areas/@",
        "/api/v1/areas/icc/@",
        "/api/v1/areas?as_of=@",
        "/api/v1/dataset?@",
        "/tiles/@.json",
        "/tiles/icc/@/0/0.mvt",
        "/assets/@",
        "/privacy?@=@",
        "/?postcode=@",
    ] {
        let reply = SERVER.get(&marked(path));
        assert!(reply.status >= 400, "{reply}");
        check_no_echo(&reply);
    }
    for body in [
        "@",
        r#"{"@":1}"#,
        r#"{"postcode":"@"}"#,
        r#"{"postcode":["@"]}"#,
        r#"{"postcode":{"@":"@"}}"#,
    ] {
        check_no_echo(&SERVER.post("/api/v1/locate", JSON, &marked(body)));
        check_no_echo(&SERVER.post("/api/v1/locate", MARKER, &marked(body)));
    }
    check_no_echo(&SERVER.send(MARKER, "/api/v1/locate", &[(MARKER, MARKER)], None));
}

#[track_caller]
fn check_no_echo(reply: &Reply) {
    let text = format!("{:?} {}", reply.headers, reply.text()).to_lowercase();
    assert!(!text.contains(&MARKER.to_lowercase()), "{reply}");
}

/// Checks the agreement, the ICCs by residence and by registration, and the reason why there is no
/// ICC by registration.
#[track_caller]
fn check_registration(
    fields: &[(&str, &str)],
    expected: (&str, &str, &str, Option<&str>),
) -> Value {
    let body = locate(fields);
    check_registration_body(&body, expected);
    body
}

#[track_caller]
fn check_registration_body(
    body: &Value,
    (agreement, residence, registration, reason): (&str, &str, &str, Option<&str>),
) {
    let found = &body["registration"];
    assert_eq!(body["agreement"], agreement, "{body:#}");
    assert_eq!(
        ids_or_unknown(&body["residence"]["icc"]),
        residence,
        "{body:#}"
    );
    assert_eq!(ids_or_unknown(&found["icc"]), registration, "{body:#}");
    assert_eq!(found["reason"], json!(reason), "{body:#}");
}

#[test]
fn registration_and_residence_are_separate_and_compared() {
    let millom = ("postcode", "LA18 4DB");
    check_registration(
        &[millom, ("practice", "A82033")],
        (
            "agree",
            "mb-barrow-and-millom",
            "mb-barrow-and-millom",
            None,
        ),
    );
    check_registration(
        &[millom, ("practice", "P81002")],
        ("differ", "mb-barrow-and-millom", "mb-lancaster", None),
    );
    let registration_only = check_registration(
        &[("practice", "A82033")],
        ("registration_only", "", "mb-barrow-and-millom", None),
    );
    assert_eq!(registration_only["location"], Value::Null);
    let residence_only = locate(&[millom]);
    assert_eq!(residence_only["registration"], Value::Null);
    assert_eq!(residence_only["agreement"], "residence_only");
}

#[test]
fn branch_codes_resolve_to_their_practice() {
    let body = check_registration(
        &[("postcode", "LA10 5DL"), ("practice", "A82608001")],
        ("agree", "mb-east", "mb-east", None),
    );
    let practice = &body["registration"]["practice"];
    assert_eq!(practice["id"], "A82608");
    assert_eq!(practice["asked"]["branch"], true);
    assert_eq!(practice["asked"]["branch_listed"], false);
}

#[test]
fn unresolvable_practice_codes_have_a_reason_and_residence_is_answered() {
    for (code, reason) in [
        ("V81997", "default_code"),
        ("V81998", "default_code"),
        ("V81999", "default_code"),
        ("&", "missing"),
        ("", "missing"),
        ("  ", "missing"),
        ("P8!", "malformed"),
        ("P99999", "unknown_practice"),
    ] {
        let body = check_registration(
            &[("postcode", "LA18 4DB"), ("practice", code)],
            ("residence_only", "mb-barrow-and-millom", "", Some(reason)),
        );
        assert_eq!(body["registration"]["practice"], Value::Null, "{code}");
    }
}

#[test]
fn closed_practices_resolve_to_their_successor_from_its_start_date() {
    let locate_on_date = |day| {
        locate(&[
            ("postcode", "LA11 7DJ"),
            ("practice", "A82065"),
            ("as_of", day),
        ])
    };
    let before = &locate_on_date("2022-03-31")["registration"]["practice"];
    assert_eq!(before["id"], "A82065");
    assert_eq!(before["status"], "active");
    assert_eq!(before["successors"], json!([]));
    let after = locate_on_date("2022-04-01");
    let practice = &after["registration"]["practice"];
    assert_eq!(practice["id"], "A82053");
    assert_eq!(
        practice["asked"],
        json!({ "id": "A82065", "status": "closed", "closed": "2022-03-31", "branch": false })
    );
    assert_eq!(
        practice["successors"],
        json!([{ "id": "A82053", "from": "2022-04-01", "basis": ["place", "list_transfer"] }])
    );
    assert_eq!(after["agreement"], "agree");
}

#[test]
fn practices_are_those_of_2026() {
    let registration = |practice: &str, as_of: &str| {
        let body = locate(&[("practice", practice), ("as_of", as_of)]);
        body["registration"].clone()
    };
    let now = "2026-11-29";
    // The expected values are from NHS ODS epraccur of 2026, and from the pages that are cited in
    // practice_successions.csv.
    for (practice, as_of, responsible, icc) in [
        ("A82019", now, "A82015", "nc-carlisle-network"),
        ("A82017", now, "A82016", "nc-carlisle-healthcare"),
        ("A82052", now, "A82016", "nc-carlisle-healthcare"),
        ("A82058", "2023-06-01", "A82058", "nc-copeland"),
        ("A82049", "2022-03-01", "A82049", "nc-workington"),
        ("A82050", "2022-03-01", "A82050", "nc-workington"),
        ("A82018", "2023-06-01", "A82018", "nc-carlisle-network"),
    ] {
        let found = registration(practice, as_of);
        assert_eq!(found["practice"]["id"], responsible, "{practice}");
        assert_eq!(ids_or_unknown(&found["icc"]), icc, "{practice}");
    }
    let liverpool_house = registration("A82077", now);
    assert_eq!(liverpool_house["practice"]["asked"]["closed"], "2024-10-31");
    assert_eq!(liverpool_house["practice"]["status"], "closed");
    assert_eq!(liverpool_house["reason"], "closed_no_successor");
    let note = liverpool_house["practice"]["note"].as_str();
    assert!(note.is_some_and(|note| note.contains("no successor named")));
    // A82060 took over A82040, and has also closed.
    let catherine_street = registration("A82040", now);
    assert_eq!(catherine_street["reason"], "closed_no_successor");
    assert_eq!(
        catherine_street["practice"]["successors"][0]["id"],
        "A82060"
    );
    let note = catherine_street["practice"]["note"].as_str();
    assert!(note.is_some_and(|note| note.contains("shared out")));
    let kendal = registration("A82025", now);
    assert_eq!(ids_or_unknown(&kendal["place"]), "lsc-south-cumbria");
    let carlisle = registration("A82016", now);
    assert_eq!(
        carlisle["place"],
        json!({ "unknown": "none named by the source" })
    );
    // The team of a practice is assumed to be its network.
    let team = &registration("P81721", now)["neighbourhood-team"][0];
    assert_eq!(team["basis"], "network");
}

#[test]
fn practice_records_have_dates() {
    let practice = |code: &str| {
        let path = format!("/api/v1/practices/{code}");
        SERVER.get(&path).expect(200).json()
    };
    for (code, field, expected) in [
        ("A82003", "name", json!("Ulverston Medical Practice")),
        ("A82033", "telephone", json!("01229 486924")),
        ("P81166", "postcode", json!("BB5 1RT")),
        ("Y02605", "postcode", json!("BB5 1RT")),
        ("A82015", "list_size", json!(13_270)),
        ("P81002", "list_size", json!(63_927)),
        ("P81002", "list_size_as_of", json!("2026-04-01")),
        ("P81002", "listed_as_of", json!("2026-04")),
        ("P81006", "outside_coverage", json!(true)),
        ("P81006", "sub_icb", json!("02M")),
    ] {
        assert_eq!(practice(code)[field], expected, "{code}");
    }
    let ambleside = practice("A82005");
    let premises = ambleside["premises"].as_array().expect("premises");
    let hawkshead = premises.iter().find(|site| site["name"] == "Hawkshead");
    assert_eq!(
        hawkshead.map(|site| &site["as_of"]),
        Some(&json!("2022-09"))
    );
    let former = &practice("A82044")["former_premises"];
    assert!(former.to_string().contains("Frizington"));
    let step = &practice("A82063")["successors"][0];
    assert_eq!(step["basis"], json!(["place"]));
}

#[test]
fn a_practice_outside_the_area_differs_from_a_home_inside() {
    let body = locate(&[("postcode", "LA2 0RU"), ("practice", "P81006")]);
    assert_eq!(body["agreement"], "differ");
    let registration = &body["registration"];
    assert_eq!(registration["reason"], "outside_coverage");
    let practice = &registration["practice"];
    assert_eq!(practice["name"], "Garstang Medical Practice");
    assert_eq!(
        (&practice["sub_icb"], &practice["icb"]),
        (&json!("02M"), &json!("QE1"))
    );
    assert_eq!(registration["icc"], json!([]));
    // Landscape Surgery closed, and its successor is outside the area.
    let closed = locate(&[("postcode", "LA2 0RU"), ("practice", "P81190")]);
    assert_eq!(closed["registration"]["practice"]["id"], "P81006");
    assert_eq!(closed["registration"]["reason"], "outside_coverage");
    assert_eq!(closed["agreement"], "differ");
}

#[test]
fn distances_name_the_premises() {
    let body = locate(&[("postcode", "LA1 4FH")]);
    let practices = body["residence"]["gp-practice"]
        .as_array()
        .expect("practices");
    let lancaster = practices.iter().find(|found| found["id"] == "P81002");
    let lancaster = lancaster.expect("it covers Bailrigg");
    let premises = &lancaster["premises"];
    let distance_m = lancaster["distance_m"].as_f64().expect("a distance");
    // The nearest premises are either Dalton Square, 4.4 km away, or a branch that the answer
    // specifies.
    assert!(
        premises["kind"] == "branch" || distance_m > 4_000.0,
        "{lancaster}"
    );
    for found in practices {
        assert!(found["premises"]["postcode"].is_string(), "{found}");
        assert!(found["premises"]["as_of"].is_string(), "{found}");
    }
}

#[test]
fn practices_without_a_successor_or_icc_have_a_reason() {
    let code = |text: &str| text.parse::<OdsCode>().expect("an ODS code");
    let mut dataset = embedded();
    // P81011 closed without a successor. P81056 and P81064 are successors of each other.
    dataset
        .successions
        .retain(|step| step.predecessor != code("P81011"));
    for step in &mut dataset.successions {
        if step.predecessor == code("P81056") {
            step.successor = code("P81064");
        } else if step.predecessor == code("P81064") {
            step.successor = code("P81056");
        }
    }
    // Y01008 belongs to no ICC, and A82033 will close.
    dataset.memberships.retain(
        |membership| !matches!(&membership.member, catchment::domain::GroupMember::Practice(member) if *member == code("Y01008")),
    );
    for practice in &mut dataset.practices {
        if practice.code == code("A82033") {
            practice.closed = Some(jiff::civil::date(2026, 3, 31));
        }
    }
    let server = Server::with(dataset, ServerLimits::default());
    let check = |practice, expected| {
        let body = locate_on(&server, &[("postcode", "LA18 4DB"), ("practice", practice)]);
        check_registration_body(&body, expected);
        body
    };
    let icc = "mb-barrow-and-millom";
    let no_successor = check(
        "P81011",
        ("residence_only", icc, "", Some("closed_no_successor")),
    );
    assert_eq!(no_successor["registration"]["practice"]["status"], "closed");
    check(
        "P81056",
        ("residence_only", icc, "", Some("succession_cycle")),
    );
    check("Y01008", ("differ", icc, "", Some("outside_coverage")));
    let closing = check("A82033", ("agree", icc, icc, None));
    assert_eq!(closing["notes"], json!(["closes_on"]));
    let practice = &closing["registration"]["practice"];
    assert_eq!(practice["status"], "active");
    assert_eq!(practice["closes_on"], "2026-03-31");
}

#[test]
fn no_registration_and_no_residence_is_a_valid_result() {
    for practice in ["V81997", "&", ""] {
        let body = locate(&[("postcode", "ZZ99 3VZ"), ("practice", practice)]);
        assert_eq!(body["status"], "no_fixed_abode");
        assert_eq!(body["agreement"], "neither");
    }
    let registered = locate(&[("postcode", "ZZ99 3VZ"), ("practice", "A82033")]);
    assert_eq!(registered["agreement"], "registration_only");
    assert_eq!(
        ids_or_unknown(&registered["registration"]["icc"]),
        "mb-barrow-and-millom"
    );
}

#[test]
fn postcode_of_the_practice_is_noted() {
    let check = |postcode, practice, notes: Value| {
        let body = locate(&[("postcode", postcode), ("practice", practice)]);
        assert_eq!(body["notes"], notes, "{postcode} {practice}");
    };
    check("LA18 4BY", "A82033", json!(["practice_address"]));
    check("LA18 4DB", "A82033", json!([]));
    // The addresses of the closed practice and of its successor are both addresses of practices.
    check("LA1 1RE", "P81064", json!(["practice_address"]));
    check("LA1 1PN", "P81064", json!(["practice_address"]));
}

#[test]
fn practice_codes_ignore_case_and_spacing_and_names_are_malformed() {
    for code in ["A82033", "a82033", " a82 033 "] {
        check_registration(
            &[("postcode", "LA18 4DB"), ("practice", code)],
            (
                "agree",
                "mb-barrow-and-millom",
                "mb-barrow-and-millom",
                None,
            ),
        );
    }
    check_registration(
        &[
            ("postcode", "LA18 4DB"),
            ("practice", "Waterloo House Surgery"),
        ],
        (
            "residence_only",
            "mb-barrow-and-millom",
            "",
            Some("malformed"),
        ),
    );
}

#[test]
fn groups_of_a_sub_community_come_before_those_of_its_icc() {
    let body = locate(&[("postcode", "LA18 4DB"), ("as_of", "2022-01-05")]);
    let groups = body["residence"]["resilience-group"]
        .as_array()
        .expect("a list");
    let found: Vec<(&str, &str)> = groups
        .iter()
        .map(|group| (group["id"].as_str(), group["via"].as_str()))
        .map(|(id, via)| (id.expect("an id"), via.expect("a member")))
        .collect();
    assert_eq!(
        found,
        [
            ("west-cumbria-resilience-group", "mb-millom"),
            ("health-and-wellbeing-action-group", "mb-millom"),
            ("barrow-resilience-group", "mb-barrow-and-millom"),
        ]
    );
}

#[test]
fn groups_not_named_by_the_source_are_unknown() {
    let body = locate(&[("postcode", "LA1 1PN"), ("practice", "P81002")]);
    for side in ["residence", "registration"] {
        assert_eq!(
            body[side]["resilience-group"],
            json!({ "unknown": "none named by the source" }),
            "{side}"
        );
    }
}

#[test]
fn dates_before_the_first_data_of_a_layer_are_unknown_for_that_layer() {
    let no_data = "unknown: no_data_for_date";
    let body = locate(&[("postcode", "LA18 4DB"), ("as_of", "2025-04-30")]);
    assert_eq!(
        ids_or_unknown(&body["residence"]["icc"]),
        "mb-barrow-and-millom"
    );
    assert_eq!(ids_or_unknown(&body["residence"]["gp-practice"]), no_data);
    let body = locate(&[("postcode", "LA18 4DB"), ("as_of", "2025-05-01")]);
    assert_eq!(ids_or_unknown(&body["residence"]["gp-practice"]), "A82033");
    // The postcode is in the directory, although there is no data about its areas for this date.
    let body = locate(&[("postcode", "LA18 4DB"), ("as_of", "2022-01-04")]);
    assert_eq!(body["status"], "located");
    for (layer, found) in body["residence"].as_object().expect("layers") {
        let expected = match layer.as_str() {
            "sub-icb" => "01K",
            "council" => "E07000029",
            "lsoa11" | "lsoa21" => "E01019299",
            _ => no_data,
        };
        assert_eq!(ids_or_unknown(found), expected, "{layer}");
    }
    let coordinate = |as_of| [("lon", "-3.269471"), ("lat", "54.209742"), ("as_of", as_of)];
    // Sub-ICB locations, councils and the LSOAs of 2011 have data for earlier dates than the other
    // layers.
    let body = locate(&coordinate("2017-04-01"));
    for (layer, found) in body["residence"].as_object().expect("layers") {
        let expected = match layer.as_str() {
            "sub-icb" => "01K",
            "council" => "E07000029",
            "lsoa11" => "E01019299",
            _ => no_data,
        };
        assert_eq!(ids_or_unknown(found), expected, "{layer}");
    }
    check_problem(&coordinate("2011-03-26"), 422, "no_data_for_date");
    // If there is no data for the date, a list is empty and contains a note, but a request for a
    // single area fails.
    let list = |path: &str| SERVER.get(path).expect(200).json();
    let before = list("/api/v1/areas/icc?as_of=2022-01-04");
    assert_eq!(before["areas"], json!([]));
    assert_eq!(before["unknown"], "no_data_for_date");
    let after = list("/api/v1/areas/icc?as_of=2022-01-05");
    assert!(after["unknown"].is_null() && after["areas"][0].is_object());
    let before = list("/api/v1/areas/icc.geojson?as_of=2022-01-04");
    assert_eq!(before["features"], json!([]));
    assert_eq!(before["unknown"], "no_data_for_date");
    let items = "/ogc/collections/icc-history/items?datetime=2000-01-01";
    assert_eq!(list(items)["numberMatched"], 0);
    for layer in list("/api/v1/areas?as_of=2022-01-04")["layers"]
        .as_array()
        .expect("layers")
    {
        let id = layer["id"].as_str().expect("an id");
        let has_data = ["sub-icb", "council", "lsoa11", "lsoa21"].contains(&id);
        assert_eq!(layer["unknown"].is_null(), has_data, "{layer}");
        assert_eq!(layer["areas"] != 0, has_data, "{layer}");
    }
    check_get_problem(
        "/api/v1/areas/icc/mb-kendal?as_of=2022-01-04",
        422,
        "no_data_for_date",
    );
    check_get_problem("/tiles/icc.json?as_of=2022-01-04", 422, "no_data_for_date");
}

#[test]
fn answers_have_the_dates_of_their_sources() {
    let data = |fields: &[(&str, &str)]| locate(fields)["data"].clone();
    let icc = ("layers", "icc");
    assert_eq!(
        data(&[("postcode", "LA18 4DB"), icc]),
        json!({ "postcodes": "2025-11", "icc": "2022-01-05", "lsoa11": "2011" })
    );
    assert_eq!(
        data(&[
            ("lon", "-3.269471"),
            ("lat", "54.209742"),
            ("layers", "pcn")
        ]),
        json!({ "pcn": "2024-10-01", "lsoa11": "2011" })
    );
    assert_eq!(
        data(&[("practice", "P81002"), icc]),
        json!({ "practices": "2026-04", "icc": "2022-01-05" })
    );
    let all = data(&[("postcode", "LA18 4DB")]);
    assert_eq!(all["gp-practice"], "2026-04-01");
    let entry = SERVER
        .get("/api/v1/postcodes/LA18%204DB")
        .expect(200)
        .json();
    assert_eq!(entry["data"], json!({ "postcodes": "2025-11" }));
}

#[test]
fn answers_for_dates_after_the_data_say_so() {
    let notes =
        |as_of: &str| locate(&[("postcode", "LA18 4DB"), ("as_of", as_of)])["notes"].clone();
    assert_eq!(notes("2026-04-30"), json!([]));
    assert_eq!(notes("2999-01-01"), json!(["after_data"]));
}

#[test]
fn sub_icb_names_depend_on_the_date() {
    let check = |postcode: &str, as_of: &str, id: &str, name: &str, board: &str| {
        let body = locate(&[("postcode", postcode), ("as_of", as_of)]);
        let found = &body["residence"]["sub-icb"];
        assert_eq!(ids_or_unknown(found), id, "{postcode} {as_of}");
        assert_eq!(found[0]["name"], name, "{postcode} {as_of}");
        assert_eq!(
            ids_or_unknown(&body["residence"]["icb"]),
            board,
            "{postcode} {as_of}"
        );
    };
    let no_data = "unknown: no_data_for_date";
    for (postcode, id, group, location, board) in [
        (
            "LA18 4DB",
            "01K",
            "NHS Morecambe Bay CCG",
            "NHS Lancashire and South Cumbria ICB - 01K",
            "QE1",
        ),
        (
            "CA28 8JG",
            "01H",
            "NHS North Cumbria CCG",
            "NHS North East and North Cumbria ICB - 01H",
            "QHM",
        ),
        (
            "BB5 6AS",
            "01A",
            "NHS East Lancashire CCG",
            "NHS Lancashire and South Cumbria ICB - 01A",
            "QE1",
        ),
        (
            "BB2 1AX",
            "00Q",
            "NHS Blackburn with Darwen CCG",
            "NHS Lancashire and South Cumbria ICB - 00Q",
            "QE1",
        ),
    ] {
        check(postcode, "2022-06-30", id, group, no_data);
        check(postcode, "2022-07-01", id, location, board);
    }
    // The name by registration also depends on the date.
    for (as_of, name) in [
        ("2022-06-30", "NHS Morecambe Bay CCG"),
        ("2022-07-01", "NHS Lancashire and South Cumbria ICB - 01K"),
    ] {
        let body = locate(&[("practice", "A82033"), ("as_of", as_of)]);
        let found = &body["registration"]["sub-icb"];
        assert_eq!(
            (ids_or_unknown(found).as_str(), &found[0]["name"]),
            ("01K", &name.into())
        );
    }
}

#[test]
fn east_lancashire_has_teams_pcns_places_and_an_icb() {
    let check = |postcode, expected: [&str; 6]| {
        let body = locate(&[("postcode", postcode)]);
        let layers = [
            "icc",
            "neighbourhood-team",
            "pcn",
            "sub-icb",
            "place",
            "icb",
        ];
        let found = layers.map(|layer| ids_or_unknown(&body["residence"][layer]));
        assert_eq!(found, expected, "{postcode}");
        for layer in ["neighbourhood-team", "pcn"] {
            for area in body["residence"][layer].as_array().expect("areas") {
                assert_eq!(area["provenance"], "modelled", "{postcode} {layer}");
            }
        }
    };
    let lancashire = "lsc-lancashire";
    check(
        "BB5 6AS",
        [
            "",
            "pl-hyndburn-central",
            "U96653",
            "01A",
            lancashire,
            "QE1",
        ],
    );
    check(
        "BB7 2JG",
        ["", "pl-ribblesdale", "U11269", "01A", lancashire, "QE1"],
    );
    check(
        "BB2 1AX",
        [
            "",
            "pl-blackburn-west",
            "U34816",
            "00Q",
            "lsc-blackburn-with-darwen",
            "QE1",
        ],
    );
    check(
        "LA1 1PN",
        ["mb-lancaster", "", "U19808", "01K", lancashire, "QE1"],
    );
    check(
        "LA18 4DB",
        [
            "mb-barrow-and-millom",
            "",
            "U16644",
            "01K",
            "lsc-south-cumbria",
            "QE1",
        ],
    );
    // Craven is in the ICB, but the source does not state its place.
    let unknown = "unknown: none named by the source";
    check("LA2 7HH", ["mb-east", "", "U59980", "01K", unknown, "QE1"]);
    // Whitehaven and Millom are both in Copeland, but Whitehaven is in another ICB.
    let body = locate(&[("postcode", "CA28 8JG")]);
    assert_eq!(ids_or_unknown(&body["residence"]["place"]), unknown);
    assert_eq!(ids_or_unknown(&body["residence"]["icb"]), "QHM");
}

#[test]
fn groups_of_areas_without_a_source_are_no_source() {
    for (postcode, practice) in [("CA28 8JG", "A82024"), ("BB5 6AS", "Y02605")] {
        let body = locate(&[("postcode", postcode), ("practice", practice)]);
        for side in ["residence", "registration"] {
            assert_eq!(
                body[side]["resilience-group"],
                json!({ "unknown": "no source" }),
                "{postcode} {side}"
            );
        }
    }
}

#[test]
fn prescribing_only_codes_differ_from_unknown_codes() {
    let mut dataset = embedded();
    let code = |text: &str| text.parse::<OdsCode>().expect("an ODS code");
    assert!(dataset.not_gp_practices.is_empty());
    // A code that is also in the practice table remains a practice.
    dataset.not_gp_practices = vec![code("Y99998"), code("A82033")];
    let server = Server::with(dataset, ServerLimits::default());
    let reason = |practice| {
        let body = locate_on(&server, &[("postcode", "LA18 4DB"), ("practice", practice)]);
        let registration = &body["registration"];
        assert_eq!(registration["practice"].is_null(), practice != "A82033");
        (registration["reason"].clone(), body["agreement"].clone())
    };
    let residence_only = || json!("residence_only");
    assert_eq!(
        reason("Y99998"),
        (json!("not_a_gp_practice"), residence_only())
    );
    assert_eq!(
        reason("Y99999"),
        (json!("unknown_practice"), residence_only())
    );
    assert_eq!(reason("A82033"), (Value::Null, json!("agree")));
    assert_eq!(
        locate(&[("practice", "Y99998")])["registration"]["reason"],
        "unknown_practice"
    );
}

#[test]
fn postcodes_are_live_until_the_end_of_their_last_month() {
    let status_on = |postcode, as_of| {
        let body = locate(&[("postcode", postcode), ("as_of", as_of)]);
        let location = &body["location"];
        let words = [
            &body["status"],
            &location["postcode_status"],
            &location["terminated"],
        ];
        words
            .map(|word| word.as_str().unwrap_or("none").to_string())
            .join(" ")
    };
    assert_eq!(status_on("CA1 1EF", "1995-12-01"), "located live 1996-06");
    assert_eq!(status_on("CA1 1EF", "1996-06-30"), "located live 1996-06");
    assert_eq!(
        status_on("CA1 1EF", "1996-07-01"),
        "terminated terminated 1996-06"
    );
    assert_eq!(
        status_on("CA1 1EF", "2020-01-01"),
        "terminated terminated 1996-06"
    );
    // For the termination of CA1 1ED, only the editions of the directory before and after it are
    // known.
    assert_eq!(status_on("CA1 1ED", AS_OF), "terminated terminated none");
    assert_eq!(status_on("CA1 1ED", "2022-05-31"), "located live none");
    assert_eq!(status_on("CA1 1ED", "2023-01-01"), "located unknown none");
    let ended = locate(&[("postcode", "CA1 1ED"), ("as_of", "2023-01-01")]);
    assert_eq!(
        ended["location"]["ended_between"],
        json!({ "after": "2022-05", "by": "2024-07" })
    );
    assert_eq!(ended["notes"], json!(["postcode_status_unknown"]));
    let early = locate(&[("postcode", "CA1 1EF"), ("as_of", "1995-06-30")]);
    assert_eq!(early["notes"], json!(["not_yet_introduced"]));
}

#[test]
fn postcodes_in_no_list_of_live_postcodes_have_an_unknown_status() {
    let body = locate(&[("postcode", "LA1 4FH"), ("as_of", AS_OF)]);
    assert_eq!(body["status"], "located");
    assert_eq!(body["location"]["postcode_status"], "unknown");
    assert_eq!(body["notes"], json!(["postcode_status_unknown"]));
    assert_eq!(body["residence"]["icc"][0]["id"], "mb-lancaster");
}

#[test]
fn unknown_postcodes_have_the_date_of_the_directory_and_a_hint() {
    let body = SERVER
        .locate(&[("postcode", "LA1 4BR"), ("as_of", AS_OF)])
        .expect(404)
        .json();
    let detail = body["detail"].as_str().expect("text");
    assert!(
        detail.contains("the directory of November 2025"),
        "{detail}"
    );
    assert!(detail.contains("the postcode may be newer"), "{detail}");
    let hint = &body["area_hint"];
    assert_eq!(hint["layer"], "icc");
    assert_eq!(hint["id"], "mb-lancaster");
    assert_eq!(hint["name"], "Lancaster ICC");
    assert!(
        hint["share"]
            .as_f64()
            .is_some_and(|share| share > 0.5 && share <= 1.0)
    );
    assert!(hint["postcodes"].as_u64().is_some_and(|count| count > 100));
    // Neither the postcode nor its sector is repeated.
    assert!(!body.to_string().contains("LA1 4"), "{body}");
}

#[test]
fn only_valid_iso_dates_are_accepted() {
    for as_of in [
        "2023-02-29",
        "2023-13-01",
        "20230101",
        "2023-01-01T00:00:00Z",
        "2023-1-1",
        "01/01/2023",
        "today",
        "",
    ] {
        check_problem(
            &[("postcode", "LA18 4DB"), ("as_of", as_of)],
            400,
            "invalid_date",
        );
    }
    check_get_problem("/api/v1/areas?as_of=2023-02-29", 400, "invalid_date");
    check_get_problem(
        "/api/v1/postcodes/LA18%204DB?as_of=20230101",
        400,
        "invalid_date",
    );
}

#[test]
fn default_date_is_today_in_london() {
    let before = today_in_london().to_string();
    let body = SERVER
        .locate(&[("postcode", "LA18 4DB")])
        .expect(200)
        .json();
    let after = today_in_london().to_string();
    let as_of = body["as_of"].as_str().expect("a day");
    assert!([before.as_str(), &after].contains(&as_of), "{as_of}");
}

#[test]
fn postcode_endpoint_returns_the_directory_entry() {
    let entry = |path: &str| SERVER.get(path).expect(200).json();
    let body = entry("/api/v1/postcodes/la184db?as_of=2025-12-01");
    assert_eq!(body["status"], "located");
    assert_eq!(body["location"]["postcode"], "LA18 4DB");
    assert_eq!(body["statistical_area"], "E01019299");
    assert_eq!(
        body["codes"],
        json!({ "council": "E06000063", "lsoa11": "E01019299", "lsoa21": "E01019299" })
    );
    assert_eq!(body["codes_by_polygon"], json!([]));
    let moved = entry("/api/v1/postcodes/BB1%201GA");
    assert_eq!(moved["codes_by_polygon"], json!(["lsoa11"]));
    assert_eq!(
        entry("/api/v1/postcodes/ZZ99%203VZ")["status"],
        "no_fixed_abode"
    );
    assert_eq!(
        entry("/api/v1/postcodes/SW1A1AA")["status"],
        "outside_coverage"
    );
}

#[test]
fn ended_communities_have_their_successors() {
    let detail = |id: &str| {
        let path = format!("/api/v1/areas/icc/{id}?as_of={AS_OF}");
        SERVER.get(&path).expect(200).json()
    };
    let renamed = detail("mb-dalton-and-ulverston");
    assert_eq!(renamed["holds_on_as_of"], false);
    assert_eq!(renamed["successors"][0]["id"], "mb-mid-furness");
    let closed = detail("mb-garstang");
    assert_eq!(closed["successors"][0]["id"], Value::Null);
    assert_eq!(closed["successors"][0]["relation"], "unknown");
    assert_eq!(
        detail("nc-copeland")["area"]["system"],
        "north-cumbria",
        "nc-copeland must be a community of North Cumbria"
    );
}

#[test]
fn each_system_has_eight_communities() {
    let path = format!("/api/v1/areas/icc?as_of={AS_OF}");
    let body = SERVER.get(&path).expect(200).json();
    let areas = body["areas"].as_array().expect("a list");
    for system in ["morecambe-bay", "north-cumbria"] {
        let count = areas.iter().filter(|area| area["system"] == system).count();
        assert_eq!(count, 8, "{system}");
    }
    assert_eq!(areas.len(), 16);
}

#[test]
fn boundaries_are_valid_geojson() {
    for layer in crate::support::embedded_layers() {
        let path = format!("/api/v1/areas/{layer}.geojson?as_of={AS_OF}");
        let reply = SERVER.get(&path).expect(200);
        assert_eq!(reply.header("content-type"), "application/geo+json");
        let body = reply.json();
        assert_eq!(body.get("crs"), None, "{layer}");
        let features = body["features"].as_array().expect("features");
        assert!(features.len() >= 2, "{layer}: {}", features.len());
        // Only the LSOAs of 2021 that are part of an LSOA of 2011 have no boundary.
        let drawn = features
            .iter()
            .filter(|feature| !feature["geometry"].is_null());
        let drawn: Vec<&Value> = drawn.collect();
        let without = if layer.as_str() == "lsoa21" { 9 } else { 0 };
        assert_eq!(features.len() - drawn.len(), without, "{layer}");
        for feature in drawn {
            check_positions(&feature["geometry"]["coordinates"]);
        }
        let collection: FeatureCollection = reply.text().parse().expect("a FeatureCollection");
        for feature in collection.features {
            let id = feature.property("id").expect("an id").to_string();
            for name in ["name", "provenance", "attribution", "as_of"] {
                assert!(feature.contains_property(name), "{layer} {id}: {name}");
            }
            let Some(geometry) = feature.geometry else {
                continue;
            };
            let geometry: geo::Geometry = geometry.try_into().expect("a geometry");
            check_polygons(&format!("{layer} {id}"), to_multi_polygon(geometry));
        }
    }
}

fn to_multi_polygon(geometry: geo::Geometry) -> MultiPolygon {
    match geometry {
        geo::Geometry::Polygon(polygon) => polygon.into(),
        geo::Geometry::MultiPolygon(polygons) => polygons,
        other => panic!("expected a polygon, but found {other:?}"),
    }
}

/// Checks that positions are longitude and latitude with at most seven decimal places, and that
/// rings are closed.
fn check_positions(value: &Value) {
    let array = value.as_array().expect("a list");
    if array.iter().all(Value::is_array) {
        // Check the rings in the JSON, because parsing a polygon closes its rings.
        if array[0][0].is_number() {
            assert!(array.len() >= 4 && array.first() == array.last(), "{value}");
        }
        return array.iter().for_each(check_positions);
    }
    let [lon, lat] = &array[..] else {
        panic!("a position must have two numbers: {value}")
    };
    assert!(lon.as_f64().is_some_and(|lon| (-4.0..-1.5).contains(&lon)));
    assert!(lat.as_f64().is_some_and(|lat| (53.0..56.0).contains(&lat)));
    for number in [lon, lat] {
        let text = number.to_string();
        let decimals = text
            .split_once('.')
            .map_or(0, |(_, decimals)| decimals.len());
        assert!(decimals <= 7 && !text.contains('e'), "{text}");
    }
}

fn check_polygons(what: &str, polygons: MultiPolygon) {
    assert!(polygons.is_valid(), "{what} is not valid");
    for polygon in &polygons {
        let (exterior, interiors) = (polygon.exterior(), polygon.interiors());
        assert!(exterior.is_closed() && exterior.is_ccw(), "{what}");
        for hole in interiors {
            assert!(hole.is_closed() && hole.is_cw(), "{what}");
        }
    }
}

#[test]
fn single_areas_are_the_same_feature_as_in_their_layer() {
    let path = |name: &str| format!("/api/v1/areas/icc{name}.geojson?as_of={AS_OF}");
    let all = SERVER.get(&path("")).expect(200).json();
    let one = SERVER.get(&path("/mb-kendal")).expect(200).json();
    assert_eq!(one["type"], "Feature");
    let same = all["features"].as_array().expect("features").iter();
    let same = same
        .filter(|feature| feature["properties"]["id"] == "mb-kendal")
        .collect::<Vec<_>>();
    assert_eq!(same, [&one]);
}

#[test]
fn health_and_dataset_endpoints_describe_the_service() {
    let live = SERVER.get("/health/live").expect(200).json();
    assert_eq!(live["status"], "live");
    let ready = SERVER.get("/health/ready").expect(200).json();
    assert_eq!(ready["status"], "ready");
    let dataset = SERVER.get("/api/v1/dataset").expect(200).json();
    for name in ["name", "version"] {
        assert_eq!(ready["dataset"][name], dataset[name]);
    }
    assert_eq!(ready["degraded"], json!([]));
    assert_eq!(dataset["data"]["postcodes"], "2025-11");
    let sources = dataset["sources"].as_array().expect("sources");
    let directory = sources
        .iter()
        .find(|source| source["title"] == "ONS Postcode Directory")
        .expect("the source of postcodes");
    assert_eq!(directory["publisher"], "Office for National Statistics");
    assert_eq!(directory["as_of"], "2025-11");
    assert_eq!(directory["tables"][0]["table"], "postcodes.csv");
    assert!(directory["licence"].is_string() && directory["attribution"].is_string());
    assert_eq!(dataset["counts"]["postcodes"], 68_062);
    assert_eq!(dataset["counts"]["practices"], 183);
    assert_eq!(dataset["loaded"], json!([dataset["version"]]));
    let layers = dataset["layers"].as_array().expect("layers").iter();
    let counts: Vec<(&str, u64, u64)> = layers
        .map(|layer| {
            let count = |name: &str| layer[name].as_u64().expect("a count");
            let id = layer["id"].as_str().expect("an id");
            (id, count("areas"), count("areas_with_boundary"))
        })
        .collect();
    let expected = [
        ("icc", 16, 16),
        ("sub-community", 2, 2),
        ("neighbourhood-team", 13, 13),
        // The list contains all practices that have not closed. Practices with a known list size
        // have a boundary.
        ("gp-practice", 133, 132),
        ("resilience-group", 8, 8),
        ("pcn", 31, 31),
        ("sub-icb", 4, 4),
        ("place", 3, 3),
        ("icb", 2, 2),
        ("council", 10, 10),
        ("lsoa11", 748, 748),
        // The other nine LSOAs are each a part of an LSOA of 2011.
        ("lsoa21", 745, 736),
    ];
    assert_eq!(counts, expected);
    let listed = SERVER.get("/api/v1/areas").expect(200).json();
    assert_eq!(listed["layers"], dataset["layers"]);
    assert_ne!(dataset["attribution"], "");
    assert_ne!(dataset["licence"], "");
}

/// Formats a JSON body with indentation and sorted members.
#[track_caller]
fn pretty_json(reply: &Reply) -> String {
    serde_json::to_string_pretty(&reply.json()).expect("JSON")
}

#[test]
fn selected_layers_have_the_same_content_as_in_the_full_response() {
    for postcode in ["LA18 4DB", "LA1 1AA", "CA28 6RS", "BB1 1AA", "EX1 1AA"] {
        let fields = [("postcode", postcode), ("practice", "P81002")];
        let full = SERVER.locate(&fields).expect(200).json();
        for layer in full["residence"].as_object().expect("layers").keys() {
            let layers = [fields[0], fields[1], ("layers", layer)];
            let part = SERVER.locate(&layers).expect(200).json();
            assert_eq!(
                part["residence"][layer], full["residence"][layer],
                "{layer}"
            );
            for member in ["status", "location", "agreement", "notes"] {
                assert_eq!(part[member], full[member], "{layer}: {member}");
            }
        }
    }
}

fn locate_json(fields: &[(&str, &str)]) -> String {
    let mut fields = fields.to_vec();
    fields.push(("as_of", AS_OF));
    pretty_json(
        &SERVER
            .get(&format!("/api/v1/locate?{}", encode_fields(&fields)))
            .expect(200),
    )
}

#[test]
fn postcode_response() {
    insta::assert_snapshot!(locate_json(&[("postcode", "LA18 4DB")]));
}

#[test]
fn postcode_and_closed_practice_response() {
    insta::assert_snapshot!(locate_json(&[
        ("postcode", "LA18 4DB"),
        ("practice", "P81064")
    ]));
}

#[test]
fn no_fixed_abode_response() {
    insta::assert_snapshot!(locate_json(&[("postcode", "ZZ99 3VZ")]));
}

#[test]
fn coordinate_near_a_boundary_response() {
    insta::assert_snapshot!(locate_json(&[("lon", "-2.9425"), ("lat", "54.8906")]));
}

#[test]
fn area_response() {
    let path = format!("/api/v1/areas/icc/mb-barrow-and-millom?as_of={AS_OF}");
    insta::assert_snapshot!(pretty_json(&SERVER.get(&path).expect(200)));
}

#[test]
fn problem_response() {
    insta::assert_snapshot!(pretty_json(&SERVER.locate(&[("postcode", "LA1O 5DL")])));
}
