//! The method `plurality`: each statistical area belongs to the group of practices with which the
//! largest share of its people are registered.
//!
//! Takes a `[[shares]]` table, and the community or network of each practice, its membership in
//! the file of memberships, or a table of the practices of each area. Makes an area for each group,
//! with its practices as members, and an assignment for each statistical area in which a practice
//! of a group has patients. Other statistical areas are left out. If the sources have the periods of
//! practices in networks, the memberships in networks have these periods.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use super::super::config::{PluralityMethod, PracticeGrouping};
use super::super::records::DatasetRecords;
use super::super::shares::RegistrationShares;
use super::super::sources::{SourceData, matches_filter};
use super::practices::listed_groups;
use super::{LayerContext, slugify};
use crate::import::practice_list::PracticeRecord;
use crate::plural::{count_with_noun, first_names};
use catchment_core::domain::{GroupMember, Layer, Membership, OdsCode, Provenance};

/// A group of practices: a community, a network, or an area of the layer.
struct PracticeGroup {
    id: String,
    name: String,
}

pub(super) fn add_areas(
    records: &mut DatasetRecords,
    context: &LayerContext<'_>,
    method: &PluralityMethod,
) -> Result<()> {
    let listed = match &method.list {
        Some(list) => listed_groups(records, context, list)?,
        None => BTreeMap::new(),
    };
    let groups = practice_groups(context, method, &listed);
    let shares = context.shares_of(&method.shares)?;
    let remark = ungrouped_remark(context, method, shares, &groups);
    records.remarks.extend(remark);
    let mut group_by_code: Vec<(String, String)> = Vec::new();
    for (code, shares) in &shares.by_area {
        let largest = largest_group(shares, &groups);
        group_by_code.extend(largest.map(|group| (code.clone(), group.to_string())));
    }
    for (code, group) in group_by_code {
        context.assign(records, code, group, None, context.period);
    }
    let with_periods = add_network_periods(records, context, method);
    for (practice, group) in groups {
        context.add_area_if_missing(records, &group.id, &group.name, method.system.as_ref());
        // The builder adds the memberships from the file of memberships, with their periods.
        if with_periods.contains(&practice) || method.by == PracticeGrouping::Membership {
            continue;
        }
        records.memberships.push(Membership {
            member: GroupMember::Practice(practice),
            layer: context.layer,
            group: Some(group.id),
            period: context.period,
            provenance: match method.by {
                PracticeGrouping::List => Provenance::Official,
                _ => Provenance::Derived,
            },
        });
    }
    Ok(())
}

/// Returns a remark on the practices that have shares but belong to no group. Their patients are
/// not counted for any area.
fn ungrouped_remark(
    context: &LayerContext<'_>,
    method: &PluralityMethod,
    shares: &RegistrationShares,
    groups: &BTreeMap<OdsCode, PracticeGroup>,
) -> Option<String> {
    let practices = context.sources.practices.iter();
    let selected: BTreeSet<OdsCode> = practices
        .filter(|record| matches_filter(record.practice.sub_icb.as_ref(), &method.sub_icb))
        .map(|record| record.practice.code)
        .collect();
    let listed = shares.by_area.values().flatten().map(|(code, _)| *code);
    let ungrouped: BTreeSet<OdsCode> = listed
        .filter(|code| selected.contains(code) && !groups.contains_key(code))
        .collect();
    (!ungrouped.is_empty()).then(|| {
        format!(
            "{}: {} with patients in no {}, so these patients are not counted for any area: {}",
            context.layer,
            count_with_noun(ungrouped.len(), "practice", "practices"),
            method.by.noun(),
            first_names(&ungrouped, 5)
        )
    })
}

/// Adds a membership for each period of a practice in a network. The membership is in the network
/// or, if ids have a prefix, in the area that is assumed to be the network. Returns the practices
/// for which a membership was added.
fn add_network_periods(
    records: &mut DatasetRecords,
    context: &LayerContext<'_>,
    method: &PluralityMethod,
) -> BTreeSet<OdsCode> {
    let mut practices = BTreeSet::new();
    if method.by != PracticeGrouping::Network {
        return practices;
    }
    let sources = context.sources;
    let sub_icb = |code: OdsCode| {
        let mut records = sources.practices.iter();
        let record = records.find(|record| record.practice.code == code)?;
        record.practice.sub_icb.as_ref()
    };
    for row in &sources.network_periods {
        if !matches_filter(sub_icb(row.practice), &method.sub_icb) {
            continue;
        }
        practices.insert(row.practice);
        let group = PracticeGroup::new(method, row.pcn.clone(), row.pcn_name.clone());
        context.add_area_if_missing(records, &group.id, &group.name, method.system.as_ref());
        records.memberships.push(Membership {
            member: GroupMember::Practice(row.practice),
            layer: context.layer,
            group: Some(group.id),
            period: row.period,
            provenance: if method.id_prefix.is_empty() {
                Provenance::Official
            } else {
                Provenance::Derived
            },
        });
    }
    practices
}

impl PracticeGroup {
    fn new(method: &PluralityMethod, id: String, title: String) -> PracticeGroup {
        if method.id_prefix.is_empty() {
            return PracticeGroup { id, name: title };
        }
        let title = title.trim_end_matches(" PCN").to_string();
        PracticeGroup {
            id: format!("{}{}", method.id_prefix, slugify(&title)),
            name: title,
        }
    }
}

/// Returns the id of the group whose practices together have the largest share, or `None` if no
/// practice belongs to a group. In a tie, returns the id that sorts first.
fn largest_group<'g>(
    shares: &[(OdsCode, f64)],
    groups: &'g BTreeMap<OdsCode, PracticeGroup>,
) -> Option<&'g str> {
    let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
    for (practice, share) in shares {
        if let Some(group) = groups.get(practice) {
            *sums.entry(&group.id).or_default() += share;
        }
    }
    // If several values are equally large, `max_by` returns the last one.
    let largest = sums.iter().rev().max_by(|a, b| a.1.total_cmp(b.1));
    largest.map(|(group, _)| *group)
}

/// Returns the group of each practice that belongs to a group.
fn practice_groups(
    context: &LayerContext<'_>,
    method: &PluralityMethod,
    listed: &BTreeMap<OdsCode, (String, String)>,
) -> BTreeMap<OdsCode, PracticeGroup> {
    let sources = context.sources;
    let mut groups = BTreeMap::new();
    let is_in_sub_icbs = |record: &&PracticeRecord| {
        matches_filter(record.practice.sub_icb.as_ref(), &method.sub_icb)
    };
    for record in sources.practices.iter().filter(is_in_sub_icbs) {
        let group = match method.by {
            PracticeGrouping::Community => record.community.clone().map(|id| (id.clone(), id)),
            PracticeGrouping::Network => record.practice.pcn.clone().zip(record.pcn_name.clone()),
            PracticeGrouping::Membership => {
                last_group(sources, context.layer, record.practice.code).map(|id| (id.clone(), id))
            }
            PracticeGrouping::List => listed.get(&record.practice.code).cloned(),
        };
        let Some((id, title)) = group else { continue };
        let group = PracticeGroup::new(method, id, title);
        groups.insert(record.practice.code, group);
    }
    groups
}

/// Returns the area of a layer to which a practice belongs in its last period in the file of
/// memberships.
fn last_group(sources: &SourceData, layer: Layer, practice: OdsCode) -> Option<String> {
    let member = GroupMember::Practice(practice);
    let memberships = sources.memberships.iter();
    let own = memberships.filter(|found| found.layer == layer && found.member == member);
    own.max_by_key(|found| found.period.from)?.group.clone()
}

#[cfg(test)]
mod tests {
    use super::super::super::test_sources::{
        assignments, context, empty_sources, practice, shares,
    };
    use super::*;
    use crate::import::practice_list::NetworkPeriod;
    use crate::test_layers;
    use catchment_core::domain::Period;
    use jiff::civil::date;

    /// Returns practices in these PCNs and in the sub-ICB location `01A`. The name of a PCN is its
    /// code followed by ` PCN`.
    fn practices(pcns: &[(&str, Option<&str>)]) -> SourceData {
        let mut sources = empty_sources();
        for (code, pcn) in pcns {
            let mut record = practice(code);
            record.practice.sub_icb = Some("01A".into());
            record.practice.pcn = pcn.map(str::to_string);
            record.pcn_name = pcn.map(|pcn| format!("{pcn} PCN"));
            sources.practices.push(record);
        }
        sources
    }

    fn add(
        sources: &SourceData,
        rows: &[(&str, &str, f64)],
        fields: &str,
    ) -> Result<DatasetRecords, String> {
        let method: PluralityMethod =
            toml::from_str(&format!("shares = \"all\"\n{fields}")).expect("a method");
        let shares = BTreeMap::from([("all".to_string(), shares(rows, &[]))]);
        let context = LayerContext {
            shares: &shares,
            ..context(test_layers::layer("pcn"), sources)
        };
        let mut records = DatasetRecords::default();
        add_areas(&mut records, &context, &method)
            .map(|()| records)
            .map_err(|error| error.to_string())
    }

    const BY_NETWORK: &str = "by = \"network\"";

    #[test]
    fn shares_of_a_groups_practices_are_added_up() {
        let sources = practices(&[
            ("A00001", Some("U1")),
            ("A00002", Some("U2")),
            ("A00003", Some("U2")),
        ]);
        let rows = [
            ("S0", "A00001", 0.4),
            ("S0", "A00002", 0.3),
            ("S0", "A00003", 0.3),
        ];
        let records = add(&sources, &rows, BY_NETWORK).expect("areas");
        assert_eq!(assignments(&records), [("S0", "U2", None)]);
        let areas = records.areas().iter();
        let names: Vec<(&str, &str)> = areas.map(|area| (&*area.id, &*area.name)).collect();
        assert_eq!(names, [("U1", "U1 PCN"), ("U2", "U2 PCN")]);
        assert_eq!(records.memberships.len(), 3);
    }

    #[test]
    fn in_a_tie_the_group_whose_id_sorts_first_is_taken() {
        // The order of the practices and of the shares does not matter.
        for (first, second) in [("U1", "U2"), ("U2", "U1")] {
            let sources = practices(&[("A00001", Some(first)), ("A00002", Some(second))]);
            let rows = [("S0", "A00001", 0.5), ("S0", "A00002", 0.5)];
            let records = add(&sources, &rows, BY_NETWORK).expect("areas");
            assert_eq!(assignments(&records), [("S0", "U1", None)]);
        }
    }

    #[test]
    fn statistical_areas_without_patients_of_a_group_are_left_out() {
        let sources = practices(&[("A00001", Some("U1")), ("A00002", None)]);
        let rows = [
            ("S0", "A00001", 0.1),
            // The largest share is that of a practice without a group, and is not counted.
            ("S0", "A00002", 0.9),
            ("S1", "A00002", 1.0),
            ("S2", "A00009", 1.0),
        ];
        let records = add(&sources, &rows, BY_NETWORK).expect("areas");
        assert_eq!(assignments(&records), [("S0", "U1", None)]);
        assert_eq!(records.memberships.len(), 1);
    }

    #[test]
    fn a_group_that_is_nowhere_the_largest_has_members_but_no_statistical_areas() {
        let sources = practices(&[("A00001", Some("U1")), ("A00002", Some("U2"))]);
        let rows = [("S0", "A00001", 0.9), ("S0", "A00002", 0.1)];
        let records = add(&sources, &rows, BY_NETWORK).expect("areas");
        assert!(records.has_area(test_layers::layer("pcn"), "U2"));
        assert_eq!(assignments(&records), [("S0", "U1", None)]);
        let groups = records.memberships.iter();
        let groups: Vec<_> = groups.map(|found| found.group.as_deref()).collect();
        assert_eq!(groups, [Some("U1"), Some("U2")]);
    }

    #[test]
    fn practices_of_other_sub_icb_locations_are_left_out() {
        let mut sources = practices(&[("A00001", Some("U1")), ("A00002", Some("U2"))]);
        sources.practices[0].practice.sub_icb = Some("00Q".into());
        let rows = [("S0", "A00001", 0.9), ("S0", "A00002", 0.1)];
        let fields = "by = \"network\"\nsub_icb = [\"01A\"]";
        let records = add(&sources, &rows, fields).expect("areas");
        assert_eq!(assignments(&records), [("S0", "U2", None)]);
        assert_eq!(records.areas().len(), 1);
    }

    #[test]
    fn a_prefix_makes_ids_of_names_without_the_word_pcn() {
        let sources = practices(&[("A00001", Some("Burnley East"))]);
        let fields = "by = \"network\"\nid_prefix = \"pl-\"\nsystem = \"pennine\"";
        let records = add(&sources, &[("S0", "A00001", 1.0)], fields).expect("areas");
        let area = &records.areas()[0];
        assert_eq!(
            (&*area.id, &*area.name, area.system.as_deref()),
            ("pl-burnley-east", "Burnley East", Some("pennine"))
        );
    }

    #[test]
    fn memberships_in_networks_have_the_periods_of_the_source() {
        let mut sources = practices(&[("A00001", Some("U2")), ("A00002", Some("U2"))]);
        let day = date(2024, 4, 1);
        let row = |pcn: &str, period| NetworkPeriod {
            practice: "A00001".parse().expect("an ODS code"),
            pcn: pcn.into(),
            pcn_name: format!("{pcn} PCN"),
            period,
            community: None,
        };
        let (before, after) = (
            Period {
                from: None,
                to: Some(day),
            },
            Period {
                from: Some(day),
                to: None,
            },
        );
        sources.network_periods = vec![row("U1", before), row("U2", after)];
        let memberships = |fields: &str| -> Vec<_> {
            let rows = [("S0", "A00001", 1.0)];
            let records = add(&sources, &rows, fields).expect("areas");
            let memberships = records.memberships.into_iter();
            memberships
                .map(|found| {
                    (
                        found.group.unwrap_or_default(),
                        found.period,
                        found.provenance,
                    )
                })
                .collect()
        };
        let of_networks = [
            ("U1".to_string(), before, Provenance::Official),
            ("U2".to_string(), after, Provenance::Official),
            ("U2".to_string(), Period::default(), Provenance::Derived),
        ];
        assert_eq!(memberships(BY_NETWORK), of_networks);
        // No source states that an area with a prefix in its id is the network.
        let of_teams = memberships("by = \"network\"\nid_prefix = \"pl-\"");
        assert_eq!(of_teams[0], ("pl-u1".into(), before, Provenance::Derived));
    }

    #[test]
    fn shares_and_groups_must_exist() {
        let sources = practices(&[("A00001", Some("U1"))]);
        let method = toml::from_str::<PluralityMethod>("shares = \"all\"\nby = \"icb\"");
        let error = method.expect_err("an unknown grouping").to_string();
        let expected =
            "unknown variant `icb`, expected one of `community`, `network`, `membership`";
        assert!(error.contains(expected), "{error}");
        let context = context(test_layers::layer("pcn"), &sources);
        let method: PluralityMethod =
            toml::from_str("shares = \"north\"\nby = \"community\"").expect("a method");
        let error = add_areas(&mut DatasetRecords::default(), &context, &method)
            .expect_err("no shares")
            .to_string();
        assert_eq!(error, "no `[[shares]]` table has the name `north`");
    }

    #[test]
    fn empty_shares_assign_nothing() {
        let records = add(&practices(&[]), &[], BY_NETWORK).expect("nothing");
        assert!(records.areas().is_empty() && records.assignments.is_empty());
    }
}
