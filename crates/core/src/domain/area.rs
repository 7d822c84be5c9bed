use std::sync::Arc;

use geo::MultiPolygon;
use jiff::civil::Date;

use super::keyword::{UnknownKeyword, keyword_enum};
use super::{BritishGrid, Layer, OdsCode, Period, Provenance};

/// One version of an area: its identity (`layer`, `id`) and its name during `period`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Area {
    /// The layer that the area belongs to.
    pub layer: Layer,
    /// The stable identifier, unique within a system and never reused: `mb-kendal`.
    pub id: String,
    /// The name during the period, without the name of the layer: `Kendal`.
    pub name: String,
    /// The name for display, if it differs from the name: `Kendal ICC`. The manifest determines
    /// this name; see `Manifest::set_area_titles`.
    pub title: Option<String>,
    /// The name for use in sentences, if it differs from the title: `Burnley East neighbourhood
    /// team`. The manifest determines this name.
    pub label: Option<String>,
    /// The term that the source uses for the area, if it differs from the term for the layer:
    /// `action group`.
    pub kind: Option<String>,
    /// The system that the area belongs to: `morecambe-bay`.
    pub system: Option<String>,
    /// The origin of the boundary.
    pub provenance: Provenance,
    /// The dates on which this version is valid.
    pub period: Period,
    /// A day on which the area had already ended, if its last day is not known. If the last day is
    /// not known, `period` ends on this day, because the area is not known to be valid on any later
    /// day.
    pub ended_by: Option<Date>,
}

impl Area {
    /// Returns the name for display: `Kendal ICC`.
    pub fn title(&self) -> &str {
        self.title.as_ref().unwrap_or(&self.name)
    }

    /// Returns the name for use in sentences: `Burnley East neighbourhood team`.
    pub fn label(&self) -> String {
        let label = self.label.as_deref();
        label.unwrap_or_else(|| self.title()).to_string()
    }

    /// Returns the first day on which the area no longer existed, if that day is known.
    pub fn known_end(&self) -> Option<Date> {
        self.period.to.filter(|_| self.ended_by.is_none())
    }
}

/// The kind of a boundary. Different kinds distinguish the two catchments that a practice can
/// declare.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CatchmentKind {
    /// The only boundary of the area.
    #[default]
    Whole,
    /// The area from which a practice accepts new patients.
    Inner,
    /// The area in which a practice may continue to treat registered patients after they move
    /// house.
    Outer,
}

impl CatchmentKind {
    /// Returns the value used in files and JSON, or `None` for [`CatchmentKind::Whole`].
    pub fn as_str(self) -> Option<&'static str> {
        match self {
            CatchmentKind::Whole => None,
            CatchmentKind::Inner => Some("inner"),
            CatchmentKind::Outer => Some("outer"),
        }
    }
}

/// Parses `inner` or `outer`. A boundary without a keyword is [`CatchmentKind::Whole`].
impl std::str::FromStr for CatchmentKind {
    type Err = UnknownKeyword;

    fn from_str(text: &str) -> Result<CatchmentKind, UnknownKeyword> {
        match text {
            "inner" => Ok(CatchmentKind::Inner),
            "outer" => Ok(CatchmentKind::Outer),
            _ => Err(UnknownKeyword {
                expected: &["inner", "outer"],
            }),
        }
    }
}

/// The boundary of an area during a period.
#[derive(Debug, Clone)]
pub struct Boundary {
    /// The id of the area, or the code of the statistical area.
    pub id: String,
    /// The kind of catchment, if the area has more than one boundary.
    pub catchment_kind: CatchmentKind,
    /// The dates on which the boundary is valid.
    pub period: Period,
    /// The geometry for display: lon/lat, WGS84, exteriors counter-clockwise (RFC 7946).
    pub lonlat: MultiPolygon<f64>,
    /// The geometry for look-ups: the same vertices, in the same order, on the British National
    /// Grid.
    pub grid: Vec<GridPolygon>,
}

/// The assignment of a statistical area, such as an LSOA, to an area. Either the whole statistical
/// area is assigned to the area, or a share of the people in the statistical area.
#[derive(Debug, Clone, PartialEq)]
pub struct StatisticalAssignment {
    /// The code of the statistical area. A large dataset contains each code and each id many times,
    /// so these strings are shared.
    pub statistical_area: Arc<str>,
    /// The layer of the area.
    pub layer: Layer,
    /// The id of the area.
    pub area: Arc<str>,
    /// The share of the statistical area's people who belong to the area, from 0 to 1; `None` means
    /// all people.
    pub share: Option<f64>,
    /// The dates on which the assignment is valid.
    pub period: Period,
}

/// A polygon on the British National Grid. The first vertex of a ring is not repeated at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GridPolygon {
    /// The exterior ring, then the holes.
    pub rings: Vec<Vec<BritishGrid>>,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum GroupMember {
    /// A practice. The people who are registered with the practice belong to the group.
    Practice(OdsCode),
    /// An area. The people who live in the area belong to the group.
    Area(Layer, String),
}

/// The membership of a practice or area in a group during a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The member.
    pub member: GroupMember,
    /// The layer of the group.
    pub layer: Layer,
    /// The id of the group. `None` means that the source does not specify the group. The member may
    /// still belong to a group.
    pub group: Option<String>,
    /// The dates on which the membership is valid.
    pub period: Period,
    /// The origin of the membership.
    pub provenance: Provenance,
}

/// The relation between an area that ended and its successor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineageRelation {
    /// The area was merged with other areas into the successor.
    Merged,
    /// The area was renamed.
    Renamed,
    /// The area was split, and the successor is one of the parts.
    Split,
    /// The area ended, and its successor is not known.
    Unknown,
}

keyword_enum!(LineageRelation {
    Merged = "merged",
    Renamed = "renamed",
    Split = "split",
    Unknown = "unknown",
});

/// One step in the history of an area.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineageStep {
    /// The layer of both areas.
    pub layer: Layer,
    /// The id of the area that ended.
    pub predecessor: String,
    /// The id of the area's successor, if known.
    pub successor: Option<String>,
    /// The relation between the two areas.
    pub relation: LineageRelation,
    /// The date of the change, if known.
    pub date: Option<Date>,
    /// The source of this information.
    pub source: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_round_trip() {
        let catchment_kinds = [CatchmentKind::Inner, CatchmentKind::Outer];
        assert_eq!(
            catchment_kinds.map(CatchmentKind::as_str),
            [Some("inner"), Some("outer")]
        );
        assert_eq!(CatchmentKind::Whole.as_str(), None);
        assert_eq!("inner".parse(), Ok(CatchmentKind::Inner));
        assert_eq!("outer".parse(), Ok(CatchmentKind::Outer));
        assert!("whole".parse::<CatchmentKind>().is_err());
        for (word, relation) in [
            ("merged", LineageRelation::Merged),
            ("renamed", LineageRelation::Renamed),
            ("split", LineageRelation::Split),
            ("unknown", LineageRelation::Unknown),
        ] {
            assert_eq!(relation.as_str(), word);
            assert_eq!(word.parse(), Ok(relation));
        }
        assert!("moved".parse::<LineageRelation>().is_err());
    }
}
