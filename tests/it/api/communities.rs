//! Tests of answers about communities, groups, their history and their people in cases in which the
//! sources are in doubt or incomplete. The expected values are from the tables in `data/source`.

use serde_json::{Value, json};

use crate::support::html::Page;
use crate::support::server::{AS_OF, SERVER};

#[track_caller]
fn get(path: &str) -> Value {
    let separator = if path.contains('?') { '&' } else { '?' };
    SERVER
        .get(&format!("{path}{separator}as_of={AS_OF}"))
        .expect(200)
        .json()
}

#[track_caller]
fn locate(fields: &[(&str, &str)]) -> Value {
    let mut fields = fields.to_vec();
    fields.push(("as_of", AS_OF));
    SERVER.locate(&fields).expect(200).json()
}

/// Requests a page and returns its text.
#[track_caller]
fn page_text(path: &str) -> String {
    let separator = if path.contains('?') { '&' } else { '?' };
    let path = format!("{path}{separator}as_of={AS_OF}");
    let reply = SERVER.send("GET", &path, &[("accept", "text/html")], None);
    let reply = reply.expect(200);
    let page = Page::parse(reply.text());
    page.check(&path);
    page.text()
}

fn ids(list: &Value) -> Vec<&str> {
    let items = list.as_array().expect("a list").iter();
    items.filter_map(|item| item["id"].as_str()).collect()
}

fn words(list: &Value, key: &str) -> Vec<String> {
    let items = list.as_array().expect("a list").iter();
    items
        .filter_map(|item| item[key].as_str().map(str::to_string))
        .collect()
}

/// The expected answers are based on the practice of the place (NHS ODS, October 2024), the nearest
/// surgery, and the published number of people in Copeland ICC.
#[test]
fn villages_between_workington_and_whitehaven_are_in_the_community_of_their_practice() {
    for (fields, icc) in [
        (&[("postcode", "CA14 5UJ")][..], "nc-copeland"),
        (&[("postcode", "CA28 6ND")], "nc-copeland"),
        (&[("postcode", "CA14 4RN")], "nc-copeland"),
        (&[("postcode", "CA14 1SE")], "nc-workington"),
        (
            &[("easting", "300600"), ("northing", "523400")],
            "nc-copeland",
        ),
    ] {
        assert_eq!(
            ids(&locate(fields)["residence"]["icc"]),
            [icc],
            "{fields:?}"
        );
    }
}

#[test]
fn disputed_places_name_the_other_communities() {
    let body = locate(&[("postcode", "LA8 0ET")]);
    let icc = &body["residence"]["icc"][0];
    assert_eq!(icc["id"], "mb-kendal");
    assert_eq!(icc["disputed"], true);
    assert_eq!(icc["model_share"], json!(0.37));
    assert_eq!(
        icc["disputed_with"],
        json!([
            { "id": "mb-carnforth", "name": "Carnforth ICC", "share": 0.37 },
            { "id": "mb-east", "name": "East ICC", "share": 0.26 },
        ])
    );
    let undisputed = locate(&[("postcode", "LA9 4JE")]);
    let icc = &undisputed["residence"]["icc"][0];
    assert_eq!(icc["disputed"], false);
    assert!(icc.get("disputed_with").is_none());
    // An answer by registration is never disputed.
    let registered = locate(&[("practice", "A82025")]);
    assert!(
        registered["registration"]["icc"][0]
            .get("disputed")
            .is_none()
    );
}

#[test]
fn layers_that_point_to_different_communities_are_noted() {
    for (postcode, is_noted) in [
        ("LA8 0ET", true),
        ("LA8 9LZ", true),
        ("LA9 4JE", false),
        ("LA1 1PN", false),
    ] {
        let notes = locate(&[("postcode", postcode)])["notes"].clone();
        let notes = notes.as_array().expect("a list").clone();
        assert_eq!(
            notes.contains(&json!("layers_disagree")),
            is_noted,
            "{postcode}"
        );
    }
}

#[test]
fn last_days_that_are_not_known_are_not_made_up() {
    for id in ["mb-alfred-barrow", "mb-dalton-and-ulverston", "mb-garstang"] {
        let body = get(&format!("/api/v1/areas/icc/{id}"));
        assert_eq!(body["area"]["to"], Value::Null, "{id}");
        assert_eq!(body["area"]["ended_by"], "2022-01-05", "{id}");
        assert_eq!(body["holds_on_as_of"], false, "{id}");
        assert_eq!(body["successors"][0]["date"], Value::Null, "{id}");
    }
    let kendal = get("/api/v1/areas/icc/mb-kendal");
    assert!(kendal["area"].get("ended_by").is_none());
    assert_eq!(
        get("/api/v1/areas/icc")["areas"].as_array().map(Vec::len),
        Some(16)
    );
    let text = page_text("/areas/icc/mb-alfred-barrow");
    assert!(
        text.contains("ended before 5 January 2022; the day is not known"),
        "{text}"
    );
}

#[test]
fn areas_are_found_by_former_names_and_other_spellings() {
    let names = &get("/api/v1/areas/icc/mb-mid-furness")["names"];
    let former = words(names, "name");
    assert!(
        former.contains(&"Ulverston, Dalton and Askam".into()),
        "{former:?}"
    );
    for (name, id) in [
        ("Ulverston%2C+Dalton+and+Askam", "mb-mid-furness"),
        ("dalton+%26+ulverston", "mb-mid-furness"),
        (
            "South+Lakeland+Community+Resilience+Group",
            "south-lakeland-resilience-group",
        ),
        (
            "South+Lakeland+Resilience+Forum",
            "south-lakeland-resilience-group",
        ),
        ("Barrow+Together", "mb-barrow-and-millom"),
    ] {
        let body = get(&format!("/api/v1/areas?name={name}"));
        let found = body["areas"].as_array().expect("a list").iter();
        let found: Vec<&str> = found.filter_map(|hit| hit["area"]["id"].as_str()).collect();
        assert!(found.contains(&id), "{name}: {found:?}");
        let text = page_text(&format!("/areas?name={name}"));
        assert!(!text.contains("has a name like this"), "{name}");
    }
    let none = get("/api/v1/areas?name=Blackpool");
    assert_eq!(none["areas"], json!([]));
}

#[test]
fn communities_have_registered_and_resident_people() {
    let population = &get("/api/v1/areas/icc/mb-east")["population"];
    // The sum over the LSOAs of the community was 16,393 in mid-2020.
    assert_eq!(population["resident"], 16_400);
    assert_eq!(population["resident_as_of"], "2020-06-30");
    assert!(
        population["registered"].as_u64() > Some(15_000),
        "{population}"
    );
    assert!(population["registered_as_of"].is_string());
    let text = page_text("/areas/icc/mb-east");
    assert!(
        text.contains("About 16,400 people lived here on 30 June 2020"),
        "{text}"
    );
}

#[test]
fn communities_have_the_organisations_that_they_work_with() {
    let links = &get("/api/v1/areas/icc/mb-kendal")["links"];
    assert!(words(links, "organisation").contains(&"Gateway Church".into()));
    let text = page_text("/areas/icc/mb-kendal");
    assert!(text.contains("Gateway Church") && text.contains("Helped to establish"));
}

#[test]
fn places_that_the_source_does_not_name_are_unknown() {
    let unknown = json!({ "unknown": "none named by the source" });
    for postcode in ["CA11 7HS", "LA2 7PR"] {
        let body = locate(&[("postcode", postcode)]);
        assert_eq!(body["residence"]["place"], unknown, "{postcode}");
    }
    let known = locate(&[("postcode", "LA9 4JE"), ("practice", "A82025")]);
    assert_eq!(ids(&known["residence"]["place"]), ["lsc-south-cumbria"]);
    assert_eq!(ids(&known["registration"]["place"]), ["lsc-south-cumbria"]);
    // No administrative area covers open water.
    let water = locate(&[("easting", "341000"), ("northing", "470000")]);
    assert_eq!(water["residence"]["place"], json!([]));
}

#[test]
fn the_partnership_page_has_every_published_count() {
    let text = page_text("/partnerships/morecambe-bay");
    for words in [
        "5 January 2022",
        "there are eight ICCs",
        "county boundaries",
        "10,000 to 70,000",
        "whether 12 came before 11 is not established",
        "Alfred Barrow ICC",
        "first wave of the National Neighbourhood Health Implementation Programme",
    ] {
        assert!(text.contains(words), "`{words}` is not in: {text}");
    }
    let text = page_text("/partnerships/pennine-lancashire");
    for words in [
        "Integrated Neighbourhood Team",
        "2013 to 2015",
        "Children and young people",
        "April 2028",
    ] {
        assert!(text.contains(words), "`{words}` is not in: {text}");
    }
    SERVER
        .get("/partnerships/nowhere")
        .expect_problem(404, "unknown_partnership");
}

#[test]
fn the_board_page_has_its_care_partnership_and_codes() {
    let text = page_text("/areas/icb/QE1");
    for words in [
        "Integrated Care Partnership",
        "30 September 2022",
        "Healthwatch",
        "Supporting people into employment",
        "E54000048",
        "Y62",
    ] {
        assert!(text.contains(words), "`{words}` is not in: {text}");
    }
    let codes = &get("/api/v1/areas/icb/QE1")["codes"];
    assert_eq!(
        *codes,
        json!({ "gss": "E54000048", "ods": "QE1", "region": "Y62", "region_gss": "E40000014" })
    );
}

#[test]
fn no_name_is_doubled() {
    for path in [
        "/areas",
        "/areas/icc",
        "/areas/icc/mb-kendal",
        "/areas/icc/mb-barrow-and-millom",
        "/areas/neighbourhood-team/pl-darwen",
        "/groups/south-lakeland-resilience-group",
        "/partnerships/morecambe-bay",
    ] {
        let text = page_text(path);
        for doubled in [
            "ICC ICC",
            "Community Community",
            "eam team",
            "roup Group",
            "PCN PCN",
        ] {
            assert!(!text.contains(doubled), "`{doubled}` is in {path}");
        }
    }
}
