//! The method `practices`: assigns practices to areas that an earlier method of the layer made.
//!
//! Takes a CSV table with a column of the ODS codes of practices and a column of area ids or names.
//! Makes a membership for each practice, but no areas.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

use super::super::config::PracticeGroupList;
use super::super::records::DatasetRecords;
use super::super::sources::display_path;
use super::LayerContext;
use crate::plural::first_names;
use catchment_core::domain::{GroupMember, Membership, OdsCode, Provenance};

/// Adds a membership for each practice of the table.
///
/// # Errors
/// If the table has an area that the layer does not have.
pub(super) fn add_memberships(
    records: &mut DatasetRecords,
    context: &LayerContext<'_>,
    list: &PracticeGroupList,
) -> Result<()> {
    for (practice, (id, _)) in listed_groups(records, context, list)? {
        if !records.has_area(context.layer, &id) {
            let areas = records.areas().iter();
            let ids = areas.filter(|area| area.layer == context.layer);
            bail!(
                "{}: `{id}`, the area of practice `{practice}`, is not an area of layer `{}`, which \
                 has {}",
                display_path(&list.file),
                context.layer,
                first_names(ids.map(|area| &area.id), AREAS_NAMED_MAX)
            );
        }
        records.memberships.push(Membership {
            member: GroupMember::Practice(practice),
            layer: context.layer,
            group: Some(id),
            period: context.period,
            provenance: Provenance::Official,
        });
    }
    Ok(())
}

/// The maximum number of areas that an error lists.
const AREAS_NAMED_MAX: usize = 8;

/// Returns the id and name of the area of each practice in a table.
///
/// # Errors
/// If a code is not an ODS code, or a practice is in two areas.
pub(super) fn listed_groups(
    records: &mut DatasetRecords,
    context: &LayerContext<'_>,
    list: &PracticeGroupList,
) -> Result<BTreeMap<OdsCode, (String, String)>> {
    let mut groups: BTreeMap<OdsCode, (String, String)> = BTreeMap::new();
    let file = display_path(&list.file);
    let bytes = context.sources.read_bytes(&list.file)?;
    let (entries, mut report) = context.read_lookup(&file, &bytes, &list.columns)?;
    let mut rows: Vec<(OdsCode, String, String)> = Vec::with_capacity(entries.len());
    for entry in entries {
        let Ok(practice) = entry.code.parse::<OdsCode>() else {
            bail!(
                "{file}: column `{}`: `{}` is not the ODS code of a practice",
                list.columns.code,
                entry.code
            );
        };
        let name = entry.name.filter(|name| !name.is_empty());
        rows.push((practice, entry.area.clone(), name.unwrap_or(entry.area)));
    }
    let rows = context
        .sources
        .known_rows(&mut report, rows, |(practice, ..)| *practice);
    records.reports.push(report);
    for (practice, id, name) in rows {
        if let Some((earlier, _)) = groups.insert(practice, (id.clone(), name))
            && earlier != id
        {
            bail!("{file}: practice `{practice}` is in `{earlier}` and in `{id}`");
        }
    }
    Ok(groups)
}

#[cfg(test)]
mod tests {
    use super::super::super::test_sources::{area, context, empty_sources, practice};
    use super::*;
    use crate::test_layers;

    /// Adds a table with the columns `practice` and `team` to a layer with the area `north-bank`.
    fn add(rows: &str) -> Result<DatasetRecords, String> {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(
            folder.path().join("l.csv"),
            format!("practice,team\n{rows}"),
        )
        .expect("a file");
        let list: PracticeGroupList =
            toml::from_str("file = \"l.csv\"\ncolumns = { code = \"practice\", name = \"team\" }")
                .expect("a table");
        let mut sources = empty_sources();
        sources.set_base(folder.path());
        sources.practices = ["A00001", "A00002"].map(practice).to_vec();
        let mut records = DatasetRecords::default();
        records.push_area(area(test_layers::layer("icc"), "north-bank"));
        let context = context(test_layers::layer("icc"), &sources);
        add_memberships(&mut records, &context, &list)
            .map(|()| records)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn practices_become_members_of_the_area_with_the_name() {
        let records = add("A00001,North Bank\nA00002,north bank\nA00002,North Bank\nA00003,\n")
            .expect("memberships");
        let groups = records.memberships.iter();
        let groups: Vec<Option<&str>> = groups.map(|found| found.group.as_deref()).collect();
        assert_eq!(groups, [Some("north-bank"), Some("north-bank")]);
    }

    #[test]
    fn unknown_areas_codes_and_double_rows_are_errors() {
        for (rows, expected) in [
            (
                "A00001,South\n",
                "l.csv: `south`, the area of practice `A00001`, is not an area of layer `icc`, which \
                 has north-bank",
            ),
            (
                "A 1,North Bank\n",
                "l.csv: column `practice`: `A 1` is not the ODS code of a practice",
            ),
            (
                "A00001,North Bank\nA00001,South\n",
                "l.csv: practice `A00001` is in `north-bank` and in `south`",
            ),
            (
                "A00001,—\n",
                "l.csv: the name `—` has no letter or digit, so that no id can be made from it; \
                 give \
                 the column of the ids in `columns` (`area = \"…\"`)",
            ),
        ] {
            assert_eq!(add(rows).err().as_deref(), Some(expected));
        }
    }
}
