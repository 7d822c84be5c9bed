//! Checks the codes of problems: every code is documented, and the document contains no other
//! codes.

use std::collections::BTreeSet;
use std::fs;

use regex::Regex;

use crate::support::project_files::project_files;

const DOCUMENT: &str = "docs/users/api.md";

/// Returns the problem codes in the source code of the program.
fn codes_in_code() -> BTreeSet<String> {
    let constructor = r#"Problem::(?:bad_request|unknown|unprocessable|conflict|too_complex)\(\s*(?:if [^{]*\{\s*)?"([a-z_]+)""#;
    let alternative = r#"\} else \{\s*"(invalid_[a-z_]+)""#;
    let argument = r#"invalid_value\(\s*"([a-z_]+)""#;
    let new = r#"Problem::new\(\s*(?:[^,;]*,\s*)?"([a-z_]+)""#;
    let variable = r#"let code = "([a-z_]+)";"#;
    let arm = r#"=> (?:\{\s*)?"([a-z_]+)""#;
    let mut found = BTreeSet::new();
    let mut collect = |pattern: &str, text: &str| {
        let pattern = Regex::new(pattern).expect("a pattern");
        found.extend(
            pattern
                .captures_iter(text)
                .map(|found| found[1].to_string()),
        );
    };
    for path in project_files("src", &[".rs"]) {
        let text = fs::read_to_string(&path).expect("text");
        for pattern in [constructor, argument, new] {
            collect(pattern, &text);
        }
        if path.ends_with("http/maps.rs") {
            collect(alternative, &text);
        }
        if path.ends_with("wire/problem.rs") {
            collect(variable, &text);
            let (_, keys) = text
                .split_once("let code = match error")
                .expect("the codes of keys");
            collect(arm, keys.split_once("};").expect("the end").0);
        }
        if path.ends_with("http/batch/errors.rs") {
            let (_, codes) = text.split_once("pub(super) fn code").expect("the function");
            collect(arm, codes.split_once("fn message").expect("the end").0);
        }
    }
    let errors = fs::read_to_string("crates/core/src/request/error.rs").expect("text");
    let (_, codes) = errors.split_once("pub fn code").expect("the function");
    collect(
        arm,
        codes.split_once("/// Returns whether").expect("the end").0,
    );
    found
}

/// Returns the codes in the tables of the documentation.
fn documented_codes() -> BTreeSet<String> {
    let text = fs::read_to_string(DOCUMENT).expect("the document");
    let (_, section) = text.split_once("## Error codes").expect("the section");
    let section = section
        .split_once("\n## ")
        .map_or(section, |(section, _)| section);
    let code = Regex::new("`([a-z_]+)`").expect("a pattern");
    let rows = section.lines().filter_map(|line| line.strip_prefix("| "));
    let cells = rows.filter_map(|row| row.split(" |").next());
    let cells = cells.filter(|cell| *cell != "`code`");
    let mut found = BTreeSet::new();
    for cell in cells {
        for captured in code.captures_iter(cell) {
            let is_new = found.insert(captured[1].to_string());
            assert!(is_new, "two rows of {DOCUMENT} have `{}`", &captured[1]);
        }
    }
    found
}

#[test]
fn every_problem_code_is_documented() {
    let (used, documented) = (codes_in_code(), documented_codes());
    assert!(used.len() > 80, "{used:?}");
    let missing: Vec<&String> = used.difference(&documented).collect();
    assert!(missing.is_empty(), "not in {DOCUMENT}: {missing:?}");
    let unused: Vec<&String> = documented.difference(&used).collect();
    assert!(unused.is_empty(), "only in {DOCUMENT}: {unused:?}");
}
