//! `backscatterd` turns spam-trap mail into a DNS blocklist of backscatter sources.
//!
//! The state of the blocklist is computed from a journal, entry by entry.
//!
//! The pure modules do no input or output and read no clock: [`mail`] parses messages, [`classify`]
//! judges them, [`transaction`] holds what a mail session brought, [`evidence`] defines the
//! journal's entries, [`score`] and [`listing`] decide which relays are listed and for how long,
//! [`zone`] builds the contents of a DNS zone, and [`blocklist`] applies the entries to the state.
//!
//! The other modules do the input and output: [`journal`] and [`keys`] store data, [`publish`]
//! follows the journal and publishes snapshots, [`smtp`] receives mail, [`dns`] and [`http`] answer
//! queries, and [`config`], [`daemon`] and [`cli`] start the program. ARCHITECTURE.md lists every
//! module and the modules that it may use; `tests/tidy.rs` checks that list.

pub mod audit;
pub mod backtest;
pub mod blocklist;
pub mod classify;
pub mod cli;
pub mod complaint;
pub mod config;
pub mod daemon;
pub mod digest;
pub mod dns;
pub mod evidence;
pub mod explain;
pub mod export;
pub mod file_state;
pub mod folder;
pub mod http;
pub mod intake;
pub mod journal;
pub mod keys;
pub mod listing;
pub mod lists;
pub mod mail;
pub mod metrics;
pub mod name_server;
pub mod observe;
pub mod publish;
pub mod relay;
pub mod replay;
pub mod score;
pub mod simulate;
pub mod smtp;
pub mod sockets;
pub mod time;
pub mod transaction;
pub mod trap;
pub mod verify;
pub mod zone;
