use jiff::civil::Date;

use super::{BritishGrid, Period, Postcode, YearMonth};

/// What the directory says of a postcode.
#[derive(Debug, Clone, Copy)]
pub struct PostcodeEntry {
    /// The postcode.
    pub postcode: Postcode,
    /// A place near the middle of its addresses, to a metre; `None` where none is known.
    pub position: Option<BritishGrid>,
    /// Code-Point Open's positional quality: 10 (best) to 90 (none). Only live codes have it.
    pub positional_quality: Option<u8>,
    /// Whether the directory's edition has it in use.
    pub live: bool,
    /// The month of introduction.
    pub introduced: Option<YearMonth>,
    /// The last month, where known.
    pub terminated: Option<YearMonth>,
    /// The row of its statistical area in the dataset's list, where the directory names one.
    pub statistical_area: Option<u32>,
}

impl PostcodeEntry {
    /// When it was in use. A terminated code without a month ended after `undated_after`, the last
    /// month of which the directory's makers know that it still was.
    pub fn period(&self, undated_after: Option<YearMonth>) -> Period {
        let last_month = match (self.live, self.terminated) {
            (true, _) => None,
            (false, Some(month)) => Some(month),
            (false, None) => undated_after,
        };
        Period {
            from: self.introduced.map(YearMonth::first_day),
            to: last_month.map(YearMonth::end),
        }
    }

    /// Whether it had come to its end by that day.
    pub fn is_terminated_on(&self, day: Date, undated_after: Option<YearMonth>) -> bool {
        match self.period(undated_after).to {
            Some(to) => to <= day,
            None => !self.live,
        }
    }

    /// Whether its position is too coarse to say that it is inside anything: Code-Point Open 50
    /// and worse.
    pub fn is_coarse(&self) -> bool {
        self.positional_quality.is_some_and(|quality| quality >= 50)
    }
}
