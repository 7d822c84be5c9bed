//! Tests of several releases in one service, and of the atomic reload of a running service.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use catchment::dataset::{self, DatasetSource, MANIFEST};
use catchment::ops::dataset_store::LoadedDatasets;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::data::embedded_dataset::{COMMITTED_DATASET, read_files};
use crate::support::process::ServiceProcess;
use crate::support::server::{AS_OF, Reply, client, encode_fields, send};

/// A temporary folder for releases of the embedded dataset.
pub(crate) struct ReleaseFolders(TempDir);

impl ReleaseFolders {
    pub(crate) fn new() -> ReleaseFolders {
        ReleaseFolders(TempDir::new().expect("a folder"))
    }

    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a release to a folder atomically. Renames Waterloo House Surgery in Millom to a name
    /// that contains the version, so that a response contains the version in several places.
    pub(crate) fn publish(&self, name: &str, version: &str) -> String {
        self.publish_with(name, version, |_, _| {})
    }

    fn publish_with(
        &self,
        name: &str,
        version: &str,
        change: impl Fn(&Path, &mut Vec<u8>),
    ) -> String {
        let mut files = read_files(Path::new(COMMITTED_DATASET));
        let manifest = files.remove(Path::new(MANIFEST)).expect("a manifest");
        let manifest = String::from_utf8(manifest).expect("text");
        let mut manifest = dataset::manifest_from_toml(&manifest).expect("a manifest");
        manifest.version = version.into();
        let practices = files.get_mut(Path::new("practices.csv"));
        replace_text(
            practices.expect("a table"),
            "A82033,Waterloo House Surgery,",
            &format!("A82033,Surgery of {version},"),
        );
        for (path, bytes) in &mut files {
            change(path, bytes);
        }
        let files: Vec<(String, Vec<u8>)> = files
            .into_iter()
            .map(|(path, bytes)| (path.display().to_string(), bytes))
            .collect();
        let folder = self.folder(name);
        dataset::write(&folder, manifest, &files).expect("the release is written");
        folder.display().to_string()
    }
}

fn replace_text(bytes: &mut Vec<u8>, from: &str, to: &str) {
    let text = std::str::from_utf8(bytes).expect("text");
    assert!(text.contains(from), "`{from}` is not in the file");
    *bytes = text.replacen(from, to, 1).into_bytes();
}

const MILLOM_QUERY: &[(&str, &str)] = &[
    ("postcode", "LA18 4DB"),
    ("practice", "A82033"),
    ("as_of", AS_OF),
];

pub(crate) fn get(address: SocketAddr, path: &str) -> Reply {
    send(&client(), address, ("GET", path), &[], None)
}

/// Checks that all parts of a response are from the same release, and returns the version of this
/// release.
#[track_caller]
fn version_of(reply: &Reply) -> String {
    let body = reply.json();
    let version = body["dataset"]["version"].as_str().expect("a version");
    let surgery = Value::from(format!("Surgery of {version}"));
    assert_eq!(
        body["residence"]["gp-practice"][0]["name"], surgery,
        "{reply}"
    );
    assert_eq!(body["registration"]["practice"]["name"], surgery, "{reply}");
    version.to_string()
}

#[track_caller]
pub(crate) fn located_version(address: SocketAddr) -> String {
    let path = format!("/api/v1/locate?{}", encode_fields(MILLOM_QUERY));
    version_of(&get(address, &path).expect(200))
}

/// Starts a service with an admin listener. Returns the service and the address of the listener.
pub(crate) fn start_with_admin(arguments: &[&str]) -> (ServiceProcess, SocketAddr) {
    let program = Command::new(env!("CARGO_BIN_EXE_catchment"));
    start_command_with_admin(program, arguments)
}

/// Starts a service with an admin listener. `command` runs the program when the program's arguments
/// are appended to `command`. Returns the service and the address of the listener.
pub(crate) fn start_command_with_admin(
    mut command: Command,
    arguments: &[&str],
) -> (ServiceProcess, SocketAddr) {
    let arguments = [arguments, &["--admin-listen", "127.0.0.1:0"]].concat();
    let mut running = ServiceProcess::start_command(&mut command, &arguments);
    let line = running.wait_for("admin listener on http://");
    let address = line
        .trim_start_matches("admin listener on http://")
        .split('/')
        .next();
    let address = address.and_then(|text| text.parse().ok());
    (running, address.expect("an address"))
}

pub(crate) fn reload(admin_address: SocketAddr) -> Reply {
    send(&client(), admin_address, ("POST", "/reload"), &[], None)
}

/// Returns the value of the first sample whose line starts with `name`.
#[track_caller]
pub(crate) fn metric_value(admin_address: SocketAddr, name: &str) -> String {
    let reply = get(admin_address, "/metrics").expect(200);
    let line = reply.text().lines().find(|line| line.starts_with(name));
    let line = line.unwrap_or_else(|| panic!("{reply}\n{name} is missing"));
    line.rsplit(' ').next().unwrap_or_default().to_string()
}

#[test]
fn releases_are_selected_by_version_and_the_first_is_the_default() {
    let releases = ReleaseFolders::new();
    let (new, old) = (
        releases.publish("new", "2026.1"),
        releases.publish("old", "2025.2"),
    );
    let running = ServiceProcess::start(&["--data", &new, "--data", &old]);
    let address = running.address;
    assert_eq!(located_version(address), "2026.1");
    for version in ["2026.1", "2025.2"] {
        let fields = [MILLOM_QUERY, &[("dataset", version)]].concat();
        let response = get(
            address,
            &format!("/api/v1/locate?{}", encode_fields(&fields)),
        );
        assert_eq!(version_of(&response.expect(200)), version);
        let members = fields
            .iter()
            .map(|&(name, value)| (name.to_string(), json!(value)));
        let object = Value::Object(members.collect()).to_string();
        let json = [("content-type", "application/json")];
        let locate = ("POST", "/api/v1/locate");
        let posted = send(&client(), address, locate, &json, Some(&object));
        assert_eq!(version_of(&posted.expect(200)), version);

        let get_release =
            |path: &str| get(address, &format!("{path}?dataset={version}")).expect(200);
        let dataset = get_release("/api/v1/dataset").json();
        assert_eq!(dataset["version"], version);
        assert_eq!(dataset["loaded"], json!(["2026.1", "2025.2"]));
        let practice = get_release("/api/v1/practices/A82033");
        assert!(
            practice.text().contains(&format!("Surgery of {version}")),
            "{practice}"
        );
        let postcode = get_release("/api/v1/postcodes/LA18%204DB").json();
        assert_eq!(postcode["dataset"]["version"], version);
        // The tile URLs lead to the tiles of the release.
        let tiles = get_release("/tiles/gp-practice.json").json();
        let template = tiles["tiles"][0].as_str().expect("a template");
        assert!(
            template.ends_with(&format!("?dataset={version}")),
            "{template}"
        );
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let page = send(
            &client(),
            address,
            ("POST", "/"),
            &form,
            Some(&encode_fields(&fields)),
        );
        let page = page.expect(200);
        assert!(
            page.text().contains(&format!("Surgery of {version}")),
            "{page}"
        );
    }
    for path in [
        "/api/v1/locate?postcode=LA18+4DB&dataset=2024.1",
        "/api/v1/locate?postcode=LA18+4DB&dataset=",
        "/api/v1/dataset?dataset=2024.1",
        "/api/v1/areas/icc.geojson?dataset=2024.1",
        "/api/v1/practices?dataset=2024.1",
        "/api/v1/postcodes/LA18%204DB?dataset=2024.1",
        "/tiles/icc.json?dataset=2024.1",
        "/tiles/icc/8/125/81.mvt?dataset=2024.1",
    ] {
        get(address, path).expect_problem(404, "unknown_dataset");
    }
    let plain = get(address, "/api/v1/dataset").json();
    assert_eq!(plain["version"], "2026.1");
}

#[test]
fn duplicate_versions_are_rejected() {
    let releases = ReleaseFolders::new();
    let folders = ["one", "other"].map(|name| {
        releases.publish(name, "2026.1");
        DatasetSource::Folder(releases.folder(name))
    });
    let error = LoadedDatasets::load(&folders).expect_err("a duplicate version");
    let words = error.to_string();
    assert!(
        words.contains("version `2026.1` is already loaded"),
        "{words}"
    );
    assert!(words.contains("other"), "{words}");
}

#[test]
fn reloads_under_load_lose_no_request_and_mix_no_releases() {
    let releases = ReleaseFolders::new();
    let folder = releases.publish("data", "2026.0");
    let (mut running, admin_address) = start_with_admin(&["--data", &folder]);
    let address = running.address;
    let (is_over, answered) = (AtomicBool::new(false), AtomicU32::new(0));
    thread::scope(|scope| {
        let clients: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut seen: Vec<String> = Vec::new();
                    loop {
                        // Read the flag before the request, so that the last response is from the
                        // last release.
                        let is_last = is_over.load(Ordering::SeqCst);
                        let version = located_version(address);
                        answered.fetch_add(1, Ordering::Relaxed);
                        if seen.last() != Some(&version) {
                            seen.push(version);
                        }
                        if is_last {
                            break;
                        }
                    }
                    seen
                })
            })
            .collect();
        let mut published = vec!["2026.0".to_string()];
        // Panics are caught, so that the clients always stop.
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for number in 1..=4 {
                let version = format!("2026.{number}");
                releases.publish("data", &version);
                assert_eq!(
                    located_version(address),
                    published[number - 1],
                    "the release was loaded without a reload"
                );
                if number % 2 == 1 {
                    let reply = reload(admin_address).expect(200);
                    let expected = json!({ "name": "lancashire-and-cumbria", "version": version });
                    assert_eq!(reply.json()["datasets"], json!([expected]), "{reply}");
                    running.wait_for("reloaded");
                } else {
                    running.signal("HUP");
                    running.wait_for("reloaded");
                }
                assert_eq!(located_version(address), version);
                published.push(version);
            }
        }));
        is_over.store(true, Ordering::SeqCst);
        let seen = clients
            .into_iter()
            .map(|client| client.join().expect("every response is consistent"));
        let seen: Vec<Vec<String>> = seen.collect();
        if let Err(panic) = outcome {
            std::panic::resume_unwind(panic);
        }
        // Each client saw the releases in order.
        for versions in seen {
            assert_eq!(versions, published);
        }
    });
    let answered = answered.into_inner();
    assert!(answered > 100, "{answered} responses are too few");
    assert_eq!(
        metric_value(
            admin_address,
            "catchment_reloads_total{outcome=\"success\"}"
        ),
        "4"
    );
    assert_eq!(
        metric_value(
            admin_address,
            "catchment_reloads_total{outcome=\"failure\"}"
        ),
        "0"
    );
    assert_eq!(metric_value(admin_address, "catchment_degraded"), "0");
}

#[test]
fn rejected_reloads_keep_the_old_release_and_recover() {
    let releases = ReleaseFolders::new();
    let folder = releases.publish("data", "2026.0");
    let (mut running, admin_address) = start_with_admin(&["--data", &folder]);
    let address = running.address;
    let ready = || {
        let body = get(address, "/health/ready").expect(200).json();
        assert_eq!(body["status"], "ready");
        assert_eq!(body["dataset"]["version"], located_version(address));
        body["degraded"].clone()
    };
    assert_eq!(ready(), json!([]));

    let releases_path = releases.folder("").display().to_string();
    let mut rejected_count = 0;
    let mut check = |expected_error: &str, by_signal: bool| {
        if by_signal {
            running.signal("HUP");
        } else {
            let reply = reload(admin_address).expect_problem(409, "reload_failed");
            let detail = reply.json()["detail"].as_str().expect("text").to_string();
            assert!(
                detail.contains(expected_error),
                "`{expected_error}` is not in: {detail}"
            );
        }
        let line = running.wait_for("reload failed: the previous dataset stays in use");
        assert!(
            line.contains("ERROR") && line.contains(expected_error),
            "{line}"
        );
        rejected_count += 1;
        assert_eq!(located_version(address), "2026.0");
        let degraded = ready();
        let reason = degraded[0].as_str().expect("a reason");
        assert_eq!(degraded.as_array().map(Vec::len), Some(1));
        assert!(reason.contains("the last reload failed"), "{reason}");
        assert!(
            reason.contains(expected_error),
            "`{expected_error}` is not in: {reason}"
        );
        // The log contains the path of the dataset, but the response of the public endpoint does
        // not.
        assert!(line.contains(&folder), "{line}");
        assert!(!reason.contains(&releases_path), "{reason}");
        let count = metric_value(
            admin_address,
            "catchment_reloads_total{outcome=\"failure\"}",
        );
        assert_eq!(count, rejected_count.to_string());
        assert_eq!(metric_value(admin_address, "catchment_degraded"), "1");
    };

    releases.publish("data", "2026.1");
    let tampered = releases.folder("data").join("postcodes.csv");
    let mut bytes = fs::read(&tampered).expect("a file");
    bytes[1_000] ^= 1;
    fs::write(&tampered, bytes).expect("a file");
    check("`postcodes.csv`", false);
    check("`postcodes.csv`", true);

    fs::remove_file(releases.folder("data").join("lineage.csv")).expect("the file existed");
    fs::remove_file(&tampered).expect("the file existed");
    check("`lineage.csv` cannot be read: No such file", false);
    fs::remove_file(releases.folder("data").join(MANIFEST)).expect("the file existed");
    check(MANIFEST, false);

    // This dataset is complete, but one of its golden queries fails.
    releases.publish_with("data", "2026.2", |path, bytes| {
        if path == Path::new("golden_queries.csv") {
            replace_text(
                bytes,
                ",mb-barrow-and-millom,mb-lancaster",
                ",mb-kendal,mb-lancaster",
            );
        }
    });
    check("golden queries with an unexpected answer: 1; line 3", false);

    releases.publish("data", "2026.3");
    reload(admin_address).expect(200);
    running.wait_for("reloaded");
    assert_eq!(located_version(address), "2026.3");
    assert_eq!(ready(), json!([]));
    assert_eq!(metric_value(admin_address, "catchment_degraded"), "0");
    assert_eq!(
        metric_value(
            admin_address,
            "catchment_reloads_total{outcome=\"success\"}"
        ),
        "1"
    );
    assert_eq!(
        metric_value(
            admin_address,
            "catchment_reloads_total{outcome=\"failure\"}"
        ),
        "5"
    );
}

#[test]
fn watched_folders_are_reloaded_when_replaced() {
    let releases = ReleaseFolders::new();
    let folder = releases.publish("data", "2026.0");
    let mut running = ServiceProcess::start(&["--data", &folder, "--watch"]);
    assert_eq!(located_version(running.address), "2026.0");
    // Wait until after the first poll.
    thread::sleep(Duration::from_millis(100));
    releases.publish("data", "2026.1");
    running.wait_for("reloaded");
    let deadline = Instant::now() + Duration::from_secs(5);
    while located_version(running.address) != "2026.1" {
        assert!(Instant::now() < deadline, "the dataset was not replaced");
    }
}

#[test]
fn admin_endpoints_are_not_public() {
    let (running, admin_address) = start_with_admin(&[]);
    let public = |method, path| send(&client(), running.address, (method, path), &[], None);
    public("POST", "/reload").expect_problem(404, "not_found");
    public("GET", "/metrics").expect_problem(404, "not_found");
    let reply = get(admin_address, "/reload").expect_problem(405, "method_not_allowed");
    assert_eq!(reply.header("allow"), "POST", "{reply}");
    get(admin_address, "/api/v1/locate?postcode=LA18+4DB").expect_problem(404, "not_found");
    let metrics = get(admin_address, "/metrics").expect(200);
    assert_eq!(
        metrics.header("content-type"),
        "text/plain; version=0.0.4; charset=utf-8"
    );
    let name = "catchment_dataset_postcodes{name=\"lancashire-and-cumbria\",version=\"2026.1\"}";
    assert_eq!(metric_value(admin_address, name), "68062");
    let described = reload(admin_address).expect(200).json();
    assert_eq!(described["status"], "reloaded");
}

#[test]
fn cross_origin_reloads_are_rejected() {
    let (running, admin_address) = start_with_admin(&[]);
    let own = format!("http://{admin_address}");
    let ask = |headers: &[(&str, &str)]| {
        send(&client(), admin_address, ("POST", "/reload"), headers, None)
    };
    for headers in [
        &[("origin", "https://evil.example")][..],
        &[("origin", "null")],
        &[("origin", "http://localhost")],
        &[("origin", "http://evil.example"), ("host", "evil.example")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("origin", &own), ("sec-fetch-site", "cross-site")],
    ] {
        ask(headers).expect_problem(403, "cross_origin");
    }
    assert_eq!(
        metric_value(
            admin_address,
            "catchment_reloads_total{outcome=\"success\"}"
        ),
        "0"
    );
    ask(&[]).expect(200);
    ask(&[("origin", &own), ("sec-fetch-site", "same-origin")]).expect(200);
    ask(&[("sec-fetch-site", "none")]).expect(200);
    drop(running);
}

#[test]
fn sources_that_are_too_old_are_reported_and_the_service_stays_ready() {
    let limits = [
        "--source-age-max",
        "100000",
        "--source-age-max",
        "lsoa11=30",
    ];
    let (running, admin_address) = start_with_admin(&limits);
    let ready = get(running.address, "/health/ready").expect(200).json();
    assert_eq!(ready["status"], "ready");
    let degraded = ready["degraded"].as_array().expect("a list");
    assert_eq!(degraded.len(), 1, "{ready}");
    let reason = degraded[0].as_str().expect("a reason");
    assert!(
        reason.starts_with("the source of lsoa11 is too old: it is as of 2011, ")
            && reason.ends_with(" days ago, and the limit is 30 days"),
        "{reason}"
    );
    assert_eq!(metric_value(admin_address, "catchment_degraded"), "1");
    let age = "catchment_source_age_days{name=\"lancashire-and-cumbria\",version=\"2026.1\",source=\"lsoa11\"}";
    let days = ready["sources"]["lsoa11"]["age_days"].to_string();
    assert_eq!(metric_value(admin_address, age), days);
}
