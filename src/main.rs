//! The program; everything it does lies in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    backscatterd::cli::run()
}
