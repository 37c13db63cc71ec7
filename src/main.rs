//! The `backscatterd` executable, which calls [`backscatterd::cli::run`].

use std::process::ExitCode;

fn main() -> ExitCode {
    backscatterd::cli::run()
}
