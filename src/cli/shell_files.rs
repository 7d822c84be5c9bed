//! `catchment completions` and `catchment man`: generates files for shells and for `man` from the
//! definition of the command line.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Command, CommandFactory, ValueEnum};
use clap_complete::Shell;
use clap_mangen::Man;

use super::{CliArguments, print};
use crate::ops::log;

const PROGRAM: &str = "catchment";

#[derive(Debug, clap::Args)]
pub(super) struct CompletionsArguments {
    /// Shell for which to print the completions.
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Debug, clap::Args)]
pub(super) struct ManArguments {
    /// Folder for the pages, such as /usr/local/share/man/man1. It is created if it does not exist.
    folder: PathBuf,
    /// Also write the completions of every shell to this folder.
    #[arg(long, value_name = "DIR")]
    completions: Option<PathBuf>,
}

/// Prints the completions for a shell.
pub(super) fn print_completions(arguments: &CompletionsArguments) -> Result<ExitCode> {
    print(&completions(arguments.shell)?)?;
    Ok(ExitCode::SUCCESS)
}

fn completions(shell: Shell) -> Result<String> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut CliArguments::command(), PROGRAM, &mut script);
    String::from_utf8(script).context("the completions are not UTF-8")
}

/// Writes a manual page for the program and for each of its commands, and the completions if a
/// folder for completions is given.
pub(super) fn write_man_pages(arguments: &ManArguments) -> Result<ExitCode> {
    let mut command = CliArguments::command().name(PROGRAM);
    command.build();
    let mut pages = Vec::new();
    collect_pages(&command, PROGRAM, &mut pages)?;
    for (name, page) in &pages {
        write(&arguments.folder, &format!("{name}.1"), page)?;
    }
    if let Some(folder) = &arguments.completions {
        for shell in Shell::value_variants() {
            write(folder, file_name(*shell), completions(*shell)?.as_bytes())?;
        }
    }
    log::message(format_args!(
        "{} manual pages are in {}",
        pages.len(),
        arguments.folder.display()
    ));
    Ok(ExitCode::SUCCESS)
}

/// Renders the page of a command and, after it, the pages of its subcommands.
fn collect_pages(command: &Command, name: &str, pages: &mut Vec<(String, Vec<u8>)>) -> Result<()> {
    let mut page = Vec::new();
    // The title and the links between pages use the full name, such as `catchment-keys-add`.
    let named = command.clone().name(name.to_string()).display_name(name);
    Man::new(named)
        .render(&mut page)
        .context("rendering a page")?;
    pages.push((name.to_string(), page));
    let subcommands = command.get_subcommands();
    for subcommand in subcommands.filter(|subcommand| subcommand.get_name() != "help") {
        let name = format!("{name}-{}", subcommand.get_name());
        collect_pages(subcommand, &name, pages)?;
    }
    Ok(())
}

/// Returns the file name by which the shell finds the completions in its folder.
fn file_name(shell: Shell) -> &'static str {
    match shell {
        Shell::Zsh => "_catchment",
        Shell::Fish => "catchment.fish",
        Shell::PowerShell => "_catchment.ps1",
        Shell::Elvish => "catchment.elv",
        _ => "catchment.bash",
    }
}

fn write(folder: &Path, name: &str, content: &[u8]) -> Result<()> {
    let path = folder.join(name);
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(&path, content));
    written.with_context(|| format!("writing {}", path.display()))
}
