//! The history of areas: areas that no longer exist, their successors, and the parts of larger
//! areas.

use anyhow::Result;
use jiff::civil::Date;

use super::config::{LayerConfig, first_with_role};
use super::records::{DatasetRecords, published_membership};
use crate::import::area_history::AreaHistoryRecord;
use catchment_core::domain::{Area, GroupMember, LayerRole, LineageStep, Period};

/// Adds the areas in the history, their lineage, and their memberships in larger areas. Omits areas
/// of a layer that is not in the configuration.
pub(super) fn add_history(
    records: &mut DatasetRecords,
    history: &[AreaHistoryRecord],
    layers: &[LayerConfig],
) -> Result<()> {
    let main_community = first_with_role(layers, LayerRole::Community);
    for record in history {
        let Some(layer) = layers.iter().find(|layer| layer.id == record.layer) else {
            continue;
        };
        let first_data = layer.first_data;
        let ended_by = ended_by(first_data, record);
        let period = Period {
            to: record.period.to.or(ended_by),
            ..record.period
        };
        records.push_area(Area {
            layer: record.layer,
            id: record.id.clone(),
            name: record.name.clone(),
            title: None,
            label: None,
            kind: None,
            system: Some(record.system.clone()),
            provenance: layer.provenance,
            period,
            ended_by,
        });
        let step = record.succession.as_ref().map(|succession| LineageStep {
            layer: record.layer,
            predecessor: record.id.clone(),
            successor: succession.successor.clone(),
            relation: succession.relation,
            date: record.period.to,
            source: record.source.clone(),
        });
        records.lineage.extend(step);
        let member = GroupMember::Area(record.layer, record.id.clone());
        let parent_layer = layer.declaration().ok();
        let parent_layer = parent_layer.and_then(|declaration| declaration.parent);
        let parent = parent_layer.or(main_community).zip(record.part_of.as_ref());
        let membership = parent.map(|parent| published_membership(member, parent, record.period));
        records.memberships.extend(membership);
    }
    Ok(())
}

/// Returns the day by which an area had ended, if the source does not state the area's last day.
/// This is the day in the source or, if the area has a successor, the first day of the data.
fn ended_by(first_data: Date, record: &AreaHistoryRecord) -> Option<Date> {
    let has_ended = record.ended_by.is_some() || record.succession.is_some();
    let is_unknown = has_ended && record.period.to.is_none();
    is_unknown.then(|| record.ended_by.unwrap_or(first_data))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::test_sources::layer_config;
    use super::*;
    use crate::import::area_history;
    use crate::test_layers;
    use catchment_core::domain::Provenance;

    /// Adds these rows of the history to the records of a dataset with the layers `icc` and
    /// `sub-community`, whose data begin on 2022-01-05.
    fn add(rows: &str) -> DatasetRecords {
        let table = format!("system,id,name,kind,from,to,successor,relation,source\n{rows}");
        let history = area_history::read("history.csv", table.as_bytes()).expect("a table");
        let layers = [layer_config("icc"), layer_config("sub-community")];
        let mut records = DatasetRecords::default();
        add_history(&mut records, &history, &layers).expect("the history is valid");
        records
    }

    #[test]
    fn an_area_that_ended_on_an_unknown_date_ends_before_the_first_data() {
        let records = add("mb,old,Old,icc,,,new,merged,a page\n\
             mb,dated,Dated,icc,,2023-04-01,new,renamed,a page\n\
             mb,new,New,icc,2023-04-01,,,,a page\n");
        let ends: Vec<_> = records.areas().iter().map(|area| area.period.to).collect();
        assert_eq!(ends, [Some(date(2022, 1, 5)), Some(date(2023, 4, 1)), None]);
        let known: Vec<_> = records.areas().iter().map(Area::known_end).collect();
        assert_eq!(known, [None, Some(date(2023, 4, 1)), None]);
        // The lineage contains only dates that the source states.
        let steps: Vec<_> = records
            .lineage
            .iter()
            .map(|step| (step.predecessor.as_str(), step.date))
            .collect();
        assert_eq!(steps, [("old", None), ("dated", Some(date(2023, 4, 1)))]);
    }

    #[test]
    fn the_source_can_state_a_day_by_which_an_area_had_ended() {
        let table = "system,id,name,kind,from,to,successor,relation,source,ended_by\n\
             mb,old,Old,icc,,,,unknown,a page,2020-03-01\n";
        let history = area_history::read("history.csv", table.as_bytes()).expect("a table");
        let mut records = DatasetRecords::default();
        add_history(&mut records, &history, &[layer_config("icc")]).expect("valid");
        let area = &records.areas()[0];
        assert_eq!(area.ended_by, Some(date(2020, 3, 1)));
        assert_eq!(area.period.to, area.ended_by);
        assert_eq!(area.known_end(), None);
    }

    #[test]
    fn areas_of_other_layers_are_left_out() {
        let records = add("mb,place,Place,place,,,new,merged,a page\nmb,k,Kay,icc,,,,,a page\n");
        let ids: Vec<&str> = records.areas().iter().map(|area| &*area.id).collect();
        assert_eq!(ids, ["k"]);
        assert!(records.lineage.is_empty());
    }

    #[test]
    fn parts_are_members_of_their_icc_as_published() {
        let records = add("mb,part,Part,sub-community,2022-01-05,,,part of k,a page\n");
        let [membership] = &records.memberships[..] else {
            panic!("{:?}", records.memberships);
        };
        assert_eq!(
            membership.member,
            GroupMember::Area(test_layers::layer("sub-community"), "part".into())
        );
        assert_eq!(
            (membership.layer, membership.group.as_deref()),
            (test_layers::layer("icc"), Some("k"))
        );
        assert_eq!(membership.period.from, Some(date(2022, 1, 5)));
        assert_eq!(membership.provenance, Provenance::Indicative);
        assert!(records.lineage.is_empty());
    }

    #[test]
    fn an_empty_history_adds_nothing() {
        let mut records = DatasetRecords::default();
        add_history(&mut records, &[], &[layer_config("icc")]).expect("nothing to add");
        assert!(records.areas().is_empty() && records.lineage.is_empty());
    }
}
