//! Finds all errors of a configuration at once. The TOML parser stops at the first error, so this
//! module also checks the tables one by one.

use anyhow::{Result, anyhow};
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::config::{
    BuildConfig, LayerConfig, MethodConfig, PostcodesConfig, PracticesConfig, SharesConfig,
    StatisticalAreasConfig,
};
use super::facts_config::FactsConfig;
use super::homes_config::UprnConfig;

/// Parses a configuration.
///
/// # Errors
/// If [`BuildConfig::parse`] would return an error. The error lists the errors of all tables.
pub(super) fn parse(text: &str) -> Result<BuildConfig> {
    BuildConfig::parse(text).map_err(|first| {
        let mut others = table_errors(text);
        // The first error is the parser's own error, which states the line.
        let message = first.root_cause().to_string();
        let is_first = |other: &String| {
            let reason = other
                .rsplit_once("`: ")
                .map_or(other.as_str(), |(_, reason)| reason);
            let reason = reason
                .rsplit_once("]: ")
                .map_or(reason, |(_, reason)| reason);
            message.trim().ends_with(reason)
        };
        if let Some(index) = others.iter().position(is_first) {
            others.remove(index);
        }
        match others.len() {
            0 => first,
            _ => anyhow!("{first:#}\nfurther errors:\n  {}", others.join("\n  ")),
        }
    })
}

/// The word at the start of a value that the person who runs the build has to replace.
pub(super) const FILL_IN: &str = "FILL IN";

/// Returns the lines of a configuration with values that are still to be filled in.
pub(super) fn unfilled_lines(text: &str) -> Vec<String> {
    let value = format!("\"{FILL_IN}");
    let lines = (1..).zip(text.lines());
    let unfilled = lines.filter(|(_, line)| {
        let line: &str = line;
        !line.trim_start().starts_with('#') && line.contains(&value)
    });
    unfilled
        .map(|(number, line): (u32, &str)| format!("line {number}: {}", line.trim()))
        .collect()
}

/// Returns the errors of each table of a configuration that is valid TOML. Each unknown key is a
/// separate error; of the other errors in a table, only the first is returned.
fn table_errors(text: &str) -> Vec<String> {
    let Ok(mut document) = text.parse::<Table>() else {
        return Vec::new();
    };
    let mut errors = Vec::new();
    for mut layer in take_tables(&mut document, "layers") {
        let name = format!("layer `{}`", text_of(&layer, "id"));
        for method in take_tables(&mut layer, "methods") {
            errors.extend(labelled(&name, errors_of::<MethodConfig>(method)));
        }
        if layer.contains_key("methods") {
            layer.insert("methods".into(), Value::Array(Vec::new()));
        }
        errors.extend(labelled(&name, errors_of::<LayerConfig>(layer)));
    }
    for shares in take_tables(&mut document, "shares") {
        let name = format!("shares `{}`", text_of(&shares, "name"));
        errors.extend(labelled(&name, errors_of::<SharesConfig>(shares)));
    }
    errors.extend(section::<PostcodesConfig>(&mut document, "postcodes"));
    errors.extend(section::<StatisticalAreasConfig>(
        &mut document,
        "statistical_areas",
    ));
    errors.extend(section::<PracticesConfig>(&mut document, "practices"));
    errors.extend(section::<FactsConfig>(&mut document, "facts"));
    errors.extend(section::<UprnConfig>(&mut document, "uprn"));
    errors.extend(errors_of::<BuildConfig>(document));
    errors
}

/// Removes the tables from an array of tables, and leaves the array empty.
fn take_tables(parent: &mut Table, key: &str) -> Vec<Table> {
    let Some(Value::Array(values)) = parent.get_mut(key) else {
        return Vec::new();
    };
    let values = std::mem::take(values).into_iter();
    values
        .filter_map(|value| match value {
            Value::Table(table) => Some(table),
            _ => None,
        })
        .collect()
}

/// Returns the errors of a table of the document. Replaces the table with a valid table.
fn section<T: DeserializeOwned>(document: &mut Table, key: &str) -> Vec<String> {
    let Some(Value::Table(table)) = document.remove(key) else {
        return Vec::new();
    };
    if key == "postcodes" {
        let no_directories = ("directories".to_string(), Value::Array(Vec::new()));
        document.insert(key.into(), Value::Table(Table::from_iter([no_directories])));
    }
    labelled(&format!("[{key}]"), errors_of::<T>(table))
}

fn labelled(name: &str, errors: Vec<String>) -> Vec<String> {
    let errors = errors.into_iter();
    errors.map(|error| format!("{name}: {error}")).collect()
}

fn text_of<'t>(table: &'t Table, key: &str) -> &'t str {
    table.get(key).and_then(Value::as_str).unwrap_or("?")
}

/// Returns an error for every unknown key of a table, and its first error of another kind.
fn errors_of<T: DeserializeOwned>(mut table: Table) -> Vec<String> {
    let mut errors = Vec::new();
    while let Err(error) = Value::Table(table.clone()).try_into::<T>() {
        let message = error.message().trim().to_string();
        let unknown = message.strip_prefix("unknown field `");
        let unknown = unknown.and_then(|rest| rest.split('`').next());
        let is_removed = unknown.is_some_and(|key| table.remove(key).is_some());
        errors.push(message);
        if !is_removed {
            break;
        }
    }
    errors
}
