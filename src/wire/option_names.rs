//! Names of options in messages.

/// Replaces command-line options with the parameters of the API: `--lon-column` with `lon_column`.
pub(crate) fn options_as_parameters(text: &str) -> String {
    let mut parts = text.split("--");
    let mut renamed = parts.next().unwrap_or_default().to_string();
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_lowercase() && c != '-');
        let (name, rest) = part.split_at(end.unwrap_or(part.len()));
        renamed.push_str(&name.replace('-', "_"));
        renamed.push_str(rest);
    }
    renamed
}
