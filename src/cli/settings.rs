//! The settings of `catchment serve`. The settings come from the command line, environment
//! variables and a TOML file, in this order of precedence.
//!
//! Every command-line option that configures the service is a setting. The setting has the same
//! name in the file, and a name such as `CATCHMENT_LOG_LEVEL` in the environment. Values from the
//! environment and the file are validated in the same way as values on the command line.
//!
//! clap shows the variables in the help, but this module reads them, because error messages of clap
//! do not contain the name of the variable. In addition, clap accepts only `true` and `false` for a
//! flag, does not ignore spaces and empty items in a list, and would also split `--data` at commas
//! on the command line.

use std::ffi::OsString;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory, FromArgMatches};
use toml::{Table, Value};

use super::{CliArguments, print};

const SERVE: &str = "serve";
/// The option that specifies the settings file.
const CONFIG: &str = "config";
/// Options that are not settings.
const META_OPTIONS: [&str; 3] = [CONFIG, "check-config", "help"];

/// The source of a setting that is not on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SettingSource {
    Environment,
    File,
}

/// A setting from the environment or the file, converted to command-line arguments.
struct ResolvedSetting {
    name: String,
    arguments: Vec<OsString>,
    source: SettingSource,
}

/// Parses the command line. For `serve`, adds the settings from the environment and the file.
///
/// # Errors
/// If the settings file, or a value in it or in the environment, is invalid. If the command line is
/// invalid, the program exits.
pub(super) fn parse(args: &[OsString]) -> Result<CliArguments> {
    let command = CliArguments::command();
    let matches = command.clone().try_get_matches_from(args);
    let matches = matches.unwrap_or_else(|error| match error.kind() {
        ErrorKind::DisplayHelp => show_variables(command.clone()).get_matches_from(args),
        _ => error.exit(),
    });
    let Some((SERVE, serve)) = matches.subcommand() else {
        return Ok(CliArguments::from_arg_matches(&matches)?);
    };
    let resolved = from_env_and_file(serve, |name| std::env::var_os(name))?;
    let injected = resolved
        .iter()
        .flat_map(|setting| setting.arguments.iter().cloned());
    let all: Vec<OsString> = args.iter().cloned().chain(injected).collect();
    let matches = command.get_matches_from(all);
    if let Some((SERVE, serve)) = matches.subcommand()
        && serve.get_flag("check_config")
    {
        print(&to_toml(serve, &resolved))?;
    }
    Ok(CliArguments::from_arg_matches(&matches)?)
}

/// Adds the environment variables of `serve` to its help, without their values.
fn show_variables(command: Command) -> Command {
    command.mut_subcommand(SERVE, |serve| {
        serve.mut_args(|arg| match arg.get_long().map(str::to_string) {
            Some(name) if name == CONFIG || !META_OPTIONS.contains(&name.as_str()) => {
                arg.env(variable_name(&name)).hide_env_values(true)
            }
            _ => arg,
        })
    })
}

/// Returns clap's definition of the command `serve`.
fn serve_command() -> Command {
    let command = CliArguments::command();
    let serve = command.find_subcommand(SERVE);
    serve.expect("the command `serve` exists").clone()
}

fn settings(serve: &Command) -> impl Iterator<Item = (&str, &Arg)> {
    let named = serve.get_arguments();
    let named = named.filter_map(|arg| Some((arg.get_long()?, arg)));
    named.filter(|(name, _)| !META_OPTIONS.contains(name))
}

/// Returns the name of the environment variable of a setting.
fn variable_name(name: &str) -> String {
    format!("CATCHMENT_{}", name.replace('-', "_").to_uppercase())
}

/// Reads the settings that are not on the command line from the environment and the file.
fn from_env_and_file(
    matches: &ArgMatches,
    variable_of: impl Fn(&str) -> Option<OsString>,
) -> Result<Vec<ResolvedSetting>> {
    let serve = serve_command();
    let config_argument: Option<&PathBuf> = matches.get_one(CONFIG);
    let file = config_argument.cloned();
    let file = file.or_else(|| variable_of(&variable_name(CONFIG)).map(PathBuf::from));
    let table = match &file {
        Some(path) => read(path, &serve)?,
        None => Table::new(),
    };
    let mut resolved = Vec::new();
    for (name, arg) in settings(&serve) {
        if matches.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine) {
            continue;
        }
        let variable = variable_name(name);
        let (arguments, source, origin) = if let Some(value) = variable_of(&variable) {
            let text = value.to_str().context("expected text in UTF-8");
            let arguments = text.and_then(|text| args_from_text(name, arg, text));
            let origin = format!("environment variable {variable}");
            (arguments, SettingSource::Environment, origin)
        } else if let (Some(value), Some(path)) = (table_value(&table, name), &file) {
            let arguments = args_from_value(name, arg, value);
            let origin = format!("{}: `{name}`", path.display());
            (arguments, SettingSource::File, origin)
        } else {
            continue;
        };
        resolved.push(ResolvedSetting {
            name: name.into(),
            arguments: arguments.and_then(check_arguments).context(origin)?,
            source,
        });
    }
    Ok(resolved)
}

/// Reads the settings file.
///
/// # Errors
/// If the file cannot be read, is not valid TOML or contains a key that is not a setting.
fn read(path: &Path, serve: &Command) -> Result<Table> {
    let reading = || format!("reading {}", path.display());
    let text = fs::read_to_string(path).with_context(reading)?;
    let table: Table = toml::from_str(&text).with_context(reading)?;
    for name in table.keys() {
        let is_known = settings(serve).any(|(known, _)| known == name.replace('_', "-"));
        if !is_known {
            bail!(
                "{}: unknown setting `{name}`; use the name of an option in `catchment serve --help`, without --",
                path.display()
            );
        }
    }
    Ok(table)
}

/// Returns the value of a setting. A key may be written with hyphens or underscores.
fn table_value<'t>(table: &'t Table, name: &str) -> Option<&'t Value> {
    let with_underscores = name.replace('-', "_");
    table.get(name).or_else(|| table.get(&with_underscores))
}

fn args_from_text(name: &str, arg: &Arg, text: &str) -> Result<Vec<OsString>> {
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
            .map(|one| format_argument(name, one))
            .collect()),
        _ => Ok(vec![format_argument(name, text)]),
    }
}

fn args_from_value(name: &str, arg: &Arg, value: &Value) -> Result<Vec<OsString>> {
    let is_list = matches!(arg.get_action(), ArgAction::Append);
    match (value, arg.get_action()) {
        (Value::Boolean(flag), ArgAction::SetTrue) => args_from_text(name, arg, &flag.to_string()),
        (_, ArgAction::SetTrue) => bail!("expected true or false"),
        (Value::String(text), _) => Ok(vec![format_argument(name, text)]),
        (Value::Integer(number), _) => Ok(vec![format_argument(name, &number.to_string())]),
        (Value::Array(all), _) if is_list => {
            let one = |value: &Value| match value {
                Value::String(text) => Ok(format_argument(name, text)),
                _ => bail!("expected a list of strings"),
            };
            all.iter().map(one).collect()
        }
        _ if is_list => bail!("expected a string or a list of strings"),
        _ => bail!("expected a string or a whole number"),
    }
}

fn format_argument(name: &str, value: &str) -> OsString {
    format!("--{name}={value}").into()
}

/// Checks that the command line would accept the arguments, and returns them.
fn check_arguments(arguments: Vec<OsString>) -> Result<Vec<OsString>> {
    let before = ["catchment", SERVE].map(OsString::from);
    let args = before.into_iter().chain(arguments.iter().cloned());
    if let Err(error) = CliArguments::command().try_get_matches_from(args) {
        let text = error.to_string();
        let line = text.lines().next().unwrap_or_default();
        bail!("{}", line.trim_start_matches("error: "));
    }
    Ok(arguments)
}

/// Formats the settings in effect as a settings file, with a comment that states the source of each
/// setting.
fn to_toml(serve: &ArgMatches, resolved: &[ResolvedSetting]) -> String {
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
        let source = match resolved
            .iter()
            .find(|setting| setting.name == name)
            .map(|setting| setting.source)
        {
            Some(SettingSource::Environment) => "environment",
            Some(SettingSource::File) => "file",
            None if serve.value_source(id) == Some(ValueSource::CommandLine) => "command line",
            None => "default",
        };
        writeln!(text, "{name} = {value}  # {source}").expect("writing to a String");
    }
    text
}

/// Returns whether a file is a valid settings file. Fuzz targets call this function.
#[doc(hidden)]
pub fn is_valid_settings_file(path: &Path) -> bool {
    let config = format!("--config={}", path.display());
    let matches = CliArguments::command().get_matches_from(["catchment", SERVE, &config]);
    let (_, serve) = matches.subcommand().expect("serve");
    from_env_and_file(serve, |_| None).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the settings from the environment and the file as command-line arguments.
    fn resolve(args: &[&str], variables: &[(&str, &str)]) -> Result<Vec<String>> {
        let variables = variables.iter();
        let variables = variables.map(|(name, value)| (*name, OsString::from(value)));
        resolve_os(args, &variables.collect::<Vec<_>>())
    }

    fn resolve_os(args: &[&str], variables: &[(&str, OsString)]) -> Result<Vec<String>> {
        let args = ["catchment", SERVE].iter().chain(args);
        let matches = CliArguments::command().get_matches_from(args);
        let (_, serve) = matches.subcommand().expect("serve");
        let of = |name: &str| {
            let mut all = variables.iter();
            all.find(|(known, _)| *known == name)
                .map(|(_, value)| value.clone())
        };
        let resolved = from_env_and_file(serve, of)?;
        let arguments = resolved.into_iter().flat_map(|setting| setting.arguments);
        Ok(arguments
            .map(|argument| argument.to_string_lossy().into_owned())
            .collect())
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), text).expect("written");
        file
    }

    #[test]
    fn command_line_overrides_environment_overrides_file() {
        let file = file(
            "listen = \"127.0.0.1:1\"\nwatch = true\nbatch_max_jobs = 7\ntrusted-proxy = [\"10.0.0.0/8\", \"::1\"]\n",
        );
        let path = file.path().display().to_string();
        let config = format!("--config={path}");
        let all = resolve(&[&config], &[]).expect("right");
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
        let all = resolve(&["--batch-max-jobs=3"], &variables).expect("right");
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
    fn errors_name_the_setting_and_its_source() {
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
            ("trusted-proxy = \"10/8\"", "expected an IP address"),
            ("batch-max-jobs = -1", "`batch-max-jobs`: "),
            ("listen = ", "reading "),
        ] {
            let file = file(text);
            let config = format!("--config={}", file.path().display());
            let error = resolve(&[&config], &[]).expect_err(text);
            let message = format!("{error:#}");
            assert!(message.contains(expected), "{text}: {message}");
            assert!(
                message.contains(&file.path().display().to_string()),
                "{message}"
            );
        }
        let wrong = [("CATCHMENT_WATCH", "perhaps")];
        let message = format!("{:#}", resolve(&[], &wrong).expect_err("wrong"));
        assert_eq!(
            message,
            "environment variable CATCHMENT_WATCH: expected true or false"
        );
        assert!(resolve(&["--config=/nowhere/there.toml"], &[]).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn variables_that_are_not_utf_8_are_errors() {
        use std::os::unix::ffi::OsStringExt;
        for name in ["CATCHMENT_KEYS", "CATCHMENT_DATA", "CATCHMENT_WATCH"] {
            let variables = [(name, OsString::from_vec(b"/keys-\xff.toml".to_vec()))];
            let message = format!("{:#}", resolve_os(&[], &variables).expect_err("wrong"));
            let expected = format!("environment variable {name}: expected text in UTF-8");
            assert_eq!(message, expected);
        }
    }

    #[test]
    fn help_shows_the_variable_of_every_setting_without_its_value() {
        let command = show_variables(CliArguments::command());
        let args = ["catchment", SERVE, "--help"];
        let help = command.try_get_matches_from(args).expect_err("the help");
        let words: Vec<String> = help
            .to_string()
            .split_whitespace()
            .map(str::to_string)
            .collect();
        let help = words.join(" ");
        let serve = serve_command();
        for name in settings(&serve).map(|(name, _)| name).chain([CONFIG]) {
            let variable = format!("[env: {}]", variable_name(name));
            assert!(help.contains(&variable), "{variable}: {help}");
        }
        assert!(!help.contains("CATCHMENT_CHECK_CONFIG"), "{help}");
    }

    #[test]
    fn printed_settings_can_be_read_back() {
        let matches = CliArguments::command().get_matches_from(["catchment", SERVE, "--watch"]);
        let (_, serve) = matches.subcommand().expect("serve");
        let text = to_toml(serve, &[]);
        assert!(text.contains("watch = true  # command line\n"), "{text}");
        assert!(
            text.contains("listen = \"127.0.0.1:8080\"  # default\n"),
            "{text}"
        );
        let file = file(&text);
        let config = format!("--config={}", file.path().display());
        resolve(&[&config], &[]).unwrap_or_else(|error| panic!("{error:#}: {text}"));
    }
}
