//! Look-ups by the code of a statistical area, over HTTP.

use serde_json::{Value, json};

use crate::support::server::{AS_OF, Reply, SERVER, encode_fields};

const FORM: &str = "application/x-www-form-urlencoded";

fn get(fields: &[(&str, &str)]) -> Reply {
    let mut fields = fields.to_vec();
    fields.push(("as_of", AS_OF));
    SERVER.locate(&fields)
}

fn post(body: &Value) -> Reply {
    SERVER.post("/api/v1/locate", "application/json", &body.to_string())
}

#[test]
fn codes_are_answered_by_get_and_post() {
    for name in ["lsoa11", "lsoa21", "statistical_area"] {
        let reply = get(&[(name, "e01019311")]).expect(200);
        assert_eq!(reply.header("cache-control"), "no-store");
        let body = reply.json();
        assert_eq!(body["status"], "located", "{name}");
        assert_eq!(body["location"]["source"], "statistical_area");
        let area = &body["location"]["statistical_area"];
        let layer = if name == "lsoa21" { "lsoa21" } else { "lsoa11" };
        assert_eq!(
            (&area["layer"], &area["id"]),
            (&json!(layer), &json!("E01019311"))
        );
        assert_eq!(area["name"], "Eden 005B");
        assert!(area["live_postcodes"].as_u64() > Some(10));
        assert_eq!(body["location"]["longitude"], Value::Null);
        let icc = &body["residence"]["icc"][0];
        assert_eq!(
            (&icc["id"], &icc["basis"]),
            (&json!("nc-eden"), &json!("statistical_area"))
        );
        assert_eq!(
            (&icc["certainty"], &icc["share"]),
            (&json!("inside"), &json!(1))
        );
        assert_eq!(icc["alternatives"], json!([]));
        assert!(body["data"]["postcodes"].is_string());
        let posted = post(&json!({ name: "E01019311", "as_of": AS_OF })).expect(200);
        assert_eq!(posted.json(), body, "{name}");
    }
    let body = get(&[("lsoa11", "E01019311"), ("practice", "A82003")]).expect(200);
    assert_eq!(body.json()["agreement"], "differ");
}

#[test]
fn shares_follow_the_live_postcodes() {
    let body = get(&[("lsoa21", "E01034068")]).expect(200).json();
    let lsoa11 = &body["residence"]["lsoa11"][0];
    assert_eq!(lsoa11["id"], "E01019105");
    assert_eq!(
        (&lsoa11["certainty"], &lsoa11["share"]),
        (&json!("split"), &json!(0.725))
    );
    assert_eq!(
        lsoa11["alternatives"],
        json!([{ "id": "E01019103", "name": "Allerdale 012B", "distance_m": null, "share": 0.275 }])
    );
    assert_eq!(body["notes"], json!([]));
    let other = get(&[("lsoa11", "E01034068")]).expect(200).json();
    assert_eq!(other["notes"], json!(["code_of_other_layer"]));
    assert_eq!(other["residence"], body["residence"]);
}

#[test]
fn errors_say_what_would_have_been_right() {
    let known = "lsoa11 (Lower layer Super Output Areas (2011)) such as E01012571";
    for (fields, status, code, detail) in [
        (&[("lsoa11", "E01000001")][..], 404, "unknown_area", known),
        (
            &[("lsoa11", "E02003984")],
            404,
            "unknown_area",
            "an MSOA of England",
        ),
        (
            &[("lsoa21", "E05011236")],
            404,
            "unknown_area",
            "a ward of England",
        ),
        (
            &[("lsoa11", "W01000323")],
            404,
            "unknown_area",
            "an LSOA of Wales",
        ),
        (
            &[("lsoa11", "S01006506")],
            404,
            "unknown_area",
            "a data zone of Scotland",
        ),
        (
            &[("statistical_area", "")],
            400,
            "missing_statistical_area",
            "code",
        ),
        (
            &[("lsoa11", "LA1 1AA")],
            400,
            "invalid_statistical_area",
            "a letter and eight digits",
        ),
        (
            &[("icc", "mb-kendal")],
            400,
            "unknown_parameter",
            "icc is not a layer of statistical areas of this dataset; use lsoa11 or lsoa21",
        ),
        (
            &[("lsoa01", "E01019311")],
            400,
            "unknown_parameter",
            "statistical_area",
        ),
        (
            &[("lsoa11", "E01019311"), ("lsoa21", "E01019311")],
            400,
            "ambiguous_location",
            "only one location",
        ),
        (
            &[("lsoa11", "E01019311"), ("postcode", "LA18 4DB")],
            400,
            "ambiguous_location",
            "only one location",
        ),
    ] {
        let reply = get(fields).expect_problem(status, code);
        let body = reply.json();
        let text = body["detail"].as_str().expect("a detail");
        assert!(text.contains(detail), "{fields:?}: {text}");
        let is_repeated = fields
            .iter()
            .any(|(_, value)| value.len() > 3 && text.contains(value));
        assert!(!is_repeated, "{text}");
    }
    // Other routes do not have such a parameter.
    let reply = SERVER.get("/api/v1/areas?lsoa11=E01019311");
    reply.expect_problem(400, "unknown_parameter");
}

#[test]
fn the_page_has_one_field_for_codes_too() {
    let look_up = |place: &str| {
        let fields = [("place", place), ("as_of", AS_OF)];
        SERVER.post("/", FORM, &encode_fields(&fields))
    };
    let text = |reply: &Reply| reply.text().to_string();
    let reply = look_up("e01019311").expect(200);
    let page = text(&reply);
    for words in [
        "Eden 005B (E01019311)",
        "E01019311 is in this area",
        "Eden ICC",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let reply = look_up("E02003984");
    assert_eq!(reply.status, 404);
    let page = text(&reply);
    for words in [
        "We cannot find an area with this code",
        "an MSOA of England",
        "E01012571",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    // The form retains the submitted text. No other part of the page repeats it.
    let repeated: Vec<&str> = page.matches("E02003984").collect();
    assert_eq!(repeated.len(), 1, "{page}");
    assert!(page.contains("value=\"E02003984\""), "{page}");
    assert!(text(&SERVER.get("/").expect(200)).contains("E01012571"));
}
