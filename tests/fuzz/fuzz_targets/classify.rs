//! Fuzz target: any octets as a message are classified without a panic, and the reduced message
//! gets the same verdict.

#![no_main]

use backscatterd::classify::{SessionFacts, classify};
use backscatterd::mail::{Mailbox, ReversePath, from_octets, read, to_octets};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    let message = read(octets);
    let session = SessionFacts {
        reverse_path: Some(ReversePath::Null),
        client: Some([198, 18, 0, 25].into()),
        recipient: Mailbox::parse("j.doe@trap.example"),
        trusted_hops: 0,
    };
    let verdict = classify(&message, &session);
    assert!(!verdict.reasons.is_empty());
    let reduced = from_octets(&to_octets(&message)).expect("a reduced message can be read");
    assert_eq!(classify(&reduced, &session), verdict);
});
