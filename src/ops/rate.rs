//! Request rates, such as `6000/minute`.

use std::fmt;
use std::str::FromStr;

/// A request rate. Unused requests accumulate up to the number of requests for one unit of time
/// (the burst).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// The number of requests in each unit of time.
    pub requests: u32,
    /// The unit of time.
    pub unit: RateUnit,
}

/// The unit of time of a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateUnit {
    /// One second.
    Second,
    /// One minute.
    Minute,
    /// One hour.
    Hour,
    /// Twenty-four hours.
    Day,
}

/// The error for text that is not a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a rate such as 6000/minute: a number, 1 or more, then /s, /minute, /hour or /day"
)]
pub struct InvalidRate;

impl RateUnit {
    const ALL: [(RateUnit, &'static str, u64); 4] = [
        (RateUnit::Second, "second", 1),
        (RateUnit::Minute, "minute", 60),
        (RateUnit::Hour, "hour", 3_600),
        (RateUnit::Day, "day", 86_400),
    ];

    /// Returns the number of seconds in the unit.
    pub fn seconds(self) -> u64 {
        RateUnit::ALL[self as usize].2
    }
}

impl FromStr for Rate {
    type Err = InvalidRate;

    fn from_str(text: &str) -> Result<Rate, InvalidRate> {
        let (requests, unit) = text.split_once('/').ok_or(InvalidRate)?;
        let unit = match unit.trim() {
            "s" => Some(RateUnit::Second),
            "min" => Some(RateUnit::Minute),
            word => RateUnit::ALL
                .iter()
                .find(|(_, name, _)| *name == word)
                .map(|value| value.0),
        };
        let requests: u32 = requests.trim().parse().map_err(|_| InvalidRate)?;
        match unit {
            Some(unit) if requests > 0 => Ok(Rate { requests, unit }),
            _ => Err(InvalidRate),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, name, _) = RateUnit::ALL[self.unit as usize];
        write!(f, "{}/{name}", self.requests)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_parsed_and_formatted() {
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
