//! Changes of areas on a known day: on the day of a change, the successor takes over the statistical
//! areas, the boundary, the members and the groups of the area that ends.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use anyhow::{Result, anyhow, bail};
use geo::{LineString, MultiPolygon};
use jiff::civil::Date;

use super::boundaries::ensure_valid;
use super::config::{AreaMethod, BuildConfig, LayerConfig};
use super::records::DatasetRecords;
use crate::dataset::LayerKind;
use crate::dataset::boundary::boundary_from_polygons;
use crate::formats::Crs;
use crate::import::area_changes::{AreaChangeRecord, AreaChanges};
use catchment_core::domain::{
    Area, Boundary, GroupMember, LayerRole, LineageRelation, LineageStep, Period,
};
use catchment_core::geometry::dissolve::dissolve;
use catchment_core::geometry::rings::{Polygon, Ring};

/// Checks that the layers of all changes exist, and that their areas can change.
///
/// # Errors
/// If a layer does not exist, or its areas are not of a kind that can be merged; or if an area ends
/// twice on one day.
pub(super) fn check(changes: &AreaChanges, config: &BuildConfig) -> Result<()> {
    let file = &changes.file;
    let mut lines: BTreeMap<(&str, &str, Date), u64> = BTreeMap::new();
    for row in &changes.rows {
        let AreaChangeRecord { line, layer, .. } = row;
        let Some(config) = config.layers.iter().find(|config| config.id == *layer) else {
            let ids: Vec<&str> = config
                .layers
                .iter()
                .map(|layer| layer.id.as_str())
                .collect();
            bail!(
                "{file}, line {line}, column `layer`: `{layer}` is not a layer of the configuration; its \
                 layers are {}",
                ids.join(", ")
            );
        };
        if let Some(reason) = fixed_areas(config) {
            bail!("{file}, line {line}, column `layer`: the areas of `{layer}` {reason}");
        }
        match lines.entry((layer.as_str(), &row.area, row.date)) {
            Entry::Vacant(entry) => {
                entry.insert(*line);
            }
            Entry::Occupied(earlier) => bail!(
                "{file}, line {line}: `{}` already ends on {} in line {}; if an area is divided, \
                 give the new areas in a second method of the layer, with `from`",
                row.area,
                row.date,
                earlier.get()
            ),
        }
    }
    Ok(())
}

/// Returns the reason why the areas of a layer cannot have changes.
fn fixed_areas(config: &LayerConfig) -> Option<&'static str> {
    if config.has_role(LayerRole::PracticeCatchment) {
        return Some("are those of practices, whose successors are in `successions`");
    }
    if config.kind == LayerKind::Membership {
        return Some(
            "are unions of their members: give the members of the later groups, with `from`",
        );
    }
    let mut methods = config.methods.iter().map(|config| &config.method);
    methods.find_map(|method| match method {
        AreaMethod::StatisticalAreas => Some("are the statistical areas themselves"),
        AreaMethod::PostcodeColumn(_) => Some(
            "are in a column of the postcode directory, which has the areas of one day: use the \
             method `lookup`",
        ),
        _ => None,
    })
}

/// Applies the changes of a layer to its areas, their statistical areas and the boundaries that are
/// not unions of statistical areas, and adds the lineage.
///
/// # Errors
/// If an area does not exist on the day before its change, or its successor has no name; or if the
/// boundaries of polygon files cannot be united.
pub(super) fn apply(
    records: &mut DatasetRecords,
    config: &LayerConfig,
    boundaries: &mut Vec<Boundary>,
    changes: &AreaChanges,
) -> Result<()> {
    let rows = changes.rows.iter();
    let rows: Vec<&AreaChangeRecord> = rows.filter(|row| row.layer == config.id).collect();
    for of_day in rows.chunk_by(|one, next| one.date == next.date) {
        let mut areas_by_successor: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for row in of_day {
            let predecessors = of_day
                .iter()
                .filter(|other| other.successor == row.successor);
            change_area(records, config, &changes.file, row, predecessors.count())?;
            let Some(successor) = &row.successor else {
                continue;
            };
            areas_by_successor
                .entry(successor)
                .or_default()
                .push(&row.area);
        }
        let date = of_day[0].date;
        for (successor, areas) in &areas_by_successor {
            move_statistical_areas(records, config, (successor, areas), date);
            unite_boundaries(boundaries, (successor, areas), date)?;
        }
        for row in of_day.iter().filter(|row| row.successor.is_none()) {
            end_assignments(records, config, &row.area, date);
            end_boundaries(boundaries, &row.area, date);
        }
    }
    Ok(())
}

/// Ends an area, adds its successor if it does not exist, and adds the lineage.
fn change_area(
    records: &mut DatasetRecords,
    config: &LayerConfig,
    file: &str,
    row: &AreaChangeRecord,
    predecessors: usize,
) -> Result<()> {
    let (layer, date) = (config.id, row.date);
    let place = format!("{file}, line {}", row.line);
    let day_before = date.yesterday().unwrap_or(date);
    let valid_on = |records: &DatasetRecords, id: &str, day: Date| {
        let mut areas = records.areas().iter();
        let found = areas
            .position(|area| area.layer == layer && area.id == id && area.period.contains(day));
        found.map(|index| records.areas()[index].clone())
    };
    let Some(ended) = valid_on(records, &row.area, day_before) else {
        bail!(
            "{place}, column `area`: `{}` is not an area of layer `{layer}` on {day_before}, the day \
             before the change",
            row.area
        );
    };
    records.end_area(layer, &row.area, date);
    let Some(successor) = &row.successor else {
        records
            .lineage
            .push(step(row, None, LineageRelation::Unknown));
        return Ok(());
    };
    let is_new = valid_on(records, successor, date).is_none();
    if is_new {
        let Some(name) = &row.name else {
            bail!(
                "{place}, column `name`: must be the name of `{successor}`, which is not yet an area \
                 of layer `{layer}` on {date}"
            );
        };
        records.push_area(Area {
            id: successor.clone(),
            name: name.clone(),
            title: None,
            label: None,
            kind: row.kind.clone(),
            period: Period {
                from: Some(date),
                to: None,
            },
            ended_by: None,
            ..ended
        });
    }
    let existed_before = valid_on(records, successor, day_before).is_some();
    let relation = match predecessors {
        1 if !existed_before => LineageRelation::Renamed,
        _ => LineageRelation::Merged,
    };
    records
        .lineage
        .push(step(row, Some(successor.clone()), relation));
    Ok(())
}

fn step(
    row: &AreaChangeRecord,
    successor: Option<String>,
    relation: LineageRelation,
) -> LineageStep {
    LineageStep {
        layer: row.layer,
        predecessor: row.area.clone(),
        successor,
        relation,
        date: Some(row.date),
        source: row.source.clone(),
    }
}

/// Splits the period of an item at a date. Returns the part from the date; `None` if the item is not
/// valid on both sides of the date.
fn split(period: &mut Period, date: Date) -> Option<Period> {
    let begins_before = period.from.is_none_or(|from| from < date);
    if !begins_before || !period.contains(date) {
        return None;
    }
    let later = Period {
        from: Some(date),
        ..*period
    };
    period.to = Some(date);
    Some(later)
}

/// Assigns the statistical areas of areas that end to their successor. The assignments of the
/// successor itself are split on the same day, because one boundary is dissolved for each period.
fn move_statistical_areas(
    records: &mut DatasetRecords,
    config: &LayerConfig,
    (successor, areas): (&str, &[&str]),
    date: Date,
) {
    let mut later = Vec::new();
    for assignment in &mut records.assignments {
        let is_moved = areas.contains(&&*assignment.area) || *assignment.area == *successor;
        if assignment.layer != config.id || !is_moved {
            continue;
        }
        if let Some(period) = split(&mut assignment.period, date) {
            let mut moved = assignment.clone();
            (moved.area, moved.period) = (successor.into(), period);
            later.push(moved);
        }
    }
    records.assignments.extend(later);
}

fn end_assignments(records: &mut DatasetRecords, config: &LayerConfig, area: &str, date: Date) {
    let assignments = records.assignments.iter_mut();
    for assignment in assignments.filter(|found| found.layer == config.id && *found.area == *area) {
        split(&mut assignment.period, date);
    }
}

fn end_boundaries(boundaries: &mut [Boundary], area: &str, date: Date) {
    for boundary in boundaries.iter_mut().filter(|found| found.id == area) {
        split(&mut boundary.period, date);
    }
}

/// Makes the boundary of a successor from the boundaries of the areas that end, and its own.
fn unite_boundaries(
    boundaries: &mut Vec<Boundary>,
    (successor, areas): (&str, &[&str]),
    date: Date,
) -> Result<()> {
    let mut parts: Vec<Polygon> = Vec::new();
    let mut period: Option<Period> = None;
    for boundary in boundaries.iter_mut() {
        if !areas.contains(&boundary.id.as_str()) && boundary.id != successor {
            continue;
        }
        if let Some(later) = split(&mut boundary.period, date) {
            parts.extend(polygons(&boundary.lonlat));
            let earliest_end = period.map_or(later, |period| Period {
                from: later.from,
                to: [period.to, later.to].into_iter().flatten().min(),
            });
            period = Some(earliest_end);
        }
    }
    let Some(period) = period else {
        return Ok(());
    };
    let reason = |reason: &dyn std::fmt::Display| {
        anyhow!(
            "the areas that `{successor}` replaces on {date} cannot be united: {reason}; give its \
             boundary in a second polygon file, with `from`"
        )
    };
    let outline = dissolve(&parts).map_err(|error| reason(&error))?;
    ensure_valid(successor, &outline).map_err(|error| reason(&error))?;
    let united = boundary_from_polygons(Crs::LonLat, &outline, successor.to_string(), period);
    boundaries.push(united.map_err(|error| reason(&error))?);
    Ok(())
}

/// Units of the coordinates of [`Crs::LonLat`] in a degree.
const UNITS_PER_DEGREE: f64 = 1e9;

fn polygons(lonlat: &MultiPolygon<f64>) -> impl Iterator<Item = Polygon> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a longitude or latitude fits"
    )]
    let units = |degrees: f64| (degrees * UNITS_PER_DEGREE).round() as i64;
    let ring = move |line: &LineString<f64>| -> Ring {
        // The last vertex repeats the first.
        let vertices = line.0.iter().skip(1);
        vertices
            .map(|vertex| (units(vertex.x), units(vertex.y)).into())
            .collect()
    };
    lonlat.iter().map(move |polygon| {
        let exterior = std::iter::once(polygon.exterior());
        exterior.chain(polygon.interiors()).map(ring).collect()
    })
}

/// Moves the members of areas that end to their successors, and the successors into the groups of
/// these areas.
pub(super) fn move_members(records: &mut DatasetRecords, changes: &AreaChanges) {
    for row in &changes.rows {
        let mut later = Vec::new();
        for membership in &mut records.memberships {
            let is_group =
                membership.layer == row.layer && membership.group.as_ref() == Some(&row.area);
            let is_member = matches!(
                &membership.member,
                GroupMember::Area(layer, id) if *layer == row.layer && *id == row.area
            );
            if !is_group && !is_member {
                continue;
            }
            let Some(period) = split(&mut membership.period, row.date) else {
                continue;
            };
            let Some(successor) = &row.successor else {
                continue;
            };
            let mut moved = membership.clone();
            moved.period = period;
            if is_group {
                moved.group = Some(successor.clone());
            } else {
                moved.member = GroupMember::Area(row.layer, successor.clone());
            }
            later.push(moved);
        }
        for moved in later {
            // The successor can already be in the group, because it replaces another member.
            let is_known = records.memberships.iter().any(|known| {
                (&known.member, known.layer, &known.group)
                    == (&moved.member, moved.layer, &moved.group)
                    && known.period.contains(row.date)
            });
            if !is_known {
                records.memberships.push(moved);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::records::official_membership;
    use super::super::test_sources::{
        area, build_config, context, layer_config, sources_with_areas, square,
    };
    use super::*;
    use crate::import::area_changes;
    use crate::test_layers;
    use catchment_core::domain::Layer;

    const CHANGE: Date = date(2028, 4, 1);
    const AREAS: [(&str, &str, &str); 3] = [
        ("S0", "Northtown 001A", "01K"),
        ("S1", "Southtown 001A", "01K"),
        ("S2", "Easttown 001A", "01K"),
    ];

    fn changes(rows: &str) -> AreaChanges {
        let text = format!("layer,date,area,successor,name,source\n{rows}");
        area_changes::read("changes.csv", text.as_bytes()).expect("a table")
    }

    fn place() -> Layer {
        test_layers::layer("place")
    }

    /// Returns the records of a layer with the areas n, s and e, each of which consists of one
    /// statistical area.
    fn records() -> DatasetRecords {
        let sources = sources_with_areas(&AREAS);
        let context = context(place(), &sources);
        let mut records = DatasetRecords::default();
        for (code, id) in [("S0", "n"), ("S1", "s"), ("S2", "e")] {
            records.push_area(area(place(), id));
            context.assign(
                &mut records,
                code.into(),
                id.into(),
                None,
                Period::default(),
            );
        }
        records
    }

    fn applied(rows: &str, boundaries: &mut Vec<Boundary>) -> Result<DatasetRecords, String> {
        let mut records = records();
        let result = apply(
            &mut records,
            &layer_config("place"),
            boundaries,
            &changes(rows),
        );
        result.map(|()| records).map_err(|error| error.to_string())
    }

    /// Returns the areas that have statistical areas on a day, with these statistical areas.
    fn assigned(records: &DatasetRecords, day: Date) -> Vec<(&str, &str)> {
        let mut found: Vec<(&str, &str)> = records
            .assignments
            .iter()
            .filter(|assignment| assignment.period.contains(day))
            .map(|assignment| (&*assignment.statistical_area, &*assignment.area))
            .collect();
        found.sort_unstable();
        found
    }

    #[test]
    fn a_new_area_takes_over_those_that_merge() {
        let rows = "place,2028-04-01,n,u,Unity,an Order\nplace,2028-04-01,s,u,Unity,an Order\n";
        let records = applied(rows, &mut Vec::new()).expect("valid changes");
        let before = CHANGE.yesterday().expect("a day");
        assert_eq!(
            assigned(&records, before),
            [("S0", "n"), ("S1", "s"), ("S2", "e")]
        );
        assert_eq!(
            assigned(&records, CHANGE),
            [("S0", "u"), ("S1", "u"), ("S2", "e")]
        );
        let on = |day| -> Vec<&str> {
            let areas = records.areas().iter();
            let areas = areas.filter(|area| area.period.contains(day));
            areas.map(|area| area.id.as_str()).collect()
        };
        assert_eq!(on(before), ["n", "s", "e"]);
        assert_eq!(on(CHANGE), ["e", "u"]);
        assert_eq!(records.lineage.len(), 2);
        for step in &records.lineage {
            assert_eq!(step.successor.as_deref(), Some("u"));
            assert_eq!(
                (step.relation, step.date),
                (LineageRelation::Merged, Some(CHANGE))
            );
            assert_eq!(step.source, "an Order");
        }
    }

    #[test]
    fn an_area_can_take_over_another_be_renamed_or_end() {
        let rows = "place,2028-04-01,n,s,,an Order\nplace,2028-04-01,e,f,Eff,an Order\n\
                    place,2030-04-01,f,,,an Order\n";
        let records = applied(rows, &mut Vec::new()).expect("valid changes");
        assert_eq!(
            assigned(&records, CHANGE),
            [("S0", "s"), ("S1", "s"), ("S2", "f")]
        );
        assert_eq!(
            assigned(&records, date(2030, 4, 1)),
            [("S0", "s"), ("S1", "s")]
        );
        // One boundary is dissolved for each area and first day.
        let of_south = records
            .assignments
            .iter()
            .filter(|found| *found.area == *"s");
        let mut periods: Vec<_> = of_south
            .map(|found| (found.period.from, found.period.to))
            .collect();
        periods.dedup();
        periods.sort_unstable();
        periods.dedup();
        assert_eq!(periods, [(None, Some(CHANGE)), (Some(CHANGE), None)]);
        let relations: Vec<_> = records.lineage.iter().map(|step| step.relation).collect();
        assert_eq!(
            relations,
            [
                LineageRelation::Merged,
                LineageRelation::Renamed,
                LineageRelation::Unknown
            ]
        );
    }

    #[test]
    fn boundaries_of_polygon_files_are_united() {
        let boundary = |id: &str, index| {
            let square = [square(index)];
            boundary_from_polygons(Crs::LonLat, &square, id.into(), Period::default())
        };
        let boundaries = [boundary("n", 0), boundary("s", 1), boundary("e", 2)];
        let boundaries: Result<Vec<Boundary>, String> = boundaries.into_iter().collect();
        let mut boundaries = boundaries.expect("squares");
        let rows = "place,2028-04-01,n,u,Unity,an Order\nplace,2028-04-01,s,u,Unity,an Order\n";
        applied(rows, &mut boundaries).expect("valid changes");
        let found: Vec<_> = boundaries
            .iter()
            .map(|found| {
                (
                    &*found.id,
                    found.period.from,
                    found.period.to,
                    found.grid[0].rings[0].len(),
                )
            })
            .collect();
        assert_eq!(
            found,
            [
                ("n", None, Some(CHANGE), 4),
                ("s", None, Some(CHANGE), 4),
                ("e", None, None, 4),
                // The two vertices where the squares meet stay in the outline.
                ("u", Some(CHANGE), None, 6),
            ]
        );
        // Two boundaries that overlap cannot be united.
        let overlapping = [boundary("n", 0), boundary("s", 0)].into_iter().collect();
        let mut overlapping: Vec<Boundary> = Result::<_, String>::expect(overlapping, "squares");
        let error = applied(rows, &mut overlapping)
            .map(|_| ())
            .expect_err("an overlap");
        assert!(
            error.contains("in a second polygon file, with `from`"),
            "{error}"
        );
    }

    #[test]
    fn members_move_to_the_successor() {
        let mut records = records();
        let (board, north, south) = ("QE1".to_string(), "n".to_string(), "s".to_string());
        let practice = GroupMember::Practice("A00001".parse().expect("a code"));
        let icb = test_layers::layer("icb");
        for (member, group) in [
            (practice.clone(), (place(), &north)),
            (GroupMember::Area(place(), north.clone()), (icb, &board)),
            (GroupMember::Area(place(), south.clone()), (icb, &board)),
        ] {
            let membership = official_membership(member, group, Period::default());
            records.memberships.push(membership);
        }
        let rows = "place,2028-04-01,n,u,Unity,an Order\nplace,2028-04-01,s,u,Unity,an Order\n";
        move_members(&mut records, &changes(rows));
        let on = |day| -> Vec<(&GroupMember, Option<&str>)> {
            let memberships = records.memberships.iter();
            let memberships = memberships.filter(|found| found.period.contains(day));
            memberships
                .map(|found| (&found.member, found.group.as_deref()))
                .collect()
        };
        let united = GroupMember::Area(place(), "u".into());
        assert_eq!(on(CHANGE), [(&practice, Some("u")), (&united, Some("QE1"))]);
        assert_eq!(on(CHANGE.yesterday().expect("a day")).len(), 3);
    }

    #[test]
    fn changes_that_contradict_the_areas_are_errors() {
        for (rows, expected) in [
            (
                "place,2028-04-01,x,u,Unity,an Order\n",
                "changes.csv, line 2, column `area`: `x` is not an area of layer `place` on 2028-03-31",
            ),
            (
                "place,2028-04-01,n,u,,an Order\n",
                "changes.csv, line 2, column `name`: must be the name of `u`",
            ),
            (
                "place,2028-04-01,n,u,Unity,an Order\nplace,2029-04-01,n,s,,an Order\n",
                "line 3, column `area`: `n` is not an area of layer `place` on 2029-03-31",
            ),
        ] {
            let error = applied(rows, &mut Vec::new()).map(|_| ()).expect_err(rows);
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn the_layers_of_changes_are_checked() {
        let mut config = build_config();
        config.layers = vec![layer_config("place"), layer_config("gp-practice")];
        let check = |rows: &str| check(&changes(rows), &config).map_err(|error| error.to_string());
        assert_eq!(check("place,2028-04-01,n,u,Unity,an Order\n"), Ok(()));
        for (rows, expected) in [
            (
                "icc,2028-04-01,n,u,Unity,an Order\n",
                "line 2, column `layer`: `icc` is not a layer of the configuration; its layers are place, \
                 gp-practice",
            ),
            (
                "gp-practice,2028-04-01,A00001,A00002,,an Order\n",
                "whose successors are in `successions`",
            ),
            (
                "place,2028-04-01,n,u,Unity,an Order\nplace,2028-04-01,n,s,,an Order\n",
                "line 3: `n` already ends on 2028-04-01 in line 2",
            ),
        ] {
            let error = check(rows).expect_err(rows);
            assert!(error.contains(expected), "{error}");
        }
    }
}
