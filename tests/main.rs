//! The integration tests, one module for each subject, and their helpers in `support`. They form one binary, because every further
//! binary would link the library again.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot continue should panic, and may print what it measured"
)]

mod asker;
mod attacker;
mod bait;
mod classify_samples;
mod config;
mod corpora;
mod demo;
mod dns_duties;
mod dns_wire;
mod donor_claims;
mod donors;
mod durability;
mod export;
mod fold;
mod guards;
mod http_api;
mod journal;
mod keys;
mod languages;
mod late_observations;
mod lists;
mod metrics;
mod mutations;
mod name_servers;
mod observe;
mod pressure;
mod publication;
mod removal;
mod replay;
mod resolvers;
mod rfc5782;
mod rfc6471;
mod scenarios;
mod simulate;
mod smtp_abuse;
mod smtp_dialogs;
mod sources;
mod standards;
mod support;
mod tidy;
mod verbs;
mod verification;
mod verify;
