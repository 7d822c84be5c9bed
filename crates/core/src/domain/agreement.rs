//! The comparison of residence and registration.

use super::keyword::keyword_enum;

/// The comparison of the Integrated Care Communities of residence and of registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Agreement {
    /// The two communities are the same.
    Agree,
    /// The two communities are different.
    Differ,
    /// Only the community of registration is known.
    RegistrationOnly,
    /// Only the community of residence is known.
    ResidenceOnly,
    /// Neither community is known.
    Neither,
}

keyword_enum!(Agreement {
    Agree = "agree",
    Differ = "differ",
    RegistrationOnly = "registration_only",
    ResidenceOnly = "residence_only",
    Neither = "neither",
});

impl Agreement {
    /// Compares the ids of the communities of residence with the ids of the communities of
    /// registration.
    ///
    /// `is_registered_outside` states whether the practice is known but belongs to no community of
    /// the dataset. If so, the residence and the registration of a resident of a community differ.
    pub fn between<T: PartialEq>(
        residence: &[T],
        registration: &[T],
        is_registered_outside: bool,
    ) -> Agreement {
        match (residence.is_empty(), registration.is_empty()) {
            (true, true) => Agreement::Neither,
            (true, false) => Agreement::RegistrationOnly,
            (false, true) if is_registered_outside => Agreement::Differ,
            (false, true) => Agreement::ResidenceOnly,
            (false, false) if residence.iter().any(|id| registration.contains(id)) => {
                Agreement::Agree
            }
            (false, false) => Agreement::Differ,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn communities_agree_if_one_is_in_both() {
        let (none, kendal, both) = ([].as_slice(), ["kendal"].as_slice(), ["eden", "kendal"]);
        let outside = Agreement::between(kendal, none, true);
        assert_eq!(outside, Agreement::Differ);
        for (residence, registration, expected) in [
            (none, none, Agreement::Neither),
            (none, kendal, Agreement::RegistrationOnly),
            (kendal, none, Agreement::ResidenceOnly),
            (kendal, &both, Agreement::Agree),
            (&both[..1], kendal, Agreement::Differ),
        ] {
            let actual = Agreement::between(residence, registration, false);
            assert_eq!(actual, expected, "{residence:?} {registration:?}");
        }
        assert_eq!(Agreement::between(none, none, true), Agreement::Neither);
    }

    /// Batches use the discriminants of agreements as the indexes of counters.
    #[test]
    fn discriminants_are_indices_of_all() {
        for (index, agreement) in Agreement::ALL.into_iter().enumerate() {
            assert_eq!(agreement as usize, index);
        }
    }

    /// These values appear in responses and files, so clients depend on their exact spelling.
    #[test]
    fn keywords_are_stable() {
        let agreements = [
            (Agreement::Agree, "agree"),
            (Agreement::Differ, "differ"),
            (Agreement::RegistrationOnly, "registration_only"),
            (Agreement::ResidenceOnly, "residence_only"),
            (Agreement::Neither, "neither"),
        ];
        for (agreement, word) in agreements {
            assert_eq!(agreement.as_str(), word);
        }
    }
}
