//! Flows between areas of registration and areas of residence as JSON.

use serde_json::{Map, Value, json};

use catchment_batch::flows::{FlowAxis, PublishedFlows, matrix_fits};

/// Returns flows as JSON. The JSON does not contain the long table, because the matrix contains the
/// same counts. Hidden numbers are null.
pub(crate) fn flows_body(flows: &PublishedFlows<'_>) -> Map<String, Value> {
    let table = flows.table();
    let columns = table.resident.places.len();
    let row = |registered: usize| -> Vec<Option<u64>> {
        let counts = (0..columns).map(|resident| flows.count(registered, resident));
        counts.collect()
    };
    let rows = 0..table.registered.places.len();
    let matrix: Option<Vec<_>> = matrix_fits(flows).then(|| rows.map(row).collect());
    let areas = flows.areas().into_iter().map(|area| {
        json!({
            "id": area.area.id,
            "name": area.area.name,
            "registered": area.registered,
            "resident": area.resident,
            "both": area.both,
            "ratio": area.ratio,
        })
    });
    let areas: Option<Vec<Value>> = table.has_one_layer().then(|| areas.collect());
    let body = json!({
        "registered_layer": table.registered.layer.as_str(),
        "resident_layer": table.resident.layer.as_str(),
        "suppression": flows.rule().to_string(),
        "total": flows.total(),
        "registered": axis_json(&table.registered, |place| flows.registered_total(place)),
        "resident": axis_json(&table.resident, |place| flows.resident_total(place)),
        "matrix": matrix,
        "areas": areas,
    });
    match body {
        Value::Object(members) => members,
        _ => unreachable!("an object"),
    }
}

/// Returns the long table as JSON: the pairs of places whose count is hidden or above 0.
pub(crate) fn long_table(flows: &PublishedFlows<'_>) -> Vec<Value> {
    let table = flows.table();
    let pairs = flows.pairs().into_iter();
    pairs
        .map(|(registered, resident)| {
            json!({
                "registered": table.registered.places[registered].id,
                "resident": table.resident.places[resident].id,
                "patients": flows.count(registered, resident),
            })
        })
        .collect()
}

fn axis_json(axis: &FlowAxis, total: impl Fn(usize) -> Option<u64>) -> Vec<Value> {
    let places = axis.places.iter().enumerate();
    places
        .map(|(position, place)| {
            json!({
                "id": place.id,
                "name": place.name,
                "kind": place.kind.as_str(),
                "total": total(position),
            })
        })
        .collect()
}
