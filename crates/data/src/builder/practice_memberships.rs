//! The memberships of practices in communities and parts.

use super::config::{LayerConfig, first_with_role};
use super::records::DatasetRecords;
use super::sources::SourceData;
use crate::import::practice_list::{NetworkPeriod, PracticeRecord};
use crate::plural::count_with_noun;
use catchment_core::domain::{GroupMember, Layer, LayerRole, Membership, Period, Provenance};

/// Adds each practice as a member of its community. If the part that contains the practice's
/// address belongs to the same community, also adds the practice as a member of this part. The
/// communities are the areas of the first layer of communities, and the parts are the areas of the
/// first layer of their parts.
///
/// Omits a practice that has a community in the configured memberships, because these memberships
/// are complete. Omits a practice whose community is not an area of the layer, and counts the
/// practice in a remark.
pub(super) fn add_community_memberships(
    records: &mut DatasetRecords,
    sources: &SourceData,
    layers: &[LayerConfig],
) {
    let community_layer = first_with_role(layers, LayerRole::Community);
    let part_layer = layers.iter().find(|layer| {
        let declaration = layer.declaration();
        declaration.is_ok_and(|declaration| {
            declaration.role == LayerRole::Part && declaration.parent == community_layer
        })
    });
    let part_layer = part_layer.map(|layer| layer.id);
    let code_by_postcode = sources.statistical_area_codes();
    let mut memberships = Vec::new();
    let mut unknown_count = 0_usize;
    for PracticeRecord {
        practice,
        community,
        ..
    } in &sources.practices
    {
        let member = GroupMember::Practice(practice.code);
        if sources.memberships.iter().any(|membership| {
            membership.member == member && Some(membership.layer) == community_layer
        }) {
            continue;
        }
        let Some(community) = community else { continue };
        let membership = |layer, group: &str, period| Membership {
            member: GroupMember::Practice(practice.code),
            layer,
            group: Some(group.to_string()),
            period,
            provenance: Provenance::Derived,
        };
        let own_periods = sources.network_periods.iter();
        let own_periods = own_periods.filter(|row| row.practice == practice.code);
        let communities = communities_by_network(own_periods, community);
        let known_layer = community_layer.filter(|layer| {
            communities
                .iter()
                .all(|(community, _)| records.has_area(*layer, community))
        });
        let Some(community_layer) = known_layer else {
            unknown_count += 1;
            continue;
        };
        let is_constant = communities.len() == 1;
        let with_periods = communities.into_iter();
        memberships.extend(
            with_periods.map(|(community, period)| membership(community_layer, community, period)),
        );
        if !is_constant {
            continue;
        }
        let address_code = practice
            .postcode
            .and_then(|postcode| code_by_postcode.get(&postcode).copied());
        let part = part_layer.zip(address_code).and_then(|(layer, code)| {
            Some((layer, part_in_community(records, layer, code, community)?))
        });
        memberships.extend(part.map(|(layer, part)| membership(layer, part, Period::default())));
    }
    records.memberships.extend(memberships);
    if unknown_count > 0 {
        records.remarks.push(format!(
            "{} in no community, because the layer does not have the community that the file \
             states",
            count_with_noun(unknown_count, "practice is", "practices are")
        ));
    }
}

/// Returns the communities of a practice with their periods. On each day, a practice belongs to the
/// community of its network or, if no network is known, to `community`, which is the community in
/// the practice directory.
///
/// If all networks of the practice belong to `community`, the practice has always been in
/// `community`.
fn communities_by_network<'s>(
    periods: impl Iterator<Item = &'s NetworkPeriod>,
    community: &'s str,
) -> Vec<(&'s str, Period)> {
    let mut communities: Vec<(&str, Period)> = Vec::new();
    for row in periods {
        let by_network = row.community.as_deref().unwrap_or(community);
        match communities.last_mut() {
            Some((last, period)) if *last == by_network => period.to = row.period.to,
            Some((_, period)) => {
                // Between two networks, the practice remains in the community of the earlier
                // network.
                period.to = row.period.from;
                communities.push((by_network, row.period));
            }
            None => communities.push((by_network, row.period)),
        }
    }
    match communities.as_mut_slice() {
        [] => return vec![(community, Period::default())],
        [(only, _)] if *only == community => return vec![(community, Period::default())],
        [.., (last, period)] if *last == community => period.to = None,
        // The practice left its last network, and the directory contains another community.
        [.., (_, period)] => {
            let from = period.to;
            communities.extend(from.map(|_| (community, Period { from, to: None })));
        }
    }
    communities
}

/// Returns the part that contains a statistical area, if the part belongs to the community.
fn part_in_community<'r>(
    records: &'r DatasetRecords,
    layer: Layer,
    code: &str,
    community: &str,
) -> Option<&'r str> {
    let part = records
        .assignments_of(layer)
        .find(|assignment| *assignment.statistical_area == *code)?;
    let is_part = records.memberships.iter().any(|membership| {
        membership.member == GroupMember::Area(layer, part.area.to_string())
            && membership.group.as_deref() == Some(community)
    });
    is_part.then_some(&*part.area)
}

#[cfg(test)]
mod tests {
    use super::super::records::official_membership;
    use super::super::test_sources::{area, code, empty_sources, layer_config, postcode, practice};
    use super::*;
    use crate::test_layers;
    use catchment_core::domain::StatisticalAssignment;

    fn community_layers() -> [LayerConfig; 2] {
        [layer_config("icc"), layer_config("sub-community")]
    }

    fn practice_in(text: &str, community: Option<&str>, address: Option<&str>) -> PracticeRecord {
        let mut record = practice(text);
        record.community = community.map(str::to_string);
        record.practice.postcode = address.map(|text| text.parse().expect("a postcode"));
        record
    }

    /// Returns records with the communities `k` and `l`, and the part `part` of `k`, which
    /// consists of the statistical area `S0`.
    fn records() -> DatasetRecords {
        let mut records = DatasetRecords::default();
        for (layer, id) in [
            (test_layers::layer("icc"), "k"),
            (test_layers::layer("icc"), "l"),
            (test_layers::layer("sub-community"), "part"),
        ] {
            records.push_area(area(layer, id));
        }
        records.assignments.push(StatisticalAssignment {
            statistical_area: "S0".into(),
            layer: test_layers::layer("sub-community"),
            area: "part".into(),
            share: None,
            period: Period::default(),
        });
        records.memberships.push(official_membership(
            GroupMember::Area(test_layers::layer("sub-community"), "part".into()),
            (test_layers::layer("icc"), &"k".to_string()),
            Period::default(),
        ));
        records
    }

    /// Returns the groups of each practice, in order.
    fn groups(records: &DatasetRecords) -> Vec<(String, &str)> {
        let memberships = records.memberships.iter();
        memberships
            .filter_map(|membership| match membership.member {
                GroupMember::Practice(code) => {
                    Some((code.to_string(), membership.group.as_deref()?))
                }
                GroupMember::Area(..) => None,
            })
            .collect()
    }

    #[test]
    fn a_practice_is_in_the_sub_community_at_its_address_if_it_is_part_of_its_community() {
        let mut sources = empty_sources();
        sources.postcodes = vec![
            postcode("LA1 1AA", Some("S0")),
            postcode("LA1 1AB", Some("S1")),
            postcode("LA1 1AD", None),
        ];
        sources.practices = vec![
            practice_in("A00001", Some("k"), Some("LA1 1AA")),
            practice_in("A00002", Some("l"), Some("LA1 1AA")),
            practice_in("A00003", Some("k"), Some("LA1 1AB")),
            practice_in("A00004", Some("k"), Some("LA1 1AD")),
            practice_in("A00005", Some("k"), None),
        ];
        let mut records = records();
        add_community_memberships(&mut records, &sources, &community_layers());
        let expected = [
            ("A00001", "k"),
            ("A00001", "part"),
            ("A00002", "l"),
            ("A00003", "k"),
            ("A00004", "k"),
            ("A00005", "k"),
        ];
        assert_eq!(
            groups(&records),
            expected.map(|(code, group)| (code.to_string(), group))
        );
        assert!(records.remarks.is_empty());
    }

    #[test]
    fn practices_of_unknown_communities_are_counted_and_practices_with_memberships_are_left_out() {
        let mut sources = empty_sources();
        sources.practices = vec![
            practice_in("A00001", Some("elsewhere"), None),
            practice_in("A00002", Some("gone"), None),
            practice_in("A00003", Some("k"), None),
            practice_in("A00004", None, None),
        ];
        sources.memberships = vec![official_membership(
            GroupMember::Practice(code("A00003")),
            (test_layers::layer("icc"), &"l".to_string()),
            Period::default(),
        )];
        let mut records = records();
        add_community_memberships(&mut records, &sources, &community_layers());
        assert!(groups(&records).is_empty());
        assert_eq!(
            records.remarks,
            [
                "2 practices are in no community, because the layer does not have the community \
                 that the file states"
            ]
        );
    }

    #[test]
    fn a_practice_follows_its_network_to_another_community() {
        let day = |text: &str| text.parse().expect("a date");
        let row = |community: Option<&str>, from: &str, to: Option<&str>| NetworkPeriod {
            practice: code("A00001"),
            pcn: "U1".into(),
            pcn_name: "U1 PCN".into(),
            period: Period {
                from: Some(day(from)),
                to: to.map(day),
            },
            community: community.map(str::to_string),
        };
        let periods = |rows: &[NetworkPeriod], community: &str| -> Vec<(String, Option<String>)> {
            let communities = communities_by_network(rows.iter(), community).into_iter();
            communities
                .map(|(community, period)| (community.into(), period.to.map(|day| day.to_string())))
                .collect()
        };
        let always = |community: &str| vec![(community.to_string(), None)];
        assert_eq!(periods(&[], "k"), always("k"));
        let left = [row(Some("k"), "2019-10-01", Some("2021-02-02"))];
        assert_eq!(periods(&left, "k"), always("k"));
        let moved = [
            row(Some("l"), "2019-10-01", Some("2024-04-01")),
            row(Some("k"), "2024-04-01", None),
        ];
        let expected = [("l", Some("2024-04-01")), ("k", None)];
        let expected =
            expected.map(|(community, to)| (community.to_string(), to.map(str::to_string)));
        assert_eq!(periods(&moved, "k"), expected);
        assert_eq!(periods(&moved[..1], "k"), expected);
        let within = [
            row(None, "2019-10-01", Some("2024-04-01")),
            row(Some("k"), "2024-04-01", None),
        ];
        assert_eq!(periods(&within, "k"), always("k"));
    }

    #[test]
    fn sources_without_practices_add_nothing() {
        let mut records = records();
        add_community_memberships(&mut records, &empty_sources(), &community_layers());
        assert!(groups(&records).is_empty() && records.remarks.is_empty());
    }
}
