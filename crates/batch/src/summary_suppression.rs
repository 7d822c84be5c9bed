//! The rules by which small numbers in the summary of a batch are suppressed.

use catchment_core::domain::SuppressionRule;

/// The rules by which small numbers in the summary of a batch are suppressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SummarySuppression {
    /// The rule for all counts except flows. Each count is suppressed individually.
    pub counts: SuppressionRule,
    /// The rule for flows, which also hides counts from which a hidden count could be computed.
    pub flows: SuppressionRule,
}

impl SummarySuppression {
    /// Returns the rules for a request. If the request contains no rule, flows are suppressed with
    /// `below:8`, and the other counts are exact.
    pub fn new(requested: Option<SuppressionRule>) -> SummarySuppression {
        SummarySuppression {
            counts: requested.unwrap_or(SuppressionRule::NONE),
            flows: requested.unwrap_or(SuppressionRule::BELOW_8),
        }
    }
}

impl Default for SummarySuppression {
    fn default() -> SummarySuppression {
        SummarySuppression::new(None)
    }
}
