//! The output columns that a request specifies.

use super::column_sets::ColumnSet;
use super::columns::{
    AreaText, NamePattern, OutputColumn, PREFIX, UnknownColumn, area_pattern, columns_of,
    layer_word,
};
use catchment_core::domain::{LayerEntry, LayerRole, Manifest};

impl OutputColumn {
    /// Returns the default columns, followed by the columns in a comma-separated list.
    ///
    /// The list may contain the names in [`columns_of`] and in [`ColumnSet::ALL`]. `LAYER` is the
    /// column with the areas of a layer by residence, `LAYER.name` the column with their names, and
    /// `LAYER.code` the column with their national codes.
    ///
    /// # Errors
    /// If the list contains a name that is not the name of a column, a set or a layer.
    pub fn with_defaults(
        names: &str,
        manifest: &Manifest,
    ) -> Result<Vec<OutputColumn>, UnknownColumn> {
        let all = columns_of(manifest);
        let of_set = |set: ColumnSet| all.iter().filter(move |column| set.contains(column));
        let mut columns: Vec<OutputColumn> = Vec::new();
        let mut add = |found: OutputColumn| {
            if !columns.contains(&found) {
                columns.push(found);
            }
        };
        of_set(ColumnSet::Default).for_each(|column| add(column.column));
        for name in names
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
        {
            if let Some(set) = ColumnSet::find(name) {
                of_set(set).for_each(|column| add(column.column));
                continue;
            }
            let unprefixed = name.strip_prefix(PREFIX).unwrap_or(name);
            // The ids of attributes and layers contain hyphens instead of underscores.
            let word = unprefixed.replace('-', "_");
            let mut listed = all.iter();
            let listed = listed.find(|column| column.name == word);
            let listed = listed.map(|column| column.column);
            let found = listed.or_else(|| layer_column(unprefixed, manifest));
            add(found.ok_or_else(|| UnknownColumn {
                name: name.into(),
                sets: ColumnSet::names(),
                known: all.iter().map(|column| column.name.clone()).collect(),
                layers: manifest.layers.iter().map(|entry| entry.id).collect(),
            })?);
        }
        Ok(columns)
    }
}

/// Returns the column that `LAYER`, `LAYER.name` or `LAYER.code` refers to.
fn layer_column(name: &str, manifest: &Manifest) -> Option<OutputColumn> {
    let (layer, text) = match name.split_once('.') {
        None => (name, AreaText::Id),
        Some((layer, "name")) => (layer, AreaText::Name),
        Some((layer, "code")) => (layer, AreaText::Code),
        Some(_) => return None,
    };
    let mut entries = manifest.layers.iter();
    let entry =
        entries.find(|entry| entry.id.as_str() == layer || layer_word(entry.id) == layer)?;
    let pattern = residence_pattern(entry, manifest);
    // The id of a practice is its ODS code.
    let text = match (pattern, text) {
        (NamePattern::Practices, AreaText::Code) => AreaText::Id,
        (_, text) => text,
    };
    Some(OutputColumn::Residence(entry.id, text, pattern))
}

/// Returns the pattern of the names in [`columns_of`] for the columns of a layer by residence.
fn residence_pattern(entry: &LayerEntry, manifest: &Manifest) -> NamePattern {
    match entry.role {
        LayerRole::PracticeCatchment => NamePattern::Practices,
        LayerRole::Group => NamePattern::Groups,
        LayerRole::Community if manifest.main_community_layer() == Some(entry.id) => {
            NamePattern::MainCommunity
        }
        _ => area_pattern(entry.id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_manifest::manifest;

    /// Checks the columns that are added to the default columns. `expected` contains their names
    /// without the prefix.
    #[track_caller]
    fn check(names: &str, expected: &[&str]) {
        let columns = OutputColumn::with_defaults(names, &manifest()).expect("columns");
        let added = columns[10..].iter().map(OutputColumn::to_string);
        let added: Vec<String> = added.collect();
        let added: Vec<&str> = added
            .iter()
            .filter_map(|name| name.strip_prefix(PREFIX))
            .collect();
        assert_eq!(added, expected, "{names}");
    }

    #[test]
    fn named_columns_are_added_to_the_defaults() {
        check("", &[]);
        check("icb, catchment_suggestion,status", &["icb", "suggestion"]);
        let manifest = manifest();
        assert_eq!(
            OutputColumn::with_defaults("all", &manifest).map(|all| all.len()),
            Ok(columns_of(&manifest).len())
        );
    }

    #[test]
    fn sets_columns_and_layers_may_be_named_together() {
        check("default", &[]);
        check(
            "default, distances,icb,nearest_practice",
            &[
                "boundary_distance_m",
                "nearest_icc",
                "nearest_icc_distance_m",
                "practice_distance_m",
                "nearest_practice",
                "nearest_practice_distance_m",
                "practices_covering_distances_m",
                "icb",
            ],
        );
        let manifest = manifest();
        let of = |names: &str| OutputColumn::with_defaults(names, &manifest).expect("columns");
        assert_eq!(of("icb,all").len(), of("all").len());
        // The name of a set is not the name of a column, so it has no prefix.
        assert!(OutputColumn::with_defaults("catchment_codes", &manifest).is_err());
    }

    #[test]
    fn every_layer_has_columns() {
        // The id of the main community, and the codes of practices, are among the default columns.
        check("icc,gp-practice,gp-practice.code", &[]);
        check(
            "icc.name,icc.code",
            &["icc_residence_name", "icc_residence_code"],
        );
        check("sub-icb,sub_icb.name", &["sub_icb", "sub_icb_name"]);
        check("icb.code,catchment_icb_code", &["icb_code"]);
        check(
            "pcn.code,sub-community.code",
            &["pcn_code", "sub_community_code"],
        );
        check("gp-practice.name", &["practices_covering_names"]);
        check(
            "resilience-group,resilience-group.name",
            &[
                "resilience_groups_residence",
                "resilience_groups_residence_names",
            ],
        );
        for entry in &manifest().layers {
            for suffix in ["", ".name", ".code"] {
                let name = format!("{}{suffix}", entry.id);
                OutputColumn::with_defaults(&name, &manifest()).expect("columns");
            }
        }
    }

    #[test]
    fn unknown_columns_are_reported_with_the_columns_and_layers() {
        for name in [
            "iccs",
            "icc.title",
            "ward.code",
            ".name",
            "icc.",
            "all.name",
        ] {
            let error = OutputColumn::with_defaults(name, &manifest()).expect_err("unknown");
            let text = error.to_string();
            assert!(text.contains(&format!("`{name}`")), "{text}");
            assert!(text.contains("icc_residence_id, "), "{text}");
            assert!(text.contains("default, codes, names, "), "{text}");
            assert!(
                text.ends_with("sub-icb, place, icb, council, lsoa11, lsoa21"),
                "{text}"
            );
            assert!(!error.expected().contains('`'), "{text}");
        }
    }
}
