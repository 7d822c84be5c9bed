//! Builds the assets of the pages (styles, scripts and the icon) from `src/web/` and the npm
//! packages in its lock file. Writes only to `OUT_DIR`; `src/web/build.mjs` builds each file.

use std::env;
use std::fmt::Write;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Output, exit};

/// The assets: the name of each in the program and its source file in `src/web/`.
const ASSETS: &[(&str, &str)] = &[
    ("STYLE", "pages.scss"),
    ("SCRIPT", "pages.js"),
    ("BATCH_SCRIPT", "batch.js"),
    ("EMBED_CODE_SCRIPT", "embed-code.js"),
    ("EMBED_STYLE", "embed.css"),
    ("EMBED_SCRIPT", "embed.js"),
    ("WIDGET_SCRIPT", "widget.js"),
    ("MAP_SCRIPT", "map.js"),
    ("MAPLIBRE_SCRIPT", "maplibre.js"),
    ("MAPLIBRE_WORKER", "maplibre-worker.js"),
    ("ICON", "icon.svg"),
];

/// The folder of the source files.
const SOURCES: &str = "src/web";
/// The files that are copied to the folder in which npm runs, so that it does not write to the
/// sources.
const PACKAGE: [&str; 4] = ["package.json", "package-lock.json", ".npmrc", "build.mjs"];
/// The oldest version of Node that nhsuk-frontend supports.
const NODE_MIN: (u32, u32) = (20, 9);
#[cfg(windows)]
const NPM: &str = "npm.cmd";
#[cfg(not(windows))]
const NPM: &str = "npm";

/// A message for the person who builds the program.
type Fault = String;

fn main() {
    if let Err(fault) = built() {
        eprintln!("{fault}");
        exit(1);
    }
}

fn built() -> Result<(), Fault> {
    println!("cargo::rerun-if-changed=build.rs");
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    let out = Path::new(&out);
    let names = if env::var_os("CARGO_FEATURE_WEB").is_some() {
        tell_sources().map_err(|error| format!("reading {SOURCES}: {error}"))?;
        check_node()?;
        install(&out.join("npm"))?;
        make(&out.join("npm"), &out.join("assets"))?
    } else {
        place_nothing(&out.join("assets")).map_err(|error| format!("writing OUT_DIR: {error}"))?
    };
    fs::write(out.join("assets.rs"), table(&names)).map_err(|error| format!("writing: {error}"))
}

/// Tells Cargo to rebuild the assets when a file in the source folder changes, except for Rust
/// files.
fn tell_sources() -> io::Result<()> {
    for entry in fs::read_dir(SOURCES)? {
        let path = entry?.path();
        let is_rust = path.extension().is_some_and(|it| it == "rs");
        if path.is_file() && !is_rust {
            println!("cargo::rerun-if-changed={}", path.display());
        }
    }
    Ok(())
}

fn check_node() -> Result<(), Fault> {
    let (major, minor) = NODE_MIN;
    let needed = |found: &str| {
        format!(
            "building the pages needs Node {major}.{minor} or newer, and npm: {found}\n\
             Install them (https://nodejs.org), or build without the pages (the feature `web`):\n\
             cargo build --no-default-features"
        )
    };
    let told = run(Command::new("node").arg("--version"))
        .map_err(|_| needed("`node --version` failed"))?;
    let version = String::from_utf8_lossy(&told.stdout).trim().to_string();
    let numbers = version.trim_start_matches('v').split('.');
    let mut numbers = numbers.map(|number| number.parse::<u32>().unwrap_or(0));
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if found < NODE_MIN {
        return Err(needed(&format!("this is Node {version}")));
    }
    run(Command::new(NPM).arg("--version")).map_err(|_| needed("`npm --version` failed"))?;
    Ok(())
}

/// Installs the npm packages, unless those of this lock file are already installed.
fn install(folder: &Path) -> Result<(), Fault> {
    let fault = |error: io::Error| format!("copying {SOURCES} to {}: {error}", folder.display());
    fs::create_dir_all(folder).map_err(fault)?;
    for name in PACKAGE {
        fs::copy(Path::new(SOURCES).join(name), folder.join(name)).map_err(fault)?;
    }
    let lock = fs::read(folder.join("package-lock.json")).map_err(fault)?;
    let installed = folder.join("installed");
    if fs::read(&installed).is_ok_and(|it| it == lock) {
        return Ok(());
    }
    let arguments = [
        "ci",
        "--ignore-scripts",
        "--include=optional",
        "--prefer-offline",
        "--no-audit",
        "--no-fund",
    ];
    run(Command::new(NPM).args(arguments).current_dir(folder)).map_err(|told| {
        format!(
            "npm could not install the packages of {SOURCES}/package-lock.json:\n{told}\n\
             To build without the pages: cargo build --no-default-features"
        )
    })?;
    // Last, so that an interrupted installation is repeated.
    fs::write(installed, lock).map_err(fault)
}

/// Builds the assets and returns their file names in the order of [`ASSETS`].
fn make(folder: &Path, assets: &Path) -> Result<Vec<String>, Fault> {
    let sources = env::current_dir().map_err(|error| error.to_string())?;
    let mut command = Command::new("node");
    command.arg(folder.join("build.mjs"));
    command.args([&sources.join(SOURCES), assets]);
    command.args(ASSETS.iter().map(|(_, file)| file));
    let told = run(&mut command).map_err(|told| format!("building {SOURCES}:\n{told}"))?;
    let names = String::from_utf8_lossy(&told.stdout).into_owned();
    Ok(names.lines().map(str::to_string).collect())
}

/// Writes empty files, so that a program without the pages compiles with the same code.
fn place_nothing(assets: &Path) -> io::Result<Vec<String>> {
    fs::create_dir_all(assets)?;
    for (_, file) in ASSETS {
        for ending in ["", ".br", ".gz"] {
            fs::write(assets.join(format!("{file}{ending}")), [])?;
        }
    }
    Ok(ASSETS.iter().map(|(_, file)| file.to_string()).collect())
}

/// Generates the Rust code that `src/web/assets.rs` includes.
fn table(names: &[String]) -> String {
    let mut table = String::new();
    for ((name, _), file) in ASSETS.iter().zip(names) {
        writeln!(table, "asset!({name}, {file:?});").expect("writing to a String");
    }
    let all: Vec<String> = ASSETS.iter().map(|(name, _)| format!("&{name}")).collect();
    let (count, all) = (ASSETS.len(), all.join(", "));
    writeln!(table, "static ALL: [&Asset; {count}] = [{all}];").expect("writing to a String");
    table
}

/// Runs a command and returns its output.
///
/// # Errors
/// If it fails, with all of its output.
fn run(command: &mut Command) -> Result<Output, Fault> {
    let output = command.output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(output);
    }
    let told = [output.stdout, output.stderr].concat();
    Err(String::from_utf8_lossy(&told).into_owned())
}
