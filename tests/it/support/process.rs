//! Runs `catchment serve` as a child process, and reads the output of the process line by line.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// The time after which a test stops waiting for an operation and fails.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A running `catchment serve` process, which is killed when it is dropped.
pub(crate) struct ServiceProcess {
    child: Child,
    pub(crate) address: SocketAddr,
    /// Receives every line of the output until the process exits.
    lines: mpsc::Receiver<String>,
    output: String,
}

impl ServiceProcess {
    /// Starts the program with these arguments, and enables logging at all levels.
    pub(crate) fn start(arguments: &[&str]) -> ServiceProcess {
        ServiceProcess::start_command(
            &mut Command::new(env!("CARGO_BIN_EXE_catchment")),
            arguments,
        )
    }

    /// Starts the program. `command` runs the program when the program's arguments are appended to
    /// `command`.
    pub(crate) fn start_command(command: &mut Command, arguments: &[&str]) -> ServiceProcess {
        let mut child = command
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(arguments)
            // The program must ignore RUST_LOG.
            .env("RUST_LOG", "trace")
            // --log-level overrides this variable.
            .env("CATCHMENT_LOG_LEVEL", "trace")
            .env("RUST_BACKTRACE", "1")
            .env("CATCHMENT_SHUTDOWN_DELAY", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let (sender, lines) = mpsc::channel();
        let stderr = child.stderr.take().expect("piped");
        let stdout = child.stdout.take().expect("piped");
        thread::spawn(move || {
            // The streams are read one after the other, which works because nothing is written to
            // standard output.
            let streams: [Box<dyn Read + Send>; 2] = [Box::new(stderr), Box::new(stdout)];
            for line in streams
                .into_iter()
                .flat_map(|stream| BufReader::new(stream).lines())
            {
                // If the test has failed, the receiver no longer exists.
                let _ = sender.send(line.expect("text"));
            }
        });
        let mut running = ServiceProcess {
            child,
            address: SocketAddr::from(([0, 0, 0, 0], 0)),
            lines,
            output: String::new(),
        };
        running.address = if arguments.contains(&"json") {
            let line: serde_json::Value =
                serde_json::from_str(&running.wait_for("\"listening\"")).expect("a JSON line");
            let address = line["fields"]["address"].as_str().map(str::parse);
            address.expect("an address").expect("an address")
        } else {
            let line = running.wait_for("(press Ctrl+C to stop)");
            let rest = line.trim_start_matches("listening on http://");
            let (address, _) = rest.split_once('/').expect("a URL");
            address.parse().expect("an address")
        };
        running
    }

    /// Waits for a line that contains `text`, and returns it.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        loop {
            match self.lines.recv_timeout(TIMEOUT) {
                Ok(line) => {
                    self.output.push_str(&line);
                    self.output.push('\n');
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(error) => panic!("no line contains `{text}` ({error}): {}", self.output),
            }
        }
    }

    /// Returns the process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, such as `TERM` or `HUP`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status();
        assert!(sent.expect("kill runs").success());
    }

    /// Waits until the process exits. Returns its output and its exit code, which is `None` if a
    /// signal killed the process.
    pub(crate) fn wait_for_exit(mut self) -> (Option<i32>, String) {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            match self.lines.recv_timeout(TIMEOUT) {
                Ok(line) => {
                    self.output.push_str(&line);
                    self.output.push('\n');
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    panic!("the process does not exit in time: {}", self.output)
                }
            }
            assert!(
                Instant::now() < deadline,
                "the process does not exit in time: {}",
                self.output
            );
        }
        let status = self.child.wait().expect("the process exits");
        (status.code(), std::mem::take(&mut self.output))
    }
}

impl Drop for ServiceProcess {
    fn drop(&mut self) {
        // The process has exited, unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns a memory counter of a process, such as `VmRSS:` (now) or `VmHWM:` (the peak), in kilobytes.
pub(crate) fn memory_kb(id: u32, name: &str) -> u64 {
    let status =
        std::fs::read_to_string(format!("/proc/{id}/status")).expect("the process is running");
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
    number.expect("kilobytes")
}
