//! The names of columns with the codes of statistical areas. The names are derived from the ids of
//! the layers. For example, the column of `lsoa11` may be called `lsoa11`, `LSOA11CD`,
//! `lsoa_code_2011` or `Patient LSOA 2011`.

use catchment_core::domain::Layer;

/// Words before the name of the statistical areas that do not change the meaning of the column.
const PREFIXES: [&str; 10] = [
    "derpostcode",
    "patient",
    "patients",
    "person",
    "pupil",
    "child",
    "home",
    "residence",
    "residential",
    "der",
];
/// Words after the name of the statistical areas that do not change the meaning of the column.
const SUFFIXES: [&str; 2] = ["ofresidence", "residence"];
/// The words that indicate the code of an area.
const CODE_WORDS: [&str; 3] = ["", "cd", "code"];
/// The name of a column whose codes may belong to any layer.
const ANY_LAYER: &str = "statisticalarea";

/// The name of statistical areas, such as `lsoa`, and the year of their census if it is in the id.
struct AreaWords {
    word: String,
    /// The year in its two forms, such as `11` and `2011`.
    years: Vec<String>,
}

/// Returns the layer whose codes are in a column, according to the column's name, which consists of
/// lower-case letters and digits. The inner value is `None` if the name does not indicate the
/// layer. The result is `None` if the name does not indicate a column with codes.
pub(super) fn layer_of_column(name: &str, layers: &[Layer]) -> Option<Option<Layer>> {
    if layers.is_empty() {
        return None;
    }
    let names = possible_names(name);
    let has_name = |wanted: &str| names.contains(&wanted);
    for layer in layers {
        if with_code_words(&AreaWords::of(*layer))
            .iter()
            .any(|name| has_name(name))
        {
            return Some(Some(*layer));
        }
    }
    let words = layers.iter().map(|layer| AreaWords::of(*layer).word);
    let mut words = words.chain([ANY_LAYER.to_string()]);
    let is_of_any = words.any(|word| {
        let names = CODE_WORDS.map(|code| format!("{word}{code}"));
        names.iter().any(|name| has_name(name))
    });
    is_of_any.then_some(None)
}

/// Returns the name, followed by the name without words that do not change the meaning of the
/// column.
fn possible_names(name: &str) -> Vec<&str> {
    let mut names = vec![name];
    names.extend(
        PREFIXES
            .iter()
            .filter_map(|prefix| name.strip_prefix(prefix)),
    );
    let without_suffixes: Vec<&str> = names
        .iter()
        .flat_map(|name| {
            SUFFIXES
                .iter()
                .filter_map(|suffix| name.strip_suffix(suffix))
        })
        .collect();
    names.extend(without_suffixes);
    names
}

/// Returns the possible names of a column with the codes of these areas. A name consists of the
/// name of the areas, the year in either form and, optionally, a word for the code.
fn with_code_words(area: &AreaWords) -> Vec<String> {
    let word = &area.word;
    let mut names = Vec::new();
    if area.years.is_empty() {
        names.extend(CODE_WORDS.map(|code| format!("{word}{code}")));
    }
    for year in &area.years {
        for code in CODE_WORDS {
            names.push(format!("{word}{year}{code}"));
            names.push(format!("{word}{code}{year}"));
            names.push(format!("{year}{word}{code}"));
        }
    }
    names
}

impl AreaWords {
    fn of(layer: Layer) -> AreaWords {
        let id: String = layer.as_str().replace('-', "");
        let word = id.trim_end_matches(|c: char| c.is_ascii_digit());
        let digits = &id[word.len()..];
        let years = match digits.len() {
            2 => vec![digits.to_string(), format!("20{digits}")],
            4 => vec![digits.to_string(), digits[2..].to_string()],
            0 => Vec::new(),
            _ => vec![digits.to_string()],
        };
        AreaWords {
            word: word.into(),
            years,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_columns_follow_from_the_ids_of_layers() {
        let layer = |id| Layer::declare(id).expect("an id");
        let layers = ["lsoa11", "lsoa21", "data-zone-2011", "grid-square"].map(layer);
        for (name, expected) in [
            ("lsoa11", Some(Some("lsoa11"))),
            ("lsoa11cd", Some(Some("lsoa11"))),
            ("lsoa11code", Some(Some("lsoa11"))),
            ("lsoacode11", Some(Some("lsoa11"))),
            ("lsoa2011", Some(Some("lsoa11"))),
            ("lsoacd2011", Some(Some("lsoa11"))),
            ("2011lsoacode", Some(Some("lsoa11"))),
            ("lsoa21cd", Some(Some("lsoa21"))),
            ("derpostcodelsoa2021code", Some(Some("lsoa21"))),
            ("patientlsoa21", Some(Some("lsoa21"))),
            ("lsoa11ofresidence", Some(Some("lsoa11"))),
            ("datazone2011", Some(Some("data-zone-2011"))),
            ("datazone11code", Some(Some("data-zone-2011"))),
            ("gridsquare", Some(Some("grid-square"))),
            ("gridsquarecode", Some(Some("grid-square"))),
            ("lsoa", Some(None)),
            ("lsoacode", Some(None)),
            ("patientlsoa", Some(None)),
            ("datazone", Some(None)),
            ("statisticalareacode", Some(None)),
            ("lsoa01", None),
            ("lsoa11nm", None),
            ("lsoa11name", None),
            ("gppracticelsoa11", None),
            ("msoa11", None),
            ("", None),
        ] {
            let found = layer_of_column(name, &layers);
            let found = found.map(|layer| layer.map(Layer::as_str));
            assert_eq!(found, expected, "{name}");
        }
        assert_eq!(layer_of_column("statisticalarea", &[]), None);
    }
}
