//! Numbers and dates as people say them.

use jiff::civil::Date;

/// `61 m`, `2.1 km`, `14 km`.
pub(crate) fn distance(metres: f64) -> String {
    if metres < 995.0 {
        format!("{metres:.0} m")
    } else if metres < 9_950.0 {
        format!("{:.1} km", metres / 1_000.0)
    } else {
        format!("{:.0} km", metres / 1_000.0)
    }
}

/// `30 June 2018`.
pub(crate) fn date(day: Date) -> String {
    day.strftime("%-d %B %Y").to_string()
}

/// A share of people in a hundred: `nearly everyone` from 99.5 on, `about 7 in 100`.
pub(crate) fn share(share: f64) -> String {
    let in_100 = (share * 100.0).round();
    if in_100 >= 100.0 {
        "nearly everyone".into()
    } else {
        format!("about {in_100:.0} in 100")
    }
}

/// `14,764`.
pub(crate) fn count(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `morecambe-bay` as a name: `Morecambe Bay`.
pub(crate) fn system(id: &str) -> String {
    let words = id.split('-').map(|word| {
        let mut letters = word.chars();
        let first = letters.next().into_iter().flat_map(char::to_uppercase);
        first.chain(letters).collect::<String>()
    });
    words.collect::<Vec<_>>().join(" ")
}

/// `1 practice`, `12 practices`.
pub(crate) fn counted(number: usize, one: &str, many: &str) -> String {
    let noun = if number == 1 { one } else { many };
    format!("{} {noun}", count(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_as_exact_as_they_are_useful() {
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
    fn numbers_are_grouped() {
        for (number, expected) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(count(number), expected);
        }
        assert_eq!(counted(1, "practice", "practices"), "1 practice");
        assert_eq!(counted(0, "practice", "practices"), "0 practices");
    }

    #[test]
    fn dates_and_shares_are_in_words() {
        assert_eq!(date(jiff::civil::date(2018, 6, 30)), "30 June 2018");
        assert_eq!(share(0.996), "nearly everyone");
        assert_eq!(share(0.068), "about 7 in 100");
    }
}
