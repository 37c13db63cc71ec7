//! `backscatterd` turns spam-trap mail into a DNS blocklist of backscatter sources.
//!
//! The program is a fold over a journal. The first half of it is pure: `mail` reads messages, `classify` judges them,
//! `evidence` is what the journal holds, `score` and `listing` decide who is listed and for how long, `zone` is what the
//! DNS says, and `blocklist` is the fold that ties them together. The second half is edges, which move octets and hold
//! no opinions: `journal` and `keys` keep, `publish` follows the journal, `smtp` takes mail in, `dns` and `http` answer,
//! `config`, `daemon` and `cli` start it all. ARCHITECTURE.md has the map, and a test holds the code to it.

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
pub mod score;
pub mod simulate;
pub mod smtp;
pub mod sockets;
pub mod time;
pub mod trap;
pub mod zone;
