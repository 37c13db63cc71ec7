//! The program; everything it does lies in the library.

use std::process::ExitCode;

/// Thousands of small messages and of a store's pages come and go every second: the system's allocator costs a twentieth of that work.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    backscatterd::cli::run()
}
