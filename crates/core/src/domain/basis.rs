//! The basis on which an area of residence was determined, and the certainty of the result.

use super::keyword::keyword_enum;

/// The basis on which an area of residence was determined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Basis {
    /// The statistical area of the postcode in the postcode directory.
    Directory,
    /// A boundary that covers the position.
    Boundary,
    /// The nearest area, for a position just outside a generalised coastline.
    Nearest,
    /// A membership: another area covers the position, and that area is a member of the area of
    /// residence.
    Membership,
    /// The Primary Care Network of the practice, which is used as the area.
    Network,
    /// The statistical area that the client specified.
    StatisticalArea,
}

keyword_enum!(Basis {
    Directory = "directory",
    Boundary = "boundary",
    Nearest = "nearest",
    Membership = "membership",
    Network = "network",
    StatisticalArea = "statistical_area",
});

/// The certainty that the position is inside the area.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Certainty {
    /// The distance to the boundary is at least the tolerance.
    Inside,
    /// The distance to the boundary is less than the tolerance, the position is too imprecise for a
    /// certain answer, or the area is only the nearest area and does not cover the position.
    NearBoundary,
    /// The homes of the postcode, or the live postcodes of the statistical area that the client
    /// specified, are in several areas of the layer, or some of them are in no area.
    Split,
}

keyword_enum!(Certainty {
    Inside = "inside",
    NearBoundary = "near_boundary",
    Split = "split",
});

#[cfg(test)]
mod tests {
    use super::*;

    /// These values appear in responses and files, so clients depend on their exact spelling.
    #[test]
    fn keywords_are_stable() {
        let bases = [
            (Basis::Directory, "directory"),
            (Basis::Boundary, "boundary"),
            (Basis::Nearest, "nearest"),
            (Basis::Membership, "membership"),
            (Basis::Network, "network"),
            (Basis::StatisticalArea, "statistical_area"),
        ];
        for (basis, word) in bases {
            assert_eq!(basis.as_str(), word);
        }
        assert_eq!(Certainty::Inside.as_str(), "inside");
        assert_eq!(Certainty::NearBoundary.as_str(), "near_boundary");
        assert_eq!(Certainty::Split.as_str(), "split");
    }
}
