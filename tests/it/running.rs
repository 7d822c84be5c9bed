//! `catchment serve` as a child process whose output is read line by line.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Time after which an operation is considered to hang.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running `catchment serve` process, which is killed when it is dropped.
pub(crate) struct Running {
    child: Child,
    pub(crate) address: SocketAddr,
    /// Receives every line of its output until it exits.
    lines: mpsc::Receiver<String>,
    written: String,
}

impl Running {
    /// Starts the program with these arguments, logging at all levels.
    pub(crate) fn start(arguments: &[&str]) -> Running {
        Running::by(
            &mut Command::new(env!("CARGO_BIN_EXE_catchment")),
            arguments,
        )
    }

    /// Starts the program with a command to which only its arguments have to be appended.
    pub(crate) fn by(command: &mut Command, arguments: &[&str]) -> Running {
        let mut child = command
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(arguments)
            // RUST_LOG must have no effect.
            .env("RUST_LOG", "trace")
            // Overridden by --log-level.
            .env("CATCHMENT_LOG_LEVEL", "trace")
            .env("RUST_BACKTRACE", "1")
            .env("CATCHMENT_SHUTDOWN_DELAY", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let (tell, lines) = mpsc::channel();
        let stderr = child.stderr.take().expect("piped");
        let stdout = child.stdout.take().expect("piped");
        thread::spawn(move || {
            // One after the other, which works because standard output stays empty.
            let streams: [Box<dyn Read + Send>; 2] = [Box::new(stderr), Box::new(stdout)];
            for line in streams
                .into_iter()
                .flat_map(|it| BufReader::new(it).lines())
            {
                // The receiver is gone if the test has failed.
                let _ = tell.send(line.expect("text"));
            }
        });
        let mut running = Running {
            child,
            address: SocketAddr::from(([0, 0, 0, 0], 0)),
            lines,
            written: String::new(),
        };
        running.address = if arguments.contains(&"json") {
            let said: serde_json::Value =
                serde_json::from_str(&running.wait_for("\"listening\"")).expect("a JSON line");
            let address = said["fields"]["address"].as_str().map(str::parse);
            address.expect("an address").expect("an address")
        } else {
            let said = running.wait_for("(press Ctrl+C to stop)");
            let rest = said.trim_start_matches("listening on http://");
            let (address, _) = rest.split_once('/').expect("a URL");
            address.parse().expect("an address")
        };
        running
    }

    /// Waits for a line that contains `text`, and returns it.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    self.written.push_str(&line);
                    self.written.push('\n');
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(error) => panic!("no line contains `{text}` ({error}): {}", self.written),
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

    /// Waits until the process exits. Returns its exit code (`None` if killed by a signal) and its
    /// output.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    self.written.push_str(&line);
                    self.written.push('\n');
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("the process does not exit: {}", self.written),
            }
            assert!(Instant::now() < deadline, "the process does not exit: {}", self.written);
        }
        let status = self.child.wait().expect("the process exits");
        (status.code(), std::mem::take(&mut self.written))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The process has exited, unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
