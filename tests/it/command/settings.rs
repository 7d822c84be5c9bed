//! Tests of the settings of the service from the command line, the environment and a file.

use std::fs;
use std::process::{Command, Output};

use tempfile::TempDir;

fn check_config(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_catchment"))
        .args(["serve", "--check-config"])
        .args(arguments)
        .envs(variables.iter().copied())
        .output()
        .expect("the program runs")
}

#[test]
fn check_config_prints_the_settings_without_listening() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("catchment.toml");
    let config = format!("--config={}", path.display());
    fs::write(
        &path,
        "listen = \"127.0.0.1:1\"\nrate-limit = \"5/s\"\nmax-concurrent-requests = 7\n",
    )
    .expect("written");
    let variables = [
        ("CATCHMENT_MAX_CONCURRENT_REQUESTS", "8"),
        ("CATCHMENT_WATCH", "true"),
    ];
    let output = check_config(&[&config, "--batch-max-jobs", "1"], &variables);
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    for line in [
        "listen = \"127.0.0.1:1\"  # file",
        "rate-limit = \"5/s\"  # file",
        "max-concurrent-requests = \"8\"  # environment",
        "watch = true  # environment",
        "batch-max-jobs = \"1\"  # command line",
        "idle-timeout = \"60\"  # default",
    ] {
        assert!(
            stdout.lines().any(|text| text == line),
            "`{line}` is not in: {stdout}"
        );
    }
    // The output is itself a valid configuration.
    fs::write(&path, &stdout).expect("written");
    let again = check_config(&[&config], &[]);
    assert_eq!(again.status.code(), Some(0), "{again:?}");
}

#[test]
fn invalid_settings_are_reported() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("catchment.toml");
    let config = format!("--config={}", path.display());
    for (text, expected) in [
        ("lisen = \"127.0.0.1:1\"\n", "unknown setting `lisen`"),
        ("listen = \"here\"\n", "`listen`: invalid value 'here'"),
        ("require-key-for = [\"batch\"]\n", "--keys"),
        ("keys = \"/nowhere/keys.toml\"\n", "/nowhere/keys.toml: "),
        ("data = [\"/nowhere\"]\n", "/nowhere"),
        (
            "basemap = \"/nowhere/map.pmtiles\"\n",
            "the basemap /nowhere/map.pmtiles: ",
        ),
        (
            "trusted-proxy = [\"10.0.0.0/40\"]\n",
            "expected an IP address",
        ),
        (
            "cors-origin = [\"https://a.example/\"]\n",
            "without a slash",
        ),
        ("rate-limit = \"often\"\n", "or off"),
        ("max-connections = 0\n", "1 or more"),
    ] {
        fs::write(&path, text).expect("written");
        let output = check_config(&[&config], &[]);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{text}: {stderr}");
        assert!(stderr.contains(expected), "{text}: {stderr}");
    }
}
