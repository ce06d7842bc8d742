//! The program `baton`: everything it does is a command of `shell::cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    baton_engine::shell::cli::main()
}
