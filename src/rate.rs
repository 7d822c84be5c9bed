//! How often somebody may ask.

use std::fmt;
use std::str::FromStr;

/// So many requests in a period; those not made are saved up, to as many as one period allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Requests.
    pub requests: u32,
    /// The period.
    pub period: Period,
}

/// What a rate is counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// A second.
    Second,
    /// A minute.
    Minute,
    /// An hour.
    Hour,
    /// Twenty-four hours.
    Day,
}

/// A text that is no rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a rate is requests and a period, such as 6000/minute; s, minute, hour or day, and 1 or more"
)]
pub struct InvalidRate;

impl Period {
    const ALL: [(Period, &'static str, u64); 4] = [
        (Period::Second, "second", 1),
        (Period::Minute, "minute", 60),
        (Period::Hour, "hour", 3_600),
        (Period::Day, "day", 86_400),
    ];

    /// In seconds.
    pub fn seconds(self) -> u64 {
        Period::ALL[self as usize].2
    }
}

impl FromStr for Rate {
    type Err = InvalidRate;

    fn from_str(text: &str) -> Result<Rate, InvalidRate> {
        let (requests, period) = text.split_once('/').ok_or(InvalidRate)?;
        let period = match period.trim() {
            "s" => Some(Period::Second),
            "min" => Some(Period::Minute),
            word => Period::ALL
                .iter()
                .find(|(_, name, _)| *name == word)
                .map(|it| it.0),
        };
        let requests: u32 = requests.trim().parse().map_err(|_| InvalidRate)?;
        match period {
            Some(period) if requests > 0 => Ok(Rate { requests, period }),
            _ => Err(InvalidRate),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, name, _) = Period::ALL[self.period as usize];
        write!(f, "{}/{name}", self.requests)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_read_and_written() {
        for (text, written) in [
            ("6000/minute", "6000/minute"),
            ("5/s", "5/second"),
            ("5 / min", "5/minute"),
            ("1/day", "1/day"),
            ("7/hour", "7/hour"),
        ] {
            assert_eq!(
                text.parse::<Rate>().map(|rate| rate.to_string()),
                Ok(written.into())
            );
        }
        for text in [
            "",
            "5",
            "0/s",
            "-1/s",
            "5/",
            "5/week",
            "/s",
            "4294967296/s",
            "1e3/s",
        ] {
            assert_eq!(text.parse::<Rate>(), Err(InvalidRate), "{text}");
        }
    }
}
