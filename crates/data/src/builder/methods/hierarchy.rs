//! The method `hierarchy`: areas of the NHS hierarchy above practices.
//!
//! Reads a table of sub-ICB locations, places and ICBs with their names, parents, periods and
//! selectors. The module `import::hierarchy` describes the columns of this table. Also reads the
//! ONS's look-up from LSOAs to sub-ICB locations and ICBs (`import::ons_lookup`); the areas in it
//! have the period of the method. Makes the areas of one layer, their memberships in ICBs, the
//! memberships of practices, and an assignment for each statistical area that a selector selects.
//! Rows of other layers only specify the parts of the layer's areas.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use jiff::civil::Date;

use super::super::config::HierarchyMethod;
use super::super::records::{DatasetRecords, official_membership};
use super::super::source_report::{RowTally, SourceReport};
use super::super::sources::{SourceData, StatisticalArea, display_path, matches_filter};
use super::LayerContext;
use crate::import::hierarchy::{self, HierarchyRecord, LsoaSelector};
use crate::import::ons_lookup;
use crate::import::practice_list::PracticeRecord;
use crate::plural::count_with_noun;
use catchment_core::domain::{
    Area, AreaCode, GroupMember, Membership, OrganisationKind, Period, Provenance,
};

pub(super) fn add_areas(
    records: &mut DatasetRecords,
    context: &LayerContext<'_>,
    method: &HierarchyMethod,
) -> Result<()> {
    if context.organisation.is_none() {
        let kinds = OrganisationKind::ALL
            .map(OrganisationKind::as_str)
            .join(", ");
        bail!("the method `hierarchy` needs the key `organisation` of the layer: one of {kinds}");
    }
    let file = display_path(&method.file);
    let bytes = context.sources.read_bytes(&method.file)?;
    let rows = if ons_lookup::is_ons_lookup(&bytes) {
        let rows = ons_lookup::read(&file, &bytes, context.period)?;
        if let Some(remark) = compare_codes(&file, &rows, context.sources)?
            // A method of another layer may have read the same file.
            && !records.remarks.contains(&remark)
        {
            records.remarks.push(remark);
        }
        rows
    } else {
        hierarchy::read(&file, &bytes)?
    };
    let mut report = SourceReport::new(file, &context.purpose(), rows.len());
    let mut other_layers = RowTally::default();
    for row in rows
        .iter()
        .filter(|row| Some(row.kind) != context.organisation)
    {
        other_layers.add(|| format!("{} `{}`", row.kind, row.id));
    }
    report.not_needed("rows of other layers", other_layers);
    records.reports.push(report);
    add_rows(records, context, &rows);
    Ok(())
}

/// Compares the statistical areas in a look-up with the statistical areas that have a boundary.
/// Returns a remark if the two sets differ.
///
/// # Errors
/// If the two sets have no code in common, for example because they are from two different
/// censuses.
fn compare_codes(
    file: &str,
    rows: &[HierarchyRecord],
    sources: &SourceData,
) -> Result<Option<String>> {
    let selectors = rows.iter().filter_map(|row| row.selector.as_ref());
    let listed: BTreeSet<&str> = selectors
        .filter_map(|selector| match selector {
            LsoaSelector::Codes(codes) => Some(codes),
            LsoaSelector::SubIcb(_) | LsoaSelector::District(_) => None,
        })
        .flatten()
        .map(String::as_str)
        .collect();
    let known: BTreeSet<&str> = sources
        .statistical_areas
        .keys()
        .map(String::as_str)
        .collect();
    let without_boundary: Vec<&str> = listed.difference(&known).copied().collect();
    let not_listed: Vec<&str> = known.difference(&listed).copied().collect();
    if without_boundary.len() == listed.len() {
        bail!(
            "{file}: none of its {} has a boundary; the first is `{}`, and the first statistical \
             area is `{}`: use boundaries of the same year",
            count_with_noun(listed.len(), "statistical area", "statistical areas"),
            listed.first().unwrap_or(&"none"),
            known.first().unwrap_or(&"none")
        );
    }
    let count = |codes: &[&str], what: &str| {
        let first = codes.first()?;
        let areas = count_with_noun(codes.len(), "statistical area", "statistical areas");
        Some(format!("{areas} {what} (the first is `{first}`)"))
    };
    let differences = [
        count(&without_boundary, "of the look-up without a boundary"),
        count(&not_listed, "with a boundary not in the look-up"),
    ];
    let differences: Vec<String> = differences.into_iter().flatten().collect();
    Ok((!differences.is_empty()).then(|| format!("{file}: {}", differences.join("; "))))
}

fn add_rows(records: &mut DatasetRecords, context: &LayerContext<'_>, rows: &[HierarchyRecord]) {
    let layer_rows: Vec<&HierarchyRecord> = rows
        .iter()
        .filter(|row| Some(row.kind) == context.organisation)
        .collect();
    for row in &layer_rows {
        records.push_area(Area {
            layer: context.layer,
            id: row.id.clone(),
            name: row.name.clone(),
            title: None,
            label: None,
            kind: None,
            system: None,
            provenance: context.provenance,
            period: row.period,
            ended_by: None,
        });
        for (scheme, code) in &row.codes {
            let code = AreaCode {
                layer: context.layer,
                area: row.id.clone(),
                scheme: (*scheme).into(),
                code: code.clone(),
            };
            // The versions of an area have the same codes.
            if !records.codes.contains(&code) {
                records.codes.push(code);
            }
        }
        let member = GroupMember::Area(context.layer, row.id.clone());
        let parent = context.parent.zip(row.parent.as_ref());
        let membership = parent.map(|parent| official_membership(member, parent, row.period));
        records.memberships.extend(membership);
    }
    let ids: BTreeSet<&str> = layer_rows.iter().map(|row| row.id.as_str()).collect();
    for id in ids {
        let versions: Vec<&HierarchyRecord> = layer_rows
            .iter()
            .filter(|row| row.id == id)
            .copied()
            .collect();
        let period = overall_period(&versions);
        for code in selected_codes(&versions, rows, context.sources) {
            context.assign(records, code, id.to_string(), None, period);
        }
    }
    add_practices(records, context, rows);
}

/// Adds each practice as a member of the sub-ICB location that commissions the practice or, in the
/// layer of ICBs, as a member of this location's ICB. In another layer, a practice is a member of
/// the area that contains its address, if the area is a part of the practice's ICB; otherwise the
/// area of the practice is unknown.
fn add_practices(
    records: &mut DatasetRecords,
    context: &LayerContext<'_>,
    rows: &[HierarchyRecord],
) {
    let code_by_postcode = context.sources.statistical_area_codes();
    for PracticeRecord { practice, .. } in &context.sources.practices {
        let Some(sub_icb) = &practice.sub_icb else {
            continue;
        };
        let versions = rows
            .iter()
            .filter(|row| row.kind == OrganisationKind::SubIcbLocation && row.id == *sub_icb);
        let membership = |group: &str, period| Membership {
            member: GroupMember::Practice(practice.code),
            layer: context.layer,
            group: Some(group.to_string()),
            period,
            provenance: Provenance::Official,
        };
        match context.organisation {
            Some(OrganisationKind::SubIcbLocation) => {
                let versions: Vec<&HierarchyRecord> = versions.collect();
                if !versions.is_empty() {
                    records
                        .memberships
                        .push(membership(sub_icb, overall_period(&versions)));
                }
            }
            Some(OrganisationKind::IntegratedCareBoard) => records.memberships.extend(
                versions.filter_map(|row| Some(membership(row.parent.as_ref()?, row.period))),
            ),
            _ => {
                let postcode = practice.postcode.as_ref();
                let code = postcode.and_then(|postcode| code_by_postcode.get(postcode));
                let Some(code) = code else { continue };
                let boards: BTreeSet<&str> =
                    versions.filter_map(|row| row.parent.as_deref()).collect();
                let is_of_own_board = |area: &str| {
                    rows.iter().any(|row| {
                        Some(row.kind) == context.organisation
                            && row.id == area
                            && row.parent.as_deref().is_some_and(|id| boards.contains(id))
                    })
                };
                let found = records
                    .assignments_of(context.layer)
                    .find(|assignment| *assignment.statistical_area == **code)
                    .filter(|assignment| is_of_own_board(&assignment.area))
                    .map(|assignment| (assignment.area.to_string(), assignment.period));
                records.memberships.push(Membership {
                    group: found.as_ref().map(|(area, _)| area.clone()),
                    provenance: Provenance::Derived,
                    ..membership("", found.map(|found| found.1).unwrap_or_default())
                });
            }
        }
    }
}

/// Returns the statistical areas of an area of the hierarchy: the statistical areas that match the
/// area's selector and are in the sub-ICB locations of the area's parent. If the area has no
/// selector, returns the statistical areas of the area's own sub-ICB locations.
///
/// A district can extend beyond an ICB. For example, the north of Copeland is not in the Lancashire
/// and South Cumbria ICB.
fn selected_codes(
    versions: &[&HierarchyRecord],
    rows: &[HierarchyRecord],
    sources: &SourceData,
) -> BTreeSet<String> {
    let own_selectors: Vec<&LsoaSelector> = versions
        .iter()
        .filter_map(|row| row.selector.as_ref())
        .collect();
    let sub_icb_selectors = |board: &str| -> Vec<&LsoaSelector> {
        let locations = rows
            .iter()
            .filter(|row| row.kind == OrganisationKind::SubIcbLocation);
        let of_board = locations.filter(|row| row.parent.as_deref() == Some(board));
        of_board.filter_map(|row| row.selector.as_ref()).collect()
    };
    let matches_any = |selectors: &[&LsoaSelector], code: &str| {
        selectors
            .iter()
            .any(|selector| selector_matches(selector, code, &sources.statistical_areas[code]))
    };
    let codes = sources.statistical_areas.keys();
    if own_selectors.is_empty() {
        let locations = sub_icb_selectors(&versions[0].id);
        return codes
            .filter(|code| matches_any(&locations, code))
            .cloned()
            .collect();
    }
    let parent_selectors: Vec<Vec<&LsoaSelector>> = match versions[0].kind {
        OrganisationKind::SubIcbLocation => Vec::new(),
        _ => versions
            .iter()
            .filter_map(|row| row.parent.as_deref())
            .map(sub_icb_selectors)
            .collect(),
    };
    let is_within = |code: &str| {
        parent_selectors
            .iter()
            .all(|locations| matches_any(locations, code))
    };
    codes
        .filter(|code| matches_any(&own_selectors, code) && is_within(code))
        .cloned()
        .collect()
}

fn selector_matches(selector: &LsoaSelector, code: &str, area: &StatisticalArea) -> bool {
    match selector {
        LsoaSelector::Codes(codes) => codes.contains(code),
        LsoaSelector::SubIcb(codes) => matches_filter(area.sub_icb.as_ref(), codes),
        LsoaSelector::District(names) => names.iter().any(|name| name == area.district()),
    }
}

/// Returns the period from the start of the first version to the end of the last version.
fn overall_period(versions: &[&HierarchyRecord]) -> Period {
    let is_open =
        |end: fn(&Period) -> Option<Date>| versions.iter().any(|row| end(&row.period).is_none());
    let from = versions.iter().filter_map(|row| row.period.from).min();
    let to = versions.iter().filter_map(|row| row.period.to).max();
    Period {
        from: if is_open(|period| period.from) {
            None
        } else {
            from
        },
        to: if is_open(|period| period.to) {
            None
        } else {
            to
        },
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::super::test_sources::{assignments, context, practice, sources_with_areas};
    use super::*;
    use crate::test_layers;
    use catchment_core::domain::Layer;

    /// Copeland extends beyond the board `QE1` into the location `01H`.
    const AREAS: [(&str, &str, &str); 4] = [
        ("S0", "Lancaster 001A", "01K"),
        ("S1", "Copeland 001A", "01K"),
        ("S2", "Copeland 002A", "01H"),
        ("S3", "Burnley 001A", "01A"),
    ];

    const ROWS: &str = "\
        sub-icb,01K,Morecambe Bay,QE1,2022-07-01,,sub_icb=01K\n\
        sub-icb,01A,East Lancashire,QE1,2022-07-01,,sub_icb=01A\n\
        sub-icb,01H,North Cumbria,QHM,2022-07-01,,sub_icb=01H\n\
        place,west,West,QE1,2022-07-01,2024-04-01,\"lsoa11nm=Lancaster,Copeland\"\n\
        place,west,Wester,QE1,2024-04-01,,\"lsoa11nm=Lancaster,Copeland\"\n\
        place,empty,Empty,QE1,2022-07-01,,lsoa11nm=Keswick\n\
        icb,QE1,Lancashire and South Cumbria,,2022-07-01,,\n\
        icb,QXX,A board without locations,,2022-07-01,,\n";

    fn rows(text: &str) -> Vec<HierarchyRecord> {
        let table = format!("layer,id,name,parent,from,to,lsoa_selector\n{text}");
        hierarchy::read("hierarchy.csv", table.as_bytes()).expect("a table")
    }

    /// Adds the areas of a layer. Each practice is commissioned by the sub-ICB location in
    /// `locations`.
    fn add(layer: Layer, text: &str, locations: &[Option<&str>]) -> DatasetRecords {
        let mut sources = sources_with_areas(&AREAS);
        for (location, number) in locations.iter().zip(1..) {
            let mut record = practice(&format!("A0000{number}"));
            record.practice.sub_icb = location.map(str::to_string);
            sources.practices.push(record);
        }
        let mut records = DatasetRecords::default();
        add_rows(&mut records, &context(layer, &sources), &rows(text));
        records
    }

    #[test]
    fn districts_are_limited_to_the_locations_of_the_parent() {
        let records = add(test_layers::layer("place"), ROWS, &[]);
        assert_eq!(
            assignments(&records),
            [("S0", "west", None), ("S1", "west", None)]
        );
        // Both versions of an area consist of the same statistical areas. They are assigned from
        // the start of the first version to the end of the last version.
        assert_eq!(records.assignments[0].period.from, Some(date(2022, 7, 1)));
        assert_eq!(records.assignments[0].period.to, None);
    }

    #[test]
    fn an_area_without_a_selector_is_the_union_of_its_locations() {
        let records = add(test_layers::layer("icb"), ROWS, &[]);
        assert_eq!(
            assignments(&records),
            [
                ("S0", "QE1", None),
                ("S1", "QE1", None),
                ("S3", "QE1", None)
            ]
        );
        // The board without locations becomes an area without statistical areas.
        assert!(records.has_area(test_layers::layer("icb"), "QXX"));
    }

    #[test]
    fn a_selector_that_selects_nothing_leaves_an_area_without_statistical_areas() {
        let records = add(test_layers::layer("place"), ROWS, &[]);
        assert!(records.has_area(test_layers::layer("place"), "empty"));
        let assigned = records.assignments.iter();
        assert_eq!(assigned.filter(|found| *found.area == *"empty").count(), 0);
    }

    #[test]
    fn each_version_is_an_area_and_a_member_of_its_board() {
        let records = add(test_layers::layer("place"), ROWS, &[]);
        let areas = records.areas().iter();
        let names: Vec<&str> = areas.map(|area| &*area.name).collect();
        assert_eq!(names, ["West", "Wester", "Empty"]);
        assert_eq!(records.memberships.len(), 3);
        let boards = records.memberships.iter().map(|found| found.layer);
        assert!(
            boards
                .into_iter()
                .all(|layer| layer == test_layers::layer("icb"))
        );
        // An ICB has no parent.
        assert!(
            add(test_layers::layer("icb"), ROWS, &[])
                .memberships
                .is_empty()
        );
    }

    #[test]
    fn practices_are_members_of_their_location_and_its_board() {
        let locations = [Some("01K"), Some("99X"), None];
        let practice_groups = |layer| -> Vec<String> {
            let records = add(layer, ROWS, &locations);
            let memberships = records.memberships.into_iter();
            memberships
                .filter(|found| matches!(found.member, GroupMember::Practice(_)))
                .filter_map(|found| found.group)
                .collect()
        };
        assert_eq!(practice_groups(test_layers::layer("sub-icb")), ["01K"]);
        assert_eq!(practice_groups(test_layers::layer("icb")), ["QE1"]);
        assert!(practice_groups(test_layers::layer("place")).is_empty());
    }

    #[test]
    fn a_table_without_rows_of_the_layer_adds_nothing() {
        let records = add(test_layers::layer("pcn"), ROWS, &[Some("01K")]);
        assert!(records.areas().is_empty() && records.assignments.is_empty());
        assert!(records.memberships.is_empty());
    }

    #[test]
    fn an_overall_period_is_open_if_a_version_is() {
        let dated = "place,p,P,,2020-01-01,2021-01-01,\nplace,p,P,,2021-01-01,2022-01-01,\n";
        let open = "place,p,P,,,2020-01-01,\nplace,p,P,,2020-01-01,,\n";
        let period = |text| overall_period(&rows(text).iter().collect::<Vec<_>>());
        assert_eq!(
            period(dated),
            Period {
                from: Some(date(2020, 1, 1)),
                to: Some(date(2022, 1, 1)),
            }
        );
        assert_eq!(period(open), Period::default());
    }

    #[test]
    fn a_look_up_selects_statistical_areas_by_code() {
        let lookup = |codes: &[&str]| {
            let header = "LSOA21CD,SICBL26CDH,SICBL26NM,ICB26CDH,ICB26NM\n";
            let rows = codes
                .iter()
                .map(|code| format!("{code},01K,Bay,QE1,North Shore\n"));
            let text = header.to_string() + &rows.collect::<String>();
            ons_lookup::read("l.csv", text.as_bytes(), Period::default()).expect("a look-up")
        };
        let sources = sources_with_areas(&AREAS);
        let rows = lookup(&["S0", "S1", "S9"]);
        for (layer, id) in [
            (test_layers::layer("sub-icb"), "01K"),
            (test_layers::layer("icb"), "QE1"),
        ] {
            let mut records = DatasetRecords::default();
            add_rows(&mut records, &context(layer, &sources), &rows);
            assert_eq!(assignments(&records), [("S0", id, None), ("S1", id, None)]);
        }
        let remark = compare_codes("l.csv", &rows, &sources).expect("the same census");
        assert_eq!(
            remark.as_deref(),
            Some(
                "l.csv: 1 statistical area of the look-up without a boundary (the first is `S9`); \
                 2 statistical areas with a boundary not in the look-up (the first is `S2`)"
            )
        );
        let all = lookup(&["S0", "S1", "S2", "S3"]);
        assert!(matches!(compare_codes("l.csv", &all, &sources), Ok(None)));
        let error = compare_codes("l.csv", &lookup(&["S9"]), &sources).expect_err("no code");
        assert!(
            error.to_string().contains("boundaries of the same year"),
            "{error}"
        );
    }
}
