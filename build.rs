//! Builds the assets of the pages (styles, scripts and the icon) from the sources in `src/web/` and
//! the npm packages in its lock file. `src/web/build.mjs` builds each file. This script writes only
//! to `OUT_DIR`.

use std::env;
use std::fmt::Write;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Output, exit};

/// The assets: for each, the name of its constant in the program and its source file in `src/web/`.
const ASSETS: &[(&str, &str)] = &[
    ("STYLE", "pages.scss"),
    ("SCRIPT", "pages.js"),
    ("BATCH_SCRIPT", "batch.js"),
    ("EMBED_CODE_SCRIPT", "embed-code.js"),
    ("EMBED_STYLE", "embed.css"),
    ("EMBED_SCRIPT", "embed.js"),
    ("WIDGET_SCRIPT", "widget.js"),
    ("CATCHMENT_MODULE", "catchment.js"),
    ("STATIC_PAGE_SCRIPT", "static-page.js"),
    ("STATIC_PAGE_STYLE", "static-page.css"),
    ("SERVICE_WORKER", "service-worker.js"),
    ("MAP_SCRIPT", "map.js"),
    ("MAPLIBRE_SCRIPT", "maplibre.js"),
    ("MAPLIBRE_WORKER", "maplibre-worker.js"),
    ("ICON", "icon.svg"),
];

/// The folder of the source files.
const SOURCES: &str = "src/web";
/// The files that are copied to the folder in which npm runs, so that npm does not write to the
/// source folder.
const NPM_FILES: [&str; 4] = ["package.json", "package-lock.json", ".npmrc", "build.mjs"];
/// The oldest version of Node that nhsuk-frontend supports.
const NODE_MIN: (u32, u32) = (20, 9);
#[cfg(windows)]
const NPM: &str = "npm.cmd";
#[cfg(not(windows))]
const NPM: &str = "npm";

/// A message for the person who builds the program.
type BuildError = String;

fn main() {
    if let Err(error) = build() {
        eprintln!("{error}");
        exit(1);
    }
}

fn build() -> Result<(), BuildError> {
    println!("cargo::rerun-if-changed=build.rs");
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    let out = Path::new(&out);
    let names = if env::var_os("CARGO_FEATURE_WEB").is_some() {
        print_rerun_if_changed().map_err(|error| format!("reading {SOURCES}: {error}"))?;
        check_node()?;
        install(&out.join("npm"))?;
        build_assets(&out.join("npm"), &out.join("assets"))?
    } else {
        write_empty_assets(&out.join("assets"))
            .map_err(|error| format!("writing OUT_DIR: {error}"))?
    };
    fs::write(out.join("assets.rs"), asset_table(&names))
        .map_err(|error| format!("writing assets.rs: {error}"))
}

/// Makes Cargo run this script again when a file in the source folder changes, unless it is a Rust
/// file.
fn print_rerun_if_changed() -> io::Result<()> {
    for entry in fs::read_dir(SOURCES)? {
        let path = entry?.path();
        let is_rust = path.extension().is_some_and(|text| text == "rs");
        if path.is_file() && !is_rust {
            println!("cargo::rerun-if-changed={}", path.display());
        }
    }
    Ok(())
}

fn check_node() -> Result<(), BuildError> {
    let (major, minor) = NODE_MIN;
    let needed = |found: &str| {
        format!(
            "building the pages needs Node {major}.{minor} or newer, and npm: {found}\n\
             Install Node and npm (https://nodejs.org), or build without the feature `web`:\n\
             cargo build --no-default-features"
        )
    };
    let output = run(Command::new("node").arg("--version"))
        .map_err(|_| needed("`node --version` failed"))?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_string();
    let version_parts = version.trim_start_matches('v').split('.');
    let mut version_parts = version_parts.map(|number| number.parse::<u32>().unwrap_or(0));
    let found = (
        version_parts.next().unwrap_or(0),
        version_parts.next().unwrap_or(0),
    );
    if found < NODE_MIN {
        return Err(needed(&format!("this is Node {version}")));
    }
    run(Command::new(NPM).arg("--version")).map_err(|_| needed("`npm --version` failed"))?;
    Ok(())
}

/// Installs the npm packages of the lock file, unless they are already installed.
fn install(folder: &Path) -> Result<(), BuildError> {
    let copy_error =
        |error: io::Error| format!("copying {SOURCES} to {}: {error}", folder.display());
    fs::create_dir_all(folder).map_err(copy_error)?;
    for name in NPM_FILES {
        fs::copy(Path::new(SOURCES).join(name), folder.join(name)).map_err(copy_error)?;
    }
    let lock = fs::read(folder.join("package-lock.json")).map_err(copy_error)?;
    let installed_lock = folder.join("installed");
    if fs::read(&installed_lock).is_ok_and(|bytes| bytes == lock) {
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
    run(Command::new(NPM).args(arguments).current_dir(folder)).map_err(|output| {
        format!(
            "npm could not install the packages of {SOURCES}/package-lock.json:\n{output}\n\
             To build without the pages: cargo build --no-default-features"
        )
    })?;
    // Written last, so that an interrupted installation is repeated.
    fs::write(installed_lock, lock).map_err(copy_error)
}

/// Builds the assets and returns the names of the built files, in the order of [`ASSETS`].
fn build_assets(folder: &Path, assets: &Path) -> Result<Vec<String>, BuildError> {
    let sources = env::current_dir().map_err(|error| error.to_string())?;
    let mut command = Command::new("node");
    command.arg(folder.join("build.mjs"));
    command.args([&sources.join(SOURCES), assets]);
    command.args(ASSETS.iter().map(|(_, file)| file));
    let output = run(&mut command).map_err(|message| format!("building {SOURCES}:\n{message}"))?;
    let names = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(names.lines().map(str::to_string).collect())
}

/// Writes an empty file for each asset, because `src/web/assets.rs` includes these files in a
/// program without the pages, too.
fn write_empty_assets(assets: &Path) -> io::Result<Vec<String>> {
    fs::create_dir_all(assets)?;
    for (_, file) in ASSETS {
        for ending in ["", ".br", ".gz"] {
            fs::write(assets.join(format!("{file}{ending}")), [])?;
        }
    }
    Ok(ASSETS.iter().map(|(_, file)| file.to_string()).collect())
}

/// Generates the Rust code that `src/web/assets.rs` includes.
fn asset_table(names: &[String]) -> String {
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
/// If the command cannot be started, with the reason, or if it fails, with all of its output.
fn run(command: &mut Command) -> Result<Output, BuildError> {
    let output = command.output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(output);
    }
    let text = [output.stdout, output.stderr].concat();
    Err(String::from_utf8_lossy(&text).into_owned())
}
