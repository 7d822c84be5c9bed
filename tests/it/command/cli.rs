//! Tests of the commands of the compiled program.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use tempfile::TempDir;

use crate::support::server::{AS_OF, SERVER};

/// Returns a command that does not depend on the terminal that started the tests.
fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_catchment"));
    command
        .args(arguments)
        .env_remove("COLUMNS")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn run(arguments: &[&str]) -> Output {
    program(arguments).output().expect("the program starts")
}

/// Runs the program with `input` on its standard input.
fn run_with_input(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = program(arguments)
        .stdin(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("piped");
    thread::scope(|scope| {
        scope.spawn(move || {
            // The program may stop reading early, so errors are ignored here. The output is checked
            // in any case.
            let _ = stdin.write_all(input);
        });
        child.wait_with_output().expect("the program ends")
    })
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).expect("text")
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).expect("text")
}

#[track_caller]
fn check_exit(output: &Output, code: i32) {
    assert_eq!(
        output.status.code(),
        Some(code),
        "stdout: {}\nstderr: {}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn help_of_every_command_has_an_example() {
    let help = run(&["--help"]);
    check_exit(&help, 0);
    let (_, commands) = stdout(&help)
        .split_once("Commands:\n")
        .expect("a list of commands");
    let (commands, _) = commands
        .split_once("\n\n")
        .expect("a blank line after the commands");
    let names: Vec<&str> = commands
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|name| !name.is_empty() && *name != "help")
        .collect();
    assert!(names.len() >= 3, "{names:?}");
    for name in names {
        let output = run(&[name, "--help"]);
        check_exit(&output, 0);
        let text = stdout(&output);
        let (_, example) = text
            .split_once("Example:\n")
            .unwrap_or_else(|| panic!("catchment {name} --help has no example: {text}"));
        assert!(example.contains(&format!("catchment {name}")), "{text}");
    }
}

#[test]
fn locate_help_text() {
    insta::assert_snapshot!(stdout(&run(&["locate", "--help"])));
}

#[test]
fn serve_help_text() {
    insta::assert_snapshot!(stdout(&run(&["serve", "--help"])));
}

#[test]
fn build_help_text() {
    insta::assert_snapshot!(stdout(&run(&["build", "--help"])));
}

#[test]
fn locate_accepts_codes_of_statistical_areas() {
    let locate = |place: &str| run(&["locate", place, "--as-of", AS_OF]);
    let output = locate("E01019311");
    check_exit(&output, 0);
    let text = stdout(&output);
    for words in [
        "E01019311  Eden 005B  (lsoa11, ",
        "Eden ICC  (statistical_area",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let output = locate("lsoa11=E01034068");
    check_exit(&output, 0);
    let text = stdout(&output);
    for words in [
        "(lsoa21, ",
        "split: 0.72 of its live postcodes; Allerdale 012B 0.28",
        "code_of_other_layer",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    for (place, words) in [
        ("E02003984", "an MSOA of England"),
        ("lsoa11=E01000001", "such as E01012571"),
        ("icc=E01019311", "use lsoa11 or lsoa21"),
    ] {
        let output = locate(place);
        check_exit(&output, 3);
        assert!(stderr(&output).contains(words), "{}", stderr(&output));
    }
    let lines = b"E01019311\nLA18 4DB\nlsoa21=E01034068,A82003\nE02003984\n";
    let output = run_with_input(&["locate", "-", "--as-of", AS_OF], lines);
    let statuses: Vec<&str> = stdout(&output)
        .lines()
        .skip(1)
        .filter_map(|line| line.split('\t').nth(2))
        .collect();
    let expected = ["located", "located", "located", "unknown_area"];
    assert_eq!(statuses, expected, "{}", stdout(&output));
}

#[test]
fn locate_prints_a_text_result() {
    let output = run(&[
        "locate",
        "LA18 4DB",
        "--practice",
        "P81064",
        "--as-of",
        AS_OF,
    ]);
    check_exit(&output, 0);
    insta::assert_snapshot!(stdout(&output));
}

/// The command-line arguments of a look-up.
type Arguments = &'static [&'static str];
/// The HTTP parameters of a look-up.
type Fields = &'static [(&'static str, &'static str)];

/// Returns the body of the HTTP response to a look-up with these parameters.
#[track_caller]
fn http_response(fields: &[(&str, &str)]) -> String {
    SERVER.locate(fields).text().to_string()
}

#[test]
fn locate_json_matches_the_http_response() {
    let requests: &[(Arguments, Fields)] = &[
        (
            &["--lon", "-3.269471", "--lat", "54.209742"],
            &[("lon", "-3.269471"), ("lat", "54.209742")],
        ),
        (
            &["--easting", "337973.895", "--northing", "467539.212"],
            &[("easting", "337973.895"), ("northing", "467539.212")],
        ),
        (
            &["--lon=54.05", "--lat=-2.8"],
            &[("lon", "54.05"), ("lat", "-2.8")],
        ),
        (&["--practice", "P81064"], &[("practice", "P81064")]),
        (
            &["LA1 1PN", "--layers", "icc,pcn"],
            &[("postcode", "LA1 1PN"), ("layers", "icc,pcn")],
        ),
        (&[], &[]),
    ];
    thread::scope(|scope| {
        for (arguments, fields) in requests {
            scope.spawn(move || {
                let mut arguments = arguments.to_vec();
                arguments.insert(0, "locate");
                arguments.extend(["--json", "--as-of", AS_OF]);
                let mut fields = fields.to_vec();
                fields.push(("as_of", AS_OF));
                let output = run(&arguments);
                let answer = http_response(&fields);
                assert_eq!(stdout(&output), format!("{answer}\n"), "{arguments:?}");
                let is_problem = answer.contains("\"type\":\"about:blank\"");
                check_exit(&output, if is_problem { 3 } else { 0 });
                assert_eq!(stderr(&output), "", "{arguments:?}");
            });
        }
    });
}

/// Returns input lines. Some lines contain a postcode of any kind, some of them followed by a
/// practice; other lines contain random text.
fn input_lines() -> Vec<String> {
    let mut lines: Vec<String> = [
        "LA18 4DB",
        "la184db,P81064",
        "LA1 1PN\tA82608001",
        "LA1O 5DL",
        "",
        "LA1",
        "LA1 0AA",
        "CA1 1EF",
        "CA12 9AB,V81997",
        "ZZ99 3VZ,A82033",
        "SW1A 1AA",
        "LA18 4BY, a82 033 ",
        "LA18 4DB,not a code!",
        "LA18 4DB,",
        "=LA1 1AA",
        "LA18 4DB🏥",
    ]
    .map(String::from)
    .to_vec();
    let mut runner = TestRunner::deterministic();
    let any_line = prop_oneof![
        "(LA|CA)[0-9]{1,2} ?[0-9][A-Z]{2}",
        "[A-Z0-9]{1,4} [0-9][ABDEFGHJLNPQRSTUWXYZ]{2}",
        "[ -+.-~]{0,12}",
        "\\PC{0,12}",
    ]
    .prop_filter("a line of one cell", |line| {
        !line.contains([',', '\t', '\r', '\n'])
    });
    for _ in 0..300 {
        let line = any_line.new_tree(&mut runner).expect("a line").current();
        lines.push(line);
    }
    lines
}

#[test]
fn locate_from_stdin_matches_the_http_responses_line_by_line() {
    let lines = input_lines();
    let arguments = ["locate", "--json", "--as-of", AS_OF, "-"];
    let output = run_with_input(&arguments, (lines.join("\n") + "\n").as_bytes());
    check_exit(&output, 3);
    let answers: Vec<&str> = stdout(&output).lines().collect();
    assert_eq!(answers.len(), lines.len());
    for (line, answer) in lines.iter().zip(answers) {
        let (postcode, practice) = match line.split_once([',', '\t']) {
            Some((postcode, practice)) => (postcode, Some(practice)),
            None => (line.as_str(), None),
        };
        let mut fields = vec![("postcode", postcode)];
        fields.extend(practice.map(|practice| ("practice", practice)));
        fields.push(("as_of", AS_OF));
        assert_eq!(answer, http_response(&fields), "{line:?}");
    }
}

#[test]
fn locate_from_stdin_keeps_order_and_length() {
    let input = b"LA18 4DB\r\n\nLA1O 5DL\n\xff\xfe\nLA1 1PN,P81064\r\nLA1\nZZ99 3VZ\nLA1 0AA";
    let output = run_with_input(&["locate", "-", "--as-of", AS_OF], input);
    check_exit(&output, 3);
    insta::assert_snapshot!(stdout(&output));
    assert_eq!(stderr(&output), "");
    let all_good = run_with_input(&["locate", "-"], b"LA18 4DB\nZZ99 3VZ\n");
    check_exit(&all_good, 0);
}

#[test]
fn exit_status_distinguishes_results_problems_and_usage_errors() {
    let answered = run(&["locate", "ZZ99 3VZ"]);
    check_exit(&answered, 0);
    for arguments in [
        &["locate", "LA1 0AA"][..],
        &["locate", "LA1 0AA", "--practice", "P81002"],
    ] {
        let output = run(arguments);
        check_exit(&output, 3);
        assert_eq!(stdout(&output), "", "{arguments:?}");
        assert_ne!(stderr(&output), "", "{arguments:?}");
    }
    for arguments in [
        &[][..],
        &["nothing"],
        &["locate", "LA18 4DB", "--nothing"],
        &["locate", "LA18 4DB", "--lon", "1", "--lat", "54"],
        &["locate", "--lon", "1"],
        &["locate", "LA18 4DB", "--as-of", "2023-02-29"],
        &["serve", "--listen", "nowhere"],
    ] {
        check_exit(&run(arguments), 2);
    }
}

#[test]
fn terminated_postcodes_are_reported_inside_and_outside_coverage() {
    for (postcode, status) in [
        ("CA1 1EF", "Status terminated, in 1996-06\n"),
        (
            "CA1 1ED",
            "Status terminated, between 2022-05 and 2024-07\n",
        ),
        (
            "LA1 4FH",
            "Status located; the postcode is in the directory of November 2025 but in no \
             list of live postcodes: it may be for new homes, or no longer in use\n",
        ),
        (
            "PR3 1BS",
            "Status outside_coverage; the postcode is terminated, in 1990-12\n",
        ),
    ] {
        let output = run(&["locate", postcode]);
        check_exit(&output, 0);
        let text = stdout(&output);
        let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
        assert!(words.join(" ").contains(status), "{text}");
    }
}

#[test]
fn misspelt_postcodes_get_a_suggestion_and_are_not_repeated() {
    let output = run(&["locate", "LA1O 5DL"]);
    check_exit(&output, 3);
    let text = stderr(&output);
    assert!(text.contains("did you mean LA10 5DL?"), "{text}");
    assert!(!text.contains("LA1O"), "{text}");
}

#[test]
fn closed_stdout_ends_the_program_without_an_error() {
    let mut child = program(&["locate", "--json", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("piped");
    let mut reader = child.stdout.take().expect("piped");
    let feeder = thread::spawn(move || {
        // Writing to the program fails when the program exits.
        while stdin.write_all(b"LA18 4DB\n").is_ok() {}
    });
    let mut first = [0; 10];
    reader.read_exact(&mut first).expect("output starts");
    drop(reader);
    let output = child.wait_with_output().expect("the program ends");
    feeder.join().expect("the feeder does not panic");
    check_exit(&output, 0);
    assert_eq!(stderr(&output), "");
}

/// Copies the embedded dataset to a temporary folder, where a test may damage it.
fn dataset_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    copy(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("data/lancashire-and-cumbria"),
        folder.path(),
    );
    folder
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            fs::create_dir(&target).expect("a new folder");
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).expect("a copy");
        }
    }
}

#[test]
fn data_option_replaces_the_embedded_dataset() {
    let folder = dataset_folder();
    let manifest = folder.path().join("dataset.toml");
    let text = fs::read_to_string(&manifest).expect("a manifest");
    // A manifest that is edited by hand must not contain a checksum line.
    let text = text.split("# SHA-256").next().expect("text");
    let renamed = text.replacen("name = \"lancashire-and-cumbria\"", "name = \"made-up\"", 1);
    fs::write(&manifest, renamed).expect("written");
    let data = folder.path().to_str().expect("a path of text");
    let arguments = ["locate", "LA18 4DB", "--json", "--as-of", AS_OF];
    let output = run(&[&arguments[..], &["--data", data]].concat());
    check_exit(&output, 0);
    let embedded = run(&arguments);
    let expected = stdout(&embedded).replace("lancashire-and-cumbria", "made-up");
    assert_ne!(stdout(&embedded), expected);
    assert_eq!(stdout(&output), expected);
}

#[test]
fn unusable_datasets_are_rejected_with_the_file_name() {
    let check = |spoil: &dyn Fn(&Path), file_name: &str| {
        let folder = dataset_folder();
        spoil(folder.path());
        let data = folder.path().to_str().expect("a path of text");
        for arguments in [
            &["locate", "LA18 4DB", "--data", data][..],
            &["serve", "--listen", "127.0.0.1:0", "--data", data],
        ] {
            let output = run(arguments);
            check_exit(&output, 2);
            assert!(stderr(&output).contains(file_name), "{}", stderr(&output));
            assert!(
                !stderr(&output).contains("listening on http://"),
                "{}",
                stderr(&output)
            );
        }
    };
    let flip = |path: &Path| {
        let mut bytes = fs::read(path).expect("a file");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(path, bytes).expect("written");
    };
    check(
        &|folder| flip(&folder.join("practices.csv")),
        "`practices.csv`",
    );
    check(
        &|folder| flip(&folder.join("areas/icc.geojson")),
        "`areas/icc.geojson`",
    );
    check(
        &|folder| {
            let path = folder.join("postcodes.csv");
            let bytes = fs::read(&path).expect("a file");
            fs::write(path, &bytes[..bytes.len() - 10]).expect("written");
        },
        "`postcodes.csv`",
    );
    check(
        &|folder| fs::remove_file(folder.join("lineage.csv")).expect("removed"),
        "lineage.csv",
    );
    check(
        &|folder| fs::write(folder.join("dataset.toml"), "name = 1").expect("written"),
        "dataset.toml",
    );
    let missing_folder = run(&["locate", "LA18 4DB", "--data", "no-such-folder"]);
    check_exit(&missing_folder, 2);
    assert!(
        stderr(&missing_folder).contains("no-such-folder"),
        "{}",
        stderr(&missing_folder)
    );
}

#[test]
fn postcodes_need_no_quotation_marks() {
    let quoted = run(&["locate", "--json", "LA18 4DB"]);
    let split = run(&["locate", "--json", "LA18", "4DB"]);
    check_exit(&split, 0);
    assert_eq!(stdout(&split), stdout(&quoted));
    let mistyped = run(&["locate", "LA1O", "5DL"]);
    check_exit(&mistyped, 3);
    assert!(
        stderr(&mistyped).contains("LA10 5DL"),
        "{}",
        stderr(&mistyped)
    );
}

#[test]
fn wrong_usage_of_locate_has_exit_status_2() {
    let nothing = run(&["locate"]);
    check_exit(&nothing, 2);
    assert!(stderr(&nothing).contains("Usage: "), "{}", stderr(&nothing));
    let date = run(&["locate", "LA18 4DB", "--as-of", "1/2/2026"]);
    check_exit(&date, 2);
    assert!(stderr(&date).contains("YYYY-MM-DD"), "{}", stderr(&date));
}

#[test]
fn missing_key_file_is_reported_once() {
    let output = run(&["keys", "list", "--keys", "no-such-file"]);
    check_exit(&output, 2);
    let text = stderr(&output);
    assert_eq!(text.matches("No such file").count(), 1, "{text}");
}

#[test]
fn completions_and_manual_pages_name_every_command() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = run(&["completions", shell]);
        check_exit(&script, 0);
        for word in ["locate", "batch", "keys", "as-of"] {
            assert!(stdout(&script).contains(word), "{shell}: {word}");
        }
    }
    check_exit(&run(&["completions", "dos"]), 2);
    let folder = TempDir::new().expect("a folder");
    let pages = folder.path().join("man/man1");
    let scripts = folder.path().join("completions");
    let arguments = [
        "man",
        &pages.display().to_string(),
        "--completions",
        &scripts.display().to_string(),
    ];
    check_exit(&run(&arguments), 0);
    let names = |folder: &Path| {
        let files = fs::read_dir(folder).expect("a folder");
        let names = files.map(|file| file.expect("a file").file_name().display().to_string());
        names.collect::<BTreeSet<String>>()
    };
    let found = names(&pages);
    for page in ["catchment.1", "catchment-locate.1", "catchment-keys-add.1"] {
        assert!(found.contains(page), "{found:?}");
    }
    assert_eq!(names(&scripts).len(), 5);
    let page = fs::read_to_string(pages.join("catchment-keys-add.1")).expect("a page");
    for part in [".TH catchment-keys-add 1", "catchment keys add", "YYYY"] {
        assert!(page.contains(part), "{page}");
    }
    let unwritable = run(&["man", "/dev/null/man1"]);
    check_exit(&unwritable, 2);
    assert!(stderr(&unwritable).contains("/dev/null/man1"));
}
