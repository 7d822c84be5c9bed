//! `catchment build --init`: proposes a build configuration for a folder of published files.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;

use super::{BuildArguments, print};
use catchment_core::domain::today_in_london;
use catchment_data::builder::{self, ProposalOptions};

/// Writes the configuration and prints what each file was recognised as, what is missing, and the
/// next commands.
pub(super) fn run(folder: &Path, arguments: &BuildArguments) -> Result<ExitCode> {
    let options = ProposalOptions {
        output: arguments.output.as_deref(),
        force: arguments.force,
        today: today_in_london(),
    };
    let proposal = builder::propose_config(folder, options)?;
    let mut text = format!("{}\n", proposal.config.display());
    for line in &proposal.lines {
        text.push_str(line);
        text.push('\n');
    }
    text.push_str(&format!(
        "\nNext: read the configuration, then\n  catchment build {}\n",
        shell_word(&proposal.config.to_string_lossy())
    ));
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Returns the path as a word of a shell command.
fn shell_word(path: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '-' | '_');
    match path.chars().all(is_plain) {
        true => path.to_string(),
        false => format!("'{}'", path.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_with_spaces_are_quoted() {
        for (path, word) in [
            ("my-icb/build.toml", "my-icb/build.toml"),
            ("my icb/build.toml", "'my icb/build.toml'"),
            ("o'neill/b.toml", r"'o'\''neill/b.toml'"),
        ] {
            assert_eq!(shell_word(path), word);
        }
    }
}
