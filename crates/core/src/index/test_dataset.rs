//! A small dataset for unit tests. The following drawing determines the expected answers.
//!
//! ```text
//!   km      0         5        10                  20
//!      10   ┌─────────┬─────────┬───────────────────┐
//!           │  icc k            ├─┐  icc l          │   statistical areas S0 (k) and S1 (l),
//!           │  sub-community m  ├─┘       n         │   and S2, in l: a square kilometre at the
//!           │         :         │                   │   border of k
//!       0   └─────────┴─────────┴───────────────────┘
//!            icb north: as far as 15 km until 2024-07-01, then 20 km
//! ```
//!
//! Kilometres are measured from easting 300 km and northing 400 km.

use std::collections::BTreeMap;

use geo::MultiPolygon;
use jiff::civil::{Date, date};

use super::{Index, LocateQuery, Locator};
use crate::domain::{
    Area, AreaFacts, Boundary, BritishGrid, CatchmentKind, GridPolygon, GroupMember, Layer,
    Membership, OdsCode, Period, PositionalQuality, Postcode, PostcodeEntry, Practice,
    PracticeStatus, PracticeSuccession, Premises, PremisesKind, Provenance, StatisticalAssignment,
};
use crate::domain::{
    Dataset, DirectoryStatus, LayerEntry, LayerKind, LayerRole, Manifest, OrganisationKind,
    RecordIndex, StatisticalAreasEntry, Termination, layers,
};

pub(super) const DAY: Date = date(2025, 1, 1);
pub(super) const FIRST_DATA: Date = date(2022, 1, 5);
/// The date from which the ICB extends as far as the statistical areas and has another name.
pub(super) const WIDENED: Date = date(2024, 7, 1);

pub(super) fn km(east: f64, north: f64) -> BritishGrid {
    BritishGrid::from_metres(300_000.0 + east * 1_000.0, 400_000.0 + north * 1_000.0)
        .expect("on the grid")
}

pub(super) fn code(text: &str) -> OdsCode {
    text.parse().expect("an ODS code")
}

pub(super) fn postcode(text: &str) -> Postcode {
    text.parse().expect("a postcode")
}

pub(super) fn from(day: Date) -> Period {
    Period {
        from: Some(day),
        to: None,
    }
}

pub(super) fn until(day: Date) -> Period {
    Period {
        from: None,
        to: Some(day),
    }
}

pub(super) fn area(layer: Layer, id: &str) -> Area {
    Area {
        layer,
        id: id.into(),
        name: id.to_uppercase(),
        title: None,
        label: None,
        kind: None,
        system: None,
        provenance: Provenance::Indicative,
        period: Period::default(),
        ended_by: None,
    }
}

/// Returns a rectangle 10 km high.
pub(super) fn strip(id: &str, west_km: f64, east_km: f64) -> Boundary {
    rectangle(id, (west_km, 0.0), (east_km, 10.0))
}

/// Returns a rectangle, given its south-west and north-east corners in kilometres.
pub(super) fn rectangle(id: &str, low: (f64, f64), high: (f64, f64)) -> Boundary {
    polygon_boundary(id, &[low, (high.0, low.1), high, (low.0, high.1)])
}

/// Returns a polygon, given its vertices in kilometres.
pub(super) fn polygon_boundary(id: &str, ring: &[(f64, f64)]) -> Boundary {
    Boundary {
        id: id.into(),
        catchment_kind: CatchmentKind::Whole,
        period: Period::default(),
        lonlat: MultiPolygon::new(Vec::new()),
        grid: vec![GridPolygon {
            rings: vec![ring.iter().map(|&(east, north)| km(east, north)).collect()],
        }],
    }
}

pub(super) fn practice(text: &str) -> Practice {
    Practice {
        code: code(text),
        name: text.to_lowercase(),
        address: String::new(),
        postcode: None,
        telephone: None,
        status: PracticeStatus::Active,
        opened: Some(date(1974, 4, 1)),
        closed: None,
        sub_icb: None,
        pcn: None,
        list_size: None,
        list_size_as_of: None,
        as_of: None,
        note: None,
    }
}

pub(super) fn closed_practice(text: &str, last: Date) -> Practice {
    Practice {
        closed: Some(last),
        status: PracticeStatus::Closed,
        ..practice(text)
    }
}

pub(super) fn main_premises(text: &str, east: f64, north: f64) -> Premises {
    Premises {
        practice: code(text),
        kind: PremisesKind::Main,
        postcode: None,
        position: km(east, north),
        name: None,
        as_of: None,
        source: None,
    }
}

pub(super) fn succession(predecessor: &str, successor: &str) -> PracticeSuccession {
    PracticeSuccession {
        predecessor: code(predecessor),
        successor: code(successor),
        from: date(2020, 4, 1),
        basis: Vec::new(),
        pcn_left: None,
        note: None,
        source: None,
    }
}

/// Returns the entry of a postcode that has been in use since January 1980.
pub(super) fn entry(
    text: &str,
    position: Option<BritishGrid>,
    statistical_area: Option<u32>,
) -> PostcodeEntry {
    PostcodeEntry {
        postcode: postcode(text),
        position,
        positional_quality: PositionalQuality::new(10),
        is_large_user: false,
        status: DirectoryStatus::Live,
        introduced: Some("198001".parse().expect("a month")),
        termination: None,
        statistical_area: statistical_area.map(RecordIndex::new),
        codes: None,
    }
}

pub(super) fn membership(member: GroupMember, layer: Layer, group: Option<&str>) -> Membership {
    Membership {
        member,
        layer,
        group: group.map(str::to_string),
        period: Period::default(),
        provenance: Provenance::Derived,
    }
}

pub(super) fn practice_membership(text: &str, layer: Layer, group: Option<&str>) -> Membership {
    membership(GroupMember::Practice(code(text)), layer, group)
}

pub(super) fn area_membership(layer: Layer, id: &str, group: Option<&str>) -> Membership {
    let member = GroupMember::Area(layer, id.into());
    membership(member, layers::resilience_group(), group)
}

pub(super) fn assignment(
    statistical_area: &str,
    layer: Layer,
    area: &str,
    share: Option<f64>,
) -> StatisticalAssignment {
    StatisticalAssignment {
        statistical_area: statistical_area.into(),
        layer,
        area: area.into(),
        share,
        period: Period::default(),
    }
}

fn role(id: Layer) -> LayerRole {
    match id.as_str() {
        "icc" | "neighbourhood-team" => LayerRole::Community,
        "sub-community" => LayerRole::Part,
        "gp-practice" => LayerRole::PracticeCatchment,
        "resilience-group" => LayerRole::Group,
        "pcn" => LayerRole::Network,
        _ => LayerRole::Administrative,
    }
}

pub(super) fn layer_entry(id: Layer, kind: LayerKind) -> LayerEntry {
    LayerEntry {
        id,
        title: id.as_str().into(),
        singular: id.as_str().into(),
        abbreviation: (id == layers::icc()).then(|| "ICC".into()),
        noun: None,
        kind,
        role: role(id),
        parent: None,
        organisation: (id == layers::icb()).then_some(OrganisationKind::IntegratedCareBoard),
        first_data: FIRST_DATA,
        provenance: Provenance::Modelled,
        boundaries: None,
        postcode_column: None,
        on_statistical_areas: matches!(
            role(id),
            LayerRole::Community | LayerRole::PracticeCatchment
        ) && id != layers::neighbourhood_team(),
        snap_m: 0.0,
        first_memberships: None,
        members_from: None,
        data_date: None,
        accuracy: None,
    }
}

fn manifest() -> Manifest {
    Manifest {
        name: "world".into(),
        version: "1".into(),
        title: "World".into(),
        as_of: DAY,
        released: None,
        publisher: None,
        attribution: "nobody".into(),
        licence: "https://example.org/licence".into(),
        tolerance_m: 100.0,
        undated_terminations_after: None,
        complete_outcodes: vec!["LA1".into()],
        postcodes_date: None,
        practices_date: None,
        homes_date: None,
        statistical_areas: Some(StatisticalAreasEntry {
            id: "lsoa11".into(),
            title: "Statistical areas".into(),
            boundaries: "areas/lsoa11.geojson".into(),
            snap_m: 150.0,
            data_date: None,
        }),
        layers: vec![
            layer_entry(layers::icc(), LayerKind::Partition),
            LayerEntry {
                snap_m: 200.0,
                ..layer_entry(layers::sub_community(), LayerKind::Partition)
            },
            layer_entry(layers::gp_practice(), LayerKind::Overlapping),
            layer_entry(layers::resilience_group(), LayerKind::Membership),
            layer_entry(layers::icb(), LayerKind::Partition),
        ],
        attributes: Vec::new(),
        sources: Vec::new(),
        files: BTreeMap::new(),
    }
}

fn boundaries() -> Vec<(Layer, Vec<Boundary>)> {
    let mut narrow = strip("north", 0.0, 15.0);
    narrow.period = until(WIDENED);
    let mut wide = strip("north", 0.0, 20.0);
    wide.period = from(WIDENED);
    let mut inner = strip("A00003", 15.0, 16.5);
    inner.catchment_kind = CatchmentKind::Inner;
    let mut outer = strip("A00003", 14.0, 18.0);
    outer.catchment_kind = CatchmentKind::Outer;
    vec![
        (layers::icb(), vec![narrow, wide]),
        (
            layers::icc(),
            vec![strip("k", 0.0, 10.0), strip("l", 10.0, 20.0)],
        ),
        (
            layers::sub_community(),
            vec![strip("m", 0.0, 5.0), strip("n", 5.0, 20.0)],
        ),
        (layers::gp_practice(), vec![outer, inner]),
    ]
}

fn postcodes() -> Vec<PostcodeEntry> {
    let mut coarse = entry("LA1 1AB", Some(km(16.0, 5.0)), Some(1));
    coarse.positional_quality = PositionalQuality::new(50);
    let mut old = entry("LA1 1AF", Some(km(2.0, 2.0)), Some(0));
    old.status = DirectoryStatus::Terminated;
    old.termination = Some(Termination::in_month("201912".parse().expect("a month")));
    let mut new = entry("LA1 1AG", Some(km(3.0, 3.0)), Some(0));
    new.introduced = Some("202506".parse().expect("a month"));
    vec![
        entry("LA1 1AA", Some(km(1.0, 1.0)), Some(0)),
        coarse,
        // This position is 40 m inside k.
        entry("LA1 1AD", Some(km(9.96, 5.0)), None),
        // This position is 120 m off the coast.
        entry("LA1 1AE", Some(km(-0.12, 5.0)), None),
        old,
        new,
        entry("LA1 1AH", None, Some(0)),
        // This position is inside the boundary of k, but the directory assigns the postcode to l.
        // The position is 300 m from the boundary of its statistical area.
        entry("LA1 1AJ", Some(km(9.7, 8.5)), Some(2)),
        entry("LA2 1AA", Some(km(17.0, 2.0)), Some(1)),
        entry("LA2 1AB", Some(km(30.0, 5.0)), None),
        entry("ZZ99 3VZ", Some(km(1.0, 2.0)), Some(0)),
    ]
}

/// Returns the dataset, for tests to modify and build.
pub(super) fn dataset() -> Dataset {
    let mut first = area(layers::icb(), "north");
    first.period = until(WIDENED);
    let mut second = area(layers::icb(), "north");
    second.name = "WIDER".into();
    second.period = from(WIDENED);
    let mut late = assignment("S2", layers::icc(), "l", None);
    late.period = from(date(2024, 1, 1));
    Dataset {
        manifest: manifest(),
        digest: "0123".into(),
        areas: vec![
            second,
            first,
            area(layers::icc(), "l"),
            area(layers::icc(), "k"),
            area(layers::sub_community(), "n"),
            area(layers::sub_community(), "m"),
            area(layers::resilience_group(), "g"),
            area(layers::resilience_group(), "h"),
            Area {
                provenance: Provenance::Official,
                ..area(layers::gp_practice(), "A00003")
            },
        ],
        boundaries: boundaries(),
        lineage: Vec::new(),
        memberships: vec![
            practice_membership("A00001", layers::icc(), Some("k")),
            practice_membership("A00002", layers::icc(), Some("l")),
            practice_membership("A00003", layers::icc(), Some("l")),
            area_membership(layers::icc(), "k", Some("g")),
            area_membership(layers::icc(), "l", None),
            area_membership(layers::sub_community(), "m", Some("h")),
        ],
        practices: vec![
            practice("A00003"),
            practice("A00001"),
            closed_practice("A00002", date(2026, 3, 31)),
            closed_practice("A00004", date(2020, 3, 31)),
            closed_practice("A00005", date(2020, 3, 31)),
            practice("A00006"),
        ],
        premises: vec![
            main_premises("A00001", 1.0, 1.0),
            main_premises("A00001", 4.0, 1.0),
            main_premises("A00002", 1.0, 3.0),
            main_premises("A00003", 17.0, 2.0),
            main_premises("A00004", 1.0, 1.0),
        ],
        successions: vec![succession("A00004", "A00001")],
        statistical_areas: vec!["S0".into(), "S1".into(), "S2".into()],
        statistical_boundaries: vec![
            strip("S0", 0.0, 10.0),
            polygon_boundary(
                "S1",
                &[
                    (10.0, 0.0),
                    (20.0, 0.0),
                    (20.0, 10.0),
                    (10.0, 10.0),
                    (10.0, 9.0),
                    (11.0, 9.0),
                    (11.0, 8.0),
                    (10.0, 8.0),
                ],
            ),
            rectangle("S2", (10.0, 8.0), (11.0, 9.0)),
        ],
        assignments: vec![
            assignment("S0", layers::icc(), "k", None),
            assignment("S1", layers::icc(), "l", None),
            late,
            assignment("S0", layers::gp_practice(), "A00001", Some(0.25)),
            assignment("S0", layers::gp_practice(), "A00002", Some(0.75)),
            assignment("S0", layers::gp_practice(), "A00004", Some(0.5)),
        ],
        former_premises: Vec::new(),
        neighbouring_practices: Vec::new(),
        not_gp_practices: vec![code("Y00002"), code("Y00001")],
        postcodes: postcodes(),
        postcode_codes: Vec::new(),
        postcode_homes: Vec::new(),
        golden_queries: Vec::new(),
        stated_counts: Vec::new(),
        facts: AreaFacts::default(),
    }
}

pub(super) fn build(dataset: Dataset) -> Index {
    Index::build(dataset).expect("the dataset is valid")
}

pub(super) fn index() -> Index {
    build(dataset())
}

/// Returns the query for a postcode or point, without a practice, on [`DAY`].
pub(super) fn residence_query(locator: Locator) -> LocateQuery {
    LocateQuery {
        locator: Some(locator),
        practice: None,
        as_of: DAY,
    }
}

/// Returns the query for a practice code, without a postcode or point, on [`DAY`].
pub(super) fn registration_query(text: &str) -> LocateQuery {
    LocateQuery {
        locator: None,
        practice: Some(text.parse()),
        as_of: DAY,
    }
}
