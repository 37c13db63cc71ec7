//! Reads lists in rbldnsd's formats `ip4set`, `ip4trie`, `ip4tset`, `ip6trie` and `ip6tset`, and
//! lists of addresses and networks, one a line.
//!
//! This module does no I/O: it turns octets into a data set.

mod directives;
mod entry;
mod kind;
mod numbers;
mod places;
mod reader;
mod values;

pub(super) use directives::ListHead;
pub(super) use kind::{KINDS, ListKind};
pub(super) use reader::{ListReader, ReadList};
