//! The settings of `catchment serve`, from the command line, environment variables and a TOML file,
//! in this order of precedence.
//!
//! Every command-line option is a setting, with the same name in the environment and the file.
//! Values from there are validated as if they were given on the command line.

use std::ffi::OsString;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory, FromArgMatches};
use toml::{Table, Value};

use super::{Arguments, print};

const SERVE: &str = "serve";
/// Options that are not settings.
const NO_SETTINGS: [&str; 3] = ["config", "check-config", "help"];

/// The source of a setting that is not on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Environment,
    File,
}

/// A setting from the environment or the file, as command-line arguments.
struct Found {
    name: String,
    arguments: Vec<OsString>,
    source: Source,
}

/// Parses the command line. For `serve`, adds the settings of the environment and the file.
///
/// # Errors
/// If the settings file, or a value in it or in the environment, is invalid. An invalid command
/// line exits the program.
pub(super) fn arguments(given: &[OsString]) -> Result<Arguments> {
    let command = Arguments::command();
    let matches = command.clone().get_matches_from(given);
    let Some((SERVE, serve)) = matches.subcommand() else {
        return Ok(Arguments::from_arg_matches(&matches)?);
    };
    let found = elsewhere(serve, |name| std::env::var(name).ok())?;
    let injected = found.iter().flat_map(|it| it.arguments.iter().cloned());
    let all: Vec<OsString> = given.iter().cloned().chain(injected).collect();
    let matches = command.get_matches_from(all);
    if let Some((SERVE, serve)) = matches.subcommand()
        && serve.get_flag("check_config")
    {
        print(&written(serve, &found))?;
    }
    Ok(Arguments::from_arg_matches(&matches)?)
}

/// Returns clap's definition of the command `serve`.
fn serve_command() -> Command {
    let command = Arguments::command();
    let serve = command.find_subcommand(SERVE);
    serve.expect("the command `serve` exists").clone()
}

fn settings(serve: &Command) -> impl Iterator<Item = (&str, &Arg)> {
    let named = serve.get_arguments();
    let named = named.filter_map(|arg| Some((arg.get_long()?, arg)));
    named.filter(|(name, _)| !NO_SETTINGS.contains(name))
}

/// Returns the name of the environment variable of a setting.
fn variable(name: &str) -> String {
    format!("CATCHMENT_{}", name.replace('-', "_").to_uppercase())
}

/// Reads the settings that are not on the command line from the environment and the file.
fn elsewhere(
    given: &ArgMatches,
    variable_of: impl Fn(&str) -> Option<String>,
) -> Result<Vec<Found>> {
    let serve = serve_command();
    let named: Option<&PathBuf> = given.get_one("config");
    let file = named.cloned();
    let file = file.or_else(|| variable_of("CATCHMENT_CONFIG").map(PathBuf::from));
    let table = match &file {
        Some(path) => read(path, &serve)?,
        None => Table::new(),
    };
    let mut found = Vec::new();
    for (name, arg) in settings(&serve) {
        if given.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine) {
            continue;
        }
        if let Some(text) = variable_of(&variable(name)) {
            let place = format!("environment variable {}", variable(name));
            let arguments = from_text(name, arg, &text).with_context(|| place.clone())?;
            check(&arguments).context(place)?;
            found.push(Found {
                name: name.into(),
                arguments,
                source: Source::Environment,
            });
        } else if let (Some(value), Some(path)) = (of_table(&table, name), &file) {
            let place = format!("{}: `{name}`", path.display());
            let arguments = from_value(name, arg, value).with_context(|| place.clone())?;
            check(&arguments).context(place)?;
            found.push(Found {
                name: name.into(),
                arguments,
                source: Source::File,
            });
        }
    }
    Ok(found)
}

/// Reads the settings file.
///
/// # Errors
/// If it cannot be read or has a key that is not a setting.
fn read(path: &Path, serve: &Command) -> Result<Table> {
    let reading = || format!("reading {}", path.display());
    let text = fs::read_to_string(path).with_context(reading)?;
    let table: Table = toml::from_str(&text).with_context(reading)?;
    for name in table.keys() {
        let is_known = settings(serve).any(|(known, _)| known == name.replace('_', "-"));
        if !is_known {
            bail!(
                "{}: unknown setting `{name}`; the settings are the options in `catchment serve --help`, without --",
                path.display()
            );
        }
    }
    Ok(table)
}

/// Returns the value of a setting. Keys can have hyphens or underscores.
fn of_table<'t>(table: &'t Table, name: &str) -> Option<&'t Value> {
    let with_underscores = name.replace('-', "_");
    table.get(name).or_else(|| table.get(&with_underscores))
}

fn from_text(name: &str, arg: &Arg, text: &str) -> Result<Vec<OsString>> {
    match arg.get_action() {
        ArgAction::SetTrue => match text {
            "true" | "1" => Ok(vec![format!("--{name}").into()]),
            "false" | "0" | "" => Ok(Vec::new()),
            _ => bail!("expected true or false"),
        },
        ArgAction::Append => Ok(text
            .split(',')
            .map(str::trim)
            .filter(|one| !one.is_empty())
            .map(|one| argument(name, one))
            .collect()),
        _ => Ok(vec![argument(name, text)]),
    }
}

fn from_value(name: &str, arg: &Arg, value: &Value) -> Result<Vec<OsString>> {
    let is_list = matches!(arg.get_action(), ArgAction::Append);
    match (value, arg.get_action()) {
        (Value::Boolean(says), ArgAction::SetTrue) => from_text(name, arg, &says.to_string()),
        (_, ArgAction::SetTrue) => bail!("expected true or false"),
        (Value::String(text), _) => Ok(vec![argument(name, text)]),
        (Value::Integer(number), _) => Ok(vec![argument(name, &number.to_string())]),
        (Value::Array(all), _) if is_list => {
            let one = |value: &Value| match value {
                Value::String(text) => Ok(argument(name, text)),
                _ => bail!("expected a list of strings"),
            };
            all.iter().map(one).collect()
        }
        _ if is_list => bail!("expected a string or a list of strings"),
        _ => bail!("expected a string or a whole number"),
    }
}

fn argument(name: &str, value: &str) -> OsString {
    format!("--{name}={value}").into()
}

/// Checks that the command line would accept the arguments.
fn check(arguments: &[OsString]) -> Result<()> {
    let before = ["catchment", SERVE].map(OsString::from);
    let tried = before.into_iter().chain(arguments.iter().cloned());
    if let Err(error) = Arguments::command().try_get_matches_from(tried) {
        let text = error.to_string();
        let line = text.lines().next().unwrap_or_default();
        bail!("{}", line.trim_start_matches("error: "));
    }
    Ok(())
}

/// Formats the settings in effect as a settings file, with the source of each in a comment.
fn written(serve: &ArgMatches, found: &[Found]) -> String {
    let command = serve_command();
    let mut text = String::new();
    for (name, arg) in settings(&command) {
        let id = arg.get_id().as_str();
        let value = match arg.get_action() {
            ArgAction::SetTrue => Value::Boolean(serve.get_flag(id)),
            action => {
                let raw = serve.get_raw(id).into_iter().flatten();
                let mut all: Vec<Value> = raw
                    .map(|one| Value::String(one.to_string_lossy().into_owned()))
                    .collect();
                match action {
                    ArgAction::Append => Value::Array(all),
                    _ => match all.pop() {
                        Some(one) => one,
                        None => continue,
                    },
                }
            }
        };
        let source = match found.iter().find(|it| it.name == name).map(|it| it.source) {
            Some(Source::Environment) => "environment",
            Some(Source::File) => "file",
            None if serve.value_source(id) == Some(ValueSource::CommandLine) => "command line",
            None => "default",
        };
        writeln!(text, "{name} = {value}  # {source}").expect("writing to a String");
    }
    text
}

/// Returns whether a file is a valid settings file.
#[cfg(any(test, fuzzing))]
pub(crate) fn check_file(path: &Path) -> bool {
    let config = format!("--config={}", path.display());
    let matches = Arguments::command().get_matches_from(["catchment", SERVE, &config]);
    let (_, serve) = matches.subcommand().expect("serve");
    elsewhere(serve, |_| None).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the settings of the environment and the file as command-line arguments.
    fn found(given: &[&str], variables: &[(&str, &str)]) -> Result<Vec<String>> {
        let given = ["catchment", SERVE].iter().chain(given);
        let matches = Arguments::command().get_matches_from(given);
        let (_, serve) = matches.subcommand().expect("serve");
        let of = |name: &str| {
            let mut all = variables.iter();
            all.find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_string())
        };
        let found = elsewhere(serve, of)?;
        let arguments = found.into_iter().flat_map(|it| it.arguments);
        Ok(arguments
            .map(|it| it.to_string_lossy().into_owned())
            .collect())
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), text).expect("written");
        file
    }

    #[test]
    fn the_command_line_goes_before_the_environment_and_that_before_the_file() {
        let file = file(
            "listen = \"127.0.0.1:1\"\nwatch = true\nbatch_max_jobs = 7\ntrusted-proxy = [\"10.0.0.0/8\", \"::1\"]\n",
        );
        let path = file.path().display().to_string();
        let config = format!("--config={path}");
        let all = found(&[&config], &[]).expect("right");
        assert_eq!(
            all,
            [
                "--listen=127.0.0.1:1",
                "--watch",
                "--trusted-proxy=10.0.0.0/8",
                "--trusted-proxy=::1",
                "--batch-max-jobs=7",
            ]
        );
        let variables = [
            ("CATCHMENT_CONFIG", path.as_str()),
            ("CATCHMENT_LISTEN", "127.0.0.1:2"),
            ("CATCHMENT_WATCH", "false"),
            ("CATCHMENT_TRUSTED_PROXY", "192.0.2.1, 192.0.2.2"),
        ];
        let all = found(&["--batch-max-jobs=3"], &variables).expect("right");
        assert_eq!(
            all,
            [
                "--listen=127.0.0.1:2",
                "--trusted-proxy=192.0.2.1",
                "--trusted-proxy=192.0.2.2",
            ]
        );
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (text, expected) in [
            ("listne = 1", "unknown setting `listne`"),
            ("config = \"a\"", "unknown setting `config`"),
            ("listen = \"nowhere\"", "`listen`: invalid value 'nowhere'"),
            (
                "listen = 1.5",
                "`listen`: expected a string or a whole number",
            ),
            (
                "listen = [\"a\"]",
                "`listen`: expected a string or a whole number",
            ),
            ("watch = \"yes\"", "`watch`: expected true or false"),
            (
                "trusted-proxy = [1]",
                "`trusted-proxy`: expected a list of strings",
            ),
            ("trusted-proxy = \"10/8\"", "a network is an address"),
            ("batch-max-jobs = -1", "`batch-max-jobs`: "),
            ("listen = ", "reading "),
        ] {
            let file = file(text);
            let config = format!("--config={}", file.path().display());
            let error = found(&[&config], &[]).expect_err(text);
            let told = format!("{error:#}");
            assert!(told.contains(expected), "{text}: {told}");
            assert!(told.contains(&file.path().display().to_string()), "{told}");
        }
        let wrong = [("CATCHMENT_WATCH", "perhaps")];
        let told = format!("{:#}", found(&[], &wrong).expect_err("wrong"));
        assert_eq!(
            told,
            "environment variable CATCHMENT_WATCH: expected true or false"
        );
        assert!(found(&["--config=/nowhere/there.toml"], &[]).is_err());
    }

    #[test]
    fn every_setting_can_be_written_down_and_read_again() {
        let matches = Arguments::command().get_matches_from(["catchment", SERVE, "--watch"]);
        let (_, serve) = matches.subcommand().expect("serve");
        let text = written(serve, &[]);
        assert!(text.contains("watch = true  # command line\n"), "{text}");
        assert!(
            text.contains("listen = \"127.0.0.1:8080\"  # default\n"),
            "{text}"
        );
        let file = file(&text);
        let config = format!("--config={}", file.path().display());
        found(&[&config], &[]).unwrap_or_else(|error| panic!("{error:#}: {text}"));
    }
}
