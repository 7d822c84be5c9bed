//! The method `lookup`: areas that are unions of the statistical areas that a look-up table assigns
//! to them.
//!
//! Reads a CSV table with a column of the codes of statistical areas, a column of area ids and,
//! optionally, a column of names and a column that selects rows. Makes an assignment for each
//! statistical area. With a column of names, also makes the areas; without it, the areas must be in
//! the history. If the codes of the table are those of other areas, such as MSOAs or wards, the
//! table `through` states the statistical areas of which these areas consist.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};

use super::super::config::{LookupMethod, ThroughTable};
use super::super::records::DatasetRecords;
use super::super::source_report::{RowTally, SourceReport};
use super::super::sources::display_path;
use super::LayerContext;
use crate::import::lookup::{self as lookup_table, LookupColumns, LookupEntry};
use catchment_core::domain::ModelShare;

pub(super) fn add_areas(
    records: &mut DatasetRecords,
    context: &LayerContext<'_>,
    method: &LookupMethod,
) -> Result<()> {
    let bytes = context.sources.read_bytes(&method.file)?;
    add_table(records, context, method, &bytes)
}

fn add_table(
    records: &mut DatasetRecords,
    context: &LayerContext<'_>,
    method: &LookupMethod,
    bytes: &[u8],
) -> Result<()> {
    let file = display_path(&method.file);
    let (mut entries, mut report) = context.read_lookup(&file, bytes, &method.columns)?;
    if let Some(through) = &method.through {
        entries = expand(&file, entries, records, context, through)?;
    }
    if method.beyond_boundaries {
        leave_out_unknown(&mut entries, &mut report, context);
    }
    records.reports.push(report);
    ensure_known_codes(&file, &entries, context)?;
    let mut names_by_area: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut entry_by_code: BTreeMap<String, LookupEntry> = BTreeMap::new();
    for entry in entries {
        if let Some(title) = &entry.name {
            context.add_area_if_missing(records, &entry.area, title, method.system.as_ref());
            let names = names_by_area.entry(entry.area.clone()).or_default();
            names.extend(Some(title.clone()).filter(|title| !title.is_empty()));
        } else if !records.has_area(context.layer, &entry.area) {
            bail!(unknown_area(&file, &entry.area, context));
        }
        if let Some(earlier) = entry_by_code.insert(entry.code.clone(), entry.clone())
            && earlier.area != entry.area
        {
            bail!(
                "{file}: `{}` is assigned to `{}` and to `{}`",
                entry.code,
                earlier.area,
                entry.area
            );
        }
    }
    for (area, names) in names_by_area {
        if names.len() > 1 {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            let used = records.area(context.layer, &area);
            records.remarks.push(format!(
                "{file}: `{area}` has several names: {}; the name is `{}`",
                names.join(", "),
                used.map(|area| area.name.clone()).unwrap_or_default()
            ));
        }
    }
    for entry in entry_by_code.into_values() {
        for (other, _) in &entry.disputed {
            if !records.has_area(context.layer, other) {
                bail!(
                    "{file}: `{}` is disputed with `{other}`, which is not an area of layer `{}`",
                    entry.code,
                    context.layer
                );
            }
        }
        if let Some(share) = entry.model_share {
            records.model_shares.push(ModelShare {
                statistical_area: entry.code.clone(),
                layer: context.layer,
                area: entry.area.clone(),
                share,
                disputed: entry.disputed,
            });
        }
        context.assign(records, entry.code, entry.area, None, context.period);
    }
    Ok(())
}

/// Returns an error with the number of codes that do not belong to a statistical area, and the
/// first of these codes.
fn ensure_known_codes(
    file: &str,
    entries: &[LookupEntry],
    context: &LayerContext<'_>,
) -> Result<()> {
    let areas = &context.sources.statistical_areas;
    let codes: BTreeSet<&str> = entries.iter().map(|entry| entry.code.as_str()).collect();
    let all = codes.len();
    let mut unknown = codes.into_iter().filter(|code| !areas.contains_key(*code));
    let Some(first) = unknown.next() else {
        return Ok(());
    };
    match 1 + unknown.count() {
        1 => bail!("{file}: `{first}` is not one of the statistical areas"),
        count => bail!(
            "{file}: {count} of {all} codes are not codes of the statistical areas; the first is \
             `{first}`"
        ),
    }
}

/// Leaves out the entries of statistical areas without a boundary, unless none has one, and adds them
/// to the report.
fn leave_out_unknown(
    entries: &mut Vec<LookupEntry>,
    report: &mut SourceReport,
    context: &LayerContext<'_>,
) {
    let known = &context.sources.statistical_areas;
    if !entries.iter().any(|entry| known.contains_key(&entry.code)) {
        return;
    }
    let mut others = RowTally::default();
    entries.retain(|entry| {
        let is_known = known.contains_key(&entry.code);
        if !is_known {
            others.add(|| entry.code.clone());
        }
        is_known
    });
    report.not_needed("rows of statistical areas without a boundary", others);
}

/// Replaces each entry with one entry for each statistical area of the area with its code.
///
/// # Errors
/// If the table `through` does not have the code of an entry.
fn expand(
    file: &str,
    entries: Vec<LookupEntry>,
    records: &mut DatasetRecords,
    context: &LayerContext<'_>,
    through: &ThroughTable,
) -> Result<Vec<LookupEntry>> {
    let through_file = display_path(&through.file);
    let columns = LookupColumns {
        code: through.code.clone(),
        area: Some(through.area.clone()),
        name: None,
        share: None,
        disputed: None,
        only: None,
    };
    let bytes = context.sources.read_bytes(&through.file)?;
    let table = lookup_table::read(&through_file, &bytes, &columns)?;
    let wanted: BTreeSet<&str> = entries.iter().map(|entry| entry.code.as_str()).collect();
    let mut report = SourceReport::new(&through_file, &context.purpose(), table.entries.len());
    let mut others = RowTally::default();
    let mut parts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in table.entries {
        if wanted.contains(row.area.as_str()) {
            parts.entry(row.area).or_default().push(row.code);
        } else {
            others.add(|| row.area.clone());
        }
    }
    report.not_needed("the look-up table does not have the code", others);
    records.reports.push(report);
    let mut expanded = Vec::new();
    for entry in entries {
        let Some(codes) = parts.get(&entry.code) else {
            bail!(
                "{file}: `{}` is not in column `{}` of {through_file}",
                entry.code,
                through.area
            );
        };
        expanded.extend(codes.iter().map(|code| LookupEntry {
            code: code.clone(),
            ..entry.clone()
        }));
    }
    Ok(expanded)
}

/// Returns the error for an area whose name neither the table nor the history states.
fn unknown_area(file: &str, area: &str, context: &LayerContext<'_>) -> String {
    let layer = context.layer;
    if context
        .sources
        .history
        .iter()
        .any(|record| record.layer == layer)
    {
        format!("{file}: `{area}` is not an area of layer `{layer}` in the history")
    } else {
        format!(
            "{file}: the name of `{area}` is missing: give the column of the names in `columns` \
             (`name = \"…\"`), or a `history` with the areas of layer `{layer}`"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::test_sources::{
        area, assignments, context, empty_sources, sources_with_areas,
    };
    use super::*;
    use crate::test_layers;

    const AREAS: [(&str, &str, &str); 3] = [
        ("S0", "Lancaster 001A", "01K"),
        ("S1", "Lancaster 001B", "01K"),
        ("S2", "Lancaster 001C", "01K"),
    ];

    /// Adds a look-up table with the columns `code`, `icc`, `name` and `system` to the layer `icc`,
    /// which contains the area `k`.
    fn add(columns: &str, rows: &str) -> Result<DatasetRecords, String> {
        let method: LookupMethod = toml::from_str(&format!(
            "file = \"table.csv\"\ncolumns = {{ code = \"code\", area = \"icc\"{columns} }}"
        ))
        .expect("a method");
        let sources = sources_with_areas(&AREAS);
        let mut records = DatasetRecords::default();
        records.push_area(area(test_layers::layer("icc"), "k"));
        let table = format!("code,icc,name,system\n{rows}");
        let context = context(test_layers::layer("icc"), &sources);
        add_table(&mut records, &context, &method, table.as_bytes())
            .map(|()| records)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn names_make_areas_and_rows_make_assignments_in_order_of_code() {
        let rows = "S2,l,Ell,mb\nS0,k,Kay,mb\nS1,l,Another Ell,mb\nS2,l,Ell,mb\n";
        let records = add(", name = \"name\"", rows).expect("areas");
        assert_eq!(
            assignments(&records),
            [("S0", "k", None), ("S1", "l", None), ("S2", "l", None)]
        );
        let areas = records.areas().iter();
        let names: Vec<(&str, &str)> = areas.map(|area| (&*area.id, &*area.name)).collect();
        assert_eq!(names, [("k", "K"), ("l", "Ell")]);
    }

    #[test]
    fn rows_without_an_area_and_unselected_rows_are_left_out() {
        let rows = "S0,k,,mb\nS1,,,mb\nS2,k,,fylde\n";
        let records = add(", only = [\"system\", [\"mb\"]]", rows).expect("areas");
        assert_eq!(assignments(&records), [("S0", "k", None)]);
        let none = add(", only = [\"system\", []]", rows).expect("no areas");
        assert!(assignments(&none).is_empty());
    }

    #[test]
    fn the_report_counts_rows_without_an_area_and_several_names() {
        let rows = "S0, k ,Kay,mb\nS1,,,mb\nS2,k,Kaye,mb\n";
        let records = add(", name = \"name\"", rows).expect("areas");
        let assigned: Vec<_> = assignments(&records).iter().map(|found| found.1).collect();
        assert_eq!(assigned, ["k", "k"]);
        let report = records.reports[0].to_string();
        assert!(report.contains("table.csv: 3 read, 2 used"), "{report}");
        assert_eq!(
            records.remarks,
            ["table.csv: `k` has several names: `Kay`, `Kaye`; the name is `K`"]
        );
    }

    #[test]
    fn shares_and_disputed_areas_are_kept() {
        let columns = ", name = \"name\", share = \"share\", disputed = \"other\"";
        let method: LookupMethod = toml::from_str(&format!(
            "file = \"table.csv\"\ncolumns = {{ code = \"code\", area = \"icc\"{columns} }}"
        ))
        .expect("a method");
        let sources = sources_with_areas(&AREAS);
        let context = context(test_layers::layer("icc"), &sources);
        let add = |other: &str| {
            let mut records = DatasetRecords::default();
            let table =
                format!("code,icc,name,share,other\nS0,k,Kay,0.4,{other}\nS1,l,Ell,1.00,\n");
            add_table(&mut records, &context, &method, table.as_bytes()).map(|()| records)
        };
        let records = add("l 0.6").expect("areas");
        let shares = records.model_shares.iter();
        let shares: Vec<_> = shares
            .map(|found| (&*found.statistical_area, found.share, found.disputed.len()))
            .collect();
        assert_eq!(shares, [("S0", 0.4, 1), ("S1", 1.0, 0)]);
        let error = add("z 0.6").map(|_| ()).expect_err("no area z");
        assert!(error.to_string().contains("`z`"), "{error}");
    }

    #[test]
    fn contradictions_with_the_table_and_with_other_sources_are_errors() {
        for (rows, words) in [
            (
                "S9,k,,\n",
                "table.csv: `S9` is not one of the statistical areas",
            ),
            (
                "S0,l,,\n",
                "table.csv: the name of `l` is missing: give the column of the names in `columns` \
                 (`name = \"…\"`), or a `history` with the areas of layer `icc`",
            ),
        ] {
            assert_eq!(add("", rows).map(|_| ()), Err(words.into()));
        }
        let error = add("", "S8,k,,\nS0,k,,\nS9,k,,\n").map(|_| ());
        let error = error.expect_err("two unknown codes");
        assert!(error.contains("2 of 3 codes"), "{error}");
        assert_eq!(
            add(", name = \"name\"", "S0,k,Kay,\nS0,l,Ell,\n").map(|_| ()),
            Err("table.csv: `S0` is assigned to `k` and to `l`".into())
        );
    }

    #[test]
    fn a_table_without_rows_is_an_error() {
        let error = add("", "").map(|_| ()).expect_err("no rows");
        assert!(error.contains("table.csv"), "{error}");
    }

    #[test]
    fn without_statistical_areas_every_code_is_unknown() {
        let method: LookupMethod =
            toml::from_str("file = \"table.csv\"\ncolumns = { code = \"code\", area = \"icc\" }")
                .expect("a method");
        let sources = empty_sources();
        let mut records = DatasetRecords::default();
        let context = context(test_layers::layer("icc"), &sources);
        assert!(add_table(&mut records, &context, &method, b"code,icc\nS0,k\n").is_err());
        assert!(records.assignments.is_empty());
    }
}
