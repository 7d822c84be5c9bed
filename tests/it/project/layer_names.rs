//! Checks that code does not refer to particular layers. Only manifests, configurations, documents
//! and tests may contain the ids and names of layers.

use std::fs;
use std::path::Path;

use regex::Regex;

use crate::support::project_files::project_files;

/// The manifest of the embedded dataset, to whose layers code must not refer.
const MANIFEST: &str = "data/lancashire-and-cumbria/dataset.toml";

/// Ids that are also ordinary words, or columns of published directories.
const OTHER_MEANINGS: [&str; 4] = ["place", "council", "lsoa11", "lsoa21"];

/// Files that may name layers or their words, each with the reason.
const ALLOWED: [(&str, &str); 16] = [
    (
        "crates/core/src/domain/layer_role.rs",
        "kinds of NHS organisations",
    ),
    (
        "crates/core/src/domain/timeliness.rs",
        "titles of published works",
    ),
    (
        "crates/core/src/index/test_dataset.rs",
        "a dataset for tests",
    ),
    (
        "crates/data/src/builder/methods/plurality.rs",
        "names of networks in NHS ODS end in PCN",
    ),
    (
        "crates/data/src/dataset/columns.rs",
        "columns for NHS organisations; earlier datasets",
    ),
    (
        "crates/data/src/dataset/embedded.rs",
        "the files of the embedded dataset",
    ),
    (
        "crates/data/src/dataset/manifest.rs",
        "the layers of earlier datasets",
    ),
    (
        "crates/data/src/diff/records.rs",
        "columns for NHS organisations",
    ),
    (
        "crates/data/src/import/epcn.rs",
        "the format of NHS ODS ePCN",
    ),
    (
        "crates/data/src/import/practice_list.rs",
        "columns for NHS organisations",
    ),
    (
        "src/http/compat/postcode_fields.rs",
        "fields for NHS organisations",
    ),
    (
        "src/http/openapi/compat.json",
        "fields for NHS organisations",
    ),
    (
        "src/http/openapi/locate.json",
        "fields for NHS organisations",
    ),
    (
        "src/http/openapi/practices.json",
        "fields for NHS organisations",
    ),
    ("src/http/practices.rs", "fields for NHS organisations"),
    (
        "src/web/directory/practice.rs",
        "the NHS organisations of a practice",
    ),
];

/// Terms for layers of the embedded dataset.
const WORDS: &str = r"\bICCs?\b|Integrated Care Communit|Integrated Neighbourhood|\bPCNs?\b|Primary Care Network|Lancashire|Cumbria|Morecambe|[Rr]esilience|[Nn]eighbourhood team|[Ss]ub-communit";

/// Returns the ids of the embedded dataset's layers, except ids that have another meaning.
fn layer_ids() -> Vec<String> {
    let manifest = fs::read_to_string(MANIFEST).expect("the manifest");
    let tables = manifest.split("[[layers]]\n").skip(1);
    let id = Regex::new("(?m)^id = \"([^\"]+)\"").expect("a pattern");
    let ids = tables.filter_map(|table| Some(id.captures(table)?[1].to_string()));
    let ids: Vec<String> = ids
        .filter(|id| !OTHER_MEANINGS.contains(&id.as_str()))
        .collect();
    assert!(ids.len() >= 8, "{ids:?}");
    ids
}

/// Returns the lines of code with their line numbers. Omits comments and items for tests.
fn code_lines(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    // The indentation of the item for tests that contains the current line.
    let mut test_item: Option<usize> = None;
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let trimmed = line.trim_start();
        let indent = line.len() - trimmed.len();
        if let Some(item_indent) = test_item {
            if indent == item_indent && trimmed.starts_with('}') {
                test_item = None;
            }
        } else if trimmed == "#[cfg(test)]" {
            let is_attribute = |line: &&str| line.trim_start().starts_with("#[");
            let item = lines
                .by_ref()
                .map(|(_, line)| line)
                .find(|line| !is_attribute(line));
            // An item without a body, such as an import, ends on its line.
            test_item = item.filter(|item| !item.ends_with(';')).map(|_| indent);
        } else if !trimmed.starts_with("//") {
            found.push((index + 1, line));
        }
    }
    found
}

#[test]
fn code_lines_are_without_tests_and_comments() {
    let text = "use a;\n// \"icc\"\n#[cfg(test)]\nuse b;\nlet c;\n    #[cfg(test)]\n    fn d() {\n        e\n    }\nf\n#[cfg(test)]\nmod tests {\n    g\n}\n";
    let lines: Vec<&str> = code_lines(text).into_iter().map(|(_, line)| line).collect();
    assert_eq!(lines, ["use a;", "let c;", "f"]);
}

#[test]
fn code_names_no_layer() {
    let ids = layer_ids();
    let words = Regex::new(WORDS).expect("a pattern");
    let mut found = Vec::new();
    let mut used = Vec::new();
    for folder in ["src", "crates"] {
        for path in project_files(folder, &[".rs", ".js", ".json"]) {
            let text = fs::read_to_string(&path).expect("text");
            let named = code_lines(&text).into_iter().filter(|(_, line)| {
                let mut literals = line.split('"').skip(1).step_by(2);
                literals.any(|text| ids.iter().any(|id| id == text) || words.is_match(text))
            });
            let named: Vec<String> = named
                .map(|(number, line)| format!("{}:{number}: {}", path.display(), line.trim()))
                .collect();
            match ALLOWED.iter().find(|(file, _)| path == Path::new(file)) {
                Some((file, _)) if !named.is_empty() => used.push(*file),
                _ => found.extend(named),
            }
        }
    }
    assert!(
        found.is_empty(),
        "code must ask the manifest for layers by their roles:\n{}",
        found.join("\n")
    );
    let files = ALLOWED.map(|(file, _)| file);
    let unused: Vec<&str> = files
        .into_iter()
        .filter(|file| !used.contains(file))
        .collect();
    assert!(unused.is_empty(), "these files name no layer: {unused:?}");
}
