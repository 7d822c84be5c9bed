//! Look-ups by UPRN: a list of addresses, which an operator may load, has the position of each.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::Index;
use crate::domain::{GssCode, Home, Postcode, Uprn};

/// A list of addresses. The implementation reads a file; an index only asks it.
pub trait UprnList: fmt::Debug + Send + Sync {
    /// Returns the address with a UPRN; `None` if the list does not have it.
    ///
    /// # Errors
    /// If the list cannot be read.
    fn find(&self, uprn: Uprn) -> Result<Option<Home>, UnreadableUprns>;
}

/// The error for a list of addresses that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the table of UPRNs cannot be read, or was changed while it was in use")]
pub struct UnreadableUprns;

/// The list of addresses of an index, and what is needed to use it.
#[derive(Debug)]
pub(super) struct UprnIndex {
    list: Arc<dyn UprnList>,
    /// The row of each statistical area that has a boundary, by its code.
    rows_by_code: HashMap<GssCode, u32>,
}

/// An address of the list, as far as the answer needs it.
#[derive(Clone, Copy)]
pub struct ResolvedHome {
    /// The postcode, if the list states one.
    pub postcode: Option<Postcode>,
    /// The row of the statistical area, if the list states one that the dataset has.
    pub(super) statistical_area: Option<u32>,
}

/// Prints only the name of the type, because a home shows where a person lives.
impl fmt::Debug for ResolvedHome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResolvedHome(…)")
    }
}

impl Index {
    /// Sets the list in which UPRNs are looked up.
    #[must_use]
    pub fn with_uprns(self, list: Arc<dyn UprnList>) -> Index {
        let rows_by_code = self.rows_by_gss_code();
        Index {
            uprns: Some(UprnIndex { list, rows_by_code }),
            ..self
        }
    }

    /// Returns whether UPRNs can be looked up.
    pub fn has_uprns(&self) -> bool {
        self.uprns.is_some()
    }

    /// Returns the row of each statistical area that has a boundary, by its code.
    pub(super) fn rows_by_gss_code(&self) -> HashMap<GssCode, u32> {
        let with_boundary = self.statistical_areas.boundary_index.boundaries().len();
        let codes = self.statistical_areas.codes.iter().take(with_boundary);
        codes
            .zip(0..)
            .filter_map(|(code, row)| Some((code.parse().ok()?, row)))
            .collect()
    }

    /// Finds the address with a UPRN; `None` if the list does not have it.
    ///
    /// # Errors
    /// If no list is loaded, or if it cannot be read.
    pub(super) fn find_home(
        &self,
        uprn: Uprn,
    ) -> Result<Option<(Home, ResolvedHome)>, UnreadableUprns> {
        let uprns = self.uprns.as_ref().ok_or(UnreadableUprns)?;
        let found = uprns.list.find(uprn)?;
        Ok(found.map(|home| {
            let row = |code: GssCode| uprns.rows_by_code.get(&code).copied();
            let resolved = ResolvedHome {
                postcode: home.postcode,
                statistical_area: home.statistical_area.and_then(row),
            };
            (home, resolved)
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::answer::{Locator, areas_of_layer};
    use super::super::test_dataset::{index, km, residence_query};
    use super::*;
    use crate::domain::{Basis, LookupStatus, layers};

    /// A list with the UPRNs 1, 2 and 3; it cannot be read for 9.
    #[derive(Debug)]
    struct ThreeHomes;

    impl UprnList for ThreeHomes {
        fn find(&self, uprn: Uprn) -> Result<Option<Home>, UnreadableUprns> {
            let home = |east| Home {
                position: km(east, 5.0),
                postcode: "LA1 1AA".parse().ok(),
                statistical_area: None,
            };
            match uprn.number() {
                1 => Ok(Some(home(9.0))),
                2 => Ok(Some(home(12.0))),
                3 => Ok(Some(home(40.0))),
                9 => Err(UnreadableUprns),
                _ => Ok(None),
            }
        }
    }

    #[test]
    fn a_uprn_is_answered_by_its_position() {
        let index = index().with_uprns(Arc::new(ThreeHomes));
        assert!(index.has_uprns());
        for (number, status, area) in [
            (1, LookupStatus::Located, Some("k")),
            (2, LookupStatus::Located, Some("l")),
            (3, LookupStatus::OutsideCoverage, None),
            (4, LookupStatus::UnknownUprn, None),
            (9, LookupStatus::UprnUnavailable, None),
        ] {
            let uprn = Uprn::from_number(number).expect("a UPRN");
            let answer = index.locate(&residence_query(Locator::Uprn(uprn)));
            assert_eq!(answer.status, status, "{number}");
            let found = areas_of_layer(&answer.residence, layers::icc()).first();
            assert_eq!(found.map(|found| found.area.id.as_str()), area, "{number}");
            assert!(
                found.is_none_or(|found| found.basis == Basis::Boundary && found.shares.is_none())
            );
            let postcode = answer.location.and_then(|location| location.postcode());
            assert_eq!(postcode.is_some(), number <= 3);
        }
    }

    #[test]
    fn without_a_list_uprns_are_unavailable() {
        let index = index();
        let uprn = Uprn::from_number(1).expect("a UPRN");
        let answer = index.locate(&residence_query(Locator::Uprn(uprn)));
        assert_eq!(answer.status, LookupStatus::UprnUnavailable);
        assert!(!index.has_uprns() && answer.location.is_none());
    }
}
