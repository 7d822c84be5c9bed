//! The postcode areas. A postcode area is the letters with which an outward code starts.

/// The postcode areas of Royal Mail, including the areas of the Channel Islands and the Isle of
/// Man, and the non-geographic areas BF, BX, XM and ZZ.
const POSTCODE_AREAS: &str = "AB AL B BA BB BD BF BH BL BN BR BS BT BX CA CB CF CH CM CO CR CT CV CW DA DD \
    DE DG DH DL DN DT DY E EC EH EN EX FK FY G GL GU GY HA HD HG HP HR HS HU HX IG IM IP IV JE KA KT KW KY L \
    LA LD LE LL LN LS LU M ME MK ML N NE NG NN NP NR NW OL OX PA PE PH PL PO PR RG RH RM S SA SE SG SK SL SM \
    SN SO SP SR SS ST SW SY TA TD TF TN TQ TR TS TW UB W WA WC WD WF WN WR WS WV XM YO ZE ZZ";

/// The bit for an area of one letter. For an area of two letters, the number of the bit is the
/// position of the second letter in the alphabet, from 1 to 26.
const ONE_LETTER: u32 = 1;

/// For each first byte, a bit for each area that starts with it. Upper-case and lower-case letters
/// both have entries.
static AREAS_BY_FIRST_BYTE: [u32; 256] = {
    let text = POSTCODE_AREAS.as_bytes();
    let mut areas = [0; 256];
    let mut index = 0;
    while index < text.len() {
        if text[index] == b' ' {
            index += 1;
            continue;
        }
        let first = text[index];
        let has_second = index + 1 < text.len() && text[index + 1] != b' ';
        let bit = if has_second {
            1 << (text[index + 1] & LETTER_POSITION)
        } else {
            ONE_LETTER
        };
        areas[first as usize] |= bit;
        areas[first.to_ascii_lowercase() as usize] |= bit;
        index += if has_second { 2 } else { 1 };
    }
    areas
};

/// The mask for the bits of an ASCII letter that are the letter's position in the alphabet.
const LETTER_POSITION: u8 = 31;

/// Returns whether a letter is a postcode area, such as `M`.
pub(super) fn is_one_letter_area(letter: u8) -> bool {
    AREAS_BY_FIRST_BYTE[usize::from(letter)] & ONE_LETTER != 0
}

/// Returns whether a byte and a letter are a postcode area, such as `LA`, in letters of any case.
/// `second` must be a letter.
pub(super) fn is_two_letter_area(first: u8, second: u8) -> bool {
    AREAS_BY_FIRST_BYTE[usize::from(first)] >> (second & LETTER_POSITION) & 1 != 0
}

/// Returns whether an outward code in upper case starts with the letters of a postcode area. An
/// outward code that starts with three or more letters, such as `GIR`, is in no postcode area.
pub(super) fn has_postcode_area(outcode: &[u8]) -> bool {
    let letters = outcode.iter().take_while(|byte| byte.is_ascii_alphabetic());
    match letters.count() {
        1 => is_one_letter_area(outcode[0]),
        2 => is_two_letter_area(outcode[0], outcode[1]),
        count => count > 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_areas_that_exist_are_recognised() {
        for outcode in [
            "M1", "LA18", "W1A", "EC1A", "ZZ99", "XM4", "GIR", "NPT", "BF1", "JE2",
        ] {
            assert!(has_postcode_area(outcode.as_bytes()), "{outcode}");
        }
        for outcode in ["IA18", "AA1", "A1", "LZ1", "Q1", "QC1", "1A18", ""] {
            assert!(!has_postcode_area(outcode.as_bytes()), "{outcode}");
        }
        assert!(is_two_letter_area(b'l', b'a') && is_one_letter_area(b'm'));
    }

    #[test]
    fn there_are_124_geographic_areas_and_four_others() {
        assert_eq!(POSTCODE_AREAS.split_whitespace().count(), 124 + 4);
    }
}
