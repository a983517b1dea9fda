//! The server's configuration file.
use std::{cell::OnceCell, fs, path::PathBuf};

use tempfile::TempDir;

use crate::config_file::ConfigFile;

thread_local! {
    static FILE: OnceCell<(PathBuf, TempDir)> = const { OnceCell::new() };
}

/// A file that holds the input.
pub fn configuration(data: &[u8]) {
    FILE.with(|file| {
        let (path, _) = file.get_or_init(|| {
            let directory = tempfile::tempdir().unwrap();
            (directory.path().join("elbus.toml"), directory)
        });
        fs::write(path, data).unwrap();
        let lines = data.iter().filter(|byte| **byte == b'\n').count() + 1;
        match (ConfigFile::read(path), ConfigFile::read(path)) {
            (Ok(one), Ok(other)) => {
                assert_eq!(one.words, other.words);
                assert_eq!(one.rules.len(), other.rules.len());
            }
            (Err(one), Err(other)) => {
                assert_eq!(one, other);
                let said = one.to_string();
                let line = said
                    .split(", line ")
                    .nth(1)
                    .and_then(|rest| rest.split(':').next());
                let line = line.and_then(|line| line.parse::<usize>().ok());
                assert!(line.is_none_or(|line| (1..=lines).contains(&line)), "{said}");
            }
            (one, other) => panic!("{one:?} at first, then {other:?}"),
        }
    });
}
