//! `catchment keys`: adds, lists and revokes API keys.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Subcommand;
use jiff::civil::Date;
use serde_json::json;

use super::print;
use crate::ops::keys::{self, ApiKey, NewKey, Scope};
use crate::ops::log;
use crate::ops::rate::Rate;
use catchment_core::domain::today_in_london;

#[derive(Debug, clap::Args)]
pub(super) struct KeysArguments {
    #[command(subcommand)]
    command: KeysCommand,
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// Add a key. The key is printed once; the API key file contains only its digest.
    Add(AddArguments),
    /// List the keys.
    List(ListArguments),
    /// Revoke a key. A running service rejects the key within two seconds.
    Revoke(RevokeArguments),
}

#[derive(Debug, clap::Args)]
struct FileArgument {
    /// API key file.
    #[arg(long, value_name = "FILE")]
    keys: PathBuf,
}

#[derive(Debug, clap::Args)]
struct AddArguments {
    #[command(flatten)]
    file: FileArgument,
    /// Name of the person or team that uses the key.
    #[arg(long)]
    name: String,
    /// Scopes of the key: batch, locate, postcodes, practices, areas, ogc, tiles, maps, pages.
    #[arg(
        long,
        value_name = "SCOPE,…",
        value_delimiter = ',',
        default_value = "batch"
    )]
    scopes: Vec<Scope>,
    /// First date on which the key is no longer valid; by default, the key does not expire.
    #[arg(long, value_name = "YYYY-MM-DD")]
    expires: Option<Date>,
    /// Rate limit of the key, per s, minute, hour or day, such as 600/minute; unlimited by default.
    #[arg(long, value_name = "N/UNIT")]
    quota: Option<Rate>,
}

#[derive(Debug, clap::Args)]
struct ListArguments {
    #[command(flatten)]
    file: FileArgument,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct RevokeArguments {
    #[command(flatten)]
    file: FileArgument,
    /// Id of the key, as `list` prints it: the part of the key between the two underscores.
    id: String,
}

pub(super) fn run(arguments: &KeysArguments) -> Result<ExitCode> {
    let today = today_in_london();
    match &arguments.command {
        KeysCommand::Add(options) => {
            let new = NewKey {
                name: options.name.clone(),
                scopes: options.scopes.clone(),
                expires: options.expires,
                quota: options.quota,
            };
            let (key, secret) = keys::add(&options.file.keys, new, today)?;
            log::message(format_args!(
                "key {} was added; copy it now, because it is not shown again:",
                key.id
            ));
            // A closed pipe is an error here, because the user has not seen the key.
            writeln!(io::stdout(), "{}", secret.expose()).with_context(|| {
                format!(
                    "key {id} was added but could not be printed: revoke it with `catchment keys revoke --keys {} {id}` and add another key",
                    options.file.keys.display(),
                    id = key.id,
                )
            })?;
        }
        KeysCommand::List(options) => {
            let keys = keys::list(&options.file.keys)?;
            if options.json {
                print(&format!("{}\n", json(&keys, today)))?
            } else {
                print(&table(&keys, today))?
            }
        }
        KeysCommand::Revoke(options) => {
            let key = keys::revoke(&options.file.keys, &options.id, today)?;
            log::message(format_args!("key {} ({}) is revoked", key.id, key.name));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn status(key: &ApiKey, today: Date) -> &'static str {
    match (key.revoked, key.expires) {
        (Some(_), _) => "revoked",
        (None, Some(expires)) if expires <= today => "expired",
        _ => "active",
    }
}

fn comma_separated<T: ToString>(all: &[T]) -> String {
    let words: Vec<String> = all.iter().map(ToString::to_string).collect();
    words.join(",")
}

fn or_dash<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".into(), |value| value.to_string())
}

/// Formats the keys as a tab-separated table.
fn table(keys: &[ApiKey], today: Date) -> String {
    let mut table = String::from("id\tstatus\tscopes\tcreated\texpires\tquota\tname\n");
    for key in keys {
        table.push_str(&format!(
            "{}\t{}\t{}\t{}\t{}\t{}\t{}\n",
            key.id,
            status(key, today),
            comma_separated(&key.scopes),
            key.created,
            or_dash(key.expires),
            or_dash(key.quota),
            key.name.escape_debug(),
        ));
    }
    table
}

fn json(keys: &[ApiKey], today: Date) -> String {
    let keys: Vec<_> = keys
        .iter()
        .map(|key| {
            json!({
                "id": key.id,
                "name": key.name,
                "status": status(key, today),
                "scopes": key.scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>(),
                "created": key.created.to_string(),
                "expires": key.expires.map(|day| day.to_string()),
                "quota": key.quota.map(|rate| rate.to_string()),
                "revoked": key.revoked.map(|day| day.to_string()),
            })
        })
        .collect();
    serde_json::to_string_pretty(&keys).expect("plain values serialise to JSON")
}
