//! Tests of the program behind nginx. The configuration is deploy/nginx.conf, with different ports
//! and paths, and a different certificate.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::process::ServiceProcess;

const TIMEOUT: Duration = Duration::from_secs(20);

/// The inputs of the requests in all their forms, and the suggested postcode. Logs must not contain
/// these texts.
const MARKERS: [&str; 7] = [
    "LA18", "4DB", "la184db", "LA1O", "54.2097", "317303", "P81064",
];

/// An nginx process with deploy/nginx.conf, in front of one or more instances of the service.
struct ProxiedService {
    nginx: Child,
    services: Vec<ServiceProcess>,
    folder: TempDir,
    https_port: u16,
    http_port: u16,
}

fn is_installed(program: &str) -> bool {
    let output = Command::new(program).arg("-V").output();
    output.is_ok()
}

impl ProxiedService {
    /// Starts nginx and the service. Returns `None`, and reports that the test is skipped, if a
    /// required program is missing.
    fn start(arguments: &[&str]) -> Option<ProxiedService> {
        ProxiedService::start_instances(1, arguments)
    }

    /// Starts nginx and several instances of the service.
    fn start_instances(count: usize, arguments: &[&str]) -> Option<ProxiedService> {
        for program in ["nginx", "openssl", "curl"] {
            if !is_installed(program) {
                crate::support::external_tools::report_skipped(&format!(
                    "deploy/nginx.conf: install {program}"
                ));
                return None;
            }
        }
        let mut all = vec!["--trusted-proxy", "127.0.0.1", "--trusted-proxy", "::1"];
        all.extend(arguments);
        let services: Vec<_> = (0..count).map(|_| ServiceProcess::start(&all)).collect();
        let folder = TempDir::new().expect("a folder");
        // If root starts nginx, its workers run as another user.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("set");
        let (https_port, http_port) = (free_port(), free_port());
        write_configuration(folder.path(), https_port, http_port);
        let addresses: Vec<_> = services.iter().map(|service| service.address).collect();
        write_instances(folder.path(), &addresses);
        create_certificate(folder.path());
        let nginx = Command::new("nginx")
            .args(["-g", "daemon off;", "-p"])
            .arg(folder.path())
            .arg("-c")
            .arg(folder.path().join("nginx.conf"))
            .arg("-e")
            .arg(folder.path().join("start.log"))
            .stdin(Stdio::null())
            .spawn()
            .expect("nginx starts");
        let proxied = ProxiedService {
            nginx,
            services,
            folder,
            https_port,
            http_port,
        };
        let deadline = Instant::now() + TIMEOUT;
        while proxied.curl(&["/health/live"]).0 != 200 {
            let start_log = fs::read_to_string(proxied.folder.path().join("start.log"));
            assert!(
                Instant::now() < deadline,
                "nginx does not respond in time: {start_log:?}"
            );
            thread::sleep(Duration::from_millis(50));
        }
        Some(proxied)
    }

    fn client(&self) -> ProxyClient {
        ProxyClient {
            https_port: self.https_port,
        }
    }

    fn curl(&self, arguments: &[&str]) -> (u16, String) {
        self.client().curl(arguments)
    }

    fn log(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }

    /// Stops the service and returns its log.
    fn service_log(&mut self) -> String {
        let service = self.services.pop().expect("the service is running");
        service.signal("TERM");
        service.wait_for_exit().1
    }
}

/// A client of nginx, which other threads can use.
#[derive(Clone, Copy)]
struct ProxyClient {
    https_port: u16,
}

impl ProxyClient {
    fn command(&self, path: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("curl");
        command
            .args(["--silent", "--insecure", "--include", "--http1.1"])
            .args(["--max-time", "20"])
            .args(arguments)
            .arg(format!("https://127.0.0.1:{}{path}", self.https_port));
        command
    }

    /// Runs curl with these arguments, the last of which is the path. Returns the status code, and
    /// the whole response with its status line and headers.
    fn curl(&self, arguments: &[&str]) -> (u16, String) {
        let (path, arguments) = arguments.split_last().expect("a path");
        let output = self.command(path, arguments).output().expect("curl runs");
        let answer: String = output.stdout.iter().map(|byte| char::from(*byte)).collect();
        let status = answer.get(9..12).and_then(|text| text.parse().ok());
        (status.unwrap_or(0), answer)
    }
}

impl Drop for ProxiedService {
    fn drop(&mut self) {
        let id = self.nginx.id().to_string();
        // Unlike KILL, TERM also stops the workers.
        let _ = Command::new("kill").args(["-TERM", &id]).status();
        let _ = self.nginx.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("bound").port()
}

/// Writes a copy of deploy/nginx.conf, adapted to this test. Each text that is replaced must exist,
/// so that the test notices changes to the file.
fn write_configuration(folder: &Path, https_port: u16, http_port: u16) {
    let path = |name: &str| folder.join(name).display().to_string();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {};\n", path(kind)))
        .concat();
    let user = if is_root() { "user www-data;" } else { "" };
    let mut text = include_str!("../../../deploy/nginx.conf").to_string();
    for (from, to) in [
        ("user www-data;", user.to_string()),
        ("/run/nginx.pid", path("nginx.pid")),
        ("/var/log/nginx/error.log", path("error.log")),
        ("/var/log/nginx/access.log", path("access.log")),
        ("/var/cache/nginx/catchment", path("cache")),
        ("/etc/nginx/tls/catchment.pem", path("tls.pem")),
        ("/etc/nginx/tls/catchment.key", path("tls.key")),
        ("http {\n", format!("http {{\n{temporary}")),
        ("listen 443", format!("listen 127.0.0.1:{https_port}")),
        ("    listen [::]:443 ssl http2;\n", String::new()),
        ("listen 80", format!("listen 127.0.0.1:{http_port}")),
        ("    listen [::]:80;\n", String::new()),
        ("worker_processes auto", "worker_processes 1".into()),
        (
            "worker_rlimit_nofile 65536",
            "worker_rlimit_nofile 4096".into(),
        ),
        ("worker_connections 16384", "worker_connections 1024".into()),
    ] {
        assert!(text.contains(from), "deploy/nginx.conf has no `{from}`");
        text = text.replace(from, &to);
    }
    fs::write(folder.join("nginx.conf"), text).expect("written");
}

/// Writes the addresses of the instances, with the options in deploy/catchment-instances.conf.
fn write_instances(folder: &Path, addresses: &[SocketAddr]) {
    let text = include_str!("../../../deploy/catchment-instances.conf");
    let default = "server 127.0.0.1:8080";
    let line = text.lines().find(|line| line.starts_with(default));
    let line = line.expect("an instance");
    let lines: Vec<String> = addresses
        .iter()
        .map(|address| line.replace(default, &format!("server {address}")))
        .collect();
    fs::write(folder.join("catchment-instances.conf"), lines.join("\n")).expect("written");
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("id runs");
    id.stdout == b"0\n"
}

fn create_certificate(folder: &Path) {
    let output = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt"])
        .args(["ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=catchment.example.nhs.uk", "-keyout"])
        .arg(folder.join("tls.key"))
        .arg("-out")
        .arg(folder.join("tls.pem"))
        .output()
        .expect("openssl runs");
    assert!(output.status.success(), "{output:?}");
}

/// Returns the value of a header, or `""` if the header is absent.
fn header_value<'a>(answer: &'a str, name: &str) -> &'a str {
    let head = answer.split("\r\n\r\n").next().expect("a head");
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    let found = lines.find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map_or("", |(_, value)| value)
}

const TILE: &str = "/tiles/icc/8/125/81.mvt";
const DEEP_TILE: &str = "/tiles/icc/15/16086/10440.mvt";

#[test]
fn tiles_are_cached_and_revalidated_by_etag() {
    let Some(mut proxied) = ProxiedService::start(&[]) else {
        return;
    };
    let ask = |arguments: &[&str]| proxied.curl(arguments);
    let (status, first) = ask(&[TILE]);
    assert_eq!(
        (status, header_value(&first, "x-cache-status")),
        (200, "MISS"),
        "{first}"
    );
    let (_, second) = ask(&[TILE]);
    assert_eq!(header_value(&second, "x-cache-status"), "HIT", "{second}");
    let tag = header_value(&first, "etag");
    assert_eq!(header_value(&second, "etag"), tag);
    let body = |answer: &str| answer.split_once("\r\n\r\n").expect("a head").1.to_string();
    assert_eq!(body(&first), body(&second));
    let ids = [&first, &second].map(|text| header_value(text, "x-request-id").to_string());
    assert_ne!(ids[0], ids[1]);
    let (status, not_modified) = ask(&["-H", &format!("If-None-Match: {tag}"), TILE]);
    assert_eq!(
        (status, header_value(&not_modified, "x-cache-status")),
        (304, "HIT"),
        "{not_modified}"
    );
    // A response with another content coding is a separate cache entry.
    let brotli_request = ["-H", "Accept-Encoding: br", TILE];
    let (_, other) = ask(&brotli_request);
    assert_eq!(header_value(&other, "x-cache-status"), "MISS", "{other}");
    assert_eq!(header_value(&other, "content-encoding"), "br", "{other}");
    assert_eq!(
        header_value(&ask(&brotli_request).1, "x-cache-status"),
        "HIT"
    );
    // Tiles that reveal a location are not cached.
    for _ in 0..2 {
        let (status, deep) = ask(&[DEEP_TILE]);
        assert!(matches!(status, 200 | 204), "{deep}");
        assert_eq!(header_value(&deep, "x-cache-status"), "", "{deep}");
    }
    let written = proxied.service_log();
    let count = written
        .matches("route=\"/tiles/{layers}/{z}/{x}/{y}\"")
        .count();
    assert_eq!(count, 4, "{written}");
}

#[test]
fn proxy_logs_and_cache_reveal_no_input() {
    let Some(mut proxied) = ProxiedService::start(&[]) else {
        return;
    };
    let json = "content-type: application/json";
    let lookups: &[&[&str]] = &[
        &["/api/v1/locate?postcode=LA18+4DB&practice=P81064"],
        &["/api/v1/locate?postcode=LA1O5DL"],
        &["/api/v1/locate?lon=-3.2694&lat=54.2097"],
        &["/api/v1/locate?easting=317303&northing=480077"],
        &["/api/v1/postcodes/la184db"],
        &["/api/v1/practices/P81064"],
        &["/LA184DB"],
        &[
            "-H",
            json,
            "-d",
            "{\"postcode\":\"LA18 4DB\"}",
            "/api/v1/locate",
        ],
        &["-d", "postcode=LA18+4DB", "/"],
        &[
            "-H",
            "content-type: text/csv",
            "--data-binary",
            "postcode\nLA18 4DB\n",
            "/api/v1/batch",
        ],
        &[
            "-H",
            "x-request-id: LA184DB",
            "-H",
            "referer: https://a/?LA184DB",
            "-A",
            "LA184DB",
            "/batch",
        ],
        &[
            "-H",
            "x-large: LA184DB",
            "-H",
            &format!("x-y: {}", "4DB".repeat(9_000)),
            "/",
        ],
        &[
            "-H",
            json,
            "-d",
            &"LA18 4DB".repeat(9_000),
            "/api/v1/locate",
        ],
    ];
    let ask_all = |proxied: &ProxiedService| {
        let responses = lookups.iter().map(|arguments| proxied.curl(arguments));
        responses.collect::<Vec<_>>()
    };
    let answers = ask_all(&proxied);
    assert_eq!(answers[0].0, 200, "{}", answers[0].1);
    assert_eq!(answers[9].0, 200, "{}", answers[9].1);
    let id = header_value(&answers[0].1, "x-request-id").to_string();
    assert_eq!(
        id.len(),
        32,
        "the request id is not from nginx: {}",
        answers[0].1
    );
    assert!(proxied.log("access.log").contains(&id));
    assert!(
        proxied
            .service_log()
            .contains(&format!("request_id=\"{id}\""))
    );
    // `service_log` stopped the service, so nginx itself responds. Its responses must contain the
    // security headers, and its files must contain no input.
    for (status, answer) in ask_all(&proxied).into_iter().take(8) {
        assert_eq!(status, 503, "{answer}");
        assert!(answer.contains("\"code\":\"unavailable\""), "{answer}");
        assert_eq!(
            header_value(&answer, "content-type"),
            "application/problem+json"
        );
        assert_eq!(header_value(&answer, "retry-after"), "5");
        assert_eq!(header_value(&answer, "x-content-type-options"), "nosniff");
        assert!(!header_value(&answer, "strict-transport-security").is_empty());
    }
    let mut file_count = 0;
    for entry in fs::read_dir(proxied.folder.path()).expect("a folder") {
        check_files_for_markers(&entry.expect("an entry").path(), &mut file_count);
    }
    assert!(
        file_count >= 4,
        "logs, configuration or certificate are missing: there are only {file_count} files"
    );
    let kinds = proxied.log("access.log");
    assert!(
        kinds.contains(" GET locate 200 ") && kinds.contains(" POST batch 200 "),
        "{kinds}"
    );
    assert!(!kinds.contains("127.0.0.1"), "{kinds}");
}

/// Checks that no file in a folder contains a marker, and counts the files.
fn check_files_for_markers(path: &Path, file_count: &mut usize) {
    if path.is_dir() {
        for entry in fs::read_dir(path).expect("a folder") {
            check_files_for_markers(&entry.expect("an entry").path(), file_count);
        }
        return;
    }
    *file_count += 1;
    let content = fs::read(path).unwrap_or_default();
    let content: String = content.iter().map(|byte| char::from(*byte)).collect();
    // Keys and certificates are random, so they may contain a marker by chance.
    let is_ours = path
        .extension()
        .is_none_or(|text| text != "pem" && text != "key");
    for mark in MARKERS.iter().filter(|_| is_ours) {
        let name = path.display();
        assert!(!content.contains(mark), "{mark} is in {name}: {content}");
    }
}

#[test]
fn clients_are_rate_limited_by_ip_and_http_redirects_to_tls() {
    let Some(proxied) = ProxiedService::start(&["--rate-limit", "3/hour"]) else {
        return;
    };
    let ask = |from: &str| proxied.curl(&["--interface", from, "/api/v1/dataset"]);
    let statuses = |from: &str| [(); 4].map(|()| ask(from).0);
    assert_eq!(statuses("127.0.0.3"), [200, 200, 200, 429]);
    assert_eq!(statuses("127.0.0.4"), [200, 200, 200, 429]);
    // nginx does not forward the client's X-Forwarded-For header.
    let forwarded = "X-Forwarded-For: 192.0.2.1";
    let (status, answer) = proxied.curl(&[
        "--interface",
        "127.0.0.3",
        "-H",
        forwarded,
        "/api/v1/dataset",
    ]);
    assert_eq!(status, 429, "{answer}");
    assert!(!header_value(&answer, "retry-after").is_empty(), "{answer}");
    assert!(
        !header_value(&answer, "strict-transport-security").is_empty(),
        "{answer}"
    );
    let output = Command::new("curl")
        .args(["--silent", "--include"])
        .arg(format!("http://127.0.0.1:{}/docs", proxied.http_port))
        .output();
    let answer = output.expect("curl runs").stdout;
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 308 "), "{answer}");
    assert_eq!(
        header_value(&answer, "location"),
        "https://127.0.0.1/docs",
        "{answer}"
    );
}

/// The number of rows in the batch. The rows do not fit into the buffers of openssl, nginx and the
/// service.
const ROWS: usize = 200_000;

/// Returns a chunk of a chunked body.
fn encode_chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

/// Decodes a chunked body. Returns `None` if the body is incomplete.
fn decode_chunks(mut body: &str) -> Option<String> {
    let mut decoded = String::new();
    loop {
        let (length, rest) = body.split_once("\r\n")?;
        let length = usize::from_str_radix(length, 16).expect("a length");
        if length == 0 {
            return Some(decoded);
        }
        decoded.push_str(rest.get(..length)?);
        body = rest.get(length + 2..)?;
    }
}

#[test]
fn batches_are_streamed_through_the_proxy() {
    let Some(proxied) = ProxiedService::start(&[]) else {
        return;
    };
    // Unlike curl, openssl reads while it sends.
    let mut client = Command::new("openssl")
        .args(["s_client", "-quiet", "-connect"])
        .arg(format!("127.0.0.1:{}", proxied.https_port))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl runs");
    let mut stdin = client.stdin.take().expect("piped");
    let mut stdout = client.stdout.take().expect("piped");
    let (continue_sender, continue_receiver) = std::sync::mpsc::channel();
    let sender = thread::spawn(move || {
        let head = "POST /api/v1/batch HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\
                    content-type: text/csv\r\ntransfer-encoding: chunked\r\n\r\n";
        stdin
            .write_all(head.as_bytes())
            .expect("the request is sent");
        let rows = encode_chunk(&format!("postcode\n{}", "LA18 4DB\n".repeat(ROWS)));
        stdin
            .write_all(rows.as_bytes())
            .expect("the request is sent");
        stdin.flush().expect("the request is sent");
        // Output arrives although the upload is not complete.
        continue_receiver
            .recv_timeout(TIMEOUT)
            .expect("output arrived");
        let last = format!("{}0\r\n\r\n", encode_chunk("LA1 1PN\n"));
        stdin
            .write_all(last.as_bytes())
            .expect("the request is sent");
        stdin.flush().expect("the request is sent");
        // Keep the connection open until the response is complete.
        continue_receiver
            .recv_timeout(TIMEOUT)
            .expect("the response is complete");
    });
    let mut bytes = vec![0; 1 << 16];
    let mut answer = Vec::new();
    let mut has_begun = false;
    while !answer.ends_with(b"\r\n0\r\n\r\n") {
        let length = stdout.read(&mut bytes).expect("readable");
        assert!(
            length > 0,
            "the response ended early: {}",
            String::from_utf8_lossy(&answer)
        );
        answer.extend_from_slice(&bytes[..length]);
        if !has_begun && answer.len() > 100_000 {
            continue_sender.send(()).expect("the sender is waiting");
            has_begun = true;
        }
    }
    assert!(has_begun);
    continue_sender.send(()).expect("the sender is waiting");
    sender.join().expect("no panic");
    client.wait().expect("openssl exits");
    let answer = String::from_utf8(answer).expect("text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let body = decode_chunks(body).expect("a complete body");
    assert_eq!(body.matches("LA18 4DB,").count(), ROWS);
    assert_eq!(body.matches("LA1 1PN,").count(), 1);
}

/// Sends look-ups with GET and POST from several clients until `is_done`. Counts the responses in
/// `answered`, and returns the responses that are not 200.
fn look_up_until(client: ProxyClient, is_done: &AtomicBool, answered: &AtomicUsize) -> Vec<String> {
    let requests: [&[&str]; 2] = [
        &["/api/v1/locate?postcode=LA18+4DB"],
        &[
            "-H",
            "content-type: application/json",
            "-d",
            "{\"postcode\":\"LA18 4DB\"}",
            "/api/v1/locate",
        ],
    ];
    let deadline = Instant::now() + TIMEOUT * 5;
    thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|index| {
                let request = requests[index % 2];
                scope.spawn(move || {
                    let mut failed = Vec::new();
                    // The clients also end if the test fails and never sets `is_done`.
                    while !is_done.load(Ordering::SeqCst) && Instant::now() < deadline {
                        let (status, answer) = client.curl(request);
                        if status != 200 {
                            failed.push(answer);
                        }
                        answered.fetch_add(1, Ordering::SeqCst);
                    }
                    failed
                })
            })
            .collect();
        let failed = clients.into_iter().map(|client| client.join());
        failed.flat_map(|list| list.expect("no panic")).collect()
    })
}

/// Checks that clients lose no request when an instance receives `signal`.
fn check_that_signal_loses_no_request(signal: &str, arguments: &[&str]) {
    let Some(mut proxied) = ProxiedService::start_instances(2, arguments) else {
        return;
    };
    let stopped = proxied.services.remove(0);
    let (is_done, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let wait_for_answers = |count: usize| {
        let (expected, deadline) = (
            answered.load(Ordering::SeqCst) + count,
            Instant::now() + TIMEOUT,
        );
        while answered.load(Ordering::SeqCst) < expected {
            assert!(Instant::now() < deadline, "no responses");
            thread::sleep(Duration::from_millis(10));
        }
    };
    let client = proxied.client();
    let failed = thread::scope(|scope| {
        let clients = scope.spawn(|| look_up_until(client, &is_done, &answered));
        wait_for_answers(20);
        stopped.signal(signal);
        stopped.wait_for_exit();
        wait_for_answers(20);
        is_done.store(true, Ordering::SeqCst);
        clients.join().expect("no panic")
    });
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn no_request_is_lost_if_an_instance_is_killed() {
    check_that_signal_loses_no_request("KILL", &[]);
}

#[test]
fn no_request_is_lost_if_an_instance_is_stopped() {
    check_that_signal_loses_no_request("TERM", &["--shutdown-delay", "1"]);
}

#[test]
fn both_requests_of_a_ticket_reach_the_same_instance() {
    let Some(proxied) = ProxiedService::start_instances(3, &[]) else {
        return;
    };
    for first_digits in ["0f", "5a", "93", "c4", "e8"] {
        let ticket = first_digits.repeat(16);
        let download = format!("/api/v1/batch/{ticket}");
        let upload = format!("/api/v1/batch?ticket={ticket}");
        let client = proxied.client();
        thread::scope(|scope| {
            let answers = scope.spawn(|| client.curl(&[&download]));
            let csv = "content-type: text/csv";
            let body = "postcode\nLA18 4DB\n";
            let (status, answer) = proxied.curl(&["-H", csv, "--data-binary", body, &upload]);
            assert_eq!(status, 200, "{answer}");
            let (status, answer) = answers.join().expect("no panic");
            assert_eq!(status, 200, "{answer}");
            assert!(answer.contains("\nLA18 4DB,located,"), "{answer}");
        });
    }
}
