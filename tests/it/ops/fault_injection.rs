//! Tests of machine failures. The program is killed at any step, disks are full, failing or
//! read-only, files are corrupted, and clocks jump. After each failure, the output is the complete
//! old or new version, and the command can be run again without manual repair.

use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use catchment::dataset::{self, Dataset, DatasetSource, MANIFEST};
use catchment::domain::today_in_london;
use catchment::ops::keys::{self, NewKey, Scope};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::data::import_end_to_end::PublishedFiles;
use crate::ops::releases::{
    ReleaseFolders, get, located_version, metric_value, reload, start_command_with_admin,
    start_with_admin,
};
use crate::support::external_tools::report_skipped;
use crate::support::fixture::TestDataset;
use crate::support::process::{ServiceProcess, memory_kb};
use crate::support::server::{client, send};

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_catchment");
/// The number of SIGKILL, a signal that a process cannot catch.
const KILL: i32 = 9;

/// Every system call by which the program changes the disk, except `write`. Until the program makes
/// one of these calls, the data that it writes has a temporary name.
const DISK_CALLS: [&str; 17] = [
    "fsync",
    "fdatasync",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "unlink",
    "unlinkat",
    "rmdir",
    "mkdir",
    "mkdirat",
    "chmod",
    "fchmod",
    "fchmodat",
    "ftruncate",
    "flock",
];

/// The content of a path: the bytes of a file, or of every file in a folder by relative path.
type PathContent = Option<BTreeMap<PathBuf, Vec<u8>>>;

fn read_content(path: &Path) -> PathContent {
    if path.is_file() {
        let bytes = fs::read(path).expect("a file");
        return Some(BTreeMap::from([(PathBuf::new(), bytes)]));
    }
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(path).ok()? {
        let path = entry.expect("an entry").path();
        for (inner, bytes) in read_content(&path).expect("the path exists") {
            // Joining an empty path would append a slash.
            let name = PathBuf::from(path.file_name().expect("a name"));
            let relative_path = if inner.as_os_str().is_empty() {
                name
            } else {
                name.join(inner)
            };
            files.insert(relative_path, bytes);
        }
    }
    Some(files)
}

/// An operation that writes files.
#[derive(Debug, Clone, Copy, PartialEq)]
enum WriteOperation {
    Build,
    Batch,
    Export,
    AddKey,
    RevokeKey,
}

const OPERATIONS: [WriteOperation; 5] = [
    WriteOperation::Build,
    WriteOperation::Batch,
    WriteOperation::Export,
    WriteOperation::AddKey,
    WriteOperation::RevokeKey,
];

/// A folder in which an operation has been run once. After that run, the input was changed, so that
/// a second run writes a different output.
struct FaultTest {
    operation: WriteOperation,
    files: PublishedFiles,
    old: PathContent,
    /// The new output, or `None` if every run writes a different output.
    new: Option<PathContent>,
}

impl FaultTest {
    fn new(operation: WriteOperation) -> FaultTest {
        let files = PublishedFiles::new();
        let mut case = FaultTest {
            operation,
            files,
            old: None,
            new: None,
        };
        case.set_up();
        case
    }

    fn path(&self, name: &str) -> PathBuf {
        self.files.path(name)
    }

    /// Returns the path that the operation writes.
    fn output_path(&self) -> PathBuf {
        self.path(match self.operation {
            WriteOperation::Build => "out",
            WriteOperation::Batch => "answered.csv",
            WriteOperation::Export => "areas.geojson",
            WriteOperation::AddKey | WriteOperation::RevokeKey => "keys.toml",
        })
    }

    fn manifest_path(&self) -> PathBuf {
        let mut name = self.output_path().into_os_string();
        name.push(".manifest.json");
        name.into()
    }

    /// Runs the operation for the first time, then changes its input.
    fn set_up(&mut self) {
        self.write_input("LA1 1AB\n");
        if matches!(
            self.operation,
            WriteOperation::Batch | WriteOperation::Export
        ) {
            let build = run(Command::new(PROGRAM)
                .arg("build")
                .arg(self.path("build.toml")));
            assert!(build.status.success(), "{build:?}");
        }
        let mut command = match self.operation {
            WriteOperation::RevokeKey => self.add_key(),
            _ => self.command(),
        };
        let first = run(&mut command);
        assert!(first.status.success(), "{first:?}");
        self.old = read_content(&self.output_path());
        self.change_input();
        // A second run without an injected error produces the expected new output.
        if self.is_repeatable() {
            let done = run(&mut self.command());
            assert!(done.status.success(), "{done:?}");
            self.new = Some(read_content(&self.output_path()));
            assert_ne!(
                self.old.as_ref(),
                self.new.as_ref().and_then(Option::as_ref)
            );
            self.restore();
        }
    }

    fn write_input(&self, rows: &str) {
        fs::write(self.path("list.csv"), format!("postcode\n{rows}")).expect("an input file");
    }

    /// Changes the input, so that the next run writes a different output.
    fn change_input(&self) {
        self.write_input("LA1 1AB\nPR3 0SG\n");
        let config = self.path("build.toml");
        let text = fs::read_to_string(&config).expect("a file");
        fs::write(config, text.replace("version = \"1\"", "version = \"2\"")).expect("a file");
    }

    fn is_repeatable(&self) -> bool {
        matches!(
            self.operation,
            WriteOperation::Build | WriteOperation::Batch | WriteOperation::Export
        )
    }

    /// Restores the old output.
    fn restore(&self) {
        let to = self.output_path();
        if to.is_dir() {
            fs::remove_dir_all(&to).expect("removed");
        }
        for (path, bytes) in self.old.as_ref().expect("an old output") {
            let path = if path.as_os_str().is_empty() {
                to.clone()
            } else {
                to.join(path)
            };
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, bytes).expect("a file");
        }
        if matches!(
            self.operation,
            WriteOperation::Batch | WriteOperation::Export
        ) {
            let manifest = serde_json::json!({ "output": { "sha256": sha256(&to) } });
            fs::write(self.manifest_path(), manifest.to_string()).expect("a file");
        }
    }

    fn add_key(&self) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(["keys", "add", "--name", "a test", "--keys"]);
        command.arg(self.path("keys.toml"));
        command
    }

    fn command(&self) -> Command {
        let mut command = Command::new(PROGRAM);
        match self.operation {
            WriteOperation::Build => {
                command.arg("build").arg(self.path("build.toml"));
            }
            WriteOperation::Batch => {
                command.args(["batch", "--force", "--quiet", "--as-of", "2025-01-01"]);
                command.arg("--data").arg(self.path("out"));
                command
                    .arg(self.path("list.csv"))
                    .arg("-o")
                    .arg(self.output_path());
            }
            WriteOperation::Export => {
                // The first run exports fewer layers.
                let is_first = self.old.is_none();
                command.args(["export", "--force", "--quiet", "--as-of", "2025-01-01"]);
                command
                    .arg("--layers")
                    .arg(if is_first { "icc" } else { "icc,gp-practice" });
                command.arg("--data").arg(self.path("out"));
                command.arg("--areas").arg(self.output_path());
            }
            WriteOperation::AddKey => return self.add_key(),
            WriteOperation::RevokeKey => {
                let keys = keys::list(&self.path("keys.toml")).expect("an API key file");
                command.args(["keys", "revoke", "--keys"]);
                command.arg(self.path("keys.toml")).arg(&keys[0].id);
            }
        }
        command
    }

    /// Checks that the output is the complete old or new version, and that the manifest describes
    /// the output. Returns whether the output is the new version.
    #[track_caller]
    fn check_complete(&self, when: &str) -> bool {
        let now = read_content(&self.output_path());
        let is_old = now == self.old;
        match (&self.new, self.operation) {
            (Some(new), _) => assert!(
                is_old || now == *new,
                "{:?} {when}: the output is neither the old nor the new version",
                self.operation
            ),
            (None, operation) => {
                let keys = keys::list(&self.output_path());
                let keys = keys.unwrap_or_else(|error| panic!("{operation:?} {when}: {error}"));
                let is_new = match operation {
                    WriteOperation::AddKey => keys.len() == 2,
                    _ => keys.len() == 1 && keys[0].revoked.is_some(),
                };
                assert!(is_old || is_new, "{operation:?} {when}: {keys:?}");
            }
        }
        if let Ok(manifest) = fs::read(self.manifest_path()) {
            let manifest: Value = serde_json::from_slice(&manifest).expect("JSON");
            let described = manifest["output"]["sha256"].as_str();
            assert_eq!(
                described,
                Some(sha256(&self.output_path()).as_str()),
                "{when}"
            );
        }
        if self.operation == WriteOperation::Build {
            dataset::read(&DatasetSource::Folder(self.output_path())).expect("a valid dataset");
        }
        !is_old
    }

    /// Checks that the command, without an injected error, succeeds and writes the new output.
    #[track_caller]
    fn check_succeeds(&self, when: &str) {
        self.restore();
        let done = run(&mut self.command());
        assert!(
            done.status.success(),
            "{:?} {when}: {done:?}",
            self.operation
        );
        assert!(
            self.check_complete(when),
            "{:?} {when}: the output is not the new version",
            self.operation
        );
        self.restore();
    }

    /// Returns the names of temporary files in the folder.
    fn temporary_files(&self) -> Vec<String> {
        let names = fs::read_dir(self.path("")).expect("a folder");
        let names = names.map(|result| {
            result
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("text")
        });
        names.filter(|name| name.starts_with('.')).collect()
    }
}

fn sha256(path: &Path) -> String {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(fs::read(path).expect("a file"));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn run(command: &mut Command) -> Output {
    command
        .stdin(Stdio::null())
        .output()
        .expect("the program runs")
}

/// Wraps a command in strace, which injects `what`, an error or a signal, into the command's `n`-th
/// call of the system call `call`.
fn with_fault(command: &Command, call: &str, what: &str, n: usize) -> Command {
    let mut traced = Command::new("strace");
    traced.args(["--follow-forks", "--output=/dev/null"]);
    // The `?` makes strace ignore calls that do not exist on the architecture.
    traced.arg(format!("--trace=?{call}"));
    traced.arg(format!("--inject=?{call}:{what}:when={n}"));
    traced.arg(command.get_program()).args(command.get_args());
    traced
}

/// Returns the system calls in `calls` that the command makes.
fn calls_made(case: &FaultTest, calls: &[&'static str]) -> Vec<&'static str> {
    case.restore();
    let trace_path = case.path("calls");
    let command = case.command();
    let names: Vec<String> = calls.iter().map(|call| format!("?{call}")).collect();
    let mut traced = Command::new("strace");
    traced
        .arg("--follow-forks")
        .arg("--output")
        .arg(&trace_path);
    traced.arg(format!("--trace={}", names.join(",")));
    traced.arg(command.get_program()).args(command.get_args());
    let output = run(&mut traced);
    assert!(output.status.success(), "{output:?}");
    let trace = fs::read_to_string(trace_path).expect("a trace");
    let is_made = |call: &&&str| trace.contains(&format!(" {call}("));
    calls.iter().filter(is_made).copied().collect()
}

/// Returns whether an optional program works, and prints a note if it does not.
fn is_available(program: &str, arguments: &[&str]) -> bool {
    let available = Command::new(program)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !available {
        report_skipped(&format!(
            "a test of machine failures: install `{program}`, and permit it to trace or mount"
        ));
    }
    available
}

fn can_trace() -> bool {
    is_available("strace", &["--output=/dev/null", "true"])
}

fn can_mount() -> bool {
    is_available("unshare", &["-rm", "mount", "-t", "tmpfs", "none", "/mnt"])
}

#[test]
fn kills_at_any_disk_call_leave_the_old_or_new_output() {
    if !can_trace() {
        return;
    }
    for operation in OPERATIONS {
        let case = FaultTest::new(operation);
        let mut kills = 0;
        for call in calls_made(&case, &DISK_CALLS) {
            for n in 1.. {
                case.restore();
                let command = case.command();
                let output = run(&mut with_fault(&command, call, "signal=KILL", n));
                let when = format!("killed at {call} {n}");
                let is_new = case.check_complete(&when);
                if output.status.success() {
                    assert!(is_new, "{when}");
                    break;
                }
                assert_eq!(output.status.signal(), Some(KILL), "{when}: {output:?}");
                kills += 1;
                if kills % 7 == 0 {
                    case.check_succeeds(&when);
                }
            }
        }
        assert!(
            kills >= 3,
            "{operation:?}: the process was killed at only {kills} steps"
        );
        case.check_succeeds("after all faults");
        println!("{operation:?}: killed at each of {kills} steps");
    }
}

#[test]
fn kills_at_any_time_leave_the_old_or_new_output() {
    for operation in OPERATIONS {
        let case = FaultTest::new(operation);
        let started = Instant::now();
        run(&mut case.command());
        let duration = started.elapsed();
        for n in 1..=6 {
            case.restore();
            let mut child = case
                .command()
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("the program starts");
            thread::sleep(duration * n / 6);
            // The process may have exited already.
            let _ = child.kill();
            child.wait().expect("the process exits");
            case.check_complete(&format!("killed after {n} sixths of its run time"));
        }
        case.check_succeeds("after all faults");
    }
}

#[test]
fn files_of_a_killed_build_are_removed_by_the_next_one() {
    let case = FaultTest::new(WriteOperation::Build);
    let abandoned = case.path(".catchment-dataset-killed");
    fs::create_dir(&abandoned).expect("a folder");
    fs::write(abandoned.join("postcodes.csv"), "half").expect("a file");
    let in_use = case.path(".catchment-dataset-building");
    fs::create_dir(&in_use).expect("a folder");
    let lock = fs::File::open(&in_use).expect("a folder");
    lock.lock().expect("the folder is not locked");
    let build = || {
        let built = run(&mut case.command());
        assert!(built.status.success(), "{built:?}");
        let mut names = case.temporary_files();
        names.sort_unstable();
        names
    };
    // New folders are not removed, because a build may have created them without having locked them
    // yet.
    let both = [".catchment-dataset-building", ".catchment-dataset-killed"];
    assert_eq!(build(), both);
    let earlier = SystemTime::now() - Duration::from_secs(3_600);
    for folder in [&abandoned, &in_use] {
        let folder = fs::File::open(folder).expect("a folder");
        folder.set_modified(earlier).expect("the time is set");
    }
    assert_eq!(build(), both[..1]);
}

#[test]
fn disk_errors_are_reported_and_leave_no_partial_output() {
    if !can_trace() {
        return;
    }
    // These calls write files, but do not remove files. If a call that removes a file failed, a
    // temporary file would remain.
    const FAILING_CALLS: [&str; 12] = [
        "fsync",
        "fdatasync",
        "rename",
        "renameat",
        "renameat2",
        "link",
        "linkat",
        "mkdir",
        "mkdirat",
        "chmod",
        "fchmod",
        "flock",
    ];
    for operation in OPERATIONS {
        let case = FaultTest::new(operation);
        let mut failures = 0;
        for call in calls_made(&case, &FAILING_CALLS) {
            for n in 1.. {
                case.restore();
                let command = case.command();
                let output = run(&mut with_fault(&command, call, "error=EIO", n));
                let when = format!("EIO at {call} {n}");
                case.check_complete(&when);
                if output.status.success() {
                    break;
                }
                let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
                assert_eq!(
                    output.status.code(),
                    Some(2),
                    "{operation:?} {when}: {stderr}"
                );
                assert!(
                    stderr.contains("Input/output error"),
                    "{operation:?} {when}: {stderr}"
                );
                assert!(
                    stderr.starts_with("error: "),
                    "{operation:?} {when}: {stderr}"
                );
                assert_eq!(case.temporary_files(), [""; 0], "{operation:?} {when}");
                failures += 1;
            }
        }
        assert!(failures >= 2, "{operation:?}: only {failures} steps failed");
        case.check_succeeds("after all faults");
        println!("{operation:?}: EIO at each of {failures} steps");
    }
}

/// Runs a shell script in a new mount namespace, with the program as `$0`.
#[track_caller]
fn run_in_mount_namespace(script: &str, arguments: &[&Path]) -> Output {
    let output = Command::new("unshare")
        .args(["-rm", "sh", "-eu", "-c", script, PROGRAM])
        .args(arguments)
        .output()
        .expect("unshare runs");
    assert!(output.status.success(), "{output:?}");
    output
}

#[test]
fn full_disks_are_reported_and_keep_the_old_output() {
    if !can_mount() {
        return;
    }
    let case = FaultTest::new(WriteOperation::Build);
    case.write_input(&"LA1 1AB\n".repeat(20_000));
    let keys = case.path("many-keys.toml");
    let many = fs::read_to_string(FaultTest::new(WriteOperation::AddKey).path("keys.toml"))
        .expect("a file");
    let (heading, key) = many.split_at(many.find("[[key]]").expect("a key"));
    let id = key
        .lines()
        .find(|line| line.starts_with("id"))
        .expect("an id");
    let keys_text: String = (0..300)
        .map(|n| key.replacen(id, &format!("id = \"{n:08x}\""), 1))
        .collect();
    fs::write(&keys, format!("{heading}{keys_text}")).expect("a file");
    let script = r#"
        disk="$1/disk"; mkdir "$disk"
        mount -t tmpfs -o size=1m none "$disk"
        cp -r "$1/out" "$disk/data"
        cp "$1/many-keys.toml" "$disk/keys.toml"
        printf old > "$disk/answered.csv"
        cp -r "$disk/data" "$1/old-data"
        # Leave almost no space.
        head -c 2000000 /dev/zero > "$disk/filler" 2> /dev/null || true
        works() {
            "$0" build "$1/build.toml" --output "$disk/data" || return 1
        }
        lists() {
            "$0" batch --force --quiet --data "$1/out" "$1/list.csv" -o "$disk/answered.csv" || return 1
        }
        adds() {
            "$0" keys add --keys "$disk/keys.toml" --name x || return 1
        }
        for work in works lists adds; do
            if "$work" "$1" > "$1/said" 2>&1; then echo "$work succeeded" >&2; exit 1; fi
            grep -q 'No space left on device' "$1/said" || { cat "$1/said" >&2; exit 1; }
        done
        diff -r "$1/old-data" "$disk/data"
        cmp "$1/many-keys.toml" "$disk/keys.toml"
        test "$(cat "$disk/answered.csv")" = old
        test "$(ls -A "$disk" | tr '\n' ' ')" = 'answered.csv data filler keys.toml '
        # The old dataset is still usable. After the disk has grown, the commands succeed.
        "$0" locate PR30SG --data "$disk/data" --as-of 2025-01-01 > /dev/null
        mount -o remount,size=40m "$disk"
        for work in works lists adds; do "$work" "$1"; done
        test "$(ls -A "$disk" | tr '\n' ' ')" = \
            'answered.csv answered.csv.manifest.json data filler keys.toml '
        grep -q 'version = "2"' "$disk/data/dataset.toml"
    "#;
    run_in_mount_namespace(script, &[&case.path("")]);
}

#[test]
fn file_size_limits_are_reported_and_keep_the_old_output() {
    let case = FaultTest::new(WriteOperation::Batch);
    case.write_input(&"LA1 1AB\n".repeat(20_000));
    let shell = |limit: &str| {
        let command = case.command();
        let mut shell = Command::new("sh");
        shell.args([
            "-c",
            &format!("trap '' XFSZ; ulimit -f {limit}; exec \"$@\""),
            "sh",
        ]);
        shell.arg(command.get_program()).args(command.get_args());
        run(&mut shell)
    };
    // The limit is in blocks of 512 bytes. The output is about 1 MB in size.
    let limited = shell("64");
    let stderr = String::from_utf8_lossy(&limited.stderr).into_owned();
    assert_eq!(limited.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("File too large"), "{stderr}");
    assert_eq!(read_content(&case.output_path()), case.old);
    assert_eq!(case.temporary_files(), [""; 0]);
    assert!(shell("1000000").status.success());
}

#[test]
fn read_only_file_systems_are_reported_and_can_be_served() {
    if !can_mount() {
        return;
    }
    let case = FaultTest::new(WriteOperation::Build);
    let script = r#"
        mkdir "$1/disk"; cp -r "$1/out" "$1/disk/data"
        printf '' > "$1/disk/keys.toml"
        mount --bind "$1/disk" "$1/disk"
        mount -o remount,bind,ro "$1/disk"
        for work in build batch keys; do
            case $work in
                build) set -- "$1" build "$1/build.toml" --output "$1/disk/data" ;;
                batch) set -- "$1" batch --data "$1/disk/data" "$1/list.csv" -o "$1/disk/answered.csv" ;;
                keys) set -- "$1" keys add --keys "$1/disk/keys.toml" --name x ;;
            esac
            folder=$1; shift
            if "$0" "$@" > "$folder/said" 2>&1; then echo "$work succeeded" >&2; exit 1; fi
            grep -q 'Read-only file system' "$folder/said" || { cat "$folder/said" >&2; exit 1; }
            set -- "$folder"
        done
        "$0" serve --check-config --data "$1/disk/data" --keys "$1/disk/keys.toml" > /dev/null
        "$0" batch --data "$1/disk/data" "$1/list.csv" > /dev/null
        "$0" locate PR30SG --data "$1/disk/data" --as-of 2025-01-01 > /dev/null
    "#;
    run_in_mount_namespace(script, &[&case.path("")]);
}

/// Writes the fixture to a temporary folder. Returns the temporary folder, the folder of the
/// dataset, and the content of the dataset as text.
fn fixture_on_disk() -> (TempDir, PathBuf, String) {
    let temporary = TestDataset::new().write_to_temp_dir();
    let folder = temporary.path().join("toy");
    let text = dataset_text(
        dataset::read(&DatasetSource::Folder(folder.clone())).expect("a valid dataset"),
    );
    (temporary, folder, text)
}

/// Returns the content of a dataset, without its digest, as text.
fn dataset_text(mut dataset: Dataset) -> String {
    dataset.digest.clear();
    format!("{dataset:?}")
}

/// Applies each mutation to each file, and checks that the dataset is rejected or unchanged.
/// Returns the number of rejections.
fn count_rejections(mutations: impl Fn(&[u8]) -> Vec<Vec<u8>>) -> usize {
    let (_temporary, folder, original) = fixture_on_disk();
    let mut rejected = 0;
    for path in read_content(&folder).expect("a folder").keys() {
        let file = folder.join(path);
        let bytes = fs::read(&file).expect("a file");
        for (index, mutated) in mutations(&bytes).into_iter().enumerate() {
            fs::write(&file, mutated).expect("a file");
            match dataset::read(&DatasetSource::Folder(folder.clone())) {
                Err(_) => rejected += 1,
                // The checksum of the manifest does not cover the line that contains it.
                Ok(other) => {
                    assert_eq!(path.as_path(), Path::new(MANIFEST), "mutation {index}");
                    assert_eq!(
                        dataset_text(other),
                        original,
                        "{}, mutation {index}",
                        path.display()
                    );
                }
            }
        }
        fs::write(&file, bytes).expect("a file");
    }
    rejected
}

fn flip_bit(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut flipped = bytes.to_vec();
    flipped[bit / 8] ^= 1 << (bit % 8);
    flipped
}

#[test]
fn flipped_bits_are_rejected_or_change_nothing() {
    // The test flips every bit of the manifest, because the manifest contains the checksums of the
    // other files. In the other files, it flips every eleventh bit.
    let rejected = count_rejections(|bytes| {
        let is_manifest = bytes.starts_with(b"name = ");
        let step = if is_manifest { 1 } else { 11 };
        let bits = (0..8 * bytes.len()).step_by(step);
        bits.map(|bit| flip_bit(bytes, bit)).collect()
    });
    println!("{rejected} files with a flipped bit were rejected");
    assert!(rejected > 10_000, "{rejected}");
}

#[test]
fn truncated_files_are_rejected_or_change_nothing() {
    let rejected = count_rejections(|bytes| {
        (0..bytes.len())
            .map(|index| bytes[..index].to_vec())
            .collect()
    });
    println!("{rejected} truncated files were rejected");
    assert!(rejected > 3_000, "{rejected}");
}

/// Writes the fixture as a release. The name of an area contains the version of the release.
fn write_release(folder: &Path, version: &str) {
    let mut fixture = TestDataset::new().replace("areas.csv", "Kay", &format!("Kay of {version}"));
    fixture.manifest = fixture
        .manifest
        .replace("version = \"1\"", &format!("version = {version:?}"));
    fixture.write(folder);
}

#[test]
fn datasets_replaced_during_reading_are_read_again() {
    let temporary = TempDir::new().expect("a folder");
    let folder = temporary.path().join("toy");
    write_release(&folder, "0");
    let (is_over, published) = (AtomicBool::new(false), AtomicU32::new(0));
    thread::scope(|scope| {
        let publisher = scope.spawn(|| {
            while !is_over.load(Ordering::SeqCst) {
                let version_number = published.fetch_add(1, Ordering::SeqCst) + 1;
                write_release(&folder, &version_number.to_string());
                thread::sleep(Duration::from_millis(5));
            }
        });
        let outcome = std::panic::catch_unwind(|| {
            let deadline = Instant::now() + Duration::from_secs(60);
            while published.load(Ordering::SeqCst) < 40 {
                assert!(
                    Instant::now() < deadline,
                    "no release was published in time"
                );
                let read = dataset::read(&DatasetSource::Folder(folder.clone()))
                    .expect("a complete dataset");
                let version = &read.manifest.version;
                let kay = read.areas.iter().find(|area| area.id == "k");
                let name = &kay.expect("an area").name;
                assert!(
                    version == "0" || *name == format!("Kay of {version}"),
                    "{name}"
                );
            }
        });
        is_over.store(true, Ordering::SeqCst);
        publisher.join().expect("the publisher does not panic");
        outcome.expect("every read is of one release");
    });
}

/// Returns the version of the dataset that a service uses.
fn served_version(address: SocketAddr) -> String {
    let body = get(address, "/api/v1/dataset").expect(200).json();
    body["version"].as_str().expect("text").to_string()
}

#[test]
fn services_killed_during_a_reload_restart_on_a_complete_dataset() {
    let temporary = TempDir::new().expect("a folder");
    let folder = temporary.path().join("toy");
    write_release(&folder, "0");
    let data = folder.display().to_string();
    for n in 1..=6 {
        let running = ServiceProcess::start(&["--data", &data]);
        let new = n.to_string();
        thread::scope(|scope| {
            scope.spawn(|| write_release(&folder, &new));
            thread::sleep(Duration::from_millis(n));
            running.signal("HUP");
            thread::sleep(Duration::from_millis(2 * n));
            running.signal("KILL");
        });
        let (status, _) = running.wait_for_exit();
        assert_eq!(status, None, "the process was not killed");
        let again = ServiceProcess::start(&["--data", &data]);
        assert_eq!(
            served_version(again.address),
            new,
            "the restarted service must use the new release"
        );
    }
}

#[test]
fn datasets_too_large_for_memory_are_rejected_before_reading() {
    let temporary = TempDir::new().expect("a folder");
    let folder = temporary.path().join("toy");
    write_release(&folder, "1");
    let data = folder.display().to_string();
    let (mut running, admin_address) = start_with_admin(&["--data", &data]);
    write_release(&folder, "2");
    let manifest = folder.join(MANIFEST);
    let original = fs::read_to_string(&manifest).expect("a manifest");
    let huge = format!(
        "{}\n[files.\"huge.csv\"]\nsha256 = \"{}\"\nsize_bytes = 1_000_000_000_000_000\n",
        original.split("# SHA-256").next().expect("text"),
        "0".repeat(64)
    );
    fs::write(&manifest, huge).expect("a file");
    let reply = reload(admin_address).expect_problem(409, "reload_failed");
    let detail = reply.json()["detail"].as_str().expect("text").to_string();
    assert!(
        detail.contains("with the datasets already loaded, this dataset needs about 50000000"),
        "{detail}"
    );
    assert!(detail.contains("MB of memory, but only "), "{detail}");
    assert!(detail.contains(" MB are available"), "{detail}");
    running.wait_for("reload failed: the previous dataset stays in use");
    assert_eq!(served_version(running.address), "1");
    assert_eq!(metric_value(admin_address, "catchment_degraded"), "1");
    let start = run(Command::new(PROGRAM).args(["serve", "--check-config", "--data", &data]));
    assert_eq!(start.status.code(), Some(2), "{start:?}");
    fs::write(&manifest, original).expect("a file");
    reload(admin_address).expect(200);
    assert_eq!(served_version(running.address), "2");
    assert_eq!(metric_value(admin_address, "catchment_degraded"), "0");
}

#[test]
fn watched_datasets_are_retried_after_a_rejection() {
    let temporary = TempDir::new().expect("a folder");
    let folder = temporary.path().join("toy");
    write_release(&folder, "1");
    let data = folder.display().to_string();
    let mut running = ServiceProcess::start(&["--data", &data, "--watch"]);
    let moved_file = temporary.path().join("areas.csv");
    thread::sleep(Duration::from_millis(100));
    write_release(&folder, "2");
    fs::rename(folder.join("areas.csv"), &moved_file).expect("moved");
    running.wait_for("reload failed: the previous dataset stays in use");
    assert_eq!(served_version(running.address), "1");
    fs::rename(&moved_file, folder.join("areas.csv")).expect("moved");
    running.wait_for("reloaded");
    let deadline = Instant::now() + Duration::from_secs(5);
    while served_version(running.address) != "2" {
        assert!(Instant::now() < deadline, "the dataset was not replaced");
    }
}

#[test]
fn few_file_descriptors_do_not_prevent_requests_or_reloads() {
    let temporary = TempDir::new().expect("a folder");
    let folder = temporary.path().join("toy");
    write_release(&folder, "1");
    let data = folder.display().to_string();
    let keys = temporary.path().join("keys.toml");
    let key = |name: &str| {
        let new_key = NewKey {
            name: name.into(),
            scopes: vec![Scope::Locate],
            expires: None,
            quota: None,
        };
        keys::add(&keys, new_key, today_in_london()).expect("added")
    };
    let (first, secret) = key("one");
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -n 80; exec \"$0\" \"$@\"", PROGRAM]);
    let keys_path = keys.display().to_string();
    let arguments = [
        "--data",
        &data,
        "--keys",
        &keys_path,
        "--require-key-for",
        "locate",
    ];
    let (mut running, admin_address) = start_command_with_admin(shell, &arguments);
    let address = running.address;
    let idle: Vec<TcpStream> = (0..200)
        .filter_map(|_| TcpStream::connect(address).ok())
        .collect();
    assert!(idle.len() > 100, "{} connections", idle.len());
    assert_eq!(served_version(address), "1");
    write_release(&folder, "2");
    reload(admin_address).expect(200);
    running.wait_for("reloaded");
    assert_eq!(served_version(address), "2");
    // Revoked keys are rejected even with few descriptors.
    let request_status = || {
        let bearer = format!("Bearer {}", secret.expose());
        let headers = [("authorization", bearer.as_str())];
        let path = "/api/v1/locate?postcode=LA11AA&as_of=2025-01-01";
        send(&client(), address, ("GET", path), &headers, None).status
    };
    assert_eq!(request_status(), 200);
    keys::revoke(&keys, &first.id, today_in_london()).expect("revoked");
    running.wait_for("API keys loaded");
    assert_eq!(request_status(), 401);
    drop(idle);
}

/// The path of the library that replaces the clock of a program.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

#[test]
fn clock_jumps_change_only_the_current_date() {
    if !Path::new(FAKETIME).exists() {
        report_skipped("jumps of the clock: install libfaketime (Debian package `faketime`)");
        return;
    }
    let temporary = TempDir::new().expect("a folder");
    let clock = temporary.path().join("clock");
    let keys = temporary.path().join("keys.toml");
    let set_clock = |by: &str| fs::write(&clock, by).expect("a file");
    set_clock("+0d");
    let today = today_in_london();
    let in_days = |days: i64| today.saturating_add(jiff::Span::new().days(days));
    let new_key = NewKey {
        name: "a test".into(),
        scopes: vec![Scope::Locate],
        expires: Some(in_days(2)),
        quota: Some("100000/day".parse().expect("a rate")),
    };
    let (_, secret) = keys::add(&keys, new_key, today).expect("added");
    let mut command = Command::new(PROGRAM);
    command
        .env("LD_PRELOAD", FAKETIME)
        .env("FAKETIME_TIMESTAMP_FILE", &clock)
        .env("FAKETIME_NO_CACHE", "1")
        // Do not change monotonic clocks, because they never jump on a real machine.
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let keys_path = keys.display().to_string();
    let arguments = [
        "--keys",
        &keys_path,
        "--require-key-for",
        "locate",
        "--watch",
    ];
    let (mut running, admin_address) = start_command_with_admin(command, &arguments);
    let address = running.address;
    let request_with_key = || {
        let bearer = format!("Bearer {}", secret.expose());
        let headers = [("authorization", bearer.as_str())];
        let path = "/api/v1/locate?postcode=LA184DB";
        send(&client(), address, ("GET", path), &headers, None)
    };
    for days in [0, 1, 3, -400, 0, 36_500, 1] {
        set_clock(&format!("{days:+}d"));
        let reply = request_with_key();
        if days >= 2 {
            reply.expect_problem(401, "expired_key");
        } else {
            // The date may have changed since the start of the test.
            let as_of = reply.expect(200).json()["as_of"].clone();
            let days_around = [days, days + 1].map(|days| json!(in_days(days).to_string()));
            assert!(days_around.contains(&as_of), "{as_of}");
        }
        get(address, "/health/ready").expect(200);
        reload(admin_address).expect(200);
        running.wait_for("reloaded");
    }
    assert_eq!(metric_value(admin_address, "catchment_degraded"), "0");
}

#[test]
fn default_date_is_londons_in_every_time_zone() {
    let answer = |zone: &str| {
        let mut command = Command::new(PROGRAM);
        command
            .args(["locate", "LA18 4DB", "--json"])
            .env("TZ", zone);
        let output = run(&mut command);
        assert!(output.status.success(), "{zone}: {output:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    let before = today_in_london();
    let zones = [
        "UTC",
        "Pacific/Kiritimati",
        "Etc/GMT+12",
        "Nowhere/There",
        "",
    ];
    let answers = zones.map(answer);
    if today_in_london() == before {
        assert!(answers[0].contains(&before.to_string()));
        assert!(
            answers.iter().all(|text| *text == answers[0]),
            "{answers:?}"
        );
    }
}

#[test]
#[ignore = "takes a minute"]
fn requests_succeed_during_a_minute_of_reloads() {
    let releases = ReleaseFolders::new();
    let folder = releases.publish("data", "2026.0");
    let (running, admin_address) = start_with_admin(&["--data", &folder]);
    let address = running.address;
    let (is_over, responses) = (AtomicBool::new(false), AtomicU32::new(0));
    let mut sizes = Vec::new();
    let mut reloads = 0;
    thread::scope(|scope| {
        let clients: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    while !is_over.load(Ordering::SeqCst) {
                        // The function `located_version` panics if parts of a response are from
                        // different releases.
                        located_version(address);
                        responses.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        // Releases are published continuously, independently of the reloads.
        let publisher = scope.spawn(|| {
            for version_number in 1.. {
                if is_over.load(Ordering::SeqCst) {
                    return;
                }
                releases.publish("data", &format!("2026.{version_number}"));
                thread::sleep(Duration::from_millis(1_700));
            }
        });
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let started = Instant::now();
            while started.elapsed() < Duration::from_secs(60) {
                let next = Instant::now() + Duration::from_secs(2);
                reload(admin_address).expect(200);
                reloads += 1;
                sizes.push(memory_kb(running.id(), "VmRSS:"));
                thread::sleep(next.saturating_duration_since(Instant::now()));
            }
        }));
        is_over.store(true, Ordering::SeqCst);
        for client in clients {
            client.join().expect("every response is consistent");
        }
        publisher.join().expect("the publisher does not panic");
        outcome.expect("every reload succeeds");
    });
    let responses = responses.into_inner();
    println!("{responses} responses over {reloads} reloads; resident kB: {sizes:?}");
    assert!(responses > 1_000 && reloads >= 10, "{responses}, {reloads}");
    let rejected = metric_value(
        admin_address,
        "catchment_reloads_total{outcome=\"failure\"}",
    );
    assert_eq!(rejected, "0");
    // Memory does not grow with the number of reloads.
    let half = sizes.len() / 2;
    let maximum = |sizes: &[u64]| *sizes.iter().max().expect("some");
    assert!(
        maximum(&sizes[half..]) < maximum(&sizes[..half]) * 5 / 4,
        "{sizes:?}"
    );
}
