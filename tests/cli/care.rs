//! `lode info`, `verify`, `compact`, `backup`, `completions`, help: looking after a file, and learning how.

use crate::support::*;
use std::io;
use std::io::Write;

#[test]
fn a_database_tells_what_is_in_it() {
    let folder = Folder::new();
    let db = minerals(&folder);
    let text = lode(&["info", &db]).ok();
    for expected in [
        "1 collection\n",
        "Collection 'minerals': 513 records",
        "vector, 384 x f32, cosine, searched as auto",
        "name (english), description (english)",
        "location (geo point)",
        "vectors 790.0 kB",
    ] {
        assert!(text.contains(expected), "'{expected}' is missing in:\n{text}");
    }
    let json = lode(&["info", &db, "--json"]).json();
    assert_eq!(json["collections"][0]["fields"]["density"][0], "float");
    assert!(json["collections"][0]["part_bytes"]["words"].as_u64().unwrap() > 0);
    assert!(lode(&["info", &db, "-c", "x"]).failed().contains("minerals"));
}

#[test]
fn a_copy_is_sound_and_the_same() {
    let folder = Folder::new();
    let (db, copy) = (minerals(&folder), folder.path("copy.lode"));
    assert!(lode(&["backup", &db, &copy]).ok().starts_with("Copied "));
    assert!(lode(&["backup", &db, &copy]).failed().contains("copy.lode"));
    let told = lode(&["verify", &copy, "--json"]).json();
    assert_eq!((&told["sound"], &told["records"]), (&true.into(), &513.into()));
    assert_eq!(records(&copy, "minerals"), records(&db, "minerals"));
}

#[test]
fn room_is_given_back() {
    let folder = Folder::new();
    let db = minerals(&folder);
    let open = lodedb::Database::open(&db).unwrap();
    open.existing("minerals").unwrap().delete_where("density > 3".parse().unwrap()).unwrap();
    open.close().unwrap();
    let told = lode(&["compact", &db, "--json"]).json();
    assert!(told["bytes"].as_u64() < told["bytes_before"].as_u64(), "{told}");
    assert_eq!(told["bytes"].as_u64().unwrap(), std::fs::metadata(&db).unwrap().len());
    lode(&["verify", &db]).ok();
}

#[test]
fn damage_is_code_1_and_what_is_no_database_code_2() {
    let folder = Folder::new();
    let db = minerals(&folder);
    lode(&["compact", &db]).ok();
    let sound = std::fs::read(&db).unwrap();
    let mut found = 0;
    for place in (20_000..sound.len()).step_by(sound.len() / 25) {
        let mut bytes = sound.clone();
        bytes[place] ^= 0x40;
        let damaged = folder.write("damaged.lode", &bytes);
        let ran = lode(&["verify", &damaged]);
        if ran.code == 0 {
            // Nothing lies there.
            continue;
        }
        assert!(ran.code == 1 && ran.err.starts_with("lode: ") && ran.err.lines().count() == 1, "{ran:?}");
        let json = lode(&["verify", &damaged, "--json"]);
        let told: serde_json::Value = serde_json::from_str(&json.out).unwrap();
        assert_eq!((json.code, &told["sound"]), (1, &false.into()));
        found += 1;
    }
    assert!(found > 15, "{found} of 25 damaged places were found");
    let text = folder.write("text.lode", "this is no database, whatever its name says".repeat(200));
    lode(&["verify", &text]).failed();
    assert!(lode(&["verify", "none.lode"]).failed().contains("there is no such database"));
}

#[test]
fn every_shell_gets_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(lode(&["completions", shell]).ok().contains("import"), "{shell}");
    }
}

#[test]
fn help_teaches_with_examples() {
    let help = lode(&["--help"]).ok();
    assert!(help.contains("Exit codes") && help.contains("lode import minerals.jsonl guide.lode"), "{help}");
    for command in
        ["import", "search", "info", "verify", "compact", "backup", "export", "bench", "eval", "completions"]
    {
        assert!(help.contains(&format!("\n  {command} ")), "{command} is missing in:\n{help}");
        let help = lode(&[command, "--help"]).ok();
        let example = format!("\n  lode {command} ");
        assert!(help.contains(&example) || command == "backup" && help.contains("lode backup"), "{help}");
    }
}

/// A pipe whose reader has gone after a few bytes.
struct ShortPipe(usize);

impl Write for ShortPipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_closed_pipe_ends_the_command_quietly() {
    let folder = Folder::new();
    let db = minerals(&folder);
    let mut err = Vec::new();
    for room in [0, 20_000] {
        for arguments in [&["lode", "export", &db][..], &["lode", "info", &db], &["lode", "--help"]] {
            let code =
                lodedb::cli::run(arguments.iter().copied(), &mut io::empty(), &mut ShortPipe(room), &mut err);
            assert_eq!((code, err.as_slice()), (0, &b""[..]), "{arguments:?}");
        }
    }
}
