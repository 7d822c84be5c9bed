//! Collections: the areas of a layer that are valid today, or all versions of the areas of a layer.

use std::collections::HashSet;

use jiff::civil::Date;

use super::super::problem::Problem;
use catchment_core::domain::{Area, Boundary, Layer, Period};
use catchment_core::index::Index;

/// The suffix of the id of a collection that contains all versions of its areas.
const HISTORY: &str = "-history";

/// A collection: the areas of a layer that have a boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Collection {
    pub(super) layer: Layer,
    /// Whether the collection contains all versions of its areas, or only the versions that are
    /// valid today.
    pub(super) is_history: bool,
}

/// An area, its boundary, and a period in which the area and the boundary do not change.
pub(super) struct Feature<'i> {
    pub(super) id: String,
    pub(super) area: &'i Area,
    /// The boundary; `None` if the area has no boundary. The geometry of the feature is then null.
    pub(super) boundary: Option<&'i Boundary>,
    pub(super) period: Period,
}

impl Feature<'_> {
    /// Returns the kind of catchment, if the area has more than one boundary.
    pub(super) fn extent(&self) -> Option<&'static str> {
        self.boundary?.catchment_kind.as_str()
    }
}

impl Collection {
    /// Returns the collections of a dataset: two for each layer that has boundaries.
    pub(super) fn all(index: &Index) -> Vec<Collection> {
        let has_boundary = |layer: &Layer| index.all_boundaries(*layer).next().is_some();
        let layers = index.layers().filter(has_boundary);
        let current_and_history =
            |layer| [false, true].map(|is_history| Collection { layer, is_history });
        layers.flat_map(current_and_history).collect()
    }

    /// Returns the collection with the given id.
    ///
    /// # Errors
    /// If there is no such collection.
    pub(super) fn by_id(index: &Index, id: &str) -> Result<Collection, Problem> {
        let mut all = Collection::all(index).into_iter();
        all.find(|collection| collection.id() == id).ok_or_else(|| {
            let detail = "unknown collection; /ogc/collections lists the collections";
            Problem::unknown("unknown_collection", detail)
        })
    }

    pub(super) fn id(self) -> String {
        let suffix = if self.is_history { HISTORY } else { "" };
        format!("{}{suffix}", self.layer)
    }

    pub(super) fn title(self, index: &Index) -> String {
        let title = index.layer_title(self.layer);
        if self.is_history {
            format!("{title}: all versions")
        } else {
            title.to_string()
        }
    }

    pub(super) fn description(self) -> &'static str {
        if self.is_history {
            "All versions of all areas, each with the period in which it is valid: from the date `from` up to, but not including, the date `to`."
        } else {
            "The areas that are valid today."
        }
    }

    /// Returns the features, sorted by id, then by start date.
    pub(super) fn features(self, index: &Index, today: Date) -> Vec<Feature<'_>> {
        let mut features: Vec<Feature<'_>> = Vec::new();
        for boundary in index.all_boundaries(self.layer) {
            let versions = index.versions(self.layer, &boundary.id).iter();
            let of_boundary = |area| self.feature(area, Some(boundary), today);
            features.extend(versions.filter_map(of_boundary));
        }
        if index.manifest().may_lack_boundaries(self.layer) {
            let with_boundary = index.all_boundaries(self.layer);
            let with_boundary: HashSet<&str> =
                with_boundary.map(|boundary| boundary.id.as_str()).collect();
            let areas = index.all_areas(self.layer);
            let without = areas.filter(|area| !with_boundary.contains(area.id.as_str()));
            features.extend(without.filter_map(|area| self.feature(area, None, today)));
        }
        features.sort_by(|a, b| {
            (&a.area.id, a.period.from, &a.id).cmp(&(&b.area.id, b.period.from, &b.id))
        });
        features
    }

    fn feature<'i>(
        self,
        area: &'i Area,
        boundary: Option<&'i Boundary>,
        today: Date,
    ) -> Option<Feature<'i>> {
        let valid = boundary.map_or_else(Period::default, |boundary| boundary.period);
        let period = intersection(area.period, valid)?;
        if !self.is_history && !period.contains(today) {
            return None;
        }
        let mut id = area.id.clone();
        if let Some(extent) = boundary.and_then(|boundary| boundary.catchment_kind.as_str()) {
            id += &format!(":{extent}");
        }
        if self.is_history {
            let from = period.from.map_or("start".into(), |day| day.to_string());
            id += &format!("@{from}");
        }
        Some(Feature {
            id,
            area,
            boundary,
            period,
        })
    }
}

/// Returns the intersection of two periods, or `None` if the periods do not overlap.
fn intersection(a: Period, b: Period) -> Option<Period> {
    let earlier = |a: Option<Date>, b: Option<Date>| match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        _ => a.or(b),
    };
    let period = Period {
        // `None` represents the earliest start, and is less than any `Some`.
        from: a.from.max(b.from),
        to: earlier(a.to, b.to),
    };
    let is_empty = matches!((period.from, period.to), (Some(from), Some(to)) if to <= from);
    (!is_empty).then_some(period)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn intersection_of_two_periods() {
        let period = |from, to| Period { from, to };
        let (first, second) = (Some(date(2022, 1, 5)), Some(date(2024, 7, 1)));
        let open = period(None, None);
        assert_eq!(
            intersection(open, period(first, second)),
            Some(period(first, second))
        );
        assert_eq!(
            intersection(period(first, None), period(None, second)),
            Some(period(first, second))
        );
        assert_eq!(intersection(period(None, first), period(first, None)), None);
        assert_eq!(
            intersection(period(second, None), period(first, None)),
            Some(period(second, None))
        );
    }
}
