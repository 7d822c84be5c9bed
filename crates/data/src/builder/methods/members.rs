//! The method `members`: groups that are defined by their members, which are areas of the history
//! or of an earlier layer.
//!
//! Reads a table of members and their groups. The module `import::resilience_groups` describes the
//! columns of this table. Makes an area for each group, and a membership for each row. A row
//! without a group results in a membership of an unknown group.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

use super::super::config::MembersMethod;
use super::super::records::DatasetRecords;
use super::super::sources::display_path;
use super::LayerContext;
use crate::import::resilience_groups::{self, GroupMemberRecord, GroupRecord};
use catchment_core::domain::{Area, AreaName, GroupMember, Layer, Membership, Provenance};

pub(super) fn add_areas(
    records: &mut DatasetRecords,
    context: &LayerContext<'_>,
    method: &MembersMethod,
) -> Result<()> {
    let file = display_path(&method.file);
    let rows = resilience_groups::read(&file, &context.sources.read_bytes(&method.file)?)?;
    context.report_rows(records, file.clone(), rows.len());
    add_rows(records, context, &file, rows)
}

fn add_rows(
    records: &mut DatasetRecords,
    context: &LayerContext<'_>,
    file: &str,
    rows: Vec<GroupMemberRecord>,
) -> Result<()> {
    let mut groups: BTreeMap<String, Area> = BTreeMap::new();
    for row in rows {
        let Some(member) = records.areas().iter().find(|area| area.id == row.member) else {
            bail!(
                "{file}: member `{}` is not an area of the history or an earlier layer",
                row.member
            );
        };
        let system = member.system.clone();
        let membership = Membership {
            member: GroupMember::Area(member.layer, member.id.clone()),
            layer: context.layer,
            group: row.group.as_ref().map(|group| group.id.clone()),
            period: context.period,
            // The members are copied from a published page.
            provenance: Provenance::Indicative,
        };
        records.memberships.push(membership);
        let Some(group) = row.group else { continue };
        add_published_name(records, context.layer, &group);
        let area = Area {
            layer: context.layer,
            id: group.id.clone(),
            name: group.name,
            title: None,
            label: None,
            kind: group.kind,
            system,
            provenance: context.provenance,
            period: context.period,
            ended_by: None,
        };
        let existing = groups.entry(group.id).or_insert_with(|| area.clone());
        if *existing != area {
            bail!(
                "{file}: group `{}` has different names or kinds in different rows",
                area.id
            );
        }
    }
    groups
        .into_values()
        .for_each(|area| records.push_area(area));
    Ok(())
}

/// Adds the name of the group on a member's page, if it differs from the group's name in more than
/// its capitals and is on no other page.
fn add_published_name(records: &mut DatasetRecords, layer: Layer, group: &GroupRecord) {
    let Some(name) = &group.as_published else {
        return;
    };
    let is_same = |other: &str| other.eq_ignore_ascii_case(name);
    let mut others = records.names.iter();
    if is_same(&group.name) || others.any(|other| other.area == group.id && is_same(&other.name)) {
        return;
    }
    records.names.push(AreaName {
        layer,
        area: group.id.clone(),
        name: name.clone(),
        kind: "as published".into(),
        source: group.source.clone(),
        as_of: group.as_of,
    });
}

#[cfg(test)]
mod tests {
    use super::super::super::test_sources::{area, context, empty_sources};
    use super::*;
    use crate::test_layers;

    /// Adds the groups of the ICC `k` and the sub-community `part`.
    fn add(rows: &str) -> Result<DatasetRecords, String> {
        let table = format!("member,group_id,group_name,kind\n{rows}");
        let rows = resilience_groups::read("groups.csv", table.as_bytes())
            .map_err(|error| error.to_string())?;
        let mut records = DatasetRecords::default();
        records.push_area(area(test_layers::layer("icc"), "k"));
        records.push_area(area(test_layers::layer("sub-community"), "part"));
        let sources = empty_sources();
        let context = context(test_layers::layer("resilience-group"), &sources);
        add_rows(&mut records, &context, "groups.csv", rows)
            .map(|()| records)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_group_is_one_area_with_its_members() {
        let records = add("k,g,Group,action group\npart,g,Group,action group\n").expect("groups");
        let groups = &records.areas()[2..];
        assert_eq!(groups.len(), 1);
        assert_eq!((&*groups[0].id, &*groups[0].name), ("g", "Group"));
        assert_eq!(groups[0].kind.as_deref(), Some("action group"));
        let members = records.memberships.iter();
        let members: Vec<_> = members.map(|found| &found.member).collect();
        assert_eq!(
            members,
            [
                &GroupMember::Area(test_layers::layer("icc"), "k".into()),
                &GroupMember::Area(test_layers::layer("sub-community"), "part".into())
            ]
        );
    }

    #[test]
    fn other_names_of_a_group_are_kept_once() {
        let table = "member,group_id,group_name,kind,as_published,source,as_of\n\
             k,g,The Group,,The Group,a page,2022-01-05\n\
             part,g,The Group,,the group,a page,2022-01-05\n\
             l,g,The Group,,The Forum,a page,2022-01-05\n\
             m,g,The Group,,The forum,a page,2022-01-05\n";
        let rows = resilience_groups::read("groups.csv", table.as_bytes()).expect("a table");
        let mut records = DatasetRecords::default();
        for id in ["k", "part", "l", "m"] {
            records.push_area(area(test_layers::layer("icc"), id));
        }
        let sources = empty_sources();
        let context = context(test_layers::layer("resilience-group"), &sources);
        add_rows(&mut records, &context, "groups.csv", rows).expect("groups");
        let names: Vec<&str> = records.names.iter().map(|name| &*name.name).collect();
        assert_eq!(names, ["The Forum"]);
    }

    #[test]
    fn a_member_without_a_group_has_an_unknown_group() {
        let records = add("k,,,\n").expect("no groups");
        assert_eq!(records.areas().len(), 2);
        let groups = records.memberships.iter();
        let groups: Vec<_> = groups.map(|found| found.group.as_deref()).collect();
        assert_eq!(groups, [None]);
    }

    #[test]
    fn contradictions_and_unknown_members_are_errors() {
        for (rows, error) in [
            (
                "m,g,Group,\n",
                "groups.csv: member `m` is not an area of the history or an earlier layer",
            ),
            (
                "k,g,Group,\npart,g,Another name,\n",
                "groups.csv: group `g` has different names or kinds in different rows",
            ),
            (
                "k,g,Group,\npart,g,Group,action group\n",
                "groups.csv: group `g` has different names or kinds in different rows",
            ),
        ] {
            assert_eq!(add(rows).map(|_| ()), Err(error.into()));
        }
    }

    #[test]
    fn a_table_without_rows_is_an_error() {
        let error = add("").map(|_| ()).expect_err("no rows");
        assert!(error.contains("groups.csv"), "{error}");
    }
}
