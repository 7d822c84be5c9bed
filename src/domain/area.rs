use geo::MultiPolygon;
use jiff::civil::Date;

use super::{BritishGrid, Layer, OdsCode, Period, Provenance};

/// One version of an area: who it is (`layer`, `id`), and what it was called in its period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Area {
    /// What kind of area.
    pub layer: Layer,
    /// Stable, never reused, scoped by system: `mb-kendal`.
    pub id: String,
    /// Its name in the period, without the layer's own word: `Kendal`.
    pub name: String,
    /// What it calls itself where that is not the layer's word: `action group`.
    pub kind: Option<String>,
    /// The system that it belongs to: `morecambe-bay`.
    pub system: Option<String>,
    /// Where its boundary comes from.
    pub provenance: Provenance,
    /// When this version holds.
    pub period: Period,
}

impl Area {
    /// The name as people say it: `Kendal ICC`.
    pub fn title(&self) -> String {
        match self.layer {
            Layer::Icc => format!("{} ICC", self.name),
            _ => self.name.clone(),
        }
    }
}

/// Which of an area's grounds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Extent {
    /// Its only one.
    #[default]
    Whole,
    /// Where a practice takes new patients from.
    Inner,
    /// Where a practice may keep patients who move there.
    Outer,
}

impl Extent {
    /// The word in files and JSON; the only ground has none.
    pub fn as_str(self) -> Option<&'static str> {
        match self {
            Extent::Whole => None,
            Extent::Inner => Some("inner"),
            Extent::Outer => Some("outer"),
        }
    }

    /// The extent of that word.
    pub fn from_word(word: &str) -> Option<Extent> {
        [Extent::Inner, Extent::Outer]
            .into_iter()
            .find(|extent| extent.as_str() == Some(word))
    }
}

/// The ground that an area covers over a period.
#[derive(Debug, Clone)]
pub struct Boundary {
    /// The area's id, or a statistical area's code.
    pub id: String,
    /// Which of its grounds.
    pub extent: Extent,
    /// When the boundary holds.
    pub period: Period,
    /// As shown: lon/lat, WGS84, exteriors counter-clockwise (RFC 7946).
    pub lonlat: MultiPolygon<f64>,
    /// As looked up: the same vertices in the same order on the British National Grid.
    pub grid: Vec<GridPolygon>,
}

/// A statistical area, such as an LSOA, lies in an area: by decree, or by a model's share of its
/// people.
#[derive(Debug, Clone, PartialEq)]
pub struct Assignment {
    /// The code of the statistical area.
    pub statistical_area: String,
    /// The layer of the area.
    pub layer: Layer,
    /// The id of the area.
    pub area: String,
    /// The part of the statistical area's people that belong to the area, 0 to 1; `None` is all.
    pub share: Option<f64>,
    /// When.
    pub period: Period,
}

/// A polygon on the British National Grid; its rings do not repeat their first vertex.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GridPolygon {
    /// The exterior ring, then the holes.
    pub rings: Vec<Vec<BritishGrid>>,
}

/// Who is a member of a group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Member {
    /// Everyone registered at the practice.
    Practice(OdsCode),
    /// The people of an area.
    Area(Layer, String),
}

/// A member's place in a group over a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// Who.
    pub member: Member,
    /// In which kind of group.
    pub layer: Layer,
    /// In which one; `None` where the source names none, which is not the same as "in none".
    pub group: Option<String>,
    /// When.
    pub period: Period,
    /// How it is known.
    pub provenance: Provenance,
}

/// How an area became another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// Joined with others.
    Merged,
    /// The same area under another name.
    Renamed,
    /// One of several that it became.
    Split,
    /// It ended, and what became of it is not known.
    Unknown,
}

impl Relation {
    /// The word in files and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Relation::Merged => "merged",
            Relation::Renamed => "renamed",
            Relation::Split => "split",
            Relation::Unknown => "unknown",
        }
    }

    /// The relation of that word.
    pub fn from_word(word: &str) -> Option<Relation> {
        [
            Relation::Merged,
            Relation::Renamed,
            Relation::Split,
            Relation::Unknown,
        ]
        .into_iter()
        .find(|relation| relation.as_str() == word)
    }
}

/// A step in an area's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lineage {
    /// The area's layer.
    pub layer: Layer,
    /// The area that ended.
    pub predecessor: String,
    /// What became of it, where that is known.
    pub successor: Option<String>,
    /// How.
    pub relation: Relation,
    /// When, where that is known.
    pub date: Option<Date>,
    /// Who says so.
    pub source: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_community_is_called_one_and_others_what_they_are_called() {
        let title = |layer| {
            let area = Area {
                layer,
                id: "mb-kendal".into(),
                name: "Kendal".into(),
                kind: None,
                system: None,
                provenance: Provenance::Indicative,
                period: Period::default(),
            };
            area.title()
        };
        assert_eq!(title(Layer::Icc), "Kendal ICC");
        assert_eq!(title(Layer::SubCommunity), "Kendal");
    }

    #[test]
    fn words_are_read_as_they_are_written() {
        let extents = [Extent::Inner, Extent::Outer];
        assert_eq!(extents.map(Extent::as_str), [Some("inner"), Some("outer")]);
        assert_eq!(Extent::Whole.as_str(), None);
        assert_eq!(Extent::from_word("inner"), Some(Extent::Inner));
        assert_eq!(Extent::from_word("outer"), Some(Extent::Outer));
        assert_eq!(Extent::from_word("whole"), None);
        for (word, relation) in [
            ("merged", Relation::Merged),
            ("renamed", Relation::Renamed),
            ("split", Relation::Split),
            ("unknown", Relation::Unknown),
        ] {
            assert_eq!(relation.as_str(), word);
            assert_eq!(Relation::from_word(word), Some(relation));
        }
        assert_eq!(Relation::from_word("moved"), None);
    }
}
