//! Homes: addresses with a position, and their numbers by postcode and area.

use std::fmt;

use super::{BritishGrid, GssCode, Layer, Period, Postcode};

/// An address in a list of addresses: its position, and its codes in the list.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Home {
    /// The position.
    pub position: BritishGrid,
    /// The postcode, if the list states one.
    pub postcode: Option<Postcode>,
    /// The code of the statistical area, if the list states one.
    pub statistical_area: Option<GssCode>,
}

/// Prints only the name of the type, because a home shows where a person lives.
impl fmt::Debug for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Home(…)")
    }
}

/// The number of homes of a postcode in an area, for a postcode whose homes are in several areas of a
/// layer, or partly in no area.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostcodeHomes {
    /// The postcode.
    pub postcode: Postcode,
    /// The layer.
    pub layer: Layer,
    /// The id of the area; `None` for homes in no area of the layer.
    pub area: Option<String>,
    /// The number of homes.
    pub homes: u32,
    /// The period of the areas for which the homes were counted.
    pub period: Period,
}
