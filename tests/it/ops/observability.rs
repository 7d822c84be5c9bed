//! Tests of request ids, log and audit lines, panics and metrics.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use catchment::http::{AccessConfig, BatchLimits, ServerLimits};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::process::ServiceProcess;
use crate::support::server::{Reply, SERVER, Server, client, embedded, send, send_raw};

/// A request id in the format of nginx's `$request_id`.
const PROXY_REQUEST_ID: &str = "59e1d7b3a4f86c1204efab7791c3d2e0";

fn get(running: &ServiceProcess, path: &str, headers: &[(&str, &str)]) -> Reply {
    send(&client(), running.address, ("GET", path), headers, None)
}

/// Parses a JSON log into its lines.
fn parse_log(written: &str) -> Vec<Value> {
    let line = |line: &str| -> Value {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
    };
    written.lines().map(line).collect()
}

fn stop(running: ServiceProcess) -> String {
    running.signal("TERM");
    let (status, written) = running.wait_for_exit();
    assert_eq!(status, Some(0), "{written}");
    written
}

// ---- request ids --------------------------------------------------------------------------------

#[test]
fn every_response_has_a_unique_request_id() {
    let paths = [
        "/",
        "/health/live",
        "/nothing",
        "/api/v1/locate?postcode=LA18+4DB",
        "/api/v1/locate?postcode=LA1O+5DL",
        "/tiles/icc/8/125/81.mvt",
        "/openapi.json",
    ];
    let mut seen = BTreeSet::new();
    for path in paths {
        let reply = SERVER.get(path);
        let id = reply.header("x-request-id");
        let is_ours = id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        assert!(is_ours, "{reply}");
        assert!(seen.insert(id.to_string()), "{reply}");
    }
    let batch = SERVER.post("/api/v1/batch", "text/csv", "postcode\nLA18 4DB\n");
    assert!(seen.insert(batch.header("x-request-id").into()), "{batch}");
    let shared = SERVER.get("/api/v1/dataset");
    let exposed_headers = shared.header("access-control-expose-headers");
    assert!(exposed_headers.contains("x-request-id"), "{shared}");
}

#[test]
fn request_ids_are_accepted_only_from_trusted_proxies() {
    let returned_id = |server: &Server, id: &str| {
        let reply = server.send("GET", "/health/live", &[("x-request-id", id)], None);
        reply.header("x-request-id").to_string()
    };
    assert_ne!(returned_id(&SERVER, PROXY_REQUEST_ID), PROXY_REQUEST_ID);
    let access = AccessConfig {
        trusted_proxies: vec!["127.0.0.0/8".parse().expect("a network")],
        ..AccessConfig::default()
    };
    let (limits, batch_limits) = (ServerLimits::default(), BatchLimits::default());
    let server = Server::with_access(embedded(), limits, batch_limits, access);
    assert_eq!(returned_id(&server, PROXY_REQUEST_ID), PROXY_REQUEST_ID);
    for id in ["LA18 4DB", "la184db", "0123", "Zq7Mark-0123456789abcdef"] {
        let returned = returned_id(&server, id);
        assert_eq!(returned.len(), 16, "{id}: {returned}");
    }
}

#[test]
fn log_lines_have_the_request_id_of_the_response() {
    let running = ServiceProcess::start(&["--log-format", "json", "--trusted-proxy", "127.0.0.1"]);
    let proxied = [("x-request-id", PROXY_REQUEST_ID)];
    get(&running, "/api/v1/dataset", &proxied).expect(200);
    let own = get(&running, "/api/v1/locate?postcode=LA1O+5DL", &[]).expect(400);
    let own = own.header("x-request-id");
    let all = parse_log(&stop(running));
    let lines_with_id = |id: &str| -> Vec<&Value> {
        let fields = all.iter().map(|line| &line["fields"]);
        fields.filter(|field| field["request_id"] == id).collect()
    };
    let [line] = lines_with_id(PROXY_REQUEST_ID)[..] else {
        panic!("{all:?}")
    };
    assert_eq!(line["route"], "/api/v1/dataset");
    assert_eq!(line["status"], 200);
    let [line] = lines_with_id(own)[..] else {
        panic!("{all:?}")
    };
    assert_eq!(line["route"], "/api/v1/locate");
    assert_eq!(line["status"], 400);
    assert!(line["duration_us"].is_u64(), "{line}");
}

// ---- responses without a route ------------------------------------------------------------------

#[test]
fn malformed_http_gets_an_empty_error_response() {
    let many_headers = format!(
        "GET / HTTP/1.1\r\nhost: a\r\n{}\r\n",
        "a: b\r\n".repeat(200)
    );
    let long = format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "a".repeat(20_000));
    for (request, statuses) in [
        ("LA18 4DB\r\n\r\n", &["400"][..]),
        ("GET /LA18 4DB HTTP/1.1\r\n\r\n", &["400"]),
        ("GET / HTTP/1.1\r\nLA18 4DB\r\n\r\n", &["400"]),
        (
            "GET / HTTP/1.1\r\nhost: a\r\ncontent-length: LA18\r\n\r\n",
            &["400"],
        ),
        (&many_headers, &["431"]),
        (&long, &["431", "414"]),
    ] {
        let answer = send_raw(SERVER.connect(), request.as_bytes());
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        assert!(head.starts_with("HTTP/1.1 "), "{answer}");
        assert!(statuses.contains(&&head[9..12]), "{answer}");
        assert!(head.contains("connection: close"), "{answer}");
        assert_eq!(body, "", "{answer}");
        assert!(!answer.contains("4DB"), "{answer}");
    }
}

#[test]
fn responses_before_a_parse_error_are_unchanged() {
    let request = "GET /health/live HTTP/1.1\r\nhost: a\r\n\r\nLA18 4DB\r\n\r\n";
    let answer = send_raw(SERVER.connect(), request.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("{\"status\":\"live\"}HTTP/1.1 400 Bad Request\r\n"));
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
}

#[test]
fn connection_limit_response_has_security_headers() {
    let limits = ServerLimits {
        connections: 1,
        ..ServerLimits::default()
    };
    let server = Server::with(embedded(), limits);
    // The server does not close a connection with a running request.
    let mut busy = server.connect();
    let request = "POST /api/v1/locate HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 9\r\nexpect: 100-continue\r\n\r\n";
    std::io::Write::write_all(&mut busy, request.as_bytes()).expect("the request is sent");
    let mut interim = [0; 25];
    std::io::Read::read_exact(&mut busy, &mut interim).expect("100 Continue");
    let answer = crate::support::server::read_to_close(server.connect());
    for line in [
        "HTTP/1.1 503 Service Unavailable\r\n",
        "retry-after: 1\r\n",
        "content-type: application/problem+json\r\n",
        "content-security-policy: default-src 'none'",
        "permissions-policy: ",
        "x-request-id: ",
        "\"code\":\"busy\"",
    ] {
        assert!(answer.contains(line), "no `{line}`: {answer}");
    }
}

// ---- log lines ----------------------------------------------------------------------------------

#[test]
fn invalid_key_files_cannot_forge_log_lines() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("keys.toml");
    fs::write(&path, "").expect("written");
    let keys = path.display().to_string();
    let mut running = ServiceProcess::start(&["--keys", &keys, "--require-key-for", "batch"]);
    fs::write(&path, "[[key]]\nid = \"a\nERROR forged\u{1b}[31m\n").expect("written");
    let line = running.wait_for("could not load the API keys");
    assert!(line.contains("\\n"), "{line}");
    let written = stop(running);
    let is_log_line =
        |line: &str| line.starts_with("20") || line.starts_with("listening on http://");
    for line in written.lines() {
        assert!(is_log_line(line), "forged line: {line}");
        assert!(!line.contains('\u{1b}'), "{line}");
    }
}

#[test]
fn each_batch_is_audited_without_small_numbers() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("keys.toml").display().to_string();
    let added = Command::new(env!("CARGO_BIN_EXE_catchment"))
        .args(["keys", "add", "--keys", &path])
        .args(["--name", "a test", "--scopes", "batch"])
        .output()
        .expect("the program runs");
    let stdout = String::from_utf8_lossy(&added.stdout).into_owned();
    let secret = stdout
        .split_whitespace()
        .find(|text| text.starts_with("catchment_"));
    let bearer = format!("Bearer {}", secret.expect("the key"));
    let id = &bearer["Bearer catchment_".len()..][..8];
    let running = ServiceProcess::start(&["--log-level", "error", "--keys", &path]);
    let rows = ["LA18 4DB\n"; 23].concat() + &["LA1O 5DL\n"; 7].concat() + "ZZ99 3VZ\n";
    let csv = |body: &str| {
        let headers = [("content-type", "text/csv"), ("authorization", &*bearer)];
        let target = ("POST", "/api/v1/batch");
        let reply = send(&client(), running.address, target, &headers, Some(body));
        reply.header("x-request-id").to_string()
    };
    let answered_id = csv(&format!("postcode\n{rows}"));
    let rejected_id = csv("postcode,postcode\nLA18 4DB,1\n");
    get(&running, "/api/v1/dataset", &[]).expect(200);
    let written = stop(running);
    let audit: Vec<&str> = written.lines().skip(1).collect();
    assert_eq!(
        audit.len(),
        2,
        "each of the two batches must have a line: {written}"
    );
    let common = format!("key=\"{id}\" dataset=\"2026.1\"");
    let counted = "rows=\"30\" bad_rows=\"0\" status=\"located=25 no_fixed_abode=* malformed=*\"";
    let line = format!("batch completed request_id=\"{answered_id}\" {common} {counted}");
    assert!(written.contains(&line), "{written}");
    let line =
        format!("batch rejected request_id=\"{rejected_id}\" {common} code=\"ambiguous_column\"");
    assert!(written.contains(&line), "{written}");
}

// ---- panics -------------------------------------------------------------------------------------

const PANIC_VARIABLE: &str = "CATCHMENT_TEST_PANICS";

/// Panics with the panic hook of the program. The next test runs this test in a child process.
#[test]
#[ignore = "run by panics_log_only_their_source_location"]
fn panics_in_a_child_process() {
    // If the variable is not set, do not replace the panic hook of other tests.
    if std::env::var_os(PANIC_VARIABLE).is_none() {
        return;
    }
    catchment::ops::panics::install_redacting_hook();
    let panics = || panic!("LA18 4DB is not in the index");
    std::thread::spawn(panics)
        .join()
        .expect_err("the thread panics");
    println!("counted {}", catchment::ops::panics::count());
}

#[test]
fn panics_log_only_their_source_location() {
    let output = Command::new(std::env::current_exe().expect("the path of this program"))
        .args(["ops::observability::panics_in_a_child_process", "--exact"])
        .args(["--ignored", "--nocapture"])
        .env("RUST_BACKTRACE", "1")
        .env(PANIC_VARIABLE, "1")
        .output()
        .expect("the program runs");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    assert!(
        text.contains("internal error: panicked at tests/it/ops/observability.rs:"),
        "{text}"
    );
    assert!(text.contains("panics_in_a_child_process"), "{text}");
    assert!(text.contains("counted 1"), "{text}");
    assert!(!text.contains("4DB"), "{text}");
}

// ---- metrics ------------------------------------------------------------------------------------

/// Parses the samples of the Prometheus text format. Returns the name, labels and value of each
/// sample.
fn parse_samples(text: &str) -> Vec<(String, String, f64)> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').expect("a value");
            let (name, labels) = name.split_once('{').unwrap_or((name, ""));
            let value = value.parse().expect("a number");
            (name.into(), labels.trim_end_matches('}').into(), value)
        })
        .collect()
}

/// Returns the metrics of a service after a few requests.
pub(crate) fn metrics_text() -> String {
    let mut running = ServiceProcess::start(&["--admin-listen", "127.0.0.1:0"]);
    let line = running.wait_for("admin listener on ");
    let admin_address = line
        .trim_start_matches("admin listener on http://")
        .split('/')
        .next();
    let admin_address = admin_address
        .expect("an address")
        .parse()
        .expect("an address");
    for _ in 0..3 {
        get(&running, "/api/v1/locate?postcode=LA18+4DB", &[]).expect(200);
    }
    get(&running, "/api/v1/locate?postcode=LA1O+5DL", &[]).expect(400);
    get(&running, "/nothing/LA18+4DB", &[]).expect(404);
    send_raw(
        crate::support::server::connect(running.address),
        b"LA18 4DB\r\n\r\n",
    );
    let reply = send(&client(), admin_address, ("GET", "/metrics"), &[], None).expect(200);
    stop(running);
    reply.text().to_string()
}

#[test]
fn metrics_count_requests_by_class_and_reveal_no_input() {
    let text = metrics_text();
    let all = parse_samples(&text);
    let value = |name: &str, labels: &str| {
        let found = all
            .iter()
            .find(|value| value.0 == name && value.1 == labels);
        found
            .map(|value| value.2)
            .unwrap_or_else(|| panic!("no {name}{{{labels}}}: {text}"))
    };
    let requests = "catchment_requests_total";
    assert_eq!(value(requests, "scope=\"locate\",status=\"2xx\""), 3.0);
    assert_eq!(value(requests, "scope=\"locate\",status=\"4xx\""), 1.0);
    assert_eq!(value(requests, "scope=\"other\",status=\"4xx\""), 1.0);
    let duration = "catchment_request_duration_seconds";
    assert_eq!(value(&format!("{duration}_count"), "scope=\"locate\""), 4.0);
    let bucket = format!("{duration}_bucket");
    assert_eq!(value(&bucket, "scope=\"locate\",le=\"+Inf\""), 4.0);
    assert!(value(&format!("{duration}_sum"), "scope=\"locate\"") > 0.0);
    assert_eq!(
        value(
            "catchment_requests_rejected_total",
            "reason=\"invalid_http\""
        ),
        1.0
    );
    assert_eq!(value("catchment_panics_total", ""), 0.0);
    assert_eq!(value("catchment_batches_in_flight", ""), 0.0);
    assert!(value("catchment_dataset_loaded_timestamp_seconds", "") > 1.7e9);
    // There are few time series, and no label contains a value from a request.
    assert!(all.len() < 250, "{}", all.len());
    assert!(!text.contains("4DB"), "{text}");
    for (_, labels, _) in &all {
        // The title of a source may contain a comma.
        for label in labels.split("\",").filter(|label| !label.is_empty()) {
            let (name, _) = label.split_once('=').expect("a label");
            let known = [
                "scope", "status", "le", "class", "reason", "outcome", "name", "source", "version",
                "title",
            ];
            assert!(known.contains(&name), "{label}");
        }
    }
    // Each metric has exactly one TYPE line and one HELP line.
    for (name, _, _) in &all {
        let base = ["_bucket", "_sum", "_count"]
            .iter()
            .fold(&**name, |name, suffix| {
                name.strip_suffix(suffix)
                    .filter(|text| text.ends_with("_seconds"))
                    .unwrap_or(name)
            });
        assert_eq!(
            text.matches(&format!("# TYPE {base} ")).count(),
            1,
            "{base}"
        );
        assert_eq!(
            text.matches(&format!("# HELP {base} ")).count(),
            1,
            "{base}"
        );
    }
}

#[test]
fn readiness_reports_the_dataset_and_its_age() {
    let ready = SERVER.get("/health/ready").expect(200).json();
    let dataset = &ready["dataset"];
    assert_eq!(dataset["as_of"], "2026-04-30");
    let (as_of, today) = (
        catchment::domain::date_from_iso("2026-04-30").expect("a day"),
        catchment::domain::today_in_london(),
    );
    let days = (today - as_of).get_days();
    assert_eq!(dataset["age_days"], days, "{ready}");
    // The age of a month is counted from its first day.
    let practices = &ready["sources"]["practices"];
    assert_eq!(practices["as_of"], "2026-04");
    assert_eq!(practices["age_days"], days + 29, "{ready}");
    assert_eq!(ready["sources"]["lsoa11"]["as_of"], "2011");
    let loaded_at = dataset["loaded_at"].as_str().expect("a time");
    assert!(
        loaded_at.ends_with('Z') && loaded_at.starts_with("20"),
        "{ready}"
    );
}
