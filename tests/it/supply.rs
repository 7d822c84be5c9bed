//! The supply chain: the SBOM of a release and the advisory checks, which fail if they cannot run.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// Installs a shell script as a program.
fn place(folder: &Path, name: &str, script: &str) {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("permissions are set");
}

/// Runs `tools/audit` with `programs` at the front of the PATH.
fn audit(programs: &TempDir, part: &str) -> Output {
    let path = std::env::var("PATH").expect("PATH is set");
    let path = format!("{}:{path}", programs.path().display());
    Command::new("tools/audit")
        .arg(part)
        .env("PATH", path)
        .env_remove("CATCHMENT_ADVISORIES")
        .output()
        .expect("tools/audit runs")
}

#[track_caller]
fn check(output: &Output, status: i32, words: &str) {
    let told = [&output.stdout[..], &output.stderr[..]].concat();
    let told = String::from_utf8_lossy(&told);
    assert_eq!(output.status.code(), Some(status), "{told}");
    assert!(told.contains(words), "no `{words}`: {told}");
}

#[test]
fn an_advisory_check_that_could_not_run_fails() {
    let programs = TempDir::new().expect("a folder");
    let refused = "echo 'npm error audit endpoint returned an error' >&2; echo '{\"statusCode\": 405}'; exit 1";
    place(programs.path(), "npm", refused);
    let npm = audit(&programs, "npm");
    check(&npm, 2, "COULD NOT CHECK src/web/package-lock.json");
    check(&npm, 2, "COULD NOT CHECK tests/browser/package-lock.json");
    // Without a network, npm prints nothing useful, and empty output proves nothing.
    place(programs.path(), "npm", "exit 0");
    check(&audit(&programs, "npm"), 2, "COULD NOT CHECK");
    let no_database =
        "case \"$1\" in install) exit 0 ;; *) echo 'error: couldn’t fetch' >&2; exit 1 ;; esac";
    place(programs.path(), "cargo", no_database);
    check(&audit(&programs, "cargo"), 2, "COULD NOT CHECK Cargo.lock");
}

#[test]
fn an_advisory_for_an_npm_package_fails_the_check() {
    let programs = TempDir::new().expect("a folder");
    place(
        programs.path(),
        "npm",
        "echo '{\"auditReportVersion\": 2, \"vulnerabilities\": {}}'",
    );
    let clean = audit(&programs, "npm");
    check(&clean, 0, "src/web/package-lock.json: none known");
    check(&clean, 0, "tests/browser/package-lock.json: none known");
    let found = "echo '{\"auditReportVersion\": 2, \"vulnerabilities\": {\"a\": {}}}'; exit 1";
    place(programs.path(), "npm", found);
    check(
        &audit(&programs, "npm"),
        1,
        "src/web/package-lock.json: advisories found",
    );
}

const CARGO: &str = r#"{
  "bomFormat": "CycloneDX", "specVersion": "1.5",
  "metadata": { "component": { "type": "application", "bom-ref": "root", "name": "catchment" } },
  "components": [ { "type": "library", "bom-ref": "serde 1", "name": "serde" } ],
  "dependencies": [ { "ref": "root", "dependsOn": ["serde 1"] }, { "ref": "serde 1" } ]
}"#;

/// Returns the SBOM that `tools/sbom.py` makes of [`CARGO`] and the npm lock files.
fn sbom() -> String {
    let folder = TempDir::new().expect("a folder");
    let cargo = folder.path().join("cargo.json");
    fs::write(&cargo, CARGO).expect("written");
    let made = Command::new("python3")
        .args(["tools/sbom.py", "src/web/package-lock.json"])
        .arg("tests/browser/package-lock.json=excluded")
        .stdin(fs::File::open(&cargo).expect("the file exists"))
        .output()
        .expect("python3 runs");
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    String::from_utf8(made.stdout).expect("text")
}

#[test]
fn the_sbom_has_the_npm_packages_with_their_versions_hashes_and_dependencies() {
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
        for (place, package) in lock(path)["packages"].as_object().expect("packages") {
            let Some((_, name)) = place.rsplit_once("node_modules/") else {
                continue;
            };
            let version = package["version"].as_str().expect("a version");
            let purl = format!("pkg:npm/{}@{version}", name.replace('@', "%40"));
            let found = components.iter().find(|it| it["purl"] == purl.as_str());
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
    assert!(components.iter().any(|it| it["name"] == "serde"));
    let dependencies = document["dependencies"].as_array().expect("dependencies");
    let needs = |name: &str| {
        let found = dependencies
            .iter()
            .find(|it| it["ref"].as_str().is_some_and(|it| it.starts_with(name)));
        found.unwrap_or_else(|| panic!("{name} has no entry"))["dependsOn"].to_string()
    };
    for name in [
        "serde 1",
        "pkg:npm/maplibre-gl@",
        "pkg:npm/nhsuk-frontend@",
        "pkg:npm/axe-core@",
    ] {
        assert!(needs("root").contains(name), "{name}: {}", needs("root"));
    }
    assert!(needs("pkg:npm/esbuild@").contains("pkg:npm/%40esbuild/linux-x64@"));
}

#[test]
fn a_release_has_the_npm_packages_in_its_sbom_and_all_checks_ask_for_advisories() {
    let release = fs::read_to_string("tools/release").expect("the file exists");
    assert!(
        release.contains("tools/sbom.py src/web/package-lock.json"),
        "{release}"
    );
    let all = fs::read_to_string("tests/check").expect("the file exists");
    assert!(all.contains("\n    tools/audit\n"), "{all}");
}
