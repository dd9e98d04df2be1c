//! The command `lode`: see `lodedb::cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(lodedb::cli::main(std::env::args_os()))
}
