//! The sections that consist of one path: `[keys]`, `[control]` and `[audit]`.

use std::path::PathBuf;

use super::section::section;

section!(
    /// The secret keys.
    KeysSection {
        /// The folder of the keys. The folder must be outside the journal's folder.
        directory: PathBuf = "/var/lib/backscatterd-keys".into(),
    }
);

section!(
    /// The control socket, through which the command line reaches the daemon.
    ControlSection {
        /// The path of the Unix socket. Every user that may write to it may use every command.
        socket: PathBuf = "/run/backscatterd/control.sock".into(),
    }
);

section!(
    /// The audit record (RFC 6471 §2.1.2).
    AuditSection {
        /// The folder of the audit record, which has one file per month.
        directory: PathBuf = "/var/lib/backscatterd/audit".into(),
    }
);
