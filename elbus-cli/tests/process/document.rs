//! `docs/cli.md` is kept true: its commands are run, and must print what it shows.
//!
//! A console block is a command behind `$ ` and what a terminal shows of it. A listener goes on while the commands
//! below it run, as in a terminal beside theirs; it is compared when it has ended. `cmp` looks at what
//! listeners have left, and runs when they have ended.
use std::{
    env, fs,
    path::Path,
    process::{Command, Stdio},
};

use crate::support::{Bus, Running};

struct Example {
    command: String,
    shown: String,
}

#[test]
fn the_document_of_the_command_line_shows_what_it_prints() {
    let bus = Bus::start();
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cli.md");
    let examples = examples(&fs::read_to_string(document).unwrap());
    assert!(examples.len() > 10, "the document has lost its examples");
    let mut listening = Vec::new();
    for example in examples {
        if example.command.starts_with("cmp ") {
            compare_all(&mut listening);
        }
        let running = run(&bus, &example.command);
        if example.command.starts_with("elbus-cli listen") && !example.command.contains("--for") {
            running.wait_for_output("listening as");
            listening.push((running, example));
        } else {
            compare(running, &example);
        }
    }
    compare_all(&mut listening);
}

fn compare_all(listening: &mut Vec<(Running, Example)>) {
    for (running, example) in listening.drain(..) {
        compare(running, &example);
    }
}

fn examples(document: &str) -> Vec<Example> {
    let blocks = document.split("```console\n").skip(1);
    let blocks = blocks.map(|block| block.split("```").next().unwrap());
    let mut examples: Vec<Example> = Vec::new();
    for line in blocks.flat_map(str::lines) {
        match line.strip_prefix("$ ") {
            Some(command) => examples.push(Example {
                command: command.to_owned(),
                shown: String::new(),
            }),
            None => {
                let shown = &mut examples.last_mut().expect("a block begins with a command").shown;
                shown.push_str(line);
                shown.push('\n');
            }
        }
    }
    examples
}

/// Runs a command in a shell; what it says and what it prints come by one pipe, as to a terminal.
fn run(bus: &Bus, command: &str) -> Running {
    let programs = Path::new(env!("CARGO_BIN_EXE_elbus-cli")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), env::var("PATH").unwrap());
    let (reader, writer) = std::io::pipe().unwrap();
    let mut shell = Command::new("sh");
    shell
        .args(["-c", command])
        .current_dir(bus.file("."))
        .env("PATH", path)
        .env("ELBUS_ADDRESS", bus.socket())
        .stdin(Stdio::null())
        .stdout(writer.try_clone().unwrap())
        .stderr(writer);
    Running::with_output(&mut shell, reader)
}

fn compare(running: Running, example: &Example) {
    let ended = running.end();
    let (printed, shown) = (with_one_name(ended.text()), with_one_name(&example.shown));
    assert!(
        printed == shown,
        "$ {}\n{printed}--- but docs/cli.md shows:\n{shown}",
        example.command
    );
}

/// Host and process are others each time.
fn with_one_name(text: &str) -> String {
    let words = text.split_inclusive([' ', '\n']).map(|word| {
        let bare = word.trim_end_matches([' ', '\n', ':']);
        match bare.split('.').collect::<Vec<_>>()[..] {
            ["cli", _, process] if process.parse::<u32>().is_ok() => word.replace(bare, "cli.HOST.PID"),
            _ => word.to_owned(),
        }
    });
    words.collect()
}
