//! Tests of the structure of the code. Imports between modules form no cycles, and
//! `ARCHITECTURE.md` refers only to items that exist.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use regex::Regex;

use crate::support::project_files::project_files;

/// The crates of the workspace with their folders of sources. A crate imports only crates before it
/// in this list.
const CRATES: [(&str, &str); 5] = [
    ("catchment_core", "crates/core/src"),
    ("catchment_data", "crates/data/src"),
    ("catchment_tiles", "crates/tiles/src"),
    ("catchment_batch", "crates/batch/src"),
    ("catchment", "src"),
];

/// The path of a module, without the crate: `["http", "admission"]`.
type ModulePath = Vec<String>;

/// Returns the code of each module of a crate, without its comments, strings and unit tests.
fn modules(folder: &str) -> BTreeMap<ModulePath, String> {
    let mut modules = BTreeMap::new();
    for path in project_files(folder, &[".rs"]) {
        let module = path
            .strip_prefix(folder)
            .expect("a path in the folder")
            .with_extension("");
        let mut module: ModulePath = module
            .iter()
            .map(|name| name.to_string_lossy().into_owned())
            .collect();
        if module == ["main"] {
            continue;
        }
        module.pop_if(|name| name == "mod" || name == "lib");
        let text = fs::read_to_string(&path).expect("text");
        modules.insert(module, without_tests(&without_comments(&text)));
    }
    assert!(modules.len() > 10, "{folder}: {}", modules.len());
    modules
}

fn without_comments(text: &str) -> String {
    let comments = Regex::new(r"//[^\n]*").expect("a pattern");
    let strings = Regex::new(r#""(?:[^"\\]|\\.)*""#).expect("a pattern");
    let text = comments.replace_all(text, "");
    strings.replace_all(&text, "\"\"").into_owned()
}

/// Removes the blocks after `#[cfg(test)] mod`.
fn without_tests(text: &str) -> String {
    let start = Regex::new(
        r"#\[cfg\((?:all\()?test[^\]]*\]\s*(?:#\[[^\]]*\]\s*)*(?:pub\([a-z]+\) )?mod \w+ \{",
    )
    .expect("a pattern");
    let (mut kept, mut rest) = (String::new(), text);
    while let Some(found) = start.find(rest) {
        kept.push_str(&rest[..found.start()]);
        let mut depth = 1_u32;
        let block = &rest[found.end()..];
        let length = block.find(|c| {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            depth == 0
        });
        rest = length.map_or("", |length| &block[length + 1..]);
    }
    kept + rest
}

/// Returns the paths in the tree of a `use` declaration: `a::{b, c::d}` results in `a::b` and
/// `a::c::d`.
fn paths_in_use_tree(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some((prefix, group)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().expect("at least one part");
        return vec![path.split_whitespace().collect()];
    };
    let group = group.trim_end().strip_suffix('}').expect("balanced braces");
    let (mut depth, mut start, mut paths) = (0_u32, 0, Vec::new());
    for (offset, c) in group.char_indices().chain([(group.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let branch = &group[start..offset];
                if !branch.trim().is_empty() {
                    let branches = paths_in_use_tree(branch);
                    paths.extend(
                        branches
                            .iter()
                            .map(|path| format!("{}{path}", prefix.trim())),
                    );
                }
                start = offset + 1;
            }
            _ => {}
        }
    }
    paths
}

/// Returns the segments of a path from the root of the crate, or `None` if the path belongs to
/// another crate.
fn resolve(
    module: &[String],
    path: &str,
    modules: &BTreeMap<ModulePath, String>,
) -> Option<Vec<String>> {
    let segments: Vec<String> = path.split("::").map(str::to_string).collect();
    let supers = segments
        .iter()
        .take_while(|segment| *segment == "super")
        .count();
    let (base, rest) = match segments[0].as_str() {
        "crate" => (&[][..], &segments[1..]),
        "self" => (module, &segments[1..]),
        "super" => (&module[..module.len() - supers], &segments[supers..]),
        child => {
            let child = [module, &[child.to_string()]].concat();
            if !modules.contains_key(&child) {
                return None;
            }
            (module, &segments[..])
        }
    };
    Some([base, rest].concat())
}

/// Returns the imports of a crate: for each module, the modules that declare the items to which the
/// module refers.
fn imports(
    modules: &BTreeMap<ModulePath, String>,
) -> BTreeMap<&ModulePath, BTreeMap<ModulePath, String>> {
    let declaration = Regex::new(r"(?m)^\s*(pub(?:\([^)]*\))? )?use ([^;]*);").expect("a pattern");
    let inline = Regex::new(r"\b(?:crate|super|self)(?:::\w+)+").expect("a pattern");
    let child = Regex::new(r"\b[a-z_]+::\w+").expect("a pattern");
    let mut re_exports: BTreeMap<&ModulePath, BTreeMap<String, Vec<String>>> = BTreeMap::new();
    for (module, code) in modules {
        for found in declaration
            .captures_iter(code)
            .filter(|found| found.get(1).is_some())
        {
            for path in paths_in_use_tree(&found[2]) {
                if let Some(path) = resolve(module, &path, modules) {
                    let name = path.last().expect("a segment").clone();
                    re_exports.entry(module).or_default().insert(name, path);
                }
            }
        }
    }
    let target = |mut path: Vec<String>| {
        // A path through a re-export leads to the module that declares the item.
        for _ in 0..8 {
            let length = (0..=path.len()).rev();
            let mut prefixes = length.map(|length| path.split_at(length));
            let (module, rest) = prefixes.find(|(module, _)| modules.contains_key(*module))?;
            let exported = re_exports
                .get(&module.to_vec())
                .and_then(|names| names.get(rest.first()?));
            match exported {
                None => return Some(module.to_vec()),
                Some(exported) => path = [exported, &rest[1..]].concat(),
            }
        }
        None
    };
    let mut imports: BTreeMap<&ModulePath, BTreeMap<ModulePath, String>> = BTreeMap::new();
    for (module, code) in modules {
        let mut paths: Vec<String> = Vec::new();
        for found in declaration
            .captures_iter(code)
            .filter(|found| found.get(1).is_none())
        {
            paths.extend(paths_in_use_tree(&found[2]));
        }
        let body = declaration.replace_all(code, "");
        paths.extend(
            inline
                .find_iter(&body)
                .map(|path| path.as_str().to_string()),
        );
        paths.extend(child.find_iter(&body).map(|path| path.as_str().to_string()));
        for path in paths {
            let target = resolve(module, &path, modules).and_then(target);
            if let Some(target) = target.filter(|target| target != module) {
                imports.entry(module).or_default().insert(target, path);
            }
        }
    }
    imports
}

/// Returns the nodes that can be reached from `start`.
fn reachable<'g>(
    graph: &'g BTreeMap<ModulePath, BTreeSet<ModulePath>>,
    start: &ModulePath,
) -> BTreeSet<&'g ModulePath> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&ModulePath> = graph.get(start).into_iter().flatten().collect();
    while let Some(node) = open.pop() {
        if found.insert(node) {
            open.extend(graph.get(node).into_iter().flatten());
        }
    }
    found
}

/// Returns the imports that are part of a cycle.
fn imports_in_circles(graph: &BTreeMap<ModulePath, BTreeSet<ModulePath>>) -> Vec<String> {
    let mut circular = Vec::new();
    for (module, targets) in graph {
        for target in targets {
            if target == module || reachable(graph, target).contains(module) {
                circular.push(format!("{} → {}", module.join("::"), target.join("::")));
            }
        }
    }
    circular
}

#[test]
fn imports_between_modules_form_no_circle() {
    for (name, folder) in CRATES {
        check_imports(name, &modules(folder));
    }
}

fn check_imports(crate_name: &str, modules: &BTreeMap<ModulePath, String>) {
    let imports = imports(modules);
    let is_relative = |a: &ModulePath, b: &ModulePath| a.starts_with(b) || b.starts_with(a);
    let mut graph: BTreeMap<ModulePath, BTreeSet<ModulePath>> = BTreeMap::new();
    let mut top_level: BTreeMap<ModulePath, BTreeSet<ModulePath>> = BTreeMap::new();
    for (module, targets) in &imports {
        for target in targets.keys() {
            // Imports between a module and its submodules are allowed.
            if !is_relative(module, target) {
                graph
                    .entry((*module).clone())
                    .or_default()
                    .insert(target.clone());
            }
            if let (Some(from), Some(to)) = (module.first(), target.first())
                && from != to
            {
                let targets = top_level.entry(vec![from.clone()]).or_default();
                targets.insert(vec![to.clone()]);
            }
        }
    }
    assert!(graph.len() > 5, "{crate_name}: {}", graph.len());
    for graph in [graph, top_level] {
        let circular = imports_in_circles(&graph);
        assert!(
            circular.is_empty(),
            "import cycles in {crate_name}: {circular:#?}"
        );
    }
}

/// Answers must not depend on the way in which they are requested or serialised.
#[test]
fn core_does_no_io_and_knows_no_serde_or_async() {
    let manifest = fs::read_to_string("crates/core/Cargo.toml").expect("a manifest");
    let manifest: toml::Table = toml::from_str(&manifest).expect("TOML");
    let dependencies = manifest["dependencies"].as_table().expect("a table");
    for name in dependencies.keys() {
        let is_rejected = ["serde", "tokio", "arrow", "axum", "hyper", "catchment"]
            .iter()
            .any(|prefix| name.starts_with(prefix));
        assert!(!is_rejected, "catchment-core depends on {name}");
    }
    let io = Regex::new(r"\bstd::(?:fs|net|env|process)\b").expect("a pattern");
    for (module, code) in modules(CRATES[0].1) {
        assert!(!io.is_match(&code), "{} does I/O", module.join("::"));
    }
}

#[test]
fn circles_are_found() {
    let path = |name: &str| vec![name.to_string()];
    let mut graph: BTreeMap<ModulePath, BTreeSet<ModulePath>> = BTreeMap::new();
    for (from, to) in [("a", "b"), ("b", "c"), ("c", "b"), ("a", "c")] {
        graph.entry(path(from)).or_default().insert(path(to));
    }
    assert_eq!(imports_in_circles(&graph), ["b → c", "c → b"]);
    let tree = "crate::{a::{B, c::D as E}, f}";
    assert_eq!(
        paths_in_use_tree(tree),
        ["crate::a::B", "crate::a::c::D", "crate::f"]
    );
}

#[test]
fn the_architecture_document_names_what_exists() {
    let text = fs::read_to_string("docs/developers/ARCHITECTURE.md").expect("the document");
    let prose: String = text.split("```").step_by(2).collect();
    let mut source = String::new();
    for (_, folder) in CRATES {
        source.extend(modules(folder).into_values());
    }
    let mut missing = Vec::new();
    for name in prose.split('`').skip(1).step_by(2) {
        // A code span that contains a space is a command, not a name.
        if name.contains(' ') {
            continue;
        }
        let exists = Path::new(name).exists() || {
            let item = name.rsplit("::").next().expect("a part");
            let word = Regex::new(&format!(r"\b{}\b", regex::escape(item))).expect("a pattern");
            word.is_match(&source)
        };
        if !exists {
            missing.push(name);
        }
    }
    assert!(missing.is_empty(), "names that do not exist: {missing:?}");
}
