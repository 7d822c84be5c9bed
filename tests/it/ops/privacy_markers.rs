//! Sends recognisable markers as input to every route and command, in valid and invalid requests.
//! Checks that no marker is in logs, metrics, error responses, files, open file descriptors, or the
//! information that the kernel has about the process.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use catchment::domain::{BritishGrid, LonLat, OdsCode, Postcode, Uprn};
use regex::Regex;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::process::ServiceProcess;
use crate::support::server::{Reply, client, connect, encode_fields, send, send_raw};

/// The markers: an existing, an unknown and a misspelt postcode, coordinates, LSOAs, practices, an
/// arbitrary word, an IP address and a key. They are too long to occur in a time or an id by
/// chance.
const MARKERS: &[&str] = &[
    "LA14 2LQ",
    "LA14+2LQ",
    "LA14%202LQ",
    "LA142LQ",
    "la142lq",
    "LA1O 5DL",
    "LA1O+5DL",
    "LA1 0AA",
    "LA1+0AA",
    "-3.2694711",
    "54.2097422",
    "317303.125",
    "480077.375",
    "E01019250",
    "e01019250",
    "E01999977",
    "100077777001",
    "P81064",
    "P8-MARK",
    "Zq7Mark",
    "zq7mark",
    "192.0.2.77",
    "catchment_c0ffee00",
];

/// The postcode that is suggested for the misspelt postcode. Only the response to the misspelt
/// postcode may contain it.
const SUGGESTION: &str = "LA10 5DL";

fn check_no_markers(source: &str, text: &str) {
    for mark in MARKERS.iter().chain(&[SUGGESTION]) {
        if let Some(index) = text.find(mark) {
            let start = text.floor_char_boundary(index.saturating_sub(200));
            let end = text.floor_char_boundary((index + 200).min(text.len()));
            panic!("{mark} is in {source}: …{}…", &text[start..end]);
        }
    }
}

/// Returns a page without its `input` elements.
fn without_inputs(page: &str) -> String {
    let input = Regex::new("<input[^>]*>").expect("a pattern");
    input.replace_all(page, "").into_owned()
}

/// Returns an error without the directory entry of a postcode that is no longer in use, which
/// clients of postcodes.io expect in the error.
fn without_terminated(error: &str) -> String {
    let terminated = Regex::new(r#","terminated":\{[^}]*\}"#).expect("a pattern");
    terminated.replace(error, "").into_owned()
}

/// Returns the path templates of all routes, from the source code of the router.
fn routes() -> Vec<&'static str> {
    let router = include_str!("../../../src/http/mod.rs");
    let beginnings = router.match_indices(".route(");
    let template = |(index, _): (usize, &str)| {
        let rest = &router[index..];
        let start = rest.find('"').expect("a path") + 1;
        let path = &router[index + start..];
        &path[..path.find('"').expect("closed")]
    };
    beginnings.map(template).collect()
}

/// Returns the names of all query parameters in the API document.
fn parameters(document: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect_parameters(document, &mut found);
    found.sort_unstable();
    found.dedup();
    found
}

fn collect_parameters(value: &Value, found: &mut Vec<String>) {
    if value["in"] == "query" {
        found.extend(value["name"].as_str().map(str::to_string));
    }
    match value {
        Value::Object(members) => members
            .values()
            .for_each(|member| collect_parameters(member, found)),
        Value::Array(all) => all
            .iter()
            .for_each(|value| collect_parameters(value, found)),
        _ => {}
    }
}

/// An HTTP client that puts markers into every part of its requests.
struct MarkedClient {
    client: ureq::Agent,
    address: SocketAddr,
    bearer: String,
    count: usize,
}

impl MarkedClient {
    fn request(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> Reply {
        let mut marked = headers.to_vec();
        marked.extend([
            ("referer", "https://a.example/?postcode=LA14+2LQ"),
            ("x-patient", "LA14 2LQ"),
            ("x-request-id", "Zq7Mark-LA142LQ-00112233"),
            ("traceparent", "LA142LQ"),
            ("cookie", "postcode=LA142LQ"),
            ("user-agent", "Zq7Mark"),
            ("x-forwarded-for", "192.0.2.77"),
            ("origin", "https://zq7mark.example"),
        ]);
        if !headers.iter().any(|(name, _)| *name == "authorization") {
            marked.push(("authorization", &self.bearer));
        }
        let reply = send(&self.client, self.address, (method, path), &marked, body);
        self.count += 1;
        for (name, value) in &reply.headers {
            check_no_markers(name.as_str(), &String::from_utf8_lossy(value.as_bytes()));
        }
        if reply.status >= 400 {
            // The form of the look-up page retains the submitted text, but only in its fields.
            let text = match path {
                "/" => without_inputs(reply.text()),
                _ if path.starts_with("/postcodes/") => without_terminated(reply.text()),
                _ => reply.text().to_string(),
            };
            check_no_markers(path, &text.replace(SUGGESTION, ""));
        }
        reply
    }
}

fn request_every_route(marked_client: &mut MarkedClient) {
    let document = marked_client
        .request("GET", "/openapi.json", &[], None)
        .expect(200)
        .json();
    let names = parameters(&document);
    assert!(names.len() > 15, "{names:?}");
    let segments = [
        "LA14%202LQ",
        "la142lq",
        "LA1O+5DL",
        "P81064",
        "Zq7Mark",
        "icc",
        "%ff",
        "..%2fZq7Mark",
    ];
    let values = [
        "LA14 2LQ",
        "LA1O 5DL",
        "54.2097422",
        "P81064",
        "Zq7Mark",
        "E01019250",
    ];
    for template in routes() {
        for segment in segments {
            let path = fill_template(template, segment);
            for method in ["GET", "HEAD", "OPTIONS", "POST", "DELETE", "LA142LQ"] {
                let body = (method == "POST").then_some("LA14 2LQ");
                marked_client.request(method, &path, &[], body);
                if !template.contains('{') && method != "GET" {
                    continue;
                }
                let query = encode_fields(&[("postcode", values[0]), ("Zq7Mark", values[4])]);
                marked_client.request(method, &format!("{path}?{query}"), &[], body);
            }
            if !template.contains('{') {
                break;
            }
        }
        let path = fill_template(template, "icc");
        for name in &names {
            for value in values {
                let query = encode_fields(&[(name, value)]);
                marked_client.request("GET", &format!("{path}?{query}"), &[], None);
            }
        }
    }
}

/// Replaces every variable in a path template with `segment`.
fn fill_template(template: &str, segment: &str) -> String {
    let parts = template
        .split('/')
        .map(|part| if part.starts_with('{') { segment } else { part });
    parts.collect::<Vec<_>>().join("/")
}

fn request_lookups(marked_client: &mut MarkedClient) {
    let lookups: &[&[(&str, &str)]] = &[
        &[("postcode", "LA14 2LQ"), ("practice", "P81064")],
        &[("postcode", "la142lq"), ("practice", "P8-MARK")],
        &[("postcode", "LA1O 5DL")],
        &[("postcode", "LA1 0AA")],
        &[("lon", "-3.2694711"), ("lat", "54.2097422")],
        &[("lon", "54.2097422"), ("lat", "-3.2694711")],
        &[("easting", "317303.125"), ("northing", "480077.375")],
        &[("statistical_area", "E01019250"), ("practice", "P81064")],
        &[("statistical_area", "E01999977")],
        &[("statistical_area", "Zq7Mark!")],
        &[("lsoa11", "e01019250"), ("as_of", "2025-01-01")],
        &[("lsoa21", "E01999977")],
        &[("uprn", "100077777001"), ("practice", "P81064")],
        &[("uprn", "000100077777001.0")],
        &[("uprn", "Zq7Mark")],
        &[("practice", "P81064"), ("layers", "Zq7Mark")],
        &[("postcode", "LA14 2LQ"), ("as_of", "Zq7Mark")],
    ];
    let kinds = [
        "application/json",
        "application/x-www-form-urlencoded",
        "text/csv",
        "application/x-ndjson",
        "application/vnd.apache.arrow.stream",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "multipart/form-data; boundary=Zq7Mark",
        "Zq7Mark/LA142LQ",
    ];
    for fields in lookups {
        let form = encode_fields(fields);
        let object = fields
            .iter()
            .map(|(name, value)| (name.to_string(), Value::from(*value)));
        let object = Value::Object(object.collect()).to_string();
        let names: Vec<&str> = fields.iter().map(|value| value.0).collect();
        let values: Vec<&str> = fields.iter().map(|value| value.1).collect();
        let csv = format!("{}\n{}\n", names.join(","), values.join(","));
        let part = format!(
            "--Zq7Mark\r\ncontent-disposition: form-data; name=\"file\"; filename=\"LA14 2LQ.csv\"\r\n\r\n{csv}\r\n--Zq7Mark--\r\n"
        );
        marked_client.request("GET", &format!("/api/v1/locate?{form}"), &[], None);
        for path in [
            "/",
            "/api/v1/locate",
            "/api/v1/batch",
            "/api/v1/batch?check=true",
            "/batch",
        ] {
            for kind in kinds {
                for body in [&form, &object, &csv, &part] {
                    marked_client.request("POST", path, &[("content-type", kind)], Some(body));
                }
            }
        }
    }
    for body in [
        "{\"postcodes\":[\"LA14 2LQ\",\"LA1O 5DL\",\"Zq7Mark\"]}",
        "{\"postcodes\":\"LA14 2LQ\"}",
        "{\"Zq7Mark\":[\"LA14 2LQ\"]}",
        "{\"geolocations\":[{\"longitude\":-3.2694711,\"latitude\":54.2097422}]}",
        "{\"geolocations\":[{\"longitude\":-3.2694711,\"latitude\":54.2097422,\"limit\":\"Zq7Mark\"}]}",
        "{\"geolocations\":[{\"longitude\":\"Zq7Mark\",\"latitude\":54.2097422}]}",
        "[\"LA14 2LQ\"",
    ] {
        for kind in kinds {
            let headers = [("content-type", kind)];
            marked_client.request("POST", "/postcodes", &headers, Some(body));
        }
    }
    for path in [
        "/mapit/point/4326/-3.2694711,54.2097422",
        "/mapit/point/4326/54.2097422,-3.2694711",
        "/mapit/nearest/27700/317303.125,480077.375",
        "/mapit/nearest/29902/317303.125,480077.375",
        "/mapit/postcode/LA142LQ?generation=Zq7Mark",
        "/mapit/postcode/partial/LA1O",
    ] {
        marked_client.request("GET", path, &[], None);
    }
    for key in [
        "Bearer catchment_c0ffee00Zq7Mark",
        "Basic WnE3TWFyazpMQTE4NERC",
        "LA142LQ Zq7Mark",
    ] {
        for path in ["/api/v1/locate?postcode=LA14+2LQ", "/api/v1/batch", "/"] {
            marked_client.request("GET", path, &[("authorization", key)], None);
        }
    }
    for bytes in [
        "LA14 2LQ\r\n\r\n",
        "GET /?postcode=LA14 2LQ HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nLA142LQ\r\n\r\n",
        "POST /api/v1/locate HTTP/1.1\r\nhost: a\r\ncontent-length: LA142LQ\r\n\r\n",
        "GET / HTTP/9.9\r\nhost: LA142LQ\r\n\r\n",
    ] {
        check_no_markers(
            "the response to invalid HTTP",
            &send_raw(connect(marked_client.address), bytes.as_bytes()),
        );
    }
}

/// Returns all files in a folder and its subfolders.
fn files_under(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let below = entries.flat_map(|entry| match entry.path() {
        path if path.is_dir() => files_under(&path),
        path => vec![path],
    });
    below.collect()
}

/// Checks the information that the kernel has about a process: its arguments, environment, memory
/// map, threads and open file descriptors.
#[cfg(target_os = "linux")]
fn check_process(id: u32) {
    let process = PathBuf::from(format!("/proc/{id}"));
    for name in ["cmdline", "environ", "comm", "maps"] {
        let content = fs::read(process.join(name)).expect("readable");
        check_no_markers(name, &String::from_utf8_lossy(&content));
    }
    let mut count = 0;
    for task in fs::read_dir(process.join("task"))
        .expect("threads")
        .flatten()
    {
        check_no_markers(
            "a thread's name",
            &fs::read_to_string(task.path().join("comm")).unwrap_or_default(),
        );
    }
    for entry in fs::read_dir(process.join("fd"))
        .expect("descriptors")
        .flatten()
    {
        let Ok(open) = fs::read_link(entry.path()) else {
            continue;
        };
        let open = open.display().to_string();
        let is_no_file = ["socket:[", "pipe:[", "anon_inode:", "/dev/null"]
            .iter()
            .any(|kind| open.starts_with(kind));
        assert!(is_no_file, "the process has a file open: {open}");
        count += 1;
    }
    assert!(count > 5, "{count}");
}

#[cfg(not(target_os = "linux"))]
fn check_process(_: u32) {}

fn program_in(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_catchment"));
    command.current_dir(folder);
    for name in ["TMPDIR", "HOME", "XDG_CACHE_HOME"] {
        command.env(name, folder);
    }
    command
}

fn add_key(folder: &Path) -> (String, String) {
    let path = folder.join("keys.toml").display().to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_catchment"))
        .args(["keys", "add", "--keys", &path, "--name", "a test"])
        .args(["--scopes", "batch"])
        .output()
        .expect("the program runs");
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut words = stdout.split_whitespace();
    let key = words.find(|word| word.starts_with("catchment_"));
    (path, key.expect("a key").to_string())
}

#[test]
fn requests_leave_no_markers_in_logs_files_or_process_state() {
    let (folder, key_folder) = (
        TempDir::new().expect("a folder"),
        TempDir::new().expect("another"),
    );
    let (keys, key) = add_key(key_folder.path());
    let mut running = ServiceProcess::start_command(
        &mut program_in(folder.path()),
        &[
            "--keys",
            &keys,
            "--require-key-for",
            "batch",
            "--admin-listen",
            "127.0.0.1:0",
        ],
    );
    let line = running.wait_for("admin listener on ");
    let admin_address = line
        .trim_start_matches("admin listener on http://")
        .split('/')
        .next();
    let admin_address: SocketAddr = admin_address
        .and_then(|text| text.parse().ok())
        .expect("an address");
    let mut marked_client = MarkedClient {
        client: client(),
        address: running.address,
        bearer: format!("Bearer {key}"),
        count: 0,
    };
    request_every_route(&mut marked_client);
    request_lookups(&mut marked_client);
    // The test also checks the process during a batch upload.
    let mut upload = connect(running.address);
    let head = format!(
        "POST /api/v1/batch HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {key}\r\ncontent-type: text/csv\r\ncontent-length: 9000000\r\n\r\npostcode,name\n"
    );
    upload
        .write_all(head.as_bytes())
        .expect("the request is sent");
    let rows = "LA14 2LQ,Zq7Mark\nLA1O 5DL,Zq7Mark\n".repeat(3_000);
    upload
        .write_all(rows.as_bytes())
        .expect("the request is sent");
    check_process(running.id());
    drop(upload);
    let public_address = std::mem::replace(&mut marked_client.address, admin_address);
    // The markers make the request cross-origin, so the reload is rejected.
    for (method, path, status) in [("GET", "/metrics", 200), ("POST", "/reload", 403)] {
        marked_client
            .request(method, path, &[], None)
            .expect(status);
        marked_client.request(method, &format!("{path}?postcode=LA14+2LQ"), &[], None);
        marked_client.request(method, &format!("{path}/LA142LQ"), &[], None);
    }
    running.signal("HUP");
    running.wait_for("reloaded");
    let metrics = marked_client
        .request("GET", "/metrics", &[], None)
        .expect(200);
    check_no_markers("the metrics", metrics.text());
    marked_client.address = public_address;
    check_process(running.id());
    running.signal("TERM");
    let (status, written) = running.wait_for_exit();
    assert_eq!(status, Some(0), "{written}");
    let logged = written.matches(" INFO responded ").count();
    assert!(
        marked_client.count > 3_000 && logged >= marked_client.count,
        "{} of {logged}",
        marked_client.count
    );
    check_no_markers("the log", &written);
    assert!(!written.contains(&key[20..]), "the key is in the log");
    assert_eq!(
        files_under(folder.path()),
        Vec::<PathBuf>::new(),
        "the service created files that it did not delete"
    );
    let key_file = fs::read_to_string(&keys).expect("readable");
    check_no_markers("the API key file", &key_file);
    assert!(
        !key_file.contains(&key[20..]),
        "the key itself is in the API key file"
    );
}

// ---- the command line ---------------------------------------------------------------------------

fn run(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = program_in(folder)
        .args(arguments)
        .env("RUST_LOG", "trace")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    // Commands that read no input may have exited already.
    let _ = child
        .stdin
        .take()
        .expect("piped")
        .write_all(input.as_bytes());
    child.wait_with_output().expect("the program exits")
}

#[test]
fn commands_leave_no_markers_except_in_their_output() {
    let folder = TempDir::new().expect("a folder");
    let data_folder = TempDir::new().expect("another");
    let csv = "postcode,gp_practice_code,name\nLA14 2LQ,P81064,Zq7Mark\nLA1O 5DL,P8-MARK,\"Zq7Mark\"\nLA1 0AA\n";
    let path = |name: &str| data_folder.path().join(name).display().to_string();
    let (input, output) = (path("list.csv"), path("answered.csv"));
    fs::write(&input, csv).expect("written");
    let commands: &[&[&str]] = &[
        &["locate", "LA14 2LQ", "--practice", "P81064"],
        &["locate", "--json", "LA14 2LQ"],
        &["locate", "LA1 0AA"],
        &["locate", "-"],
        &["locate", "--json", "-"],
        &["batch", &input, "-o", &output],
        &["batch", "--check", &input],
        &["batch", "-"],
        &["batch", "-", "--manifest", &path("manifest.json")],
        &["batch", "-", "--postcode-column", "name"],
        &["batch", "-", "--registration-only"],
        &["flows", &input],
        &["flows", "-", "--json", "--practice-column", "name"],
        &["check"],
        &["diff", "/nowhere/a", "/nowhere/b"],
        &["export"],
        &["keys", "list", "--keys", &path("keys.toml")],
    ];
    for arguments in commands {
        let done = run(folder.path(), arguments, csv);
        check_no_markers(&arguments.join(" "), &String::from_utf8_lossy(&done.stderr));
        assert_eq!(
            files_under(folder.path()),
            Vec::<PathBuf>::new(),
            "{arguments:?}"
        );
    }
    let written: Vec<PathBuf> = files_under(data_folder.path());
    let names = written.iter().filter_map(|path| path.file_name()?.to_str());
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    assert_eq!(
        names,
        ["answered.csv", "answered.csv.manifest.json", "list.csv"]
    );
    check_no_markers(
        "the manifest",
        &fs::read_to_string(path("answered.csv.manifest.json")).expect("a manifest"),
    );
}

// ---- types --------------------------------------------------------------------------------------

#[test]
fn debug_output_of_query_types_is_redacted() {
    let postcode: Postcode = "LA14 2LQ".parse().expect("a postcode");
    let practice: OdsCode = "P81064".parse().expect("a code");
    let lonlat = LonLat::new(-3.269_471_1, 54.209_742_2).expect("a position");
    let grid = BritishGrid::from_metres(317_303.125, 480_077.375).expect("a position");
    let uprn: Uprn = "100077777001".parse().expect("a UPRN");
    let fields = |pairs: &[(&str, &str)]| {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()));
        catchment::request::RequestParams::new(pairs, catchment::request::LOCATE_PARAMS)
            .expect("known")
    };
    let index = crate::data::embedded_dataset::index();
    for (name, printed) in [
        ("Postcode", format!("{postcode:?}")),
        ("OdsCode", format!("{practice:?}")),
        ("LonLat", format!("{lonlat:?}")),
        ("BritishGrid", format!("{grid:?}")),
        ("Uprn", format!("{uprn:?}")),
    ] {
        check_no_markers(name, &printed);
        assert!(printed.contains(name), "{printed}");
    }
    for pairs in [
        &[("postcode", "LA14 2LQ"), ("practice", "P81064")][..],
        &[("lon", "-3.2694711"), ("lat", "54.2097422")],
        &[("easting", "317303.125"), ("northing", "480077.375")],
        &[("uprn", "100077777001")],
    ] {
        let request = catchment::request::LocateRequest::from_params(&fields(pairs)).expect("one");
        check_no_markers("LocateRequest", &format!("{request:?}"));
        check_no_markers("LocateQuery", &format!("{:?}", request.query));
    }
    for pairs in [
        &[("postcode", "LA1O 5DL")][..],
        &[("postcode", "Zq7Mark")],
        &[("lon", "54.2097422"), ("lat", "-3.2694711")],
        &[("lon", "Zq7Mark"), ("lat", "54.2097422")],
        &[("postcode", "LA14 2LQ"), ("as_of", "Zq7Mark")],
        &[("practice", "P8-MARK")],
    ] {
        let error =
            catchment::request::LocateRequest::from_params(&fields(pairs)).expect_err("none");
        check_no_markers("the Debug of an error", &format!("{error:?}"));
        check_no_markers("the message of an error", &error.to_string());
    }
    // The `Debug` output of a result shows only its status. (A result contains, for example, the
    // name of the practice's ICC.)
    let pairs = [("postcode", "LA18 4DB"), ("practice", "P81064")];
    let request = catchment::request::LocateRequest::from_params(&fields(&pairs)).expect("one");
    let answer = index.locate(&request.query);
    assert_eq!(
        format!("{answer:?}"),
        "LocateAnswer { status: Located, .. }"
    );
    assert_eq!(format!("{:?}", answer.location), "Some(Location(…))");
    assert_eq!(
        format!("{:?}", answer.registration),
        "Some(PracticeRegistration(…))"
    );
    let entry = index.postcodes().next();
    assert_eq!(format!("{entry:?}"), "Some(PostcodeEntry(…))");
}

/// Fails to compile if one of these types implements `Debug`.
macro_rules! assert_not_debug {
    ($($type:ty),*) => { $(const _: fn() = || {
        trait AmbiguousIfDebug<A> {
            fn probe() {}
        }
        struct IsDebug;
        impl<T> AmbiguousIfDebug<()> for T {}
        impl<T: std::fmt::Debug> AmbiguousIfDebug<IsDebug> for T {}
        let _ = <$type as AmbiguousIfDebug<_>>::probe;
    };)* };
}

assert_not_debug!(
    catchment::request::RequestParams,
    catchment::ops::keys::KeySecret
);
