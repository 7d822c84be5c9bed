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

#[cfg(test)]
mod tests {
    use super::*;

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
