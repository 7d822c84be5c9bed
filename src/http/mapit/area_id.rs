//! The ids of areas on these routes: the layer and the id within the layer, such as
//! `council:E06000063`. An id within a layer does not identify an area, because areas of different
//! layers may have the same id, such as an LSOA that two censuses have.

use std::fmt;

use catchment_core::domain::{Area, Layer};
use catchment_core::index::Index;
use jiff::civil::Date;

/// The id of an area.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct AreaId<'i> {
    pub(super) layer: Layer,
    pub(super) id: &'i str,
}

impl<'i> AreaId<'i> {
    pub(super) fn of(area: &'i Area) -> AreaId<'i> {
        AreaId {
            layer: area.layer,
            id: &area.id,
        }
    }
}

impl fmt::Display for AreaId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.layer, self.id)
    }
}

/// Returns the area with an id. An id without a layer identifies the area of the first layer that
/// has this id, so that GSS codes and ODS codes can be used as ids.
pub(super) fn find_area<'i>(index: &'i Index, text: &str, day: Date) -> Option<&'i Area> {
    let find = |layer, id| index.area_or_last_version(layer, id, day);
    match text.split_once(':') {
        Some((layer, id)) => {
            let mut layers = index.layers();
            find(layers.find(|known| known.as_str() == layer)?, id)
        }
        None => index.layers().find_map(|layer| find(layer, text)),
    }
}
