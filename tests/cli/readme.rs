//! The README's section about the shell: its commands run, and print what stands there.

use crate::support::Folder;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

/// A command with the output below it.
struct Shown {
    command: String,
    output: String,
}

/// The commands of the README's `console` blocks.
fn shown() -> Vec<Shown> {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let mut found: Vec<Shown> = Vec::new();
    for block in readme.split("```console\n").skip(1) {
        let block = block.split("```").next().unwrap();
        for line in block.lines() {
            if let Some(command) = line.strip_prefix("$ ") {
                found.push(Shown { command: command.to_owned(), output: String::new() });
                continue;
            }
            let last = found.last_mut().unwrap();
            if last.command.ends_with('\\') {
                last.command.truncate(last.command.len() - 1);
                last.command.push_str(line.trim_start());
            } else {
                last.output.push_str(line);
                last.output.push('\n');
            }
        }
    }
    found
}

/// The words of an output, with times left out: what stands before a unit of time, and in rows of figures what follows the last
/// number with four decimals.
fn without_times(command: &str, output: &str) -> Vec<Vec<String>> {
    let measured = command.contains("lode bench") || command.contains("lode eval");
    let is_figure = |word: &str| word.split_once('.').is_some_and(|(_, decimals)| decimals.len() == 4);
    let line = |line: &str| {
        let mut words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        if let Some(last) = words.iter().rposition(|word| is_figure(word)).filter(|_| measured) {
            words.truncate(last + 1);
        }
        if measured && words.iter().all(|word| word.chars().all(|c| c == '-')) {
            words.clear();
        }
        for at in 0..words.len() {
            if words.get(at + 1).is_some_and(|next| next == "s") {
                words[at] = "TIME".into();
            }
            let unit = words[at].trim_end_matches(',').trim_end_matches(|c: char| !c.is_ascii_digit());
            if unit.len() < words[at].trim_end_matches(',').len()
                && words[at].ends_with('s')
                && unit.parse::<f64>().is_ok()
            {
                words[at] = "TIME".into();
            }
        }
        words
    };
    output.lines().map(line).filter(|words| !words.is_empty()).collect()
}

/// A folder with the sample collection where the README has it, for commands to run in.
fn checkout(folder: &Folder) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let work = PathBuf::from(folder.path("work"));
    std::fs::create_dir_all(work.join("examples/data")).unwrap();
    for name in ["minerals.jsonl", "questions.jsonl", "judgments.tsv"] {
        std::fs::copy(root.join("examples/data").join(name), work.join("examples/data").join(name)).unwrap();
    }
    work
}

#[test]
fn the_commands_of_the_readme_print_what_it_says() {
    let folder = Folder::new();
    let work = checkout(&folder);
    let commands = Path::new(env!("CARGO_BIN_EXE_lode")).parent().unwrap();
    let path = format!("{}:{}", commands.display(), std::env::var("PATH").unwrap());
    let shown = shown();
    assert!(shown.len() >= 8, "the README shows {} commands", shown.len());
    for Shown { command, output } in shown {
        let ran =
            Command::new("sh").args(["-c", &command]).env("PATH", &path).current_dir(&work).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&ran.stderr), "", "{command}");
        let printed = String::from_utf8(ran.stdout).unwrap();
        assert_eq!(
            without_times(&command, &printed),
            without_times(&command, &output),
            "{command}\n{printed}"
        );
    }
}
