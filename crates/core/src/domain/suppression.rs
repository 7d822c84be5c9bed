//! Small number suppression: disclosure control of counts of people.

use std::fmt;
use std::str::FromStr;

/// A rule that determines which counts of people are published, and how they are rounded.
///
/// The text of a rule is `none`, `below:N` (hide counts from 1 to N − 1) or `below:N-round:M` (also
/// round the other counts to the nearest M).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SuppressionRule {
    /// The smallest count above 0 that is published. The value is 0 in a rule that hides no counts.
    below: u64,
    /// Published counts are rounded to the nearest multiple of this number. If the number is 0,
    /// they are exact.
    round_to: u64,
}

/// The error for text that is not a suppression rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a suppression rule: none, below:N or below:N-round:M, such as below:8-round:5")]
pub struct InvalidSuppressionRule;

/// The maximum for the numbers in a rule. A larger number would hide every count or round all
/// counts to the same value.
const NUMBER_MAX: u64 = 1_000_000;

impl SuppressionRule {
    /// The rule that publishes every count exactly.
    pub const NONE: SuppressionRule = SuppressionRule {
        below: 0,
        round_to: 0,
    };
    /// The rule by which NHS England publishes counts of patients: counts from 1 to 7 are hidden,
    /// and the other counts are rounded to the nearest 5.
    pub const NHS_ENGLAND: SuppressionRule = SuppressionRule {
        below: 8,
        round_to: 5,
    };
    /// The rule that hides counts from 1 to 7 and leaves the other counts exact.
    pub const BELOW_8: SuppressionRule = SuppressionRule {
        below: 8,
        round_to: 0,
    };

    /// Returns whether the rule hides a count because it is small.
    pub fn hides(self, count: u64) -> bool {
        count > 0 && count < self.below
    }

    /// Returns the largest count that the rule hides; 0 if it hides no counts.
    pub fn largest_hidden(self) -> u64 {
        self.below.saturating_sub(1)
    }

    /// Returns the number to the multiples of which published counts are rounded; `None` if
    /// published counts are exact.
    pub fn rounded_to(self) -> Option<u64> {
        (self.round_to > 0).then_some(self.round_to)
    }

    /// Returns the count to publish, or `None` if it is suppressed.
    ///
    /// A count of 0 is always published. A count halfway between two multiples is rounded up.
    pub fn apply(self, count: u64) -> Option<u64> {
        if self.hides(count) {
            return None;
        }
        if self.round_to == 0 {
            return Some(count);
        }
        Some(count.saturating_add(self.round_to / 2) / self.round_to * self.round_to)
    }

    /// Returns an explanation of the rule for users, in which `*` represents a suppressed count.
    pub fn explanation(self) -> String {
        if self.is_none() {
            return "exact counts".into();
        }
        let rounding = match self.round_to {
            0 => String::new(),
            round_to => format!("; other counts are rounded to the nearest {round_to}"),
        };
        format!("* means a count from 1 to {}{rounding}", self.below - 1)
    }

    /// Returns whether every count is published exactly.
    pub fn is_none(self) -> bool {
        self == SuppressionRule::NONE
    }
}

impl FromStr for SuppressionRule {
    type Err = InvalidSuppressionRule;

    fn from_str(text: &str) -> Result<SuppressionRule, InvalidSuppressionRule> {
        if text == "none" {
            return Ok(SuppressionRule::NONE);
        }
        let number = |digits: &str| {
            let is_plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            let number: u64 = digits.parse().map_err(|_| InvalidSuppressionRule)?;
            if is_plain && (2..=NUMBER_MAX).contains(&number) {
                Ok(number)
            } else {
                Err(InvalidSuppressionRule)
            }
        };
        let rest = text.strip_prefix("below:").ok_or(InvalidSuppressionRule)?;
        let (below, round_to) = match rest.split_once("-round:") {
            Some((below, round_to)) => (number(below)?, number(round_to)?),
            None => (number(rest)?, 0),
        };
        Ok(SuppressionRule { below, round_to })
    }
}

impl fmt::Display for SuppressionRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_none() {
            return f.write_str("none");
        }
        write!(f, "below:{}", self.below)?;
        if self.round_to > 0 {
            write!(f, "-round:{}", self.round_to)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_nhs_england_are_hidden_from_1_to_7_and_rounded_to_5() {
        let counts =
            [0, 1, 7, 8, 12, 13, 17, 18].map(|count| SuppressionRule::NHS_ENGLAND.apply(count));
        assert_eq!(counts[..3], [Some(0), None, None]);
        assert_eq!(counts[3..], [10, 10, 15, 15, 20].map(Some));
        assert_eq!(
            SuppressionRule::NHS_ENGLAND.apply(u64::MAX),
            Some(u64::MAX / 5 * 5)
        );
    }

    #[test]
    fn rules_hide_and_round_as_their_text_says() {
        let apply = |rule: &str, counts: [u64; 5]| {
            let rule: SuppressionRule = rule.parse().expect("a rule");
            counts.map(|count| rule.apply(count))
        };
        assert_eq!(SuppressionRule::BELOW_8.to_string(), "below:8");
        assert_eq!(SuppressionRule::BELOW_8.largest_hidden(), 7);
        assert_eq!(SuppressionRule::NONE.largest_hidden(), 0);
        assert_eq!(SuppressionRule::BELOW_8.rounded_to(), None);
        assert_eq!(SuppressionRule::NHS_ENGLAND.rounded_to(), Some(5));
        let counts = [0, 1, 4, 5, 8];
        assert_eq!(apply("none", counts), counts.map(Some));
        assert_eq!(
            apply("below:8", counts),
            [Some(0), None, None, None, Some(8)]
        );
        assert_eq!(
            apply("below:5-round:5", counts),
            [Some(0), None, None, Some(5), Some(10)]
        );
    }

    #[test]
    fn explanation_names_both_numbers() {
        let explanation = SuppressionRule::NHS_ENGLAND.explanation();
        let expected = "* means a count from 1 to 7; other counts are rounded to the nearest 5";
        assert_eq!(explanation, expected);
    }

    #[test]
    fn text_of_a_rule_parses_back_to_it() {
        for text in ["none", "below:8", "below:5-round:5"] {
            let rule: SuppressionRule = text.parse().expect("a rule");
            assert_eq!(rule.to_string(), text);
            assert_eq!(rule.is_none(), text == "none");
        }
        for text in [
            "",
            "None",
            "8",
            "below",
            "below:",
            "below:x",
            "below:+8",
            "below:0",
            "below:1",
            "below:8-",
            "below:8-round:0",
            "round:5",
            "round:5-below:8",
            "below:8-round:5-round:5",
            "below:8 -round:5",
            "below:99999999999999999999",
            "below:1000001",
        ] {
            assert_eq!(
                text.parse::<SuppressionRule>(),
                Err(InvalidSuppressionRule),
                "{text}"
            );
        }
    }
}
