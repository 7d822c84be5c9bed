//! Compares the statistical areas in a postcode directory with the boundaries.
//!
//! The directory states the statistical area of each postcode. If the code of this area has no
//! boundary, for example because the code is of another census, a postcode inside the boundaries
//! would be in no area. Such a postcode is therefore located by its position. A postcode outside
//! the boundaries keeps its code and is outside coverage. The same applies to a postcode that is
//! close to the outer edge of the boundaries, because generalisation may have moved the edge across
//! the postcode.

use std::collections::BTreeMap;

use geo::{Coord, Distance, Euclidean, Line, Point};
use rstar::primitives::{GeomWithData, Rectangle};
use rstar::{AABB, RTree};

use super::config::{BuildConfig, PostcodeFormat, StatisticalAreasConfig};
use super::source_report::{RowTally, UnusedKind};
use super::sources::{SourceData, StatisticalArea, display_path};
use crate::import::lsoa_codes;
use crate::plural::count_with_noun;
use catchment_core::domain::BritishGrid;
use catchment_core::geodesy;
use catchment_core::geometry::bbox::bounding_rect;
use catchment_core::geometry::rings::{self, Polygon};

/// A postcode at least this distance, in metres, inside the outer edge of the boundaries is
/// certainly inside. Published boundaries are generalised by up to 200 m.
const INSIDE_M: f64 = 200.0;
/// A postcode farther than this distance, in metres, from its own statistical area is not near the
/// statistical area.
const FAR_M: f64 = 500.0;
/// The number of points around a postcode that must also be inside the boundaries.
const POINTS_AROUND: u32 = 16;
/// The number of metres in a unit of 1e-9° of latitude.
const M_PER_UNIT: f64 = 111_320.0 * 1e-9;

/// Finds the statistical area at a position.
struct AreaLocator<'s> {
    areas: &'s BTreeMap<String, StatisticalArea>,
    bboxes: RTree<GeomWithData<Rectangle<[f64; 2]>, &'s [Polygon]>>,
}

impl<'s> AreaLocator<'s> {
    fn new(areas: &'s BTreeMap<String, StatisticalArea>) -> AreaLocator<'s> {
        let bboxes = areas.values().filter_map(|area| {
            let bbox = bounding_rect(area.polygons.iter().flatten().flatten().copied())?;
            let bbox = Rectangle::from_corners(to_float(bbox.min()), to_float(bbox.max()));
            Some(GeomWithData::new(bbox, area.polygons.as_slice()))
        });
        AreaLocator {
            areas,
            bboxes: RTree::bulk_load(bboxes.collect()),
        }
    }

    /// Returns whether a point is in any statistical area.
    fn covers(&self, point: [f64; 2]) -> bool {
        let near = self
            .bboxes
            .locate_in_envelope_intersecting(&AABB::from_point(point));
        near.into_iter().any(|area| contains(area.data, point))
    }

    /// Returns whether a point and the points around it are in statistical areas.
    fn is_well_inside(&self, point: [f64; 2], distance_m: f64) -> bool {
        self.covers(point)
            && (0..POINTS_AROUND).all(|step| {
                let angle = f64::from(step) / f64::from(POINTS_AROUND) * std::f64::consts::TAU;
                let (north, east) = (angle.cos() * distance_m, angle.sin() * distance_m);
                let [lon_m, lat_m] = metres_per_unit(point);
                self.covers([point[0] + east / lon_m, point[1] + north / lat_m])
            })
    }

    /// Returns the distance in metres from a point to a statistical area, or 0 if the point is
    /// inside the area.
    fn distance_m(&self, code: &str, point: [f64; 2]) -> Option<f64> {
        let polygons = &self.areas.get(code)?.polygons;
        if contains(polygons, point) {
            return Some(0.0);
        }
        let scale = metres_per_unit(point);
        edges(polygons)
            .map(|(a, b)| distance_to_edge_m(point, a, b, scale))
            .reduce(f64::min)
    }
}

fn to_float(vertex: Coord<i64>) -> [f64; 2] {
    #[expect(clippy::cast_precision_loss, reason = "at most 1.8e11, far below 2^53")]
    let float = |unit: i64| unit as f64;
    [float(vertex.x), float(vertex.y)]
}

fn edges(polygons: &[Polygon]) -> impl Iterator<Item = ([f64; 2], [f64; 2])> {
    let edges = polygons
        .iter()
        .flatten()
        .flat_map(|ring| rings::edges(ring));
    edges.map(|edge| (to_float(edge.start), to_float(edge.end)))
}

/// Returns whether a point is inside the polygons, which is so if a ray from the point crosses an
/// odd number of edges.
fn contains(polygons: &[Polygon], [x, y]: [f64; 2]) -> bool {
    let crossed = edges(polygons)
        .filter(|(a, b)| (a[1] > y) != (b[1] > y))
        .filter(|(a, b)| x < (b[0] - a[0]) * (y - a[1]) / (b[1] - a[1]) + a[0]);
    crossed.count() % 2 == 1
}

/// Returns the number of metres in a unit of longitude and of latitude.
fn metres_per_unit(point: [f64; 2]) -> [f64; 2] {
    let latitude = (point[1] * 1e-9).to_radians();
    [M_PER_UNIT * latitude.cos(), M_PER_UNIT]
}

fn distance_to_edge_m(point: [f64; 2], a: [f64; 2], b: [f64; 2], scale: [f64; 2]) -> f64 {
    let metres = |to: [f64; 2]| Coord {
        x: (to[0] - point[0]) * scale[0],
        y: (to[1] - point[1]) * scale[1],
    };
    Euclidean.distance(&Point::new(0.0, 0.0), &Line::new(metres(a), metres(b)))
}

fn to_units(position: BritishGrid) -> Option<[f64; 2]> {
    let lonlat = geodesy::to_lonlat(position)?;
    Some([lonlat.lon() * 1e9, lonlat.lat() * 1e9])
}

/// Returns the census year of the LSOAs in the boundaries, if codes and names show it.
fn boundary_year(config: &StatisticalAreasConfig, sources: &SourceData) -> Option<u16> {
    if sources
        .statistical_areas
        .keys()
        .any(|code| lsoa_codes::is_new_in_2021(code))
    {
        return Some(2021);
    }
    let names = [&config.code, &config.id].map(|name| name.to_lowercase());
    let names = names.iter().filter_map(|name| name.strip_prefix("lsoa"));
    names.into_iter().find_map(|rest| match rest.get(..2)? {
        "11" => Some(2011),
        "21" => Some(2021),
        _ => None,
    })
}

/// Counts the postcodes whose statistical area has no boundary or is far away. If the code of a
/// postcode has no boundary but the postcode is inside the boundaries, removes the code, so that
/// the position is used. Converts a code to upper case if the result is the code of a boundary.
pub(super) fn check(sources: &mut SourceData, config: &BuildConfig) {
    let Some(statistical) = &config.statistical_areas else {
        return;
    };
    let boundary_year = boundary_year(statistical, sources);
    let directories = &config.postcodes.directories;
    // The directory that states statistical areas. Code-Point Open does not state them.
    let stating = directories
        .iter()
        .find(|file| !matches!(file.format, PostcodeFormat::CodePointOpen));
    let Some(stating) = stating else { return };
    let mut directory_year = match stating.format {
        PostcodeFormat::OnspdLsoa11 => Some(2011),
        PostcodeFormat::OnspdLsoa21 => Some(2021),
        _ => None,
    };
    let inside_m = INSIDE_M.max(statistical.snap_m);
    let (mut by_position, mut far) = (RowTally::default(), RowTally::default());
    let (mut outside, mut respelt) = (0_u64, 0_u64);
    let mut postcodes = std::mem::take(&mut sources.postcodes);
    let areas = &sources.statistical_areas;
    let locator = AreaLocator::new(areas);
    for row in &mut postcodes {
        let Some(code) = row.statistical_area.clone() else {
            continue;
        };
        let point = row.position.and_then(to_units);
        if !areas.contains_key(&code) {
            let capitals = code.trim().to_ascii_uppercase();
            if areas.contains_key(&capitals) {
                respelt += 1;
                row.statistical_area = Some(capitals);
                continue;
            }
            let is_of_2021 = lsoa_codes::is_new_in_2021(&capitals);
            let is_other_year = is_of_2021 && boundary_year == Some(2011);
            let needed_m = if is_other_year { 0.0 } else { inside_m };
            match point {
                Some(point) if locator.is_well_inside(point, needed_m) => {
                    if is_of_2021 {
                        directory_year = directory_year.or(Some(2021));
                    }
                    by_position.add(|| format!("{}: {code}", row.postcode));
                    row.statistical_area = None;
                }
                _ => outside += 1,
            }
            continue;
        }
        let Some(distance_m) = point.and_then(|point| locator.distance_m(&code, point)) else {
            continue;
        };
        if distance_m > FAR_M {
            far.add(|| format!("{}: {code} is {distance_m:.0} m away", row.postcode));
        }
    }
    sources.postcodes = postcodes;
    let boundaries = display_path(&statistical.boundaries);
    let reason = match (directory_year, boundary_year) {
        (Some(directory), Some(boundary)) if directory != boundary => format!(
            "the directory has statistical areas of {directory}, and the boundaries of \
             `{boundaries}` are of {boundary}, so the statistical area has no boundary and the \
             postcode is assigned to an area by its position; use a directory and boundaries of the same year"
        ),
        _ => format!(
            "the statistical area has no boundary in `{boundaries}`, so the postcode is assigned to an \
             area by its position"
        ),
    };
    let is_contradiction =
        directory_year.is_some() && boundary_year.is_some() && directory_year != boundary_year;
    let file = display_path(&stating.file);
    let mut reports = sources.reports.iter_mut();
    let report = reports.find(|report| report.purpose == "postcodes" && report.source == file);
    let Some(report) = report else { return };
    if by_position.rows() > 0 {
        report.doubtful(&reason, by_position);
        if let Some(unused) = report.not_used.last_mut() {
            debug_assert_eq!(unused.kind, UnusedKind::Doubtful);
            unused.is_contradiction = is_contradiction;
        }
    }
    report.doubtful("more than 500 m from their statistical area", far);
    for (count, [one, several]) in [
        (
            outside,
            [
                "postcode is outside the boundaries of the statistical areas",
                "postcodes are outside the boundaries of the statistical areas",
            ],
        ),
        (
            respelt,
            [
                "code of a statistical area in lower case or with spaces was read as capital letters without spaces",
                "codes of statistical areas in lower case or with spaces were read as capital letters without spaces",
            ],
        ),
    ] {
        if count > 0 {
            report.notes.push(count_with_noun(count, one, several));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_sources::{build_config, postcode, sources_with_areas};
    use super::*;
    use catchment_core::domain::LonLat;

    const AREAS: [(&str, &str, &str); 2] = [
        ("E01000001", "Lancaster 001A", "01K"),
        ("E01000002", "Lancaster 001B", "01K"),
    ];

    /// Checks postcodes with these codes and positions in degrees. Returns the remaining codes and
    /// the report.
    fn check_rows(rows: &[(&str, f64, f64)]) -> (Vec<Option<String>>, String) {
        let mut config = build_config();
        config.postcodes =
            toml::from_str("directories = [{ format = \"onspd-lsoa21\", file = \"onspd.csv\" }]")
                .expect("a directory");
        let mut sources = sources_with_areas(&AREAS);
        for ((code, lon, lat), name) in rows.iter().zip(["LA1 1AA", "LA1 1AB", "LA1 1AD"]) {
            let mut row = postcode(name, Some(code));
            let lonlat = LonLat::new(*lon, *lat).expect("a position");
            row.position = geodesy::to_grid(lonlat);
            sources.postcodes.push(row);
        }
        let report =
            super::super::source_report::SourceReport::new("onspd.csv", "postcodes", rows.len());
        sources.reports.push(report);
        check(&mut sources, &config);
        let codes = sources
            .postcodes
            .iter()
            .map(|row| row.statistical_area.clone());
        (codes.collect(), sources.reports[0].to_string())
    }

    #[test]
    fn a_code_without_a_boundary_is_dropped_only_well_inside_the_boundaries() {
        let (codes, report) = check_rows(&[
            ("E01035001", -2.85, 53.85),
            ("E01035001", -2.899, 53.85),
            ("E01035001", -3.5, 53.85),
        ]);
        let kept = Some("E01035001".to_string());
        assert_eq!(codes, [None, kept.clone(), kept]);
        assert!(report.contains("1 of 3 rows doubtful"), "{report}");
        assert!(report.contains("LA1 1AA: E01035001"), "{report}");
        assert!(report.contains("2 postcodes are outside"), "{report}");
    }

    #[test]
    fn codes_in_lower_case_are_read_as_capitals() {
        let (codes, report) = check_rows(&[("e01000001", -2.85, 53.85)]);
        assert_eq!(codes, [Some("E01000001".to_string())]);
        assert!(report.contains("lower case"), "{report}");
    }

    #[test]
    fn postcodes_far_from_their_statistical_area_are_counted() {
        // One thousandth of a degree of latitude is 111 m.
        let (codes, report) = check_rows(&[
            ("E01000001", -2.85, 53.904),
            ("E01000001", -2.85, 53.905),
            ("E01000002", -2.85, 53.85),
        ]);
        assert!(codes.iter().all(Option::is_some));
        assert!(
            report.contains("2 of 3 rows doubtful: more than 500 m"),
            "{report}"
        );
        assert!(report.contains("LA1 1AB: E01000001 is 55"), "{report}");
    }

    #[test]
    fn later_codes_are_of_2021() {
        for (code, is_later) in [
            ("E01033768", false),
            ("E01033769", true),
            ("W01001958", false),
            ("W01001959", true),
            ("S01013482", false),
            ("E01", false),
        ] {
            assert_eq!(lsoa_codes::is_new_in_2021(code), is_later, "{code}");
        }
    }
}
