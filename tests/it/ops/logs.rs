//! Tests that logging never blocks requests. If the log is not read or the disk is full, the
//! service drops and counts log lines.

use std::fs::File;
use std::io::{self, BufRead, BufReader, PipeReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::server::{client, connect, count_responses, send};

const TIMEOUT: Duration = Duration::from_secs(30);

/// A `catchment serve` process with a given standard error.
struct LoggedService {
    child: Child,
    address: SocketAddr,
    admin_address: SocketAddr,
}

/// Returns a free address on loopback.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("an address")
}

impl LoggedService {
    fn start(stderr: impl Into<Stdio>) -> LoggedService {
        let (address, admin_address) = (free_address(), free_address());
        let child = Command::new(env!("CARGO_BIN_EXE_catchment"))
            .args(["serve", "--log-format", "json", "--shutdown-delay", "0"])
            .args(["--listen", &address.to_string()])
            .args(["--admin-listen", &admin_address.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .expect("the program starts");
        let mut service = LoggedService {
            child,
            address,
            admin_address,
        };
        let deadline = Instant::now() + TIMEOUT;
        while TcpStream::connect(address).is_err() {
            let ended = service.child.try_wait().expect("the process exists");
            assert_eq!(ended, None, "the process exited before it listened");
            assert!(
                Instant::now() < deadline,
                "the process does not listen in time"
            );
            thread::sleep(Duration::from_millis(20));
        }
        service
    }

    /// Sends `count` requests on one connection, and returns the number of responses.
    fn send_requests(&self, count: usize) -> usize {
        let mut stream = connect(self.address);
        let request = "GET /health/live HTTP/1.1\r\nHost: test\r\n\r\n";
        let mut writer = stream.try_clone().expect("a connection");
        let sending = thread::spawn(move || writer.write_all(request.repeat(count).as_bytes()));
        stream.flush().expect("the connection is flushed");
        let responses = count_responses(stream, count);
        sending
            .join()
            .expect("no panic")
            .expect("the requests are sent");
        responses
    }

    fn dropped_lines(&self) -> u64 {
        let reply = send(
            &client(),
            self.admin_address,
            ("GET", "/metrics"),
            &[],
            None,
        )
        .expect(200);
        let mut lines = reply.text().lines();
        let value = lines.find_map(|line| line.strip_prefix("catchment_log_lines_dropped_total "));
        value.expect("a metric").parse().expect("a number")
    }

    /// Stops the process, and returns its exit status and the time until it exited.
    fn stop(&mut self) -> (ExitStatus, Duration) {
        let started = Instant::now();
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status();
        assert!(sent.expect("kill runs").success());
        loop {
            if let Some(status) = self.child.try_wait().expect("the process exists") {
                return (status, started.elapsed());
            }
            assert!(
                started.elapsed() < TIMEOUT,
                "the process does not exit in time"
            );
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for LoggedService {
    fn drop(&mut self) {
        // The process has exited, unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The number of requests that a test sends. The log lines of all requests do not fit into the pipe
/// and the queue.
const REQUESTS: usize = 12_000;

fn service_with_unread_log() -> (LoggedService, PipeReader) {
    let (reader, writer) = io::pipe().expect("a pipe");
    let service = LoggedService::start(writer);
    (service, reader)
}

#[test]
fn stalled_log_readers_do_not_block_requests_and_dropped_lines_are_reported() {
    let (mut service, reader) = service_with_unread_log();
    assert_eq!(service.send_requests(REQUESTS), REQUESTS);
    let dropped = service.dropped_lines();
    assert!(dropped > 0, "no line was dropped");
    // Start to read the log.
    let reading = thread::spawn(move || -> Vec<String> {
        let lines = BufReader::new(reader).lines();
        lines.map(|line| line.expect("text")).collect()
    });
    let deadline = Instant::now() + TIMEOUT;
    thread::sleep(Duration::from_millis(200));
    assert_eq!(service.send_requests(10), 10);
    assert!(Instant::now() < deadline);
    let (status, _) = service.stop();
    assert!(status.success(), "{status}");
    drop(service);
    let lines = reading.join().expect("no panic");
    let lines: Vec<serde_json::Value> = lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let report = lines.iter().map(|line| &line["fields"]).find(|value| {
        value["message"] == "log lines were dropped: writing them was too slow or failed"
    });
    let report = report.expect("a line with the number of dropped lines");
    assert!(report["total"].as_u64() >= Some(dropped), "{report}");
    let last = &lines.last().expect("at least one line")["fields"]["message"];
    assert_eq!(last, "stopped");
}

#[test]
fn shutdown_waits_a_bounded_time_for_a_stalled_log_reader() {
    let (mut service, reader) = service_with_unread_log();
    assert_eq!(service.send_requests(REQUESTS), REQUESTS);
    let (status, took) = service.stop();
    assert!(status.success(), "{status}");
    assert!(took < Duration::from_secs(6), "{took:?}");
    drop(reader);
}

#[cfg(target_os = "linux")]
#[test]
fn full_log_disks_do_not_prevent_starting_or_serving() {
    let full = File::options().write(true).open("/dev/full");
    let mut service = LoggedService::start(full.expect("Linux has /dev/full"));
    assert_eq!(service.send_requests(100), 100);
    let deadline = Instant::now() + TIMEOUT;
    while service.dropped_lines() < 100 {
        assert!(
            Instant::now() < deadline,
            "too few dropped lines were counted"
        );
        thread::sleep(Duration::from_millis(20));
    }
    let (status, _) = service.stop();
    assert!(status.success(), "{status}");
}

#[test]
fn closed_log_pipes_do_not_stop_the_service() {
    let (mut service, reader) = service_with_unread_log();
    drop(reader);
    assert_eq!(service.send_requests(100), 100);
    let (status, _) = service.stop();
    assert!(status.success(), "{status}");
}

/// Runs a command with a given standard output and error, and returns its exit code.
fn exit_status(arguments: &[&str], input: &str, stdout: Stdio, stderr: Stdio) -> Option<i32> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_catchment"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(stdout)
        .stderr(stderr)
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("piped");
    // The command may exit without reading.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait().expect("the program exits").code()
}

/// Returns the write end of a pipe whose reader is closed.
fn closed_pipe() -> Stdio {
    let (reader, writer) = io::pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

#[test]
fn commands_ignore_an_unwritable_stderr() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let keys = folder.path().join("keys.toml").display().to_string();
    let add = [
        "keys", "add", "--keys", &keys, "--name", "a", "--scopes", "batch",
    ];
    for (arguments, input, status) in [
        (&["batch", "-"][..], "postcode\nLA18 4DB\n", 0),
        (&["batch", "-"], "", 2),
        (&["locate", "LA1O 5DL"], "", 3),
        (&["serve", "--listen", "nowhere"], "", 2),
        (&["serve", "--check-config"], "", 0),
        (&add, "", 0),
        (&["keys", "revoke", "--keys", &keys, "nothing"], "", 2),
    ] {
        let stderrs: [fn() -> Stdio; 2] = [closed_pipe, full];
        for stderr in stderrs {
            let ended = exit_status(arguments, input, Stdio::null(), stderr());
            assert_eq!(ended, Some(status), "{arguments:?}");
        }
    }
}

#[cfg(target_os = "linux")]
fn full() -> Stdio {
    let full = File::options().write(true).open("/dev/full");
    full.expect("Linux has /dev/full").into()
}

#[cfg(not(target_os = "linux"))]
fn full() -> Stdio {
    closed_pipe()
}

#[cfg(target_os = "linux")]
#[test]
fn commands_fail_without_a_panic_if_stdout_cannot_be_written() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let keys = folder.path().join("keys.toml").display().to_string();
    for arguments in [
        &[
            "keys", "add", "--keys", &keys, "--name", "a", "--scopes", "batch",
        ][..],
        &["keys", "list", "--keys", &keys],
        &["keys", "list", "--json", "--keys", &keys],
        &["serve", "--check-config"],
    ] {
        let ended = exit_status(arguments, "", full(), Stdio::null());
        assert_eq!(ended, Some(2), "{arguments:?}");
    }
    // A closed standard output is not an error.
    let listed = ["keys", "list", "--keys", &keys];
    assert_eq!(
        exit_status(&listed, "", closed_pipe(), Stdio::null()),
        Some(0)
    );
    let added = [
        "keys", "add", "--keys", &keys, "--name", "a", "--scopes", "batch",
    ];
    assert_eq!(
        exit_status(&added, "", closed_pipe(), Stdio::null()),
        Some(2),
        "the command must fail if it cannot print the key"
    );
}
