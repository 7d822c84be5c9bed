//! Checks the wording of the code and of the documents against `docs/developers/GLOSSARY.md`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

use crate::support::project_files::project_files;

const GLOSSARY: &str = "docs/developers/GLOSSARY.md";

/// Lines that may contain an avoided phrase. Each element is a file and a part of the line.
const QUOTATIONS: [(&str, &str); 0] = [];

/// Returns the phrases in the glossary's table of words to avoid.
fn avoided_phrases() -> Vec<String> {
    let text = fs::read_to_string(GLOSSARY).expect("the glossary");
    let (_, table) = text.split_once("## Words to avoid").expect("the section");
    let rows = table.lines().filter_map(|line| line.strip_prefix("| "));
    let cells = rows.skip(1).filter_map(|row| row.split(" |").next());
    let phrases: Vec<String> = cells
        .flat_map(|cell| cell.split(", "))
        .map(str::to_string)
        .collect();
    assert!(phrases.len() > 10, "{phrases:?}");
    phrases
}

/// Returns the prose of a line, without its parts in backticks. The prose is the text of a
/// document, or a comment or message in code.
fn prose(path: &Path, line: &str) -> String {
    let is_document = path.extension().is_some_and(|extension| extension == "md");
    let text = if is_document {
        line.to_string()
    } else if let Some(comment) = line.trim_start().strip_prefix("//") {
        comment.to_string()
    } else if let Some((_, comment)) = line.split_once(" // ") {
        comment.to_string()
    } else {
        // String literals of more than three words are considered to be messages.
        let literals = line.split('"').skip(1).step_by(2);
        let messages = literals.filter(|text| text.matches(' ').count() >= 3);
        messages.collect::<Vec<_>>().join(" ")
    };
    text.split('`').step_by(2).collect::<Vec<_>>().join(" ")
}

#[test]
fn avoided_phrases_do_not_occur() {
    let phrases = avoided_phrases();
    let pattern = Regex::new(&format!(r"(?i)\b({})\b", phrases.join("|"))).expect("a pattern");
    let mut paths = vec![
        PathBuf::from("README.md"),
        PathBuf::from("CHANGELOG.md"),
        PathBuf::from("CONTRIBUTING.md"),
        PathBuf::from("SECURITY.md"),
        PathBuf::from("build.rs"),
    ];
    for folder in [
        "src", "crates", "docs", "tests", "benches", "examples", "fuzz", "data",
    ] {
        paths.extend(project_files(folder, &[".rs", ".md", ".mjs", ".js"]));
    }
    let mut found = Vec::new();
    for path in paths.iter().filter(|path| **path != Path::new(GLOSSARY)) {
        let text = fs::read_to_string(path).expect("text");
        for (index, line) in text.lines().enumerate() {
            let is_quotation = QUOTATIONS
                .iter()
                .any(|(file, part)| path.ends_with(file) && line.contains(part));
            if let Some(phrase) = pattern.find(&prose(path, line))
                && !is_quotation
            {
                let place = format!("{}:{}", path.display(), index + 1);
                found.push(format!("{place}: `{}`: {}", phrase.as_str(), line.trim()));
            }
        }
    }
    assert!(
        found.is_empty(),
        "{} phrases must be replaced with words from {GLOSSARY}:\n{}",
        found.len(),
        found.join("\n")
    );
}

#[test]
fn public_type_names_are_unique() {
    let declaration = Regex::new(r"^\s*pub (?:struct|enum|trait|type) (\w+)").expect("a pattern");
    let mut paths = project_files("src", &[".rs"]);
    paths.extend(project_files("crates", &[".rs"]));
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for path in paths {
        let text = fs::read_to_string(&path).expect("text");
        for (index, line) in text.lines().enumerate() {
            if let Some(found) = declaration.captures(line) {
                let place = format!("{}:{}", path.display(), index + 1);
                places.entry(found[1].to_string()).or_default().push(place);
            }
        }
    }
    places.retain(|_, places| places.len() > 1);
    assert!(
        places.is_empty(),
        "several public types have the same name: {places:#?}"
    );
}
