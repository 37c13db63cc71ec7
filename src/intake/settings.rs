//! The settings of the intake, as the configuration makes them.

use std::path::PathBuf;

use ipnet::IpNet;

/// What the operator decides about taking in mail.
#[derive(Clone, Debug)]
pub struct IntakeSettings {
    /// The name of this trap node.
    pub node: String,
    /// The networks of hosts whose Received lines are believed and which are never judged.
    pub trusted_relays: Vec<IpNet>,
    /// The Maildir for the operator's mail.
    pub operator_maildir: PathBuf,
}
