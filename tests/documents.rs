//! What the documents say of tests is true.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]
use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
};

/// The tests in every source file below a directory.
fn tests(directory: &Path, found: &mut HashSet<String>) {
    let entries = fs::read_dir(directory).unwrap();
    let paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    for path in paths {
        if path.is_dir() {
            tests(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(&path).unwrap();
            for test in ["#[test]", "#[tokio::test"] {
                let starts = source
                    .split(test)
                    .skip(1)
                    .filter_map(|rest| rest.split("fn ").nth(1));
                let names = starts.map(|rest| rest.split(['(', '<']).next().unwrap_or_default());
                found.extend(names.map(str::to_owned));
            }
        }
    }
}

#[test]
fn every_test_that_is_promised_to_hold_a_promise_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = HashSet::new();
    for directory in [
        "tests",
        "elbus-broker/src",
        "elbus-client/src",
        "elbus-fuzz/tests",
        "elbus-server/tests",
    ] {
        tests(&root.join(directory), &mut found);
    }
    let document = fs::read_to_string(root.join("docs/reliability.md")).unwrap();
    let rows = document.lines().filter(|line| line.starts_with('|'));
    let quoted = rows.flat_map(|row| row.split('`').skip(1).step_by(2));
    let named: Vec<&str> = quoted.filter(|name| name.matches('_').count() >= 3).collect();
    assert!(named.len() > 40, "{} tests are named", named.len());
    for name in named {
        assert!(found.contains(name), "{name} is named and does not exist");
    }
}
