//! The program as it is run: a process of its own, its log read line by line.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Nothing here takes this long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// The program as it is run, listening.
pub(crate) struct Running {
    child: Child,
    pub(crate) address: SocketAddr,
    /// Every line that it writes, until it has ended.
    lines: mpsc::Receiver<String>,
    written: String,
}

impl Running {
    /// With every line of the log, and these arguments.
    pub(crate) fn start(arguments: &[&str]) -> Running {
        Running::by(
            &mut Command::new(env!("CARGO_BIN_EXE_catchment")),
            arguments,
        )
    }

    /// Started by a command that wants the program's arguments and nothing else.
    pub(crate) fn by(command: &mut Command, arguments: &[&str]) -> Running {
        let mut child = command
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(arguments)
            // Nothing from outside turns other logs on.
            .env("RUST_LOG", "trace")
            // An argument goes before it.
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
            // One after the other: standard output stays empty.
            let streams: [Box<dyn Read + Send>; 2] = [Box::new(stderr), Box::new(stdout)];
            for line in streams
                .into_iter()
                .flat_map(|it| BufReader::new(it).lines())
            {
                // Nobody listens any more where the test has failed already.
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
                serde_json::from_str(&running.wait_for("\"listening\"")).expect("a line is JSON");
            let address = said["fields"]["address"].as_str().map(str::parse);
            address.expect("an address").expect("an address")
        } else {
            let said = running.wait_for(" answers; press Ctrl+C to stop");
            let rest = said.trim_start_matches("http://");
            let (address, _) = rest.split_once('/').expect("a URL");
            address.parse().expect("an address")
        };
        running
    }

    /// The next line that holds this.
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
                Err(error) => panic!("no line has `{text}` ({error}): {}", self.written),
            }
        }
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal: `TERM`, `HUP`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status();
        assert!(sent.expect("kill is there").success());
    }

    /// Its exit status when it has ended, and all that it wrote.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    self.written.push_str(&line);
                    self.written.push('\n');
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("it goes on: {}", self.written),
            }
            assert!(Instant::now() < deadline, "it goes on: {}", self.written);
        }
        let status = self.child.wait().expect("it ends");
        (status.code(), std::mem::take(&mut self.written))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended, unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
