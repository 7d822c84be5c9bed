//! Logging never blocks requests: if the reader of the log stalls or its disk is full, lines are
//! dropped and counted.

use std::fs::File;
use std::io::{self, BufRead, BufReader, PipeReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::server::{client, connect, read_to_close_or_idle, send};

const PATIENCE: Duration = Duration::from_secs(30);

/// A `catchment serve` process with a given standard error.
struct Service {
    child: Child,
    address: SocketAddr,
    operator: SocketAddr,
}

/// Returns a free address on loopback.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("an address")
}

impl Service {
    fn start(stderr: impl Into<Stdio>) -> Service {
        let (address, operator) = (free_address(), free_address());
        let child = Command::new(env!("CARGO_BIN_EXE_catchment"))
            .args(["serve", "--log-format", "json", "--shutdown-delay", "0"])
            .args(["--listen", &address.to_string()])
            .args(["--admin-listen", &operator.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .expect("the program starts");
        let mut service = Service {
            child,
            address,
            operator,
        };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            let ended = service.child.try_wait().expect("the process exists");
            assert_eq!(ended, None, "the process exited before it listened");
            assert!(Instant::now() < deadline, "the process does not listen");
            thread::sleep(Duration::from_millis(20));
        }
        service
    }

    /// Sends `count` requests on one connection, and returns the number of responses.
    fn ask(&self, count: usize) -> usize {
        let mut stream = connect(self.address);
        let asked = "GET /health/live HTTP/1.1\r\nHost: test\r\n\r\n";
        let mut writer = stream.try_clone().expect("a connection");
        let sending = thread::spawn(move || writer.write_all(asked.repeat(count).as_bytes()));
        stream.flush().expect("the connection is flushed");
        let answered = read_to_close_or_idle(stream, count);
        sending.join().expect("no panic").expect("the requests are sent");
        answered
    }

    fn dropped(&self) -> u64 {
        let reply = send(&client(), self.operator, ("GET", "/metrics"), &[], None).expect(200);
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
            assert!(started.elapsed() < PATIENCE, "the process does not exit");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // The process has exited, unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// More lines than fit into a pipe and the queue.
const REQUESTS: usize = 12_000;

fn stalled() -> (Service, PipeReader) {
    let (reader, writer) = io::pipe().expect("a pipe");
    let service = Service::start(writer);
    (service, reader)
}

#[test]
fn a_stalled_log_reader_stops_no_answer_and_lost_lines_are_counted_and_reported() {
    let (mut service, reader) = stalled();
    assert_eq!(service.ask(REQUESTS), REQUESTS);
    let dropped = service.dropped();
    assert!(dropped > 0, "no line was dropped");
    // The log is read again.
    let reading = thread::spawn(move || -> Vec<String> {
        let lines = BufReader::new(reader).lines();
        lines.map(|line| line.expect("text")).collect()
    });
    let deadline = Instant::now() + PATIENCE;
    thread::sleep(Duration::from_millis(200));
    assert_eq!(service.ask(10), 10);
    assert!(Instant::now() < deadline);
    let (status, _) = service.stop();
    assert!(status.success(), "{status}");
    drop(service);
    let lines = reading.join().expect("no panic");
    let lines: Vec<serde_json::Value> = lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let report = lines
        .iter()
        .map(|line| &line["fields"])
        .find(|it| it["message"] == "log lines were dropped: writing them was too slow or failed");
    let report = report.expect("a line with the number of dropped lines");
    assert!(report["total"].as_u64() >= Some(dropped), "{report}");
    let last = &lines.last().expect("at least one line")["fields"]["message"];
    assert_eq!(last, "stopped");
}

#[test]
fn stopping_waits_for_a_stalled_log_reader_for_a_bounded_time() {
    let (mut service, reader) = stalled();
    assert_eq!(service.ask(REQUESTS), REQUESTS);
    let (status, took) = service.stop();
    assert!(status.success(), "{status}");
    assert!(took < Duration::from_secs(6), "{took:?}");
    drop(reader);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_of_the_log_keeps_it_neither_from_starting_nor_from_answering() {
    let full = File::options().write(true).open("/dev/full");
    let mut service = Service::start(full.expect("Linux has it"));
    assert_eq!(service.ask(100), 100);
    let deadline = Instant::now() + PATIENCE;
    while service.dropped() < 100 {
        assert!(Instant::now() < deadline, "no dropped lines are counted");
        thread::sleep(Duration::from_millis(20));
    }
    let (status, _) = service.stop();
    assert!(status.success(), "{status}");
}

#[test]
fn a_log_reader_that_has_gone_stops_nothing() {
    let (mut service, reader) = stalled();
    drop(reader);
    assert_eq!(service.ask(100), 100);
    let (status, _) = service.stop();
    assert!(status.success(), "{status}");
}

/// Runs a command with a given standard output and error, and returns its exit code.
fn status_of(arguments: &[&str], input: &str, stdout: Stdio, stderr: Stdio) -> Option<i32> {
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
fn unread() -> Stdio {
    let (reader, writer) = io::pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

#[test]
fn commands_end_as_usual_where_nobody_reads_their_messages() {
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
        let stderrs: [fn() -> Stdio; 2] = [unread, full];
        for stderr in stderrs {
            let ended = status_of(arguments, input, Stdio::null(), stderr());
            assert_eq!(ended, Some(status), "{arguments:?}");
        }
    }
}

#[cfg(target_os = "linux")]
fn full() -> Stdio {
    let full = File::options().write(true).open("/dev/full");
    full.expect("Linux has it").into()
}

#[cfg(not(target_os = "linux"))]
fn full() -> Stdio {
    unread()
}

#[cfg(target_os = "linux")]
#[test]
fn commands_whose_output_cannot_be_written_end_with_an_error_and_not_with_a_panic() {
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
        let ended = status_of(arguments, "", full(), Stdio::null());
        assert_eq!(ended, Some(2), "{arguments:?}");
    }
    // A closed standard output is not an error.
    let listed = ["keys", "list", "--keys", &keys];
    assert_eq!(status_of(&listed, "", unread(), Stdio::null()), Some(0));
    let added = [
        "keys", "add", "--keys", &keys, "--name", "a", "--scopes", "batch",
    ];
    assert_eq!(
        status_of(&added, "", unread(), Stdio::null()),
        Some(2),
        "the key was not printed"
    );
}
