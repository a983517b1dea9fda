//! `docs/cli.md` is kept true: its commands are run, and must print what it shows.
//!
//! A console block is a command behind `$ ` and what a terminal shows of it. A listener goes on while the commands
//! below it run, as in a terminal beside theirs. It is compared when it has ended, which is waited for before the next
//! one starts, before `cmp` looks at what listeners have left, and before `client.list` tells who is there. Figures
//! differ from run to run and are not compared.
use std::{
    env, fs,
    path::Path,
    process::{Command, Stdio},
};

use crate::support::{Bus, Running, arithmetic};

struct Example {
    command: String,
    shown: String,
}

#[test]
fn the_document_of_the_command_line_shows_what_it_prints() {
    let bus = Bus::start();
    let _service = arithmetic(&bus);
    bus.reload(Err(
        r#"elbus.toml, line 3: there is no key "bnd"; the nearest one is "bind""#,
    ));
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cli.md");
    let examples = examples(&fs::read_to_string(document).unwrap());
    assert!(examples.len() > 10, "the document has lost its examples");
    let mut listening = Vec::new();
    for example in examples {
        let has = |words: &[&str]| words.iter().any(|word| example.command.contains(word));
        let is_listener = has(&["elbus-cli listen", "elbus-cli rpc listen"]);
        // A listener that has its frames may not have left yet: the next command needs its name, or its whole output.
        if is_listener || has(&["cmp ", "client.list"]) {
            compare_all(&bus, &mut listening);
        }
        // Figures are not compared, so fewer operations will do.
        let running = run(&bus, &example.command.replace("-i 20000", "-i 200"));
        if is_listener && !example.command.contains("--for") {
            running.wait_for_output("listening as");
            listening.push((running, example));
        } else {
            compare(&bus, running, &example);
        }
    }
    compare_all(&bus, &mut listening);
}

fn compare_all(bus: &Bus, listening: &mut Vec<(Running, Example)>) {
    for (running, example) in listening.drain(..) {
        compare(bus, running, &example);
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

fn compare(bus: &Bus, running: Running, example: &Example) {
    let ended = running.end();
    let printed = ended
        .text()
        .replace(&bus.socket().display().to_string(), "/run/elbus.sock");
    let (mut printed, mut shown) = (with_one_name(&printed), with_one_name(&example.shown));
    if ["benchmark", "broker stats", "broker client."]
        .iter()
        .any(|word| example.command.contains(word))
    {
        (printed, shown) = (without_figures(&printed), without_figures(&shown));
    }
    assert!(
        printed == shown,
        "$ {}\n{printed}--- but docs/cli.md shows:\n{shown}",
        example.command
    );
}

/// A table in which every number is the same, and the columns are as wide as they like.
fn without_figures(table: &str) -> String {
    let is_figure = |word: &str| word.chars().all(|c| c.is_ascii_digit() || ",.".contains(c));
    let lines = table.lines().map(|line| {
        let words = line.split_whitespace().map(|word| match word {
            rule if rule.starts_with("--") => "--",
            figure if is_figure(figure) => "0",
            word => word,
        });
        match words.collect::<Vec<_>>()[..] {
            // On a slow machine also minutes.
            ["uptime", .., "s"] => "uptime 0 s\n".to_owned(),
            ref words => words.join(" ") + "\n",
        }
    });
    lines.collect()
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
