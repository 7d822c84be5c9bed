//! Enums whose values are keywords in files and JSON.

use std::fmt;

/// The error for text that is not one of the keywords of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownKeyword {
    /// The keywords of the type.
    pub expected: &'static [&'static str],
}

/// Lists the keywords of the type: `must be inner or outer`.
impl fmt::Display for UnknownKeyword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((last, others)) = self.expected.split_last() else {
            return f.write_str("nothing");
        };
        for (index, keyword) in others.iter().enumerate() {
            let separator = if index == 0 { "must be " } else { ", " };
            write!(f, "{separator}{keyword}")?;
        }
        let or = if others.is_empty() {
            "must be "
        } else {
            " or "
        };
        write!(f, "{or}{last}")
    }
}

impl std::error::Error for UnknownKeyword {}

/// Implements `ALL`, `as_str`, `FromStr` and `Display` for an enum, given the keyword of each
/// variant.
macro_rules! keyword_enum {
    ($type:ident { $($variant:ident = $keyword:literal),+ $(,)? }) => {
        impl $type {
            /// All values, in the order in which they are declared.
            pub const ALL: [$type; [$($keyword),+].len()] = [$($type::$variant),+];

            /// Returns the keyword that represents the value in files and JSON.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $($type::$variant => $keyword,)+
                }
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::domain::UnknownKeyword;

            fn from_str(text: &str) -> Result<$type, $crate::domain::UnknownKeyword> {
                match text {
                    $($keyword => Ok($type::$variant),)+
                    _ => Err($crate::domain::UnknownKeyword {
                        expected: &[$($keyword),+],
                    }),
                }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use keyword_enum;

#[cfg(test)]
mod tests {
    use crate::domain::{LineageRelation, PremisesKind, Provenance};

    #[test]
    fn keywords_parse_and_print_back() {
        for provenance in Provenance::ALL {
            assert_eq!(provenance.to_string().parse(), Ok(provenance));
        }
        assert!("Merged".parse::<LineageRelation>().is_err());
    }

    #[test]
    fn errors_name_every_keyword() {
        let error = "annexe".parse::<PremisesKind>().expect_err("not a kind");
        assert_eq!(error.to_string(), "must be main, branch or predecessor");
    }
}
