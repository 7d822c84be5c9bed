//! Writes a comparison as files: tables, transferred geometries and a summary.

use serde_json::{Value, json};

use super::postcodes::COMPARED_LAYERS;
use super::{ChangeKind, DatasetDifference, PostcodeAnswer};
use crate::dataset::table::write_csv as table;
use crate::geojson::write_feature;

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
            .map(|it| (it.code, it.change))
            .collect();
        practices.dedup();
        let transferred: Vec<Value> = self
            .transferred
            .iter()
            .map(|it| json!({"layer": it.layer.as_str(), "from": it.from, "to": it.to, "km2": round_to_m2(it.km2)}))
            .collect();
        json!({
            "same": self.is_empty(),
            "old": self.old,
            "new": self.new,
            "as_of": self.as_of.to_string(),
            "areas": count_kinds(self.areas.iter().map(|it| it.change).collect()),
            "coverage": count_kinds(self.coverage.iter().map(|it| it.change).collect()),
            "practices": count_kinds(practices.into_iter().map(|it| it.1).collect()),
            "memberships": count_kinds(self.memberships.iter().map(|it| it.change).collect()),
            "postcodes": count_kinds(self.postcodes.iter().map(|it| it.change).collect()),
            "postcode_moves": self.postcode_moves().into_iter().map(|(layer, from, to, postcodes)| {
                json!({"layer": layer, "from": from, "to": to, "postcodes": postcodes})
            }).collect::<Vec<_>>(),
            "transfers": transferred,
        })
    }

    /// Returns the number of postcodes that moved from one area to another, by layer, the largest
    /// first. Changes of status are counted under `status`.
    pub fn postcode_moves(&self) -> Vec<(&'static str, String, String, usize)> {
        let mut moves = std::collections::BTreeMap::new();
        for change in &self.postcodes {
            let (Some(old), Some(new)) = (&change.old, &change.new) else {
                continue;
            };
            for (at, layer) in COMPARED_LAYERS.into_iter().enumerate() {
                let (from, to) = (&old.areas[at], &new.areas[at]);
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
        km2.map(|it| round_to_m2(it).to_string())
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
        difference.areas.iter().map(|it| {
            [
                it.change.as_str().into(),
                it.layer.to_string(),
                it.id.clone(),
                it.old_name.clone().unwrap_or_default(),
                it.new_name.clone().unwrap_or_default(),
                km2(it.old_km2),
                km2(it.new_km2),
                km2(Some(it.gained_km2)),
                km2(Some(it.lost_km2)),
            ]
        }),
    )
}

fn coverage(difference: &DatasetDifference) -> Vec<u8> {
    let share = |share: Option<f64>| share.map(|it| format!("{it:.3}")).unwrap_or_default();
    table(
        [
            "change",
            "layer",
            "area",
            "statistical_area",
            "old_share",
            "new_share",
        ],
        difference.coverage.iter().map(|it| {
            [
                it.change.as_str().into(),
                it.layer.to_string(),
                it.area.clone(),
                it.statistical_area.clone(),
                share(it.old_share),
                share(it.new_share),
            ]
        }),
    )
}

fn practices(difference: &DatasetDifference) -> Vec<u8> {
    table(
        ["change", "ods_code", "name", "field", "old", "new"],
        difference.practices.iter().map(|it| {
            [
                it.change.as_str().into(),
                it.code.to_string(),
                it.name.clone(),
                it.field.unwrap_or_default().into(),
                it.old.clone(),
                it.new.clone(),
            ]
        }),
    )
}

fn memberships(difference: &DatasetDifference) -> Vec<u8> {
    table(
        ["change", "member_layer", "member", "layer", "group"],
        difference.memberships.iter().map(|it| {
            [
                it.change.as_str().into(),
                it.member_layer.to_string(),
                it.member.clone(),
                it.layer.to_string(),
                it.group.clone().unwrap_or_default(),
            ]
        }),
    )
}

fn postcodes(difference: &DatasetDifference) -> Vec<u8> {
    fn cells(answer: Option<&PostcodeAnswer>) -> [String; 4] {
        answer.map_or_else(Default::default, |it| {
            let [icc, team, part] = it.areas.clone();
            [it.status.to_string(), icc, team, part]
        })
    }
    table(
        [
            "change",
            "postcode",
            "old_status",
            "new_status",
            "old_icc",
            "new_icc",
            "old_neighbourhood_team",
            "new_neighbourhood_team",
            "old_sub_community",
            "new_sub_community",
        ],
        difference.postcodes.iter().map(|it| {
            let [s1, i1, t1, p1] = cells(it.old.as_ref());
            let [s2, i2, t2, p2] = cells(it.new.as_ref());
            let (change, postcode) = (it.change.as_str().into(), it.postcode.to_string());
            [change, postcode, s1, s2, i1, i2, t1, t2, p1, p2]
        }),
    )
}

fn transferred_geometry(difference: &DatasetDifference) -> Vec<u8> {
    let mut text =
        String::from("{\"type\":\"FeatureCollection\",\"name\":\"transfers\",\"features\":[");
    for (at, it) in difference.transferred.iter().enumerate() {
        text.push_str(if at == 0 { "\n" } else { ",\n" });
        let properties = json!({
            "layer": it.layer.as_str(),
            "from": it.from,
            "to": it.to,
            "km2": round_to_m2(it.km2),
        });
        write_feature(&mut text, &properties, &it.geometry);
    }
    text.push_str("\n]}\n");
    text.into_bytes()
}
