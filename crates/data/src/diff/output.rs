//! Formats a comparison as files: tables, transferred geometries and a summary.

use serde_json::{Value, json};

use super::{ChangeKind, DatasetDifference, PostcodeAnswer};
use crate::formats::{FeatureCollectionWriter, write_csv as table, write_csv_of_layers};

/// Returns the files of a comparison by name: `summary.json`, five tables and
/// `transfers.geojson`.
pub fn files(difference: &DatasetDifference) -> Vec<(&'static str, Vec<u8>)> {
    vec![
        (
            "summary.json",
            format!("{:#}\n", difference.summary()).into_bytes(),
        ),
        ("areas.csv", areas(difference)),
        ("coverage.csv", coverage(difference)),
        ("practices.csv", practices(difference)),
        ("memberships.csv", memberships(difference)),
        ("postcodes.csv", postcodes(difference)),
        ("transfers.geojson", transferred_geometry(difference)),
    ]
}

impl DatasetDifference {
    /// Returns the counts of differences as JSON.
    pub fn summary(&self) -> Value {
        let count_kinds = |changes: Vec<ChangeKind>| {
            let count = |kind| changes.iter().filter(|change| **change == kind).count();
            json!({
                "added": count(ChangeKind::Added),
                "removed": count(ChangeKind::Removed),
                "changed": count(ChangeKind::Changed),
            })
        };
        let mut practices: Vec<_> = self
            .practices
            .iter()
            .map(|change| (change.code, change.change))
            .collect();
        practices.dedup();
        let transferred: Vec<Value> = self
            .transferred
            .iter()
            .map(|geometry| json!({"layer": geometry.layer.as_str(), "from": geometry.from, "to": geometry.to, "km2": round_to_m2(geometry.km2)}))
            .collect();
        json!({
            "same": self.is_empty(),
            "old": self.old,
            "new": self.new,
            "old_as_of": self.old_as_of.to_string(),
            "as_of": self.as_of.to_string(),
            "areas": count_kinds(self.areas.iter().map(|change| change.change).collect()),
            "coverage": count_kinds(self.coverage.iter().map(|change| change.change).collect()),
            "practices": count_kinds(practices.into_iter().map(|value| value.1).collect()),
            "memberships": count_kinds(self.memberships.iter().map(|change| change.change).collect()),
            "postcodes": count_kinds(self.postcodes.iter().map(|change| change.change).collect()),
            "postcode_moves": self.postcode_moves().into_iter().map(|(layer, from, to, postcodes)| {
                json!({"layer": layer, "from": from, "to": to, "postcodes": postcodes})
            }).collect::<Vec<_>>(),
            "transfers": transferred,
        })
    }

    /// Returns the number of postcodes that moved from one area to another, by layer, in descending
    /// order of number. Changes of status are counted under `status`.
    pub fn postcode_moves(&self) -> Vec<(&'static str, String, String, usize)> {
        let mut moves = std::collections::BTreeMap::new();
        for change in &self.postcodes {
            let (Some(old), Some(new)) = (&change.old, &change.new) else {
                continue;
            };
            for (index, layer) in self.compared_layers.iter().enumerate() {
                let (from, to) = (&old.areas[index], &new.areas[index]);
                if from != to {
                    *moves
                        .entry((layer.as_str(), from.clone(), to.clone()))
                        .or_insert(0) += 1;
                }
            }
            if old.status != new.status {
                let statuses = (old.status.to_string(), new.status.to_string());
                *moves.entry(("status", statuses.0, statuses.1)).or_insert(0) += 1;
            }
        }
        let mut moves: Vec<_> = moves
            .into_iter()
            .map(|((layer, from, to), count)| (layer, from, to, count))
            .collect();
        moves.sort_by_key(|(.., count)| std::cmp::Reverse(*count));
        moves
    }
}

/// Rounds square kilometres to whole square metres.
fn round_to_m2(km2: f64) -> f64 {
    (km2 * 1e6).round() / 1e6
}

fn areas(difference: &DatasetDifference) -> Vec<u8> {
    let km2 = |km2: Option<f64>| {
        km2.map(|value| round_to_m2(value).to_string())
            .unwrap_or_default()
    };
    table(
        [
            "change",
            "layer",
            "id",
            "old_name",
            "new_name",
            "old_km2",
            "new_km2",
            "gained_km2",
            "lost_km2",
        ],
        difference.areas.iter().map(|change| {
            [
                change.change.as_str().into(),
                change.layer.to_string(),
                change.id.clone(),
                change.old_name.clone().unwrap_or_default(),
                change.new_name.clone().unwrap_or_default(),
                km2(change.old_km2),
                km2(change.new_km2),
                km2(Some(change.gained_km2)),
                km2(Some(change.lost_km2)),
            ]
        }),
    )
}

fn coverage(difference: &DatasetDifference) -> Vec<u8> {
    let share = |share: Option<f64>| share.map(|value| format!("{value:.3}")).unwrap_or_default();
    table(
        [
            "change",
            "layer",
            "area",
            "statistical_area",
            "old_share",
            "new_share",
        ],
        difference.coverage.iter().map(|change| {
            [
                change.change.as_str().into(),
                change.layer.to_string(),
                change.area.clone(),
                change.statistical_area.clone(),
                share(change.old_share),
                share(change.new_share),
            ]
        }),
    )
}

fn practices(difference: &DatasetDifference) -> Vec<u8> {
    table(
        ["change", "ods_code", "name", "field", "old", "new"],
        difference.practices.iter().map(|change| {
            [
                change.change.as_str().into(),
                change.code.to_string(),
                change.name.clone(),
                change.field.unwrap_or_default().into(),
                change.old.clone(),
                change.new.clone(),
            ]
        }),
    )
}

fn memberships(difference: &DatasetDifference) -> Vec<u8> {
    table(
        ["change", "member_layer", "member", "layer", "group"],
        difference.memberships.iter().map(|change| {
            [
                change.change.as_str().into(),
                change.member_layer_id().into(),
                change.member.clone(),
                change.layer.to_string(),
                change.group.clone().unwrap_or_default(),
            ]
        }),
    )
}

fn postcodes(difference: &DatasetDifference) -> Vec<u8> {
    let layers = &difference.compared_layers;
    let mut header: Vec<String> = ["change", "postcode", "old_status", "new_status"]
        .map(str::to_string)
        .to_vec();
    for layer in layers {
        let name = layer.as_str().replace('-', "_");
        header.extend([format!("old_{name}"), format!("new_{name}")]);
    }
    write_csv_of_layers(
        header,
        difference.postcodes.iter().map(|change| {
            let answers = [change.old.as_ref(), change.new.as_ref()];
            let status = |answer: Option<&PostcodeAnswer>| {
                answer.map_or_else(String::new, |answer| answer.status.to_string())
            };
            let mut row = vec![
                change.change.as_str().to_string(),
                change.postcode.to_string(),
            ];
            row.extend(answers.map(status));
            for index in 0..layers.len() {
                let area = |answer: Option<&PostcodeAnswer>| {
                    answer.map_or_else(String::new, |answer| answer.areas[index].clone())
                };
                row.extend(answers.map(area));
            }
            row
        }),
    )
}

fn transferred_geometry(difference: &DatasetDifference) -> Vec<u8> {
    let mut collection = FeatureCollectionWriter::new(&[("name", "transfers")]);
    for geometry in &difference.transferred {
        let properties = json!({
            "layer": geometry.layer.as_str(),
            "from": geometry.from,
            "to": geometry.to,
            "km2": round_to_m2(geometry.km2),
        });
        collection.push(&properties, &geometry.geometry);
    }
    collection.finish().into_bytes()
}
