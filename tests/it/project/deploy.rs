//! Tests of the deployment files, and of the statements in the operators' documentation that a
//! program can check.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::process::ServiceProcess;
use crate::support::project_files::project_files;

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Returns the code spans of a Markdown text.
fn code_spans(text: &str) -> Vec<&str> {
    let text = text.split("```").step_by(2);
    text.flat_map(|part| part.split('`').skip(1).step_by(2))
        .collect()
}

#[test]
fn shipped_configuration_is_valid() {
    let checked = Command::new(env!("CARGO_BIN_EXE_catchment"))
        .args(["serve", "--config", "deploy/catchment.toml"])
        .arg("--check-config")
        .output()
        .expect("the program runs");
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");
    // Settings that are commented out must also be valid.
    let folder = tempfile::TempDir::new().expect("a folder");
    let keys = folder.path().join("keys.toml");
    fs::write(&keys, "").expect("written");
    let config = read("deploy/catchment.toml")
        .replace("# keys =", "keys =")
        .replace("# require-key-for", "require-key-for")
        .replace("/var/lib/catchment/keys.toml", &keys.display().to_string())
        .replace(
            "# data = [\"/srv/catchment/2026.1\"]",
            "data = [\"data/lancashire-and-cumbria\"]",
        );
    let path = folder.path().join("catchment.toml");
    fs::write(&path, &config).expect("written");
    let checked = Command::new(env!("CARGO_BIN_EXE_catchment"))
        .args(["serve", "--check-config", "--config"])
        .arg(&path)
        .output()
        .expect("the program runs");
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");
    let stdout = String::from_utf8_lossy(&checked.stdout);
    assert!(
        stdout.contains("require-key-for = [\"batch\"]  # file"),
        "{stdout}"
    );
}

#[test]
fn systemd_unit_is_hardened() {
    let unit = read("deploy/catchment.service");
    let port = "SocketBindAllow=tcp:8080";
    let settings = read("deploy/catchment.toml");
    assert!(unit.contains(port) && settings.contains("listen = \"127.0.0.1:8080\""));
    let analysed = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager", "--threshold=15"])
        .arg("deploy/catchment.service")
        .output();
    match analysed {
        // Old versions of systemd-analyze have no offline mode.
        Ok(analysed) if !String::from_utf8_lossy(&analysed.stderr).contains("unrecognized") => {
            assert!(analysed.status.success(), "{analysed:?}");
        }
        _ => crate::support::external_tools::report_skipped(
            "deploy/catchment.service: install a version of systemd-analyze with --offline",
        ),
    }
}

#[test]
fn systemd_stop_timeout_exceeds_the_shutdown_grace() {
    let unit = read("deploy/catchment.service");
    let seconds = unit
        .lines()
        .find_map(|line| line.strip_prefix("TimeoutStopSec="))
        .and_then(|text| text.parse::<u64>().ok())
        .expect("a stop timeout in seconds");
    let limits = catchment::http::ServerLimits::default();
    // Two more seconds are allowed for writing the log.
    let longest = limits.shutdown_grace.max(limits.shutdown_delay).as_secs() + 2;
    assert!(seconds > longest, "{seconds} s, {longest} s");
    assert!(limits.shutdown_delay < limits.shutdown_grace);
}

/// Returns the system calls of a systemd set, including those of nested sets. Returns `None` if the
/// set is unknown or systemd-analyze is not installed.
fn syscalls_in_set(set: &str) -> Option<BTreeSet<String>> {
    let output = Command::new("systemd-analyze")
        .args(["syscall-filter", "--no-pager", set])
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let words = text.lines().skip(1).map(str::trim);
    let mut calls = BTreeSet::new();
    for word in words.filter(|word| !word.is_empty() && !word.starts_with('#')) {
        if word.starts_with('@') {
            calls.extend(syscalls_in_set(word)?);
        } else {
            calls.insert(word.to_string());
        }
    }
    Some(calls)
}

/// Returns the system calls that the `SystemCallFilter` lines of a unit allow.
fn allowed_syscalls(unit: &str) -> Option<BTreeSet<String>> {
    // systemd always allows the system calls of this set.
    let mut allowed = syscalls_in_set("@default")?;
    let lines = unit
        .lines()
        .filter_map(|text| text.strip_prefix("SystemCallFilter="));
    for line in lines {
        let (words, is_denied) = match line.strip_prefix('~') {
            Some(words) => (words, true),
            None => (line, false),
        };
        for word in words.split(' ') {
            let calls = if word.starts_with('@') {
                syscalls_in_set(word)?
            } else {
                BTreeSet::from([word.to_string()])
            };
            if is_denied {
                allowed.retain(|call| !calls.contains(call))
            } else {
                allowed.extend(calls)
            }
        }
    }
    Some(allowed)
}

#[test]
fn systemd_unit_allows_every_syscall_of_the_service() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let trace = folder.path().join("trace");
    let traced = |program: &str| {
        let mut command = Command::new("strace");
        command
            .args(["-D", "-f", "-qq", "-o"])
            .arg(&trace)
            .arg(program);
        command
    };
    let can_trace = traced("true").status().is_ok_and(|status| status.success());
    let allowed = allowed_syscalls(&read("deploy/catchment.service"));
    let (true, Some(allowed)) = (can_trace, allowed) else {
        crate::support::external_tools::report_skipped(
            "system calls of the service: install strace and systemd-analyze",
        );
        return;
    };
    let socket = format!("unix:{}", folder.path().join("admin.sock").display());
    let mut command = traced(env!("CARGO_BIN_EXE_catchment"));
    let mut running = ServiceProcess::start_command(&mut command, &["--admin-listen", &socket]);
    crate::ops::no_network::send_requests(&running);
    running.signal("HUP");
    running.wait_for("reloaded");
    running.signal("TERM");
    assert_eq!(running.wait_for_exit().0, Some(0));
    let text = read(&trace.display().to_string());
    let calls: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(_, call)| call.trim_start().split_once('('))
        .map(|(name, _)| name)
        .filter(|name| {
            name.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        })
        .collect();
    assert!(calls.len() > 30, "{calls:?}");
    let refused: Vec<_> = calls
        .iter()
        .filter(|text| !allowed.contains(**text))
        .collect();
    assert!(refused.is_empty(), "{refused:?}");
}

#[test]
fn container_has_only_the_program_and_runs_unprivileged() {
    let file = read("deploy/Containerfile");
    let last = &file[file.rfind("\nFROM ").expect("stages")..];
    assert!(last.contains("\nUSER 65532:65532\n"), "{last}");
    assert!(
        !last.contains("RUN "),
        "the last stage must not run programs: {last}"
    );
    for line in file
        .lines()
        .filter(|line| line.starts_with("COPY ") && !line.contains("--from"))
    {
        let mut words = line.split(' ').skip(1).collect::<Vec<_>>();
        words.pop();
        for path in words {
            assert!(Path::new(path).exists(), "{path} does not exist: {line}");
        }
    }
    let command = last
        .lines()
        .find(|line| line.starts_with("CMD "))
        .expect("a command");
    let words: Vec<String> = serde_json::from_str(&command[4..]).expect("a JSON array");
    let checked = Command::new(env!("CARGO_BIN_EXE_catchment"))
        .args(words)
        .arg("--check-config")
        .output()
        .expect("the program runs");
    assert!(checked.status.success(), "{checked:?}");
}

/// Reads all Rust files in a folder and its subfolders.
fn read_rust_files(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            read_rust_files(&path, found);
        } else if path.extension().is_some_and(|text| text == "rs") {
            found.push((path.clone(), read(&path.display().to_string())));
        }
    }
}

#[test]
fn tests_named_in_threats_md_exist() {
    let mut found = Vec::new();
    read_rust_files(Path::new("src"), &mut found);
    read_rust_files(Path::new("crates"), &mut found);
    read_rust_files(Path::new("tests/it"), &mut found);
    let page = read("docs/operators/threats.md");
    let rows: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with('|') && !line.starts_with("|---"))
        .skip(1)
        .collect();
    assert!(rows.len() >= 20, "{}", rows.len());
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').collect();
        let [_, _, tests] = cells[..] else {
            panic!("the row must have three cells (threat, control, test): {row}")
        };
        let names = code_spans(tests);
        assert!(!names.is_empty(), "the row names no test: {row}");
        for name in names {
            let (file, test) = name
                .split_once("::")
                .unwrap_or_else(|| panic!("{name} must have the form file::test"));
            let written = format!("fn {test}() {{");
            let is_test = |(path, text): &(PathBuf, String)| {
                path.file_stem().is_some_and(|stem| stem == file) && text.contains(&written)
            };
            assert!(
                found.iter().any(is_test),
                "the test {name} does not exist: {row}"
            );
        }
    }
}

#[test]
fn documented_metrics_exist_and_are_complete() {
    let exposition = crate::ops::observability::metrics_text();
    let types = exposition
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "));
    let metrics: Vec<&str> = types.filter_map(|line| line.split(' ').next()).collect();
    let operating = read("docs/operators/operating.md");
    for name in &metrics {
        assert!(
            operating.contains(&format!("`{name}`")),
            "docs/operators/operating.md does not mention {name}"
        );
    }
    for page in ["docs/operators/operating.md", "docs/operators/capacity.md"] {
        let text = read(page);
        let names = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let is_metric =
            |name: &&str| name.starts_with("catchment_") || name.starts_with("process_");
        let mut count = 0;
        for name in names.filter(is_metric) {
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| {
                name.strip_suffix(suffix)
                    .filter(|text| metrics.contains(text))
            });
            let exists = metrics.contains(&name) || base.is_some();
            // `catchment_` is the prefix of API keys, not a metric.
            assert!(
                exists || name == "catchment_",
                "{page}: the metric {name} does not exist"
            );
            count += 1;
        }
        assert!(count >= 10, "{page}: {count}");
    }
}

/// Returns the Markdown files of the documentation.
fn documents() -> Vec<PathBuf> {
    let top = [
        "README.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "CHANGELOG.md",
        "data/README.md",
    ];
    let mut documents: Vec<PathBuf> = top.iter().map(PathBuf::from).collect();
    documents.extend(project_files("docs", &[".md"]));
    documents
}

#[test]
fn links_between_documents_lead_to_files_that_exist() {
    for document in documents() {
        let text = fs::read_to_string(&document).expect("text");
        let folder = document.parent().expect("a folder");
        for (start, _) in text.match_indices("](") {
            let link = &text[start + 2..];
            let link = &link[..link.find(')').expect("closed")];
            let path = link.split('#').next().expect("a path");
            if !path.is_empty() && !path.contains("://") {
                let name = document.display();
                assert!(folder.join(path).exists(), "{name}: {path} does not exist");
            }
        }
    }
}
