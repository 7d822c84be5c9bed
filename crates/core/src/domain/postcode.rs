use std::fmt;
use std::str::FromStr;

use unicode_normalization::UnicodeNormalization;

use super::postcode_area::{has_postcode_area, is_one_letter_area, is_two_letter_area};

/// The maximum length, in bytes, of text that is parsed. Longer text is malformed.
const TEXT_BYTES_MAX: usize = 64;

/// Outward codes of the British Overseas Territories. These codes are well-formed, but outside the
/// area of the dataset.
const OVERSEAS_OUTCODES: [&[u8]; 11] = [
    b"AI", b"ASCN", b"BBND", b"BIQQ", b"FIQQ", b"GX11", b"PCRN", b"SIQQ", b"STHL", b"TDCU", b"TKCA",
];

/// A unit postcode such as `SW1A 2AA`, stored in ONS `pcd7` form: the outward code padded to four
/// bytes, then the three-byte inward code.
///
/// Parsing accepts letters of any case and width, with or without white space before the inward
/// code. Parsing also accepts the number of a British Forces Post Office, such as `BFPO 57`, and
/// two words that NHS systems write for pseudo postcodes: `NFA` for ZZ99 3VZ (no fixed abode) and
/// `NPC` for ZZ99 3WZ (address not known). `Display` prints the canonical form. A `Postcode` is
/// well-formed (BS 7666) and in a postcode area that exists. The index determines whether the
/// postcode exists. Postcodes are ordered by their `pcd7` text, so `LA1` sorts before
/// `LA10`. `Debug` prints only `Postcode(…)`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Postcode([u8; 7]);

/// The reason why text is not a postcode. The message never contains the text, which may be a
/// patient's postcode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPostcode {
    /// The text is empty or only white space.
    #[error("no postcode was given")]
    Missing,
    /// The text is an outward code, with or without the start of an inward code.
    #[error("a full postcode is needed, such as LA1 1AA; this is only the start of a postcode")]
    Partial,
    /// Any other text that is not a postcode.
    #[error("not a UK postcode: {reason}")]
    Malformed {
        /// The rule that the text breaks.
        reason: &'static str,
        /// The probable cause of the error.
        hint: Option<PostcodeHint>,
        /// The postcode that the user probably meant, if there is only one candidate. The
        /// suggestion is shown to the user, but is never looked up instead of the text.
        suggestion: Option<Postcode>,
    },
}

/// The probable cause of an error in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PostcodeHint {
    /// The text was percent-encoded once too often: `PR3%200SG`.
    PercentEncoded,
    /// The text has the form of the code of a GP practice: `A82033`.
    PracticeCode,
}

impl PostcodeHint {
    /// Returns the value used in responses.
    pub fn as_str(self) -> &'static str {
        match self {
            PostcodeHint::PercentEncoded => "percent_encoded",
            PostcodeHint::PracticeCode => "practice_code",
        }
    }
}

/// A well-formed postcode that does not identify a location.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpecialPostcode {
    /// ZZ99 3VZ: no fixed abode (NHS Data Dictionary).
    NoFixedAbode,
    /// ZZ99 3WZ: address not known (NHS Data Dictionary).
    AddressNotKnown,
    /// Any other ZZ99 code, which represents a country or a circumstance.
    PseudoCountry,
    /// A non-geographic code: British Forces (BF), bulk mail (BX), Girobank, Father Christmas (XM4)
    /// and the overseas territories.
    NonGeographic,
}

impl Postcode {
    /// Returns the outward code, such as `SW1A`.
    pub fn outcode(&self) -> &str {
        ascii_str(&self.0[..4]).trim_end()
    }

    /// Returns the inward code, such as `2AA`.
    pub fn incode(&self) -> &str {
        ascii_str(&self.0[4..])
    }

    /// Returns the seven bytes of the `pcd7` form.
    pub fn pcd7(&self) -> [u8; 7] {
        self.0
    }

    /// Creates a postcode from the `pcd7` form of another postcode, without checking it.
    pub(crate) fn from_pcd7(pcd7: [u8; 7]) -> Postcode {
        Postcode(pcd7)
    }

    /// Returns the meaning of a postcode that does not identify a location, or `None` for an
    /// ordinary postcode.
    pub fn special(&self) -> Option<SpecialPostcode> {
        match (self.outcode(), self.incode()) {
            ("ZZ99", "3VZ") => Some(SpecialPostcode::NoFixedAbode),
            ("ZZ99", "3WZ") => Some(SpecialPostcode::AddressNotKnown),
            ("ZZ99", _) => Some(SpecialPostcode::PseudoCountry),
            ("GIR" | "XM4", _) => Some(SpecialPostcode::NonGeographic),
            (outcode, _) if outcode.starts_with("BF") || outcode.starts_with("BX") => {
                Some(SpecialPostcode::NonGeographic)
            }
            (outcode, _) if OVERSEAS_OUTCODES.contains(&outcode.as_bytes()) => {
                Some(SpecialPostcode::NonGeographic)
            }
            _ => None,
        }
    }

    pub(super) fn from_parts(outcode: &[u8], incode: &[u8]) -> Option<Postcode> {
        let is_inward_valid = match outcode {
            // Pseudo postcodes also use the letters that other inward codes exclude.
            b"ZZ99" => matches!(incode, [b'0'..=b'9', b'A'..=b'Z', b'A'..=b'Z']),
            _ => is_incode(incode),
        };
        if !is_outcode_bytes(outcode) || !is_inward_valid {
            return None;
        }
        let mut pcd7 = [b' '; 7];
        pcd7[..outcode.len()].copy_from_slice(outcode);
        pcd7[4..].copy_from_slice(incode);
        Some(Postcode(pcd7))
    }
}

impl FromStr for Postcode {
    type Err = InvalidPostcode;

    fn from_str(input: &str) -> Result<Postcode, InvalidPostcode> {
        match parse_common_form(input.as_bytes()) {
            Some(postcode) => Ok(postcode),
            None => parse_any_form(input),
        }
    }
}

/// Parses a postcode in a common form: one of the six ASCII forms, with or without a space before
/// the inward code. `None` means only that this fast path does not apply. The text may still be a
/// postcode.
///
/// The function tests every position without branches that depend on earlier positions. The form of
/// the next text is unpredictable, and a branch misprediction costs more than the whole test (11–14
/// ns per text in random order).
fn parse_common_form(text: &[u8]) -> Option<Postcode> {
    let (first, [before, inward @ ..]) = (text.first_chunk::<4>()?, text.last_chunk::<4>()?);
    let outcode_bytes = text.len().checked_sub(3 + usize::from(*before == b' '))?;
    if outcode_bytes > 4 {
        return None;
    }
    let padding_mask = u64::MAX << (8 * outcode_bytes);
    let outcode = u64::from(u32::from_le_bytes(*first)) & !padding_mask | PADDING & padding_mask;
    let [a, b, c, d, ..] = outcode.to_le_bytes();
    let [e, f, g] = *inward;
    let is_allowed = |byte: u8, class: u8| BYTE_CLASSES[usize::from(byte)] & class != 0;
    let one_letter = is_one_letter_area(a)
        & is_allowed(b, DIGIT)
        & is_allowed(c, DIGIT | THIRD | SPACE)
        & is_allowed(d, SPACE);
    let two_letters = is_two_letter_area(a, b)
        & is_allowed(b, SECOND)
        & is_allowed(c, DIGIT)
        & is_allowed(d, DIGIT | FOURTH | SPACE);
    let is_outward_valid = is_allowed(a, FIRST) & (one_letter | two_letters);
    let is_valid =
        is_outward_valid & is_allowed(e, DIGIT) & is_allowed(f, INWARD) & is_allowed(g, INWARD);
    is_valid.then(|| Postcode([a, b, c, d, e, f, g].map(|byte| byte.to_ascii_uppercase())))
}

/// Four spaces.
const PADDING: u64 = 0x2020_2020;

// Each bit represents a position in which a byte may occur in a postcode in a common form.
const FIRST: u8 = 1;
const SECOND: u8 = 2;
const THIRD: u8 = 4;
const FOURTH: u8 = 8;
const INWARD: u8 = 16;
const DIGIT: u8 = 32;
const SPACE: u8 = 64;

static BYTE_CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 128_u8 {
        classes[byte as usize] = match byte {
            b' ' => SPACE,
            b'0'..=b'9' => DIGIT,
            _ => letter_classes(byte.to_ascii_uppercase()),
        };
        byte += 1;
    }
    classes
};

const fn letter_classes(letter: u8) -> u8 {
    let mut classes = 0;
    let mut index = 0;
    while index < LETTERS_BY_CLASS.len() {
        let (class, letters) = LETTERS_BY_CLASS[index];
        let mut letter_index = 0;
        while letter_index < letters.len() {
            if letters[letter_index] == letter {
                classes |= class;
            }
            letter_index += 1;
        }
        index += 1;
    }
    classes
}

/// The letters that are allowed in each position (BS 7666).
const LETTERS_BY_CLASS: [(u8, &[u8]); 5] = [
    (FIRST, b"ABCDEFGHIJKLMNOPRSTUWYZ"),
    (SECOND, b"ABCDEFGHKLMNOPQRSTUVWXY"),
    (THIRD, b"ABCDEFGHJKPSTUW"),
    (FOURTH, b"ABEHMNPRVWXY"),
    (INWARD, b"ABDEFGHJLNPQRSTUWXYZ"),
];

/// Parses text of any width and spacing. The error states what is wrong with the text.
fn parse_any_form(input: &str) -> Result<Postcode, InvalidPostcode> {
    let normalised = normalise(input).map_err(|error| with_suggestion_from(input, error))?;
    if let Some(named) = parse_named_form(&normalised) {
        return named;
    }
    let mut parts = normalised.split(|&byte| byte == b' ');
    let (first, second, more) = (parts.next(), parts.next(), parts.next());
    match (first.filter(|first| !first.is_empty()), second, more) {
        (None, ..) => Err(InvalidPostcode::Missing),
        (Some(joined), None, _) => parse_unspaced(joined),
        (Some(outcode), Some(incode), None) => parse_spaced(outcode, incode),
        _ => Err(malformed(
            "the only space must be before the last three characters",
        )),
    }
}

/// The words that NHS systems write instead of a postcode, each with the pseudo postcode that it
/// represents.
const WORDS: [(&[u8], [u8; 7]); 2] = [(b"NFA", *b"ZZ993VZ"), (b"NPC", *b"ZZ993WZ")];

/// Parses the forms that do not consist of an outward and an inward code: words for pseudo
/// postcodes, numbers of British Forces Post Offices, and codes of practices. Returns `None` for
/// any other text.
fn parse_named_form(normalised: &[u8]) -> Option<Result<Postcode, InvalidPostcode>> {
    if let Some((_, pcd7)) = WORDS.iter().find(|(word, _)| *word == normalised) {
        return Some(Ok(Postcode(*pcd7)));
    }
    if let Some(number) = normalised.strip_prefix(BFPO) {
        let number = number.strip_prefix(b" ").unwrap_or(number);
        if number.is_empty() {
            return Some(Err(InvalidPostcode::Partial));
        }
        return bfpo_postcode(number).map(Ok);
    }
    let is_practice_code = matches!(normalised, [letter, digits @ ..]
        if letter.is_ascii_uppercase() && matches!(digits.len(), 5 | 8) && digits.iter().all(u8::is_ascii_digit));
    is_practice_code.then_some(Err(InvalidPostcode::Malformed {
        reason: "it has the form of the code of a GP practice",
        hint: Some(PostcodeHint::PracticeCode),
        suggestion: None,
    }))
}

/// The outward code under which the number of a British Forces Post Office is stored.
const BFPO: &[u8] = b"BFPO";
/// The number of inward codes: a digit and two letters.
const INCODE_COUNT: u16 = 10 * 26 * 26;

/// Returns the postcode that represents a British Forces Post Office. The number of the Post Office
/// is stored as the ordinal of an inward code, so that every postcode has the same form.
fn bfpo_postcode(digits: &[u8]) -> Option<Postcode> {
    let is_number = (1..=4).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    let number: u16 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    if !is_number || !(1..INCODE_COUNT).contains(&number) {
        return None;
    }
    let [digit, first, second] = [number / 676, number / 26 % 26, number % 26]
        .map(|ordinal| u8::try_from(ordinal).expect("at most 25"));
    let [a, b, c, d] = *BFPO.first_chunk().expect("four letters");
    Some(Postcode([
        a,
        b,
        c,
        d,
        b'0' + digit,
        b'A' + first,
        b'A' + second,
    ]))
}

/// Adds a suggestion: the postcode that remains after removing everything except letters and
/// digits. The removed characters may be the quotation marks of `="LA18 4DB"`, invisible characters
/// or a trailing full stop.
fn with_suggestion_from(input: &str, error: InvalidPostcode) -> InvalidPostcode {
    let InvalidPostcode::Malformed {
        reason,
        hint,
        suggestion: None,
    } = error
    else {
        return error;
    };
    let letters_and_digits: String = input.nfkc().filter(|c| c.is_alphanumeric()).collect();
    if input.len() > TEXT_BYTES_MAX || !letters_and_digits.is_ascii() {
        return error;
    }
    let suggestion = match letters_and_digits.parse() {
        Ok(postcode) => Some(postcode),
        Err(InvalidPostcode::Malformed { suggestion, .. }) => suggestion,
        Err(_) => None,
    };
    InvalidPostcode::Malformed {
        reason,
        hint,
        suggestion,
    }
}

/// Converts the text to upper-case ASCII letters and digits. Each run of white space becomes a
/// single space, and white space at the ends is removed.
pub(super) fn normalise(input: &str) -> Result<Vec<u8>, InvalidPostcode> {
    if input.len() > TEXT_BYTES_MAX {
        return Err(malformed(
            "a postcode must have at most seven letters and digits",
        ));
    }
    let mut normalised = Vec::with_capacity(input.len());
    for character in input.nfkc() {
        match character {
            'a'..='z' | 'A'..='Z' | '0'..='9' => {
                normalised.push((character as u8).to_ascii_uppercase())
            }
            _ if !character.is_whitespace() => return Err(unexpected_character(character)),
            _ if normalised.last().is_some_and(|&byte| byte != b' ') => normalised.push(b' '),
            _ => {}
        }
    }
    if normalised.last() == Some(&b' ') {
        normalised.pop();
    }
    Ok(normalised)
}

fn unexpected_character(character: char) -> InvalidPostcode {
    InvalidPostcode::Malformed {
        reason: "a postcode must contain only letters, digits and one space",
        hint: (character == '%').then_some(PostcodeHint::PercentEncoded),
        suggestion: None,
    }
}

fn parse_unspaced(unspaced: &[u8]) -> Result<Postcode, InvalidPostcode> {
    if is_outcode_bytes(unspaced) {
        return Err(InvalidPostcode::Partial);
    }
    let Some(position) = unspaced.len().checked_sub(3).filter(|&index| index >= 2) else {
        return Err(malformed(EXPECTED_FORM));
    };
    let (outcode, incode) = unspaced.split_at(position);
    Postcode::from_parts(outcode, incode).ok_or_else(|| malformed_with_suggestion(outcode, incode))
}

fn parse_spaced(outcode: &[u8], incode: &[u8]) -> Result<Postcode, InvalidPostcode> {
    let is_partial_incode = matches!(incode, [b'0'..=b'9'] | [b'0'..=b'9', b'A'..=b'Z']);
    if is_outcode_bytes(outcode) && is_partial_incode {
        return Err(InvalidPostcode::Partial);
    }
    Postcode::from_parts(outcode, incode).ok_or_else(|| malformed_with_suggestion(outcode, incode))
}

const EXPECTED_FORM: &str =
    "expected an outward code such as LA1, LA10 or SW1A, then a digit and two letters";

fn malformed(reason: &'static str) -> InvalidPostcode {
    InvalidPostcode::Malformed {
        reason,
        hint: None,
        suggestion: None,
    }
}

/// Returns the reason why an outward and an inward code are not a postcode.
fn malformed_reason(outcode: &[u8], incode: &[u8]) -> &'static str {
    let has_form = matches!(incode, [digit, first, second]
        if digit.is_ascii_digit() && first.is_ascii_uppercase() && second.is_ascii_uppercase());
    let starts_with_letter = outcode.first().is_some_and(u8::is_ascii_uppercase);
    match has_form {
        true if is_outcode_bytes(outcode) => "its last two letters are never C, I, K, M, O or V",
        true if starts_with_letter && !has_postcode_area(outcode) => {
            "no postcode begins with these letters"
        }
        _ => EXPECTED_FORM,
    }
}

fn malformed_with_suggestion(outcode: &[u8], incode: &[u8]) -> InvalidPostcode {
    InvalidPostcode::Malformed {
        reason: malformed_reason(outcode, incode),
        hint: None,
        suggestion: suggest(outcode, incode),
    }
}

/// Returns whether the text, which must be in upper case, has the form of an outward code.
pub fn is_outcode(text: &str) -> bool {
    is_outcode_bytes(text.as_bytes())
}

/// Returns whether the text has one of the six forms of BS 7666, with letters that are allowed in
/// their positions, or is one of the exceptions in use.
pub(super) fn is_outcode_bytes(outcode: &[u8]) -> bool {
    let first = |letter: &u8| letter.is_ascii_uppercase() && !b"QVX".contains(letter);
    let second = |letter: &u8| letter.is_ascii_uppercase() && !b"IJZ".contains(letter);
    let digit = u8::is_ascii_digit;
    if !has_postcode_area(outcode) && !OVERSEAS_OUTCODES.contains(&outcode) {
        return false;
    }
    match outcode {
        b"ZZ99" | b"GIR" | b"XM4" => true,
        // Directories still list the terminated postcodes of the district NPT (Newport) and of the
        // districts of W1 that were in use until June 2000.
        b"NPT" => true,
        [b'W', b'1', c] if b"MNRVXY".contains(c) => true,
        [a, b] => first(a) && digit(b),
        [a, b, c] if digit(b) => first(a) && (digit(c) || b"ABCDEFGHJKPSTUW".contains(c)),
        [a, b, c] => first(a) && second(b) && digit(c),
        [a, b, c, d] if digit(c) => {
            first(a) && second(b) && (digit(d) || b"ABEHMNPRVWXY".contains(d))
        }
        _ => OVERSEAS_OUTCODES.contains(&outcode) && outcode.len() == 4,
    }
}

/// Returns whether the text is a digit and two letters other than C, I, K, M, O and V (BS 7666).
fn is_incode(incode: &[u8]) -> bool {
    let letter = |byte: &u8| byte.is_ascii_uppercase() && !b"CIKMOV".contains(byte);
    matches!(incode, [digit, a, b] if digit.is_ascii_digit() && letter(a) && letter(b))
}

/// Returns the postcode that the user probably meant: the postcode that results from swapping the
/// fewest look-alike characters (O and 0, I, L and 1, S and 5, Z and 2, B and 8). Returns `None` if
/// there is no such postcode, or if several postcodes need the same number of swaps. Either every
/// swapped `1` becomes `I`, or every swapped `1` becomes `L`.
fn suggest(outcode: &[u8], incode: &[u8]) -> Option<Postcode> {
    if incode.len() != 3 || !(2..=4).contains(&outcode.len()) {
        return None;
    }
    let typed: Vec<u8> = outcode.iter().chain(incode).copied().collect();
    let mut best: Vec<Postcode> = Vec::new();
    let mut fewest = usize::MAX;
    let masks = 1_u32..1 << typed.len();
    for (swap_mask, letter_of_one) in masks.flat_map(|mask| [(mask, b'I'), (mask, b'L')]) {
        let swaps = swap_mask.count_ones() as usize;
        let Some(candidate) = (swaps <= fewest)
            .then(|| swap_look_alikes(&typed, swap_mask, letter_of_one))
            .flatten()
        else {
            continue;
        };
        let (outcode, incode) = candidate.split_at(outcode.len());
        let Some(postcode) = Postcode::from_parts(outcode, incode) else {
            continue;
        };
        if swaps < fewest {
            best.clear();
            fewest = swaps;
        }
        if !best.contains(&postcode) {
            best.push(postcode);
        }
    }
    match best[..] {
        [only] => Some(only),
        _ => None,
    }
}

/// Replaces the characters that the bits of `swap_mask` select with their look-alikes, and each
/// `1` with `letter_of_one`. Returns `None` if one of these characters has no look-alike.
fn swap_look_alikes(typed: &[u8], swap_mask: u32, letter_of_one: u8) -> Option<Vec<u8>> {
    let mut text = typed.to_vec();
    for (position, byte) in text
        .iter_mut()
        .enumerate()
        .filter(|(index, _)| swap_mask >> index & 1 == 1)
    {
        *byte = match typed[position] {
            b'1' => letter_of_one,
            other => look_alike(other)?,
        };
    }
    Some(text)
}

fn look_alike(byte: u8) -> Option<u8> {
    Some(match byte {
        b'O' => b'0',
        b'0' => b'O',
        b'I' | b'L' => b'1',
        b'S' => b'5',
        b'5' => b'S',
        b'Z' => b'2',
        b'2' => b'Z',
        b'B' => b'8',
        b'8' => b'B',
        _ => return None,
    })
}

fn ascii_str(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("a postcode is ASCII")
}

/// Prints the `pcds` form, with one space between the outward and the inward code or between `BFPO`
/// and the number.
impl fmt::Display for Postcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(ordinal) = self.0.strip_prefix(BFPO) {
            let [digit, first, second] = [(0, b'0'), (1, b'A'), (2, b'A')]
                .map(|(index, zero)| u16::from(ordinal[index] - zero));
            return write!(f, "BFPO {}", (digit * 26 + first) * 26 + second);
        }
        write!(f, "{} {}", self.outcode(), self.incode())
    }
}

impl fmt::Debug for Postcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Postcode(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(input: &str, expected: &str) {
        let postcode: Postcode = input.parse().expect("well-formed");
        assert_eq!(postcode.to_string(), expected);
    }

    #[track_caller]
    fn check_suggestion(input: &str, expected: Option<&str>) {
        match input.parse::<Postcode>() {
            Err(InvalidPostcode::Malformed { suggestion, .. }) => {
                assert_eq!(
                    suggestion.map(|postcode| postcode.to_string()).as_deref(),
                    expected
                );
            }
            other => panic!("{other:?} is not malformed"),
        }
    }

    #[test]
    fn the_seven_bytes_have_the_incode_at_their_end() {
        for (text, bytes) in [
            ("LA18 4DB", *b"LA184DB"),
            ("LA1 1AA", *b"LA1 1AA"),
            ("M1 1AE", *b"M1  1AE"),
        ] {
            let postcode = text.parse::<Postcode>().expect("a postcode");
            assert_eq!(postcode.pcd7(), bytes);
        }
    }

    #[test]
    fn districts_that_ended_are_well_formed() {
        for outcode in ["W1M", "W1N", "W1R", "W1V", "W1X", "W1Y", "NPT"] {
            let text = format!("{outcode} 1AF");
            check(&text, &text);
            check(&text.to_ascii_lowercase().replace(' ', ""), &text);
        }
        for text in ["W2V 1AF", "E1V 1AF", "W1I 1AF", "W1O 1AF", "NPS 1AF"] {
            assert!(text.parse::<Postcode>().is_err(), "{text}");
        }
    }

    #[test]
    fn spacing_case_and_width_do_not_matter() {
        for input in [
            "la1 1aa",
            " LA1  1AA ",
            "LA11AA",
            "LA1\u{a0}1AA",
            "ＬＡ１１ＡＡ",
            "LA1\t1AA",
        ] {
            check(input, "LA1 1AA");
        }
        for input in ["M1  1AE", "M1   1AE", "M1 1AE", "M11AE"] {
            check(input, "M1 1AE");
        }
    }

    #[test]
    fn outward_codes_of_every_form_are_parsed() {
        for (input, outcode) in [
            ("SW1A 1AA", "SW1A"),
            ("EC1A 1BB", "EC1A"),
            ("W1A 0AX", "W1A"),
            ("B33 8TH", "B33"),
            ("CR2 6XH", "CR2"),
            ("DN55 1PT", "DN55"),
            ("GIR 0AA", "GIR"),
            ("ASCN 1ZZ", "ASCN"),
        ] {
            let postcode: Postcode = input.parse().expect("well-formed");
            assert_eq!(postcode.outcode(), outcode);
            assert_eq!(postcode.to_string(), input);
        }
    }

    #[test]
    fn a_misplaced_letter_is_never_repaired_but_may_be_suggested() {
        check_suggestion("LA1O 5DL", Some("LA10 5DL"));
        check_suggestion("LA1O5DL", Some("LA10 5DL"));
        check_suggestion("LAl 1AA", Some("LA1 1AA"));
        check_suggestion("LA1 IAA", Some("LA1 1AA"));
        check_suggestion("LA1 11AA", None);
        check_suggestion("LA1 1CA", None);
        check_suggestion("QQ1 1AA", None);
        // There is no postcode area IA.
        check_suggestion("1A18 4DB", Some("LA18 4DB"));
        check_suggestion("IA18 4DB", None);
        check_suggestion("11 1AA", Some("L1 1AA"));
        for (input, expected) in [
            ("0X1 1AA", "OX1 1AA"),
            ("1P1 1AA", "IP1 1AA"),
            ("LAI 1AA", "LA1 1AA"),
            ("LAS 1AA", "LA5 1AA"),
            ("5E1 1AA", "SE1 1AA"),
            ("LAZ 1AA", "LA2 1AA"),
            ("2E1 1AA", "ZE1 1AA"),
            ("LAB 1AA", "LA8 1AA"),
            ("8D1 1AA", "BD1 1AA"),
        ] {
            check_suggestion(input, Some(expected));
        }
    }

    #[test]
    fn only_a_unique_best_suggestion_is_made() {
        check_suggestion("B0Z 1AA", Some("B02 1AA"));
        // One swap gives either S0S or SO5.
        check_suggestion("SOS 1AA", None);
    }

    #[test]
    fn punctuation_and_invisible_characters_are_malformed_with_a_suggestion() {
        for input in [
            "=\"LA18 4DB\"",
            "LA18 4DB.",
            "'LA18 4DB",
            "LA18\u{200b} 4DB",
            "\u{feff}LA18 4DB",
            "LA18-4DB",
            "(LA18 4DB)",
            "LA18 4DB,",
            "LA18\u{ad}4DB",
            "=\"LA18 4D8\"",
        ] {
            check_suggestion(input, Some("LA18 4DB"));
        }
        check_suggestion("LA9-4JE", Some("LA9 4JE"));
        for input in [
            "LA1 1AA; DROP",
            "L\u{c0}18 4DB",
            "=\"\"",
            "LA1-",
            "PR3%200SG",
        ] {
            check_suggestion(input, None);
        }
    }

    #[test]
    fn the_reason_says_what_is_wrong() {
        for (input, expected) in [
            (
                "LA1 1AC",
                "its last two letters are never C, I, K, M, O or V",
            ),
            (
                "la11ac",
                "its last two letters are never C, I, K, M, O or V",
            ),
            ("XX1 1XX", "no postcode begins with these letters"),
            ("LA1O 5DL", EXPECTED_FORM),
            ("LA1 AAA", EXPECTED_FORM),
            ("11 1AA", EXPECTED_FORM),
        ] {
            let Err(InvalidPostcode::Malformed { reason, .. }) = input.parse::<Postcode>() else {
                panic!("{input} is malformed");
            };
            assert_eq!(reason, expected, "{input}");
        }
    }

    #[test]
    fn postcode_areas_that_do_not_exist_are_malformed() {
        for input in ["IA18 4DB", "AA1 1AA", "A1 1AA", "IA18", "LV1 1AA", "aa11aa"] {
            check_suggestion(input, None);
        }
    }

    #[test]
    fn codes_of_practices_get_a_hint() {
        for input in ["A82033", "p81002", "Y00001", "E82555", "A82608001"] {
            let parsed = input.parse::<Postcode>();
            let Err(InvalidPostcode::Malformed {
                hint,
                suggestion: None,
                ..
            }) = parsed
            else {
                panic!("{input} is malformed, without a suggestion")
            };
            assert_eq!(hint.map(PostcodeHint::as_str), Some("practice_code"));
        }
    }

    #[test]
    fn words_for_pseudo_postcodes_are_parsed() {
        for (input, expected) in [
            ("NFA", SpecialPostcode::NoFixedAbode),
            (" nfa ", SpecialPostcode::NoFixedAbode),
            ("NPC", SpecialPostcode::AddressNotKnown),
        ] {
            let postcode: Postcode = input.parse().expect("a pseudo postcode");
            assert_eq!(postcode.special(), Some(expected));
        }
        check("NFA", "ZZ99 3VZ");
    }

    #[test]
    fn british_forces_post_offices_are_not_geographic() {
        for (input, printed) in [
            ("BFPO 57", "BFPO 57"),
            ("bfpo57", "BFPO 57"),
            ("BFPO 0057", "BFPO 57"),
            ("BFPO 5422", "BFPO 5422"),
        ] {
            check(input, printed);
            let postcode: Postcode = printed.parse().expect("a number");
            assert_eq!(postcode, input.parse().expect("a number"));
            assert_eq!(postcode.special(), Some(SpecialPostcode::NonGeographic));
        }
        assert_eq!("BFPO".parse::<Postcode>(), Err(InvalidPostcode::Partial));
        for input in ["BFPO 0", "BFPO 6760", "BFPO 12345", "BFPO X", "BFPO 5 7"] {
            check_suggestion(input, None);
        }
    }

    #[test]
    fn text_of_more_than_64_bytes_is_malformed() {
        let padded = |spaces| format!("LA1 1AA{}", " ".repeat(spaces));
        check(&padded(57), "LA1 1AA");
        check_suggestion(&padded(58), None);
        check_suggestion(&"A".repeat(64), None);
    }

    #[test]
    fn is_outcode_recognises_outward_codes() {
        for text in ["M1", "LA1", "LA18", "W1A", "EC1A", "GIR", "ASCN"] {
            assert!(is_outcode(text), "{text}");
        }
        for text in ["", "LA", "la1", "QA1", "LA1 1", "LA111"] {
            assert!(!is_outcode(text), "{text}");
        }
    }

    #[test]
    fn outward_code_without_inward_code_is_partial() {
        for input in ["LA1", "la10", "SW1A", "LA1 1", "LA1 1A"] {
            assert_eq!(
                input.parse::<Postcode>(),
                Err(InvalidPostcode::Partial),
                "{input}"
            );
        }
    }

    #[test]
    fn blank_text_is_missing() {
        for input in ["", "   ", "\t\u{a0}"] {
            assert_eq!(input.parse::<Postcode>(), Err(InvalidPostcode::Missing));
        }
    }

    #[test]
    fn hostile_and_damaged_text_is_malformed() {
        let long = "A".repeat(10_000);
        for input in [
            "LA1 1AA; DROP",
            "LA1 1CA",
            "LA1 1A\0A",
            "LA1 \u{200f}1AA",
            "LA1 1A🏥",
            "=LA1 1AA",
            "LA",
            "1LA 1AA",
            "L A1 1AA",
            "LA1 1AA LA1",
            "LA111 1AA",
            &long,
        ] {
            let parsed = input.parse::<Postcode>();
            assert!(
                matches!(parsed, Err(InvalidPostcode::Malformed { .. })),
                "{parsed:?}"
            );
        }
    }

    #[test]
    fn percent_encoded_text_gets_a_hint() {
        let Err(InvalidPostcode::Malformed { hint, .. }) = "PR3%200SG".parse::<Postcode>() else {
            panic!("well-formed")
        };
        assert_eq!(hint.map(PostcodeHint::as_str), Some("percent_encoded"));
    }

    #[test]
    fn special_postcodes_are_classified() {
        for (input, expected) in [
            ("ZZ99 3VZ", Some(SpecialPostcode::NoFixedAbode)),
            ("ZZ99 3WZ", Some(SpecialPostcode::AddressNotKnown)),
            ("ZZ99 6CZ", Some(SpecialPostcode::PseudoCountry)),
            ("GIR 0AA", Some(SpecialPostcode::NonGeographic)),
            ("BF1 2AA", Some(SpecialPostcode::NonGeographic)),
            ("XM4 5HQ", Some(SpecialPostcode::NonGeographic)),
            ("BX1 1LT", Some(SpecialPostcode::NonGeographic)),
            ("ASCN 1ZZ", Some(SpecialPostcode::NonGeographic)),
            ("BA1 1AA", None),
        ] {
            assert_eq!(
                input.parse::<Postcode>().expect("well-formed").special(),
                expected,
                "{input}"
            );
        }
    }

    /// Tests every byte value in every position of every form.
    #[test]
    fn fast_and_general_parsers_agree_on_every_byte() {
        let shapes = [
            "M1 1AE", "M60 1NW", "CR2 6XH", "DN55 1PT", "W1A 0AX", "EC1A 1BB", "M11AE", "DN551PT",
            "M1  1AE", "M1   1AE", "GIR 0AA", "ZZ99 3VZ", "XM4 5HQ", "ASCN 1ZZ",
        ];
        for shape in shapes {
            for offset in 0..shape.len() {
                for byte in 0..128 {
                    let mut text = shape.as_bytes().to_vec();
                    text[offset] = byte;
                    let text = String::from_utf8(text).expect("ASCII");
                    assert_eq!(text.parse::<Postcode>(), parse_any_form(&text), "{text:?}");
                }
            }
        }
        let common = shapes[..10].iter();
        assert!(
            common
                .clone()
                .all(|text| parse_common_form(text.as_bytes()).is_some())
        );
    }

    #[test]
    fn debug_does_not_print_the_postcode() {
        let parsed = "LA1 1AA".parse::<Postcode>();
        assert_eq!(format!("{parsed:?}"), "Ok(Postcode(…))");
        assert!(!format!("{:?}", "LA1O 5DL".parse::<Postcode>()).contains("5DL"));
    }

    proptest! {
        #[test]
        fn printing_then_parsing_is_identity(
            outcode in "([BEGLMNSW]|B[ABDHLNRST]|L[ADELNSU]|S[AEGKLMNOPRSTWY]|YO|ZE)[0-9][0-9]?",
            incode in "[0-9][ABD-HJLNP-UW-Z]{2}",
        ) {
            if let Ok(postcode) = format!("{outcode}{incode}").parse::<Postcode>() {
                prop_assert_eq!(postcode.to_string().parse::<Postcode>(), Ok(postcode));
            }
            let spaced: Postcode = format!("{outcode} {incode}").parse().expect("well-formed");
            prop_assert_eq!(spaced.to_string(), format!("{outcode} {incode}"));
        }

        #[test]
        fn parsing_never_panics(text in "\\PC{0,80}") {
            let _ = text.parse::<Postcode>();
        }

        #[test]
        fn fast_and_general_parsers_agree_on_ascii_text(text in "[ -~\t]{0,9}") {
            prop_assert_eq!(text.parse::<Postcode>(), parse_any_form(&text));
        }

        /// The text resembles a postcode, so most characters affect the result.
        #[test]
        fn fast_and_general_parsers_agree_on_near_postcodes(
            text in "[A-Za-z][0-9A-Za-z]{0,2}[ 0-9A-Za-z]{0,2} {0,2}[0-9][A-Za-z]{2}",
        ) {
            prop_assert_eq!(text.parse::<Postcode>(), parse_any_form(&text));
        }
    }
}
