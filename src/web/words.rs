//! The words for layers in the sentences of pages. The words are from the manifest of the dataset.

use catchment_core::domain::{LayerEntry, Manifest};
use catchment_core::index::Index;

/// Returns the noun for one area of a layer within a sentence, without abbreviation: the noun in
/// the manifest or, if that is missing, the singular.
pub(crate) fn full_noun(entry: &LayerEntry) -> &str {
    entry.noun.as_ref().unwrap_or(&entry.singular)
}

/// Returns the noun for one area of the main layer of communities within a sentence.
pub(super) fn community_noun(manifest: &Manifest) -> &str {
    let main = manifest.main_community_layer();
    let main = main.and_then(|layer| manifest.layer(layer));
    main.map_or("area", full_noun)
}

/// Returns the noun for one group within a sentence.
pub(crate) fn group_noun(index: &Index) -> &str {
    let manifest = index.manifest();
    let groups = manifest.group_layer();
    let groups = groups.and_then(|layer| manifest.layer(layer));
    groups.map_or("group", full_noun)
}

/// Returns the noun for several groups within a sentence.
pub(crate) fn group_nouns(index: &Index) -> String {
    plural(group_noun(index))
}

/// Returns the plural of an English noun: `neighbour schemes`, `communities`.
pub(super) fn plural(noun: &str) -> String {
    let is_vowel = |letter: char| "aeiouAEIOU".contains(letter);
    if let Some(stem) = noun.strip_suffix('y')
        && !stem.ends_with(is_vowel)
    {
        return format!("{stem}ies");
    }
    let takes_es = ["s", "x", "z", "ch", "sh"];
    let ending = match takes_es.iter().any(|end| noun.ends_with(end)) {
        true => "es",
        false => "s",
    };
    format!("{noun}{ending}")
}

/// Returns a noun with its indefinite article: `an Integrated Care Community`, `a neighbourhood`.
pub(super) fn with_article(noun: &str) -> String {
    let has_vowel = noun.starts_with(|first: char| "aeioAEIO".contains(first));
    format!("{} {noun}", if has_vowel { "an" } else { "a" })
}

/// Joins names with commas and `and`: `A, B and C`.
pub(super) fn join(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nouns_have_articles_and_plurals() {
        for (noun, with, several) in [
            ("neighbourhood", "a neighbourhood", "neighbourhoods"),
            (
                "Integrated Care Community",
                "an Integrated Care Community",
                "Integrated Care Communities",
            ),
            ("area", "an area", "areas"),
            ("unitary council", "a unitary council", "unitary councils"),
            ("parish", "a parish", "parishes"),
            ("valley", "a valley", "valleys"),
        ] {
            assert_eq!(with_article(noun), with);
            assert_eq!(plural(noun), several);
        }
    }

    #[test]
    fn names_are_joined() {
        let names = ["A", "B", "C"].map(str::to_string);
        assert_eq!(join(&names), "A, B and C");
        assert_eq!(join(&names[..2]), "A and B");
        assert_eq!(join(&names[..1]), "A");
        assert_eq!(join(&[]), "");
    }
}
