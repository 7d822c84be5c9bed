//! Tests of the SBOM of a release, and of the advisory checks, which fail if they cannot run.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use tempfile::TempDir;

/// Installs a shell script as a program.
fn install_script(folder: &Path, name: &str, script: &str) {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("permissions are set");
}

/// Prevents two runs of `tools/audit` at the same time, because the reports in `target/` have fixed
/// names.
static AUDIT: Mutex<()> = Mutex::new(());

/// Runs `tools/audit` with `programs` at the front of the PATH.
fn audit(programs: &TempDir, part: &str) -> Output {
    let path = std::env::var("PATH").expect("PATH is set");
    let path = format!("{}:{path}", programs.path().display());
    let _guard = AUDIT.lock().unwrap_or_else(PoisonError::into_inner);
    Command::new("tools/audit")
        .arg(part)
        .env("PATH", path)
        .env_remove("CATCHMENT_ADVISORIES")
        .output()
        .expect("tools/audit runs")
}

#[track_caller]
fn check_output(output: &Output, status: i32, words: &str) {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    let text = String::from_utf8_lossy(&text);
    assert_eq!(output.status.code(), Some(status), "{text}");
    assert!(text.contains(words), "`{words}` is not in: {text}");
}

#[test]
fn advisory_checks_that_cannot_run_fail() {
    let programs = TempDir::new().expect("a folder");
    let refused = "echo 'npm error audit endpoint returned an error' >&2; echo '{\"statusCode\": 405}'; exit 1";
    install_script(programs.path(), "npm", refused);
    let npm = audit(&programs, "npm");
    check_output(&npm, 2, "COULD NOT CHECK src/web/package-lock.json");
    check_output(&npm, 2, "COULD NOT CHECK tests/browser/package-lock.json");
    // Without a network, npm may print nothing. Empty output does not mean that there are no
    // advisories.
    install_script(programs.path(), "npm", "exit 0");
    check_output(&audit(&programs, "npm"), 2, "COULD NOT CHECK");
    let no_database =
        "case \"$1\" in install) exit 0 ;; *) echo 'error: couldn’t fetch' >&2; exit 1 ;; esac";
    install_script(programs.path(), "cargo", no_database);
    check_output(&audit(&programs, "cargo"), 2, "COULD NOT CHECK Cargo.lock");
}

#[test]
fn npm_advisories_fail_the_check() {
    let programs = TempDir::new().expect("a folder");
    install_script(
        programs.path(),
        "npm",
        "echo '{\"auditReportVersion\": 2, \"vulnerabilities\": {}}'",
    );
    let clean = audit(&programs, "npm");
    check_output(&clean, 0, "src/web/package-lock.json: none known");
    check_output(&clean, 0, "tests/browser/package-lock.json: none known");
    let found = "echo '{\"auditReportVersion\": 2, \"vulnerabilities\": {\"a\": {}}}'; exit 1";
    install_script(programs.path(), "npm", found);
    check_output(
        &audit(&programs, "npm"),
        1,
        "src/web/package-lock.json: advisories found",
    );
}

const CARGO_SBOM: &str = r#"{
  "bomFormat": "CycloneDX", "specVersion": "1.5",
  "metadata": { "component": { "type": "application", "bom-ref": "root", "name": "catchment" } },
  "components": [ { "type": "library", "bom-ref": "serde 1", "name": "serde" } ],
  "dependencies": [ { "ref": "root", "dependsOn": ["serde 1"] }, { "ref": "serde 1" } ]
}"#;

/// Returns the SBOM that `tools/sbom.py` creates from [`CARGO_SBOM`] and the npm lock files.
fn sbom() -> String {
    let folder = TempDir::new().expect("a folder");
    let cargo = folder.path().join("cargo.json");
    fs::write(&cargo, CARGO_SBOM).expect("written");
    let output = Command::new("python3")
        .args(["tools/sbom.py", "src/web/package-lock.json"])
        .arg("tests/browser/package-lock.json=excluded")
        .stdin(fs::File::open(&cargo).expect("the file exists"))
        .output()
        .expect("python3 runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn sbom_lists_npm_packages_with_versions_hashes_and_dependencies() {
    let text = sbom();
    assert_eq!(text, sbom(), "the SBOM differs between runs");
    let document: Value = serde_json::from_str(&text).expect("JSON");
    let components = document["components"].as_array().expect("components");
    let lock = |path: &str| -> Value {
        serde_json::from_str(&fs::read_to_string(path).expect("the file exists")).expect("JSON")
    };
    let scopes = [
        ("src/web/package-lock.json", "required"),
        ("tests/browser/package-lock.json", "excluded"),
    ];
    for (path, scope) in scopes {
        for (location, package) in lock(path)["packages"].as_object().expect("packages") {
            let Some((_, name)) = location.rsplit_once("node_modules/") else {
                continue;
            };
            let version = package["version"].as_str().expect("a version");
            let purl = format!("pkg:npm/{}@{version}", name.replace('@', "%40"));
            let found = components
                .iter()
                .find(|value| value["purl"] == purl.as_str());
            let found = found.unwrap_or_else(|| panic!("{purl} is missing"));
            let is_optional = package["optional"] == true && scope == "required";
            let scope = if is_optional { "optional" } else { scope };
            assert_eq!(found["scope"], scope, "{purl}");
            let digest = found["hashes"][0]["content"].as_str().expect("a digest");
            assert_eq!(
                (found["hashes"][0]["alg"].as_str(), digest.len()),
                (Some("SHA-512"), 128)
            );
        }
    }
    assert!(components.iter().any(|value| value["name"] == "serde"));
    let dependencies = document["dependencies"].as_array().expect("dependencies");
    let dependencies_of = |name: &str| {
        let found = dependencies.iter().find(|dependency| {
            dependency["ref"]
                .as_str()
                .is_some_and(|line| line.starts_with(name))
        });
        found.unwrap_or_else(|| panic!("{name} has no entry"))["dependsOn"].to_string()
    };
    for name in [
        "serde 1",
        "pkg:npm/maplibre-gl@",
        "pkg:npm/nhsuk-frontend@",
        "pkg:npm/axe-core@",
    ] {
        assert!(
            dependencies_of("root").contains(name),
            "{name}: {}",
            dependencies_of("root")
        );
    }
    assert!(dependencies_of("pkg:npm/esbuild@").contains("pkg:npm/%40esbuild/linux-x64@"));
}

#[test]
fn release_script_includes_npm_packages_and_checks_run_the_audit() {
    let release = fs::read_to_string("tools/release").expect("the file exists");
    assert!(
        release.contains("tools/sbom.py src/web/package-lock.json"),
        "{release}"
    );
    let all = fs::read_to_string("tests/check").expect("the file exists");
    assert!(all.contains("\n    tools/audit\n"), "{all}");
}
