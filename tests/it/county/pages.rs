//! Tests of pages, maps, tiles, the widget and the API definition for the county.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;
use serde_json::Value;

use super::{LAYERS, SERVER, expect_own_words};

/// The first pages from which a test follows links.
const STARTS: [&str; 16] = [
    "/",
    "/areas",
    "/practices",
    "/groups",
    "/batch",
    "/docs",
    "/openapi.json",
    "/ogc",
    "/ogc/collections",
    "/ogc/api",
    "/put-this-map-on-your-site",
    "/api/v1/areas",
    "/api/v1/practices",
    "/api/v1/dataset",
    "/widget/_.json",
    "/embed",
];

/// Returns every page that can be reached through links, with its content. Omits images, style
/// sheets and archives.
fn all_pages() -> BTreeMap<String, String> {
    let link = Regex::new("(?:href|src)=\"(/[^\"#]*)").expect("a regular expression");
    let is_file = Regex::new(r"\.(png|pdf|svg|css|ico|woff2?|pmtiles|mvt)($|\?)|^/assets/");
    let is_file = is_file.expect("a regular expression");
    let mut pages = BTreeMap::new();
    let mut next: Vec<String> = STARTS.map(str::to_string).to_vec();
    while let Some(path) = next.pop() {
        if pages.contains_key(&path) || is_file.is_match(&path) {
            continue;
        }
        let reply = SERVER.send("GET", &path, &[("accept", "text/html, */*")], None);
        let reply = reply.expect(200);
        let text = reply.text().to_string();
        let links = link.captures_iter(&text);
        next.extend(links.map(|found| found[1].replace("&amp;", "&")));
        pages.insert(path, text);
    }
    pages
}

/// Returns text without the field for the Primary Care Network of a practice, because this field
/// comes from NHS ODS.
fn without_practice_fields(text: &str) -> String {
    text.replace("\"pcn\"", "").replace(">pcn<", "")
}

#[test]
fn no_page_has_words_of_the_embedded_dataset() {
    let pages = all_pages();
    assert!(pages.len() > 100, "{}", pages.len());
    for (path, text) in &pages {
        expect_own_words(path, &without_practice_fields(text));
    }
    for path in ["/widget.js", "/maps/care-circle.svg"] {
        expect_own_words(path, SERVER.get(path).expect(200).text());
    }
    // The layer of practices and the layer of groups have other kinds of pages.
    for layer in LAYERS {
        let path = match layer {
            "surgery" => "/practices".to_string(),
            "neighbour-scheme" => "/groups".to_string(),
            layer => format!("/areas/{layer}"),
        };
        assert!(pages.contains_key(&path), "no link leads to {path}");
    }
}

#[test]
fn pages_have_the_words_of_the_manifest() {
    let form = "place=LE88+1AA&practice=A99005&as_of-day=&as_of-month=&as_of-year=";
    let result = SERVER.post("/", "application/x-www-form-urlencoded", form);
    let result = result.expect(200);
    expect_own_words("the result of a look-up", result.text());
    for (path, text, words) in [
        ("the result", result.text(), "Result: Find a neighbourhood"),
        ("the result", result.text(), "Westwater neighbourhood"),
        (
            "the result",
            result.text(),
            "No neighbour scheme is listed for this community. Ask the neighbourhood.",
        ),
        ("the result", result.text(), "Neighbour scheme</th>"),
    ] {
        assert!(text.contains(words), "{words} is not on {path}");
    }
    for (path, words) in [
        ("/", "Find a neighbourhood"),
        (
            "/batch",
            "we add the neighbourhood, GP practices and neighbour schemes.",
        ),
        ("/areas", "Middle layer Super Output Areas (2011)"),
        ("/areas/care-circle", "Care circles (modelled areas)"),
        ("/areas/care-circle/am-oak", "Oak care circle"),
        ("/areas/neighbourhood/am-westwater", "Neighbour schemes"),
        ("/groups", "Good neighbour schemes"),
        ("/practices/A99001", "Westwater neighbourhood"),
        (
            "/embed?layer=msoa11",
            "Middle layer Super Output Areas (2011)",
        ),
    ] {
        let reply = SERVER.get(path).expect(200);
        assert!(reply.text().contains(words), "{words} is not on {path}");
    }
}

#[test]
fn the_widget_gets_its_layers_from_the_manifest() {
    let map = SERVER.get("/widget/_.json").expect(200).json();
    assert_eq!(map["layer"], "neighbourhood");
    assert_eq!(map["role"], "community");
    assert_eq!(map["practice_layer"], "surgery");
    let others = map["other_communities"].as_array().expect("a list");
    assert_eq!(others.len(), 1);
    assert_eq!(others[0]["layer"], "care-circle");
    assert_eq!(others[0]["noun"], "care circle");
    let focus = SERVER.get("/widget/_/am-midvale.json").expect(200).json();
    assert_eq!(focus["focus"], "am-midvale");
    let council = SERVER.get("/widget/council.json").expect(200).json();
    assert_eq!(council["role"], "administrative");
    assert_eq!(council["other_communities"], Value::Array(Vec::new()));
}

#[test]
fn every_layer_has_tiles_maps_and_features() {
    for layer in LAYERS {
        let tiles = SERVER
            .get(&format!("/tiles/{layer}.json"))
            .expect(200)
            .json();
        assert_eq!(tiles["vector_layers"][0]["id"], layer);
        let tile = SERVER.get(&format!("/tiles/{layer}/8/127/83.mvt"));
        assert!(
            tile.status == 200 || tile.status == 204,
            "{layer}: {}",
            tile.status
        );
        for extension in ["svg", "png", "pdf"] {
            SERVER
                .get(&format!("/maps/{layer}.{extension}"))
                .expect(200);
        }
        let areas = SERVER
            .get(&format!("/api/v1/areas/{layer}.geojson"))
            .expect(200)
            .json();
        let count = areas["features"].as_array().expect("features").len();
        assert!(count >= 2, "{layer}");
        let items = format!("/ogc/collections/{layer}/items?limit=100");
        let items = SERVER.get(&items).expect(200).json();
        assert_eq!(items["numberMatched"], count, "{layer}");
        let title = SERVER
            .get(&format!("/ogc/collections/{layer}"))
            .expect(200)
            .json();
        expect_own_words(layer, title["title"].as_str().expect("a title"));
    }
}

#[test]
fn the_api_definition_has_examples_from_the_dataset() {
    let document = SERVER.get("/openapi.json").expect(200);
    expect_own_words("/openapi.json", &without_practice_fields(document.text()));
    for placeholder in ["\"{layer", "\"{area"] {
        let example = format!("\"example\":{placeholder}");
        assert!(!document.text().contains(&example), "{placeholder} is left");
    }
    let document = document.json();
    let layer = &document["components"]["schemas"]["Layer"]["example"];
    assert_eq!(layer, "neighbourhood");
    let names: BTreeSet<&str> = LAYERS.into();
    let pattern = document["components"]["schemas"]["Layer"]["pattern"].as_str();
    let pattern = Regex::new(pattern.expect("a pattern")).expect("a regular expression");
    assert!(names.iter().all(|name| pattern.is_match(name)));
}
