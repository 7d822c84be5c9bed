//! The differences in a layer between two dates as JSON.

use jiff::civil::Date;
use serde_json::{Value, json};

use super::locate::round_decimals;
use catchment_core::domain::Layer;
use catchment_core::index::Index;
use catchment_data::diff::{AreaChange, DateComparison, MembershipMove};

/// The decimals of sizes in km²: a square metre.
const KM2_DECIMALS: i32 = 6;

/// Returns the differences in `layer` from one date to another.
pub(crate) fn date_comparison_body(
    index: &Index,
    layer: Layer,
    (from, to): (Date, Date),
    comparison: &DateComparison,
) -> Value {
    let transfers = comparison.transferred.iter().map(|geometry| {
        json!({
            "from": geometry.from,
            "to": geometry.to,
            "km2": round_decimals(geometry.km2, KM2_DECIMALS),
        })
    });
    let practices = comparison.practices.iter().map(|change| {
        json!({
            "id": change.code.as_str(),
            "name": index.practice(change.code).map(|practice| practice.name.as_str()),
            "old_status": change.old.as_str(),
            "new_status": change.new.as_str(),
        })
    });
    json!({
        "layer": layer.as_str(),
        "from": from.to_string(),
        "to": to.to_string(),
        "areas": comparison.areas.iter().map(area_body).collect::<Value>(),
        "transfers": transfers.collect::<Value>(),
        "practices": practices.collect::<Value>(),
        "members": comparison.members.iter().map(member_body).collect::<Value>(),
        "attribution": index.manifest().attribution,
    })
}

fn area_body(change: &AreaChange) -> Value {
    let rounded = |km2| round_decimals(km2, KM2_DECIMALS);
    json!({
        "id": change.id,
        "change": change.change.as_str(),
        "old_name": change.old_name,
        "new_name": change.new_name,
        "old_km2": change.old_km2.map(rounded),
        "new_km2": change.new_km2.map(rounded),
        "gained_km2": rounded(change.gained_km2),
        "lost_km2": rounded(change.lost_km2),
    })
}

fn member_body(change: &MembershipMove) -> Value {
    json!({
        "member_layer": change.member_layer.map(|layer| layer.as_str()),
        "member": change.member,
        "layer": change.layer.as_str(),
        "left": change.left,
        "joined": change.joined,
    })
}
