//! Compares look-ups of every postcode and statistical area of the county with the source tables.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{LAYERS, SERVER, data, expect_own_words, run, source_rows};

type SourceRow = BTreeMap<String, String>;

/// Returns the rows of the look-up table by the code of the statistical area.
fn areas_by_code() -> BTreeMap<String, SourceRow> {
    let rows = source_rows("lsoa11_areas.csv").into_iter();
    rows.map(|row| (row["lsoa11cd"].clone(), row)).collect()
}

/// Returns the ids of a layer in an answer.
fn ids(areas: &Value) -> Vec<&str> {
    let areas = areas.as_array().map(Vec::as_slice).unwrap_or_default();
    areas
        .iter()
        .filter_map(|area| area["id"].as_str())
        .collect()
}

/// The layers whose areas follow from the look-up table, and the columns that contain their ids.
const LAYER_COLUMNS: [(&str, &str); 4] = [
    ("neighbourhood", "neighbourhood_id"),
    ("ward-group", "ward_group_id"),
    ("council", "council_code"),
    ("msoa11", "msoa11cd"),
];

#[track_caller]
fn expect_areas(residence: &Value, expected: &SourceRow) {
    for (layer, column) in LAYER_COLUMNS {
        let expected = Some(expected[column].as_str()).filter(|id| !id.is_empty());
        let expected: Vec<&str> = expected.into_iter().collect();
        assert_eq!(ids(&residence[layer]), expected, "{layer}");
    }
}

#[test]
fn every_postcode_is_answered_as_the_sources_say() {
    let areas = areas_by_code();
    let postcodes = source_rows("postcodes.csv");
    assert_eq!(postcodes.len(), 96);
    for row in &postcodes {
        let answer = SERVER.locate(&[("postcode", &row["postcode"])]);
        let answer = answer.expect(200).json();
        let status = match row["status"].as_str() {
            "live" => "located",
            status => status,
        };
        assert_eq!(answer["status"], status);
        expect_areas(&answer["residence"], &areas[&row["lsoa11cd"]]);
    }
}

#[test]
fn layers_are_in_the_order_of_the_configuration() {
    let answer = SERVER.locate(&[("postcode", "LE88 1AA")]).expect(200);
    let (_, residence) = answer
        .text()
        .split_once("\"residence\":")
        .expect("residence");
    let positions = LAYERS.map(|layer| residence.find(&format!("\"{layer}\":")));
    assert!(positions.iter().all(Option::is_some) && positions.is_sorted());
}

#[test]
fn coordinates_are_answered_by_the_boundaries() {
    let areas = areas_by_code();
    for row in source_rows("postcodes.csv") {
        let fields = [
            ("easting", row["easting"].as_str()),
            ("northing", row["northing"].as_str()),
        ];
        let answer = SERVER.locate(&fields).expect(200).json();
        expect_areas(&answer["residence"], &areas[&row["lsoa11cd"]]);
    }
    let outside = [("easting", "470000"), ("northing", "330500")];
    let answer = SERVER.locate(&outside).expect(200).json();
    assert_eq!(answer["status"], "outside_coverage");
}

#[test]
fn residence_and_registration_are_compared_on_the_layers_of_communities() {
    let areas = areas_by_code();
    let circles: BTreeMap<String, String> = source_rows("care_circle_practices.csv")
        .into_iter()
        .map(|row| (row["member"].clone(), row["group"].clone()))
        .collect();
    let practices = source_rows("practices.csv");
    let open = practices.iter().filter(|row| row["closed"].is_empty());
    let postcodes = source_rows("postcodes.csv");
    for practice in open {
        for row in postcodes.iter().step_by(7) {
            let code = practice["ods_code"].as_str();
            let fields = [("postcode", row["postcode"].as_str()), ("practice", code)];
            let answer = SERVER.locate(&fields).expect(200).json();
            let registration = &answer["registration"];
            let community = practice["community_id"].as_str();
            assert_eq!(ids(&registration["neighbourhood"]), [community]);
            assert_eq!(ids(&registration["care-circle"]), [circles[code].as_str()]);
            let home = &areas[&row["lsoa11cd"]]["neighbourhood_id"];
            let is_same = home == community;
            // Both layers of communities are compared. One common community is sufficient for
            // agreement.
            let circle_homes = ids(&answer["residence"]["care-circle"]);
            let is_same = is_same || circle_homes == [circles[code].as_str()];
            let expected = if is_same { "agree" } else { "differ" };
            assert_eq!(answer["agreement"], expected, "{fields:?}: {answer}");
        }
    }
    // The answer for a closed practice is the answer for its successor.
    let answer = SERVER.locate(&[("practice", "A99007")]).expect(200).json();
    assert_eq!(answer["registration"]["practice"]["id"], "A99001");
    assert_eq!(answer["agreement"], "registration_only");
}

#[test]
fn groups_and_unknown_groups_are_those_of_the_source() {
    let schemes = |postcode: &str| {
        let answer = SERVER.locate(&[("postcode", postcode)]).expect(200).json();
        answer["residence"]["neighbour-scheme"].clone()
    };
    assert_eq!(ids(&schemes("LE88 1AA")), ["am-westwater-neighbours"]);
    let unknown = json!({ "unknown": "none named by the source" });
    assert_eq!(schemes("LE89 1AN"), unknown);
}

#[test]
fn posted_look_ups_return_only_the_requested_layers() {
    let body = json!({ "postcode": "LE88 1AA", "layers": ["msoa11", "care-circle"] });
    let answer = SERVER.post("/api/v1/locate", "application/json", &body.to_string());
    let answer = answer.expect(200).json();
    let layers = answer["residence"].as_object().expect("layers");
    assert_eq!(layers.keys().collect::<Vec<_>>(), ["care-circle", "msoa11"]);
}

#[test]
fn batches_have_the_columns_of_the_layers() {
    let areas = areas_by_code();
    let postcodes = source_rows("postcodes.csv");
    let mut input = String::from("postcode,gp_practice_code\n");
    for row in &postcodes {
        input += &format!("{},A99003\n", row["postcode"]);
    }
    let reply = SERVER.post("/api/v1/batch?columns=all", "text/csv", &input);
    let reply = reply.expect(200);
    expect_own_words("a batch", reply.text());
    let mut reader = csv::Reader::from_reader(reply.text().as_bytes());
    let rows: Vec<SourceRow> = reader
        .deserialize()
        .map(|row| row.expect("a row"))
        .collect();
    assert_eq!(rows.len(), postcodes.len());
    for (row, source) in rows.iter().zip(&postcodes) {
        let expected = &areas[&source["lsoa11cd"]];
        for (column, source_column) in [
            ("neighbourhood_residence_id", "neighbourhood_id"),
            ("ward_group", "ward_group_id"),
            ("council", "council_code"),
            ("council_name", "council"),
            ("msoa11", "msoa11cd"),
        ] {
            let value = &row[&format!("catchment_{column}")];
            assert_eq!(value, &expected[source_column], "{column}");
        }
        assert_eq!(row["catchment_neighbourhood_registration_id"], "am-midvale");
        assert_eq!(row["catchment_care_circle_registration"], "am-ash");
    }
}

#[test]
fn the_command_line_uses_the_words_of_the_manifest() {
    let data = data();
    let (status, text, _) = run(&[
        "locate",
        "--data",
        &data,
        "LE88 1AA",
        "--practice",
        "A99005",
    ]);
    assert_eq!(status, Some(0));
    for words in [
        "Lives in neighbourhood       Westwater  (",
        "Surgery area                 A99001  Weir Surgery",
        "Neighbour scheme             Westwater Good Neighbours",
        "Registered in care circle    Elm",
    ] {
        assert!(text.contains(words), "{words} is not in {text}");
    }
    expect_own_words("catchment locate", &text);
}

#[test]
fn unknown_layers_are_reported_with_those_that_exist() {
    let known = "use neighbourhood, ward-group, care-circle, surgery, neighbour-scheme, council or \
                 msoa11";
    for (path, status) in [
        ("/api/v1/locate?postcode=LE88+1AA&layers=nowhere", 400),
        ("/api/v1/areas/nowhere", 404),
        ("/api/v1/areas/nowhere/am-westwater", 404),
        ("/areas/nowhere", 404),
        ("/tiles/nowhere.json", 404),
        ("/tiles/nowhere/8/125/82.mvt", 404),
        ("/maps/nowhere.svg", 404),
        ("/widget/nowhere.json", 404),
        ("/embed?layer=nowhere", 404),
    ] {
        let reply = SERVER.get(path);
        let reply = reply.expect(status);
        assert!(reply.text().contains(known), "{path}: {}", reply.text());
        expect_own_words(path, reply.text());
    }
    let body = json!({ "postcode": "LE88 1AA", "layers": ["nowhere"] }).to_string();
    let reply = SERVER.post("/api/v1/locate", "application/json", &body);
    assert!(reply.expect(400).text().contains(known));
    let batch = SERVER.post(
        "/api/v1/batch?columns=ward",
        "text/csv",
        "postcode\nLE88 1AA\n",
    );
    let batch = batch.expect(400);
    let columns = "ward_group, ward_group_name, care_circle, care_circle_name";
    assert!(batch.text().contains(columns), "{}", batch.text());
    let data = data();
    for arguments in [
        ["locate", "--data", &data, "--layers", "icc", "LE88 1AA"].as_slice(),
        &[
            "export",
            "--data",
            &data,
            "--areas",
            "none.geojson",
            "--layers",
            "icc",
        ],
    ] {
        let (status, _, message) = run(arguments);
        assert_ne!(status, Some(0));
        assert!(message.contains(known), "{arguments:?}: {message}");
    }
}
