//! Formats numbers, dates and names for pages.

pub(crate) use catchment_core::domain::sentence_case;
use jiff::civil::Date;

/// Formats a distance: `61 m`, `2.1 km`, `14 km`.
pub(crate) fn distance(metres: f64) -> String {
    if metres < 995.0 {
        format!("{metres:.0} m")
    } else if metres < 9_950.0 {
        format!("{:.1} km", metres / 1_000.0)
    } else {
        format!("{:.0} km", metres / 1_000.0)
    }
}

/// Formats a date: `30 June 2018`.
pub(crate) fn date(date: Date) -> String {
    date.strftime("%-d %B %Y").to_string()
}

/// Formats a share of people (0 to 1): `7%`, or `most people` for more than one half. Shares are
/// estimates, so a larger share is not shown more exactly.
pub(crate) fn share(share: f64) -> String {
    if share > 0.5 {
        "most people".into()
    } else {
        format!("{:.0}%", share * 100.0)
    }
}

/// Formats a count with commas: `14,764`.
pub(crate) fn count(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Formats a count with its noun: `1 practice`, `12 practices`.
pub(crate) fn count_with_noun(number: usize, singular: &str, plural: &str) -> String {
    let noun = if number == 1 { singular } else { plural };
    format!("{} {noun}", count(number))
}

/// Formats the id of a partnership as a name: `Morecambe Bay` for `morecambe-bay`.
pub(crate) fn system_name(id: &str) -> String {
    let words: Vec<String> = id.split('-').map(sentence_case).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_rounded_to_two_digits_or_whole_metres() {
        for (metres, expected) in [
            (0.0, "0 m"),
            (61.4, "61 m"),
            (994.0, "994 m"),
            (996.0, "1.0 km"),
            (14_230.0, "14 km"),
        ] {
            assert_eq!(distance(metres), expected);
        }
    }

    #[test]
    fn counts_have_commas_and_the_right_noun() {
        for (number, expected) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(count(number), expected);
        }
        assert_eq!(count_with_noun(1, "practice", "practices"), "1 practice");
        assert_eq!(count_with_noun(0, "practice", "practices"), "0 practices");
    }

    #[test]
    fn dates_have_the_month_name_and_shares_are_percentages() {
        assert_eq!(date(jiff::civil::date(2018, 6, 30)), "30 June 2018");
        assert_eq!(share(0.996), "most people");
        assert_eq!(share(0.51), "most people");
        assert_eq!(share(0.5), "50%");
        assert_eq!(share(0.068), "7%");
    }

    #[test]
    fn names_begin_with_upper_case() {
        assert_eq!(system_name("morecambe-bay"), "Morecambe Bay");
    }
}
