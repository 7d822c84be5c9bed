//! The status of a look-up.

use super::keyword::keyword_enum;

/// The status of a look-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LookupStatus {
    /// The position is known, and is inside at least one area of the dataset.
    Located,
    /// The postcode is no longer in use. The answer is for the last position of the postcode.
    Terminated,
    /// The postcode is ZZ99 3VZ (no fixed abode).
    NoFixedAbode,
    /// The postcode is ZZ99 3WZ (address not known).
    AddressNotKnown,
    /// The postcode is any other ZZ99 code.
    PseudoCountry,
    /// The postcode has no position.
    NoLocation,
    /// The position is outside every area of the dataset.
    OutsideCoverage,
    /// The dataset lists every postcode of the outward code, and this postcode is not one of them.
    UnknownPostcode,
    /// No statistical area of the dataset has the given code.
    UnknownArea,
    /// The list of UPRNs does not have the UPRN.
    UnknownUprn,
    /// No list of UPRNs is loaded, or the list cannot be read.
    UprnUnavailable,
    /// The request has no location.
    Missing,
}

keyword_enum!(LookupStatus {
    Located = "located",
    Terminated = "terminated",
    NoFixedAbode = "no_fixed_abode",
    AddressNotKnown = "address_not_known",
    PseudoCountry = "pseudo_country",
    NoLocation = "no_location",
    OutsideCoverage = "outside_coverage",
    UnknownPostcode = "unknown_postcode",
    UnknownArea = "unknown_area",
    UnknownUprn = "unknown_uprn",
    UprnUnavailable = "uprn_unavailable",
    Missing = "missing",
});

#[cfg(test)]
mod tests {
    use super::*;

    /// These values appear in responses and files, so clients depend on their exact spelling.
    #[test]
    fn keywords_are_stable() {
        let statuses = [
            (LookupStatus::Located, "located"),
            (LookupStatus::Terminated, "terminated"),
            (LookupStatus::NoFixedAbode, "no_fixed_abode"),
            (LookupStatus::AddressNotKnown, "address_not_known"),
            (LookupStatus::PseudoCountry, "pseudo_country"),
            (LookupStatus::NoLocation, "no_location"),
            (LookupStatus::OutsideCoverage, "outside_coverage"),
            (LookupStatus::UnknownPostcode, "unknown_postcode"),
            (LookupStatus::UnknownArea, "unknown_area"),
            (LookupStatus::UnknownUprn, "unknown_uprn"),
            (LookupStatus::UprnUnavailable, "uprn_unavailable"),
            (LookupStatus::Missing, "missing"),
        ];
        for (status, word) in statuses {
            assert_eq!(status.as_str(), word);
        }
    }
}
