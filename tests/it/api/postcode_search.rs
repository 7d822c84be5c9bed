//! Tests of the endpoints that complete a prefix, find the nearest postcodes and practices, and
//! list the postcodes of an area.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use catchment::domain::{BritishGrid, DirectoryStatus, Layer, Postcode, PostcodeEntry};
use catchment::index::{Index, LayerResult, LocateQuery, Locator, PostcodeFilter};
use jiff::civil::{Date, date};
use serde_json::Value;

use crate::support::server::{AS_OF, Reply, SERVER, embedded};

const DAY: Date = date(2025, 12, 1);

static INDEX: LazyLock<Index> =
    LazyLock::new(|| Index::build(embedded()).expect("the embedded dataset is valid"));

/// The postcode directory of the dataset, without an index.
static ENTRIES: LazyLock<Vec<PostcodeEntry>> = LazyLock::new(|| embedded().postcodes);

fn get(path: &str) -> Reply {
    let parameter = if path.contains('?') {
        "&as_of"
    } else {
        "?as_of"
    };
    SERVER.get(&format!("{path}{parameter}={AS_OF}"))
}

fn field_texts(array: &Value, field: &str) -> Vec<String> {
    let items = array.as_array().expect("a list").iter();
    let text = |item: &Value| item[field].as_str().expect("a text").to_string();
    items.map(text).collect()
}

/// Returns whether a postcode is live on [`DAY`]. Does not use the index.
fn is_live(entry: &PostcodeEntry) -> bool {
    entry.status == DirectoryStatus::Live
        && entry
            .introduced
            .is_none_or(|month| month.first_day() <= DAY)
}

fn live_with_prefix(text: &str) -> Vec<String> {
    let live = ENTRIES.iter().filter(|entry| is_live(entry));
    let texts = live.map(|entry| entry.postcode.to_string());
    texts
        .filter(|postcode| postcode.starts_with(text))
        .collect()
}

#[track_caller]
fn check_completion(prefix: &str, outcodes: &[&str], postcodes: &[String], has_more: bool) {
    let path = format!("/api/v1/postcodes?limit=5&prefix={prefix}");
    let reply = get(&path).expect(200);
    assert_eq!(reply.header("cache-control"), "no-store");
    let body = reply.json();
    assert_eq!(body["outcodes"], Value::from(outcodes), "{reply}");
    let expected: Vec<String> = postcodes.iter().take(5).cloned().collect();
    assert_eq!(
        field_texts(&body["postcodes"], "postcode"),
        expected,
        "{reply}"
    );
    assert_eq!(body["more"], has_more, "{reply}");
}

#[test]
fn prefix_search_completes_districts_and_postcodes() {
    let la1 = live_with_prefix("LA1 ");
    let longer = ["LA1", "LA10", "LA11", "LA12", "LA13"];
    check_completion("LA1", &longer, &la1, true);
    check_completion("la1", &longer, &la1, true);
    check_completion("LA1+", &[], &la1, true);
    check_completion("LA1+1", &[], &live_with_prefix("LA1 1"), true);
    check_completion("LA18+4D", &[], &live_with_prefix("LA18 4D"), true);
    check_completion("LA18+4DB", &[], &live_with_prefix("LA18 4DB"), false);
    check_completion("LA184DB", &[], &live_with_prefix("LA18 4DB"), false);
    check_completion("LA", &["LA1", "LA10", "LA11", "LA12", "LA13"], &[], true);
    check_completion(
        "LA2",
        &["LA2", "LA20", "LA21", "LA22", "LA23"],
        &live_with_prefix("LA2 "),
        true,
    );
    // The prefix is valid, but it is not in the dataset.
    check_completion("SW1A", &[], &[], false);
}

#[test]
fn prefixes_without_a_space_match_the_longer_district_first() {
    let mut both = live_with_prefix("LA11 ");
    let count = both.len();
    both.extend(live_with_prefix("LA1 1"));
    let body = get("/api/v1/postcodes?prefix=LA11&limit=100")
        .expect(200)
        .json();
    assert!(count > 100);
    assert_eq!(field_texts(&body["postcodes"], "postcode"), both[..100]);
    let body = get("/api/v1/postcodes?prefix=LA11A&limit=100")
        .expect(200)
        .json();
    let expected: Vec<String> = live_with_prefix("LA1 1A");
    let live: Vec<String> = field_texts(&body["postcodes"], "postcode")
        .into_iter()
        .filter(|postcode| expected.contains(postcode))
        .collect();
    assert_eq!(live, expected);
}

#[test]
fn terminated_postcodes_come_last() {
    let body = get("/api/v1/postcodes?prefix=BB1+1H&limit=100")
        .expect(200)
        .json();
    let statuses = field_texts(&body["postcodes"], "status");
    let live = statuses
        .iter()
        .take_while(|status| *status == "live")
        .count();
    assert_eq!(live, live_with_prefix("BB1 1H").len());
    let all = ENTRIES
        .iter()
        .filter(|entry| entry.postcode.to_string().starts_with("BB1 1H"));
    assert_eq!(statuses.len(), all.count());
    assert!(live < statuses.len() && statuses[live..].iter().all(|status| status == "terminated"));
}

#[test]
fn nearest_postcodes_match_a_linear_scan() {
    let place = BritishGrid::from_metres(317_303.0, 480_077.0).expect("on the grid");
    let mut near: Vec<(f64, String)> = ENTRIES
        .iter()
        .filter(|entry| is_live(entry))
        .filter_map(|entry| {
            Some((
                entry.position?.distance_m(place),
                entry.postcode.to_string(),
            ))
        })
        .collect();
    near.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let expected: Vec<String> = near[..25].iter().map(|value| value.1.clone()).collect();
    for fields in [
        "easting=317303&northing=480077",
        "lon=-3.2694713&lat=54.2097423",
    ] {
        let reply = get(&format!("/api/v1/postcodes?{fields}&limit=25")).expect(200);
        assert_eq!(reply.header("cache-control"), "no-store");
        let body = reply.json();
        assert_eq!(
            field_texts(&body["postcodes"], "postcode"),
            expected,
            "{reply}"
        );
        let furthest = body["postcodes"][24]["distance_m"]
            .as_f64()
            .expect("a distance");
        assert!(
            (furthest - near[24].0).abs() < 0.2,
            "{furthest} {}",
            near[24].0
        );
        assert_eq!(body["within_m"], 50_000);
    }
}

#[test]
fn distant_locations_have_no_nearest_results() {
    for place in [
        "lon=2.35&lat=48.86",
        "lon=-0.12&lat=51.5",
        "easting=530000&northing=180000",
    ] {
        let body = get(&format!("/api/v1/postcodes?{place}"))
            .expect(200)
            .json();
        assert_eq!(body["postcodes"], Value::Array(Vec::new()));
        let body = get(&format!("/api/v1/practices?{place}"))
            .expect(200)
            .json();
        assert_eq!(body["practices"], Value::Array(Vec::new()));
    }
}

#[test]
fn invalid_parameters_are_named_and_not_repeated() {
    for (path, status, code, parameter) in [
        ("postcodes", 400, "missing_search", "prefix"),
        ("postcodes?prefix=", 400, "missing_prefix", "prefix"),
        ("postcodes?prefix=QZq7", 400, "invalid_prefix", "prefix"),
        ("postcodes?prefix=LA1%2b1C", 400, "invalid_prefix", "prefix"),
        (
            "postcodes?prefix=LA1&lon=1&lat=54",
            400,
            "ambiguous_search",
            "prefix",
        ),
        ("postcodes?lon=-2.8", 400, "incomplete_coordinates", "lat"),
        (
            "postcodes?lon=54.05&lat=-2.8",
            422,
            "coordinates_swapped",
            "lon and lat",
        ),
        (
            "postcodes?lon=317303&lat=480077",
            422,
            "not_degrees",
            "degrees",
        ),
        (
            "postcodes?easting=-3.2&northing=54.1",
            422,
            "not_metres",
            "easting",
        ),
        (
            "postcodes?prefix=LA1&limit=0",
            400,
            "invalid_limit",
            "limit",
        ),
        (
            "postcodes?prefix=LA1&limit=101",
            400,
            "invalid_limit",
            "limit",
        ),
        (
            "postcodes?prefix=LA1&limit=Zq7",
            400,
            "invalid_limit",
            "limit",
        ),
        (
            "postcodes?prefix=LA1&limit=-1",
            400,
            "invalid_limit",
            "limit",
        ),
        (
            "postcodes?prefix=LA1&q=Zq7",
            400,
            "unknown_parameter",
            "prefix",
        ),
        (
            "postcodes?prefix=LA1&prefix=LA2",
            400,
            "repeated_parameter",
            "prefix",
        ),
        (
            "postcodes?postcode=LA1+1AA",
            400,
            "unknown_parameter",
            "prefix",
        ),
        (
            "postcodes?prefix=LA1&dataset=Zq7",
            404,
            "unknown_dataset",
            "dataset",
        ),
        ("practices?limit=5", 400, "limit_without_location", "limit"),
        ("practices?postcode=LA1O5DL", 400, "malformed", "postcode"),
        (
            "practices?postcode=LA1+0AA",
            404,
            "unknown_postcode",
            "postcode",
        ),
        (
            "practices?postcode=LA1+1AA&lon=1&lat=2",
            400,
            "ambiguous_location",
            "postcode",
        ),
        (
            "practices?postcode=LA18+4DB&limit=1000",
            400,
            "invalid_limit",
            "limit",
        ),
        (
            "areas/icc/mb-lancaster/postcodes?after=Zq7",
            400,
            "invalid_after",
            "after",
        ),
        (
            "areas/icc/mb-lancaster/postcodes?limit=1001",
            400,
            "invalid_limit",
            "limit",
        ),
        (
            "areas/icc/mb-lancaster/postcodes?status=Zq7",
            400,
            "invalid_status",
            "status",
        ),
        ("areas/icc/nothing/postcodes", 404, "unknown_area", "area"),
        ("areas/nothing/x/postcodes", 404, "unknown_layer", "layer"),
        (
            "areas/icc/mb-lancaster/postcodes?as_of=2020-01-01",
            422,
            "no_data_for_date",
            "as_of",
        ),
    ] {
        let reply = SERVER
            .get(&format!("/api/v1/{path}"))
            .expect_problem(status, code);
        let detail = reply.json()["detail"].as_str().expect("a text").to_string();
        assert!(detail.contains(parameter), "{reply}");
        assert!(!reply.text().contains("Zq7"), "{reply}");
    }
}

/// Looks up every postcode with `locate`. Returns the postcodes of each area, with the basis of
/// each postcode.
fn areas_by_locate() -> BTreeMap<(Layer, String), BTreeMap<Postcode, &'static str>> {
    let mut areas: BTreeMap<_, BTreeMap<Postcode, &'static str>> = BTreeMap::new();
    for entry in ENTRIES.iter() {
        let answer = INDEX.locate(&LocateQuery {
            locator: Some(Locator::Postcode(entry.postcode)),
            practice: None,
            as_of: DAY,
        });
        for (layer, found) in answer.residence {
            let ids: Vec<(String, &str)> = match found {
                LayerResult::Areas(all) => all
                    .iter()
                    .map(|area_match| (area_match.area.id.clone(), area_match.basis.as_str()))
                    .collect(),
                LayerResult::Practices(all) => all
                    .iter()
                    .map(|practice_match| {
                        (
                            practice_match.practice.code.to_string(),
                            practice_match.basis.as_str(),
                        )
                    })
                    .collect(),
                LayerResult::Groups(all) => all
                    .iter()
                    .map(|group_match| (group_match.area.id.clone(), "membership"))
                    .collect(),
                LayerResult::Unknown(_) => Vec::new(),
            };
            for (id, basis) in ids {
                areas
                    .entry((layer, id))
                    .or_default()
                    .insert(entry.postcode, basis);
            }
        }
    }
    areas
}

fn postcodes_of_area(
    layer: Layer,
    id: &str,
    filter: PostcodeFilter,
) -> BTreeMap<Postcode, &'static str> {
    let mut all = BTreeMap::new();
    let mut after = None;
    loop {
        let page = INDEX.postcodes_in((layer, id), DAY, filter, after, 700);
        let found = page.postcodes.iter();
        all.extend(found.map(|postcode| (postcode.entry.postcode, postcode.basis.as_str())));
        match page.postcodes.last().filter(|_| page.has_more) {
            Some(last) => after = Some(last.entry.postcode),
            None => return all,
        }
    }
}

#[test]
fn postcodes_of_every_area_match_locate() {
    let answers = areas_by_locate();
    let live: BTreeSet<Postcode> = ENTRIES
        .iter()
        .filter(|entry| is_live(entry))
        .map(|entry| entry.postcode)
        .collect();
    let mut compared = BTreeSet::new();
    for layer in INDEX.layers() {
        let areas = INDEX
            .areas(layer, DAY)
            .expect("the layer is in the dataset");
        // The test compares a sample of practices, PCNs and LSOAs, and all areas of the other
        // layers.
        let step = match layer.as_str() {
            "gp-practice" | "pcn" => 17,
            "lsoa11" | "lsoa21" => 53,
            _ => 1,
        };
        for area in areas.step_by(step) {
            let mut expected = answers
                .get(&(layer, area.id.clone()))
                .cloned()
                .unwrap_or_default();
            assert_eq!(
                postcodes_of_area(layer, &area.id, PostcodeFilter::All),
                expected,
                "{layer} {}",
                area.id
            );
            expected.retain(|postcode, _| live.contains(postcode));
            if layer == crate::support::layer("icc") {
                assert_eq!(
                    postcodes_of_area(layer, &area.id, PostcodeFilter::Live),
                    expected,
                    "{}",
                    area.id
                );
            }
            compared.extend((!expected.is_empty()).then_some(layer));
        }
    }
    assert_eq!(compared.len(), INDEX.layers().count(), "{compared:?}");
}

#[test]
fn pages_of_an_area_are_linked_by_next() {
    let mut path = format!(
        "/api/v1/areas/sub-community/mb-millom/postcodes?limit=40&status=all&as_of={AS_OF}"
    );
    let mut read = Vec::new();
    loop {
        let reply = SERVER.get(&path).expect(200);
        let tag = reply.header("etag");
        if path.contains("after=") {
            // The URL contains a postcode, so the response has no ETag.
            assert_eq!(tag, "", "{reply}");
            assert_eq!(reply.header("cache-control"), "private, no-store");
        } else {
            SERVER
                .send("GET", &path, &[("if-none-match", tag)], None)
                .expect(304);
        }
        let body = reply.json();
        read.extend(field_texts(&body["postcodes"], "postcode"));
        let Some(next) = body["next"].as_str() else {
            assert_eq!(reply.header("link"), "");
            break;
        };
        assert_eq!(body["postcodes"].as_array().map(Vec::len), Some(40));
        assert_eq!(reply.header("link"), format!("<{next}>; rel=\"next\""));
        assert!(
            next.contains("status=all") && next.contains(AS_OF),
            "{next}"
        );
        path = next.to_string();
    }
    let expected = postcodes_of_area(
        crate::support::layer("sub-community"),
        "mb-millom",
        PostcodeFilter::All,
    );
    let expected: Vec<String> = expected.keys().map(Postcode::to_string).collect();
    assert!(expected.len() > 80);
    assert_eq!(read, expected);
}

#[test]
fn ended_areas_have_no_postcodes_today() {
    let body = get("/api/v1/areas/icc/mb-garstang/postcodes")
        .expect(200)
        .json();
    assert_eq!(body["holds_on_as_of"], false);
    assert_eq!(body["postcodes"], Value::Array(Vec::new()));
    assert_eq!(body["next"], Value::Null);
}

#[test]
fn nearest_practices_are_open_and_the_response_is_not_cacheable() {
    let millom = get("/api/v1/practices?postcode=la18+4db&limit=3").expect(200);
    assert_eq!(millom.header("cache-control"), "no-store");
    let body = millom.json();
    assert_eq!(body["status"], "located");
    assert_eq!(field_texts(&body["practices"], "id")[0], "A82033");
    assert_eq!(body["practices"][0]["distance_m"], 129);
    let by_grid = get("/api/v1/practices?easting=317303&northing=480077&limit=3").expect(200);
    assert_eq!(by_grid.header("cache-control"), "no-store");
    assert_eq!(by_grid.json()["practices"], body["practices"]);
    let distances: Vec<f64> = get("/api/v1/practices?postcode=LA1+1AA&limit=100")
        .expect(200)
        .json()["practices"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|value| {
            assert_eq!(value["status"], "active");
            value["distance_m"].as_f64().expect("a distance")
        })
        .collect();
    assert!(
        distances.is_sorted() && distances.len() > 30,
        "{distances:?}"
    );
    assert!(distances.iter().all(|distance_m| *distance_m <= 50_000.0));
    for (postcode, status) in [
        ("ZZ99+3VZ", "no_fixed_abode"),
        ("SW1A+1AA", "outside_coverage"),
    ] {
        let body = get(&format!("/api/v1/practices?postcode={postcode}"))
            .expect(200)
            .json();
        assert_eq!(body["status"], status);
        assert_eq!(body["practices"], Value::Array(Vec::new()));
    }
    // Without a location, all practices are returned, and the response is cacheable.
    assert_ne!(get("/api/v1/practices").expect(200).header("etag"), "");
}
