//! Fuzz target: any octets as a message are read within every limit.

#![no_main]

use backscatterd::mail::{
    DEPTH_MAX, FIELD_OCTETS_MAX, HEADER_FIELDS_MAX, NAME_OCTETS_MAX, PARTS_MAX, TEXT_OCTETS_MAX, read,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    let message = read(octets);
    assert!(message.parts.len() <= PARTS_MAX);
    assert!(message.parts.iter().all(|part| part.depth <= DEPTH_MAX));
    assert!(message.parts.iter().all(|part| part.name.as_ref().is_none_or(|name| name.len() <= NAME_OCTETS_MAX)));
    assert!(message.words().map(str::len).sum::<usize>() <= TEXT_OCTETS_MAX);
    assert!(message.header.fields().len() <= HEADER_FIELDS_MAX);
    assert!(message.header.fields().iter().all(|field| field.value.len() <= FIELD_OCTETS_MAX));
});
