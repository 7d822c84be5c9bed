//! Interprets what users type into the look-up form: the name or code of a practice, the code of a
//! practice in the field for the place, and postcodes with mistakes.

use std::collections::BTreeSet;

use jiff::civil::Date;

use crate::web::FormField;
use catchment_core::domain::{
    InvalidOdsCode, InvalidPostcode, OdsCode, Postcode, PostcodeHint, Practice, PracticeStatus,
    is_outcode,
};
use catchment_core::index::{Index, LocateQuery};
use catchment_core::request::{InvalidRequest, LocateRequest, RequestParams};

/// The query of a valid form.
pub(super) struct FormQuery {
    pub(super) query: LocateQuery,
    /// Whether the field for the place contained the code of a practice.
    pub(super) has_practice_as_place: bool,
}

/// The reason why a form is not valid.
pub(super) enum InvalidForm<'i> {
    /// A parameter is invalid. The page shows the form's own error message for the parameter.
    Request(InvalidRequest),
    /// A field is invalid.
    Field {
        error: InvalidRequest,
        field: FormField,
        message: String,
    },
    /// Several practices match the name.
    Choices(Vec<&'i Practice>),
}

/// Reads the form. `request` is the result of parsing the parameters without looking up names of
/// practices.
pub(super) fn read<'i>(
    index: &'i Index,
    request: Result<LocateRequest, InvalidRequest>,
    params: &RequestParams,
) -> Result<FormQuery, InvalidForm<'i>> {
    let is_known = |request: LocateRequest| {
        let layers = request.layers.resolve(index.manifest());
        let checked = layers.and_then(|_| request.check(index.manifest()));
        checked.map(|()| request)
    };
    let typed = params.get("practice");
    let mut form = match request.and_then(is_known) {
        Ok(request) => FormQuery {
            query: request.query,
            has_practice_as_place: false,
        },
        // The text is not a code, so it may be a name.
        Err(InvalidRequest::Practice(InvalidOdsCode::Malformed)) => FormQuery {
            query: practice_query(None, params)?,
            has_practice_as_place: false,
        },
        Err(error) if is_practice_code(&error) => return practice_as_place(index, params, error),
        Err(error) => return Err(InvalidForm::Request(error)),
    };
    if let Some(typed) = typed
        && let Some(code) = practice_code(index, typed, form.query.as_of)?
    {
        form.query.practice = Some(Ok(code));
    }
    Ok(form)
}

fn practice_query(
    practice: Option<OdsCode>,
    params: &RequestParams,
) -> Result<LocateQuery, InvalidForm<'static>> {
    Ok(LocateQuery {
        locator: None,
        practice: practice.map(Ok),
        as_of: params.as_of().map_err(InvalidForm::Request)?,
    })
}

fn is_practice_code(error: &InvalidRequest) -> bool {
    let hint = match error {
        InvalidRequest::Postcode(InvalidPostcode::Malformed { hint, .. }) => *hint,
        _ => None,
    };
    hint == Some(PostcodeHint::PracticeCode)
}

/// Reads a form with the code of a practice in the field for the place.
fn practice_as_place<'i>(
    index: &'i Index,
    params: &RequestParams,
    error: InvalidRequest,
) -> Result<FormQuery, InvalidForm<'i>> {
    let code: Option<OdsCode> = params.get("place").and_then(|text| text.parse().ok());
    let is_listed = |code: &OdsCode| {
        let has = |code: OdsCode| {
            index.practice(code).is_some() || index.neighbouring_practice(code).is_some()
        };
        has(*code) || code.parent().is_some_and(has)
    };
    let message = match (code.filter(is_listed), params.get("practice")) {
        (Some(code), None) => {
            return Ok(FormQuery {
                query: practice_query(Some(code), params)?,
                has_practice_as_place: true,
            });
        }
        (_, Some(_)) => {
            "This is the code of a GP practice. Enter the person’s postcode here, or leave it blank"
        }
        (None, None) => {
            "This looks like the code of a GP practice that is not in our data. Enter the person’s postcode here"
        }
    };
    Err(InvalidForm::Field {
        error,
        field: FormField::Place,
        message: message.into(),
    })
}

/// The maximum number of practices that the user can choose from.
const CHOICES_MAX: usize = 12;

/// Returns the code of the practice whose name or code the user typed; `None` if the field contains
/// a word that means "no practice". A mistyped name is never corrected: each typed word must be the
/// start of a word in the practice's name or address.
fn practice_code<'i>(
    index: &'i Index,
    typed: &str,
    as_of: Date,
) -> Result<Option<OdsCode>, InvalidForm<'i>> {
    // `Lancaster` has nine characters like the code of a branch, but codes contain digits.
    let has_digits = |text: &str| text.bytes().filter(u8::is_ascii_digit).count() >= 2;
    let code_of = |text: &str| text.parse::<OdsCode>().ok().filter(|_| has_digits(text));
    // The suggestions for the field end with the code: `Abbey Surgery (A82001)`.
    let suggested = typed.trim().strip_suffix(')');
    let suggested = suggested.and_then(|text| code_of(text.rsplit_once('(')?.1));
    if let Some(code) = suggested.or_else(|| code_of(typed)) {
        return Ok(Some(code));
    }
    if typed.parse::<OdsCode>() == Err(InvalidOdsCode::Missing) {
        return Ok(None);
    }
    let found = practices_named(index, typed, as_of);
    match found[..] {
        [only] => Ok(Some(only.code)),
        [] => Err(not_found(
            "We cannot find a GP practice with this name. Enter part of its name, or its code, such as P81002",
        )),
        _ if found.len() > CHOICES_MAX => Err(not_found(&format!(
            "{} GP practices match. Enter more of the name, or the code of the practice",
            found.len()
        ))),
        _ => Err(InvalidForm::Choices(found)),
    }
}

fn not_found(message: &str) -> InvalidForm<'static> {
    InvalidForm::Field {
        error: InvalidRequest::Practice(InvalidOdsCode::Malformed),
        field: FormField::Practice,
        message: message.into(),
    }
}

/// Returns the practices that match the text that the user typed. A practice matches if its name is
/// exactly this text. If no name is the same, the name must contain words that start with the words
/// of the text. If no name matches in this way, the words of the address are also compared.
/// Practices that are closed on the date are included only if no other practice matches.
fn practices_named<'i>(index: &'i Index, typed: &str, as_of: Date) -> Vec<&'i Practice> {
    let typed = words(typed);
    if typed.is_empty() {
        return Vec::new();
    }
    let matches = |text: &str| {
        let text = words(text);
        let begins = |word: &String| text.iter().any(|other| other.starts_with(word.as_str()));
        typed.iter().all(begins)
    };
    let kinds: [&dyn Fn(&Practice) -> bool; 3] = [
        &|practice| words(&practice.name) == typed,
        &|practice| matches(&practice.name),
        &|practice| matches(&format!("{} {}", practice.name, practice.address)),
    ];
    let neighbouring = index.neighbouring_practices().iter();
    let all: Vec<&Practice> = index
        .practices()
        .iter()
        .chain(neighbouring.map(|found| &found.practice))
        .collect();
    let (closed, open): (Vec<_>, Vec<_>) = all
        .into_iter()
        .partition(|practice| practice.status_on(as_of) == PracticeStatus::Closed);
    for practices in [open, closed] {
        for is_match in kinds {
            let mut found: Vec<&Practice> = practices.clone();
            found.retain(|practice| is_match(practice));
            if !found.is_empty() {
                found.sort_by(|a, b| (&a.name, a.code).cmp(&(&b.name, b.code)));
                return found;
            }
        }
    }
    Vec::new()
}

/// Returns the words of text in lower case, without apostrophes.
fn words(text: &str) -> Vec<String> {
    let text = text.to_lowercase().replace(['\'', '’'], "");
    let words = text.split(|letter: char| !letter.is_alphanumeric());
    let words = words.filter(|word| !word.is_empty());
    words.map(str::to_string).collect()
}

/// Returns the error message for a malformed postcode.
pub(super) fn malformed_postcode_message(typed: &str) -> String {
    let letters: String = typed.chars().filter(char::is_ascii_alphanumeric).collect();
    let letters = letters.to_ascii_uppercase();
    let area: String = letters
        .chars()
        .take_while(char::is_ascii_alphabetic)
        .collect();
    let inward = letters
        .len()
        .checked_sub(3)
        .map_or("", |start| &letters[start..]);
    let is_whole = (5..=7).contains(&letters.len())
        && matches!(inward.as_bytes(), [digit, a, b] if digit.is_ascii_digit() && a.is_ascii_alphabetic() && b.is_ascii_alphabetic());
    match is_whole {
        true if (1..=2).contains(&area.len()) && !is_outcode(&format!("{area}1")) => {
            format!("Check the postcode: no postcode begins with {area}")
        }
        true if inward.contains(['C', 'I', 'K', 'M', 'O', 'V']) => {
            "Check the postcode: its last two letters are never C, I, K, M, O or V".into()
        }
        _ => "Enter a full UK postcode, such as LA18 4DB".into(),
    }
}

/// Returns the postcode in text, if the text contains only one. The text may be an address, or a
/// postcode with an additional space.
pub(super) fn postcode_within(text: &str) -> Option<Postcode> {
    let words: Vec<&str> = text
        .split(|letter: char| !letter.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    let parse = |words: &[&str]| words.concat().parse::<Postcode>().ok();
    let whole = parse(&words);
    let parts = (1..=2).flat_map(|count| words.windows(count));
    let found: BTreeSet<Postcode> = match whole {
        Some(postcode) => BTreeSet::from([postcode]),
        None => parts.filter_map(parse).collect(),
    };
    let is_ordinary = |postcode: &Postcode| postcode.special().is_none();
    let mut found = found.into_iter().filter(is_ordinary);
    found.next().filter(|_| found.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn postcodes_within_texts_are_found_if_there_is_one() {
        for (text, expected) in [
            ("LA9 4J E", Some("LA9 4JE")),
            ("LA9-4JE", Some("LA9 4JE")),
            ("12 High Street, Kendal LA9 4JE.", Some("LA9 4JE")),
            ("Kendal, la94je, Cumbria", Some("LA9 4JE")),
            ("LA9 4JE or LA9 4JF", None),
            ("12 High Street, Kendal", None),
            ("", None),
        ] {
            let found = postcode_within(text).map(|postcode| postcode.to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn malformed_postcodes_are_explained() {
        for (typed, part) in [
            ("LA1 1AC", "never C, I, K, M, O or V"),
            ("xx1 1xx", "no postcode begins with XX"),
            ("LA1O 5DL", "Enter a full UK postcode"),
            ("Kendal", "Enter a full UK postcode"),
            ("é", "Enter a full UK postcode"),
        ] {
            let message = malformed_postcode_message(typed);
            assert!(message.contains(part), "{typed}: {message}");
        }
    }

    #[test]
    fn words_ignore_case_punctuation_and_apostrophes() {
        assert_eq!(words("St Mary’s (Surgery)"), ["st", "marys", "surgery"]);
        assert!(words(" - ").is_empty());
    }
}
