//! One JSON object, written with one entry per line.

use std::io::{self, Write};
use std::net::Ipv4Addr;

use serde::Serialize;

use super::networks::{networks, real, short};
use crate::time::Timestamp;
use crate::zone::ZoneContents;

/// One entry: a network with one value.
#[derive(Serialize)]
struct JsonLine<'z> {
    /// The label of the sublist; absent for the zone's own name.
    #[serde(skip_serializing_if = "Option::is_none")]
    sublist: Option<&'z str>,
    network: String,
    value: Ipv4Addr,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    codes: &'z [&'z str],
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

/// Writes a zone and its sublists as a JSON object.
///
/// # Errors
/// Any error of `out`.
pub(super) fn write(contents: &ZoneContents<'_>, out: &mut dyn Write) -> io::Result<()> {
    let zone = contents.apex().origin.to_string();
    write!(out, "{{\"zone\":{},\"serial\":{},", serde_json::to_string(&zone)?, contents.serial())?;
    write!(out, "\"time\":{},", serde_json::to_string(&contents.now())?)?;
    if let Some(policy) = contents.policy() {
        write!(out, "\"policy\":{},", serde_json::to_string(&policy.to_string())?)?;
    }
    write!(out, "\"entries\":[")?;
    let mut separator = "\n";
    for part in contents.parts() {
        for listed in real(part.listed()) {
            for network in networks(listed.first, listed.last) {
                for said in &listed.said {
                    let text = said.text.map(|text| text.about(network.addr()).to_octets());
                    let line = JsonLine {
                        sublist: part.label,
                        network: short(network),
                        value: said.value,
                        codes: &said.codes,
                        until: listed.until,
                        text: text.map(|octets| String::from_utf8_lossy(&octets).into_owned()),
                    };
                    write!(out, "{separator}{}", serde_json::to_string(&line)?)?;
                    separator = ",\n";
                }
            }
        }
    }
    writeln!(out, "\n]}}")
}
