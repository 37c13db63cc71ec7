//! Reads the client's address from the place that a form has for it.
//!
//! The client chooses its HELO name, and the owner of the client's address chooses the reverse
//! name. Both may look like an address. Only the receiving host writes the address into the place
//! that its form has for it. If another place holds a different address, the answer is unknown.
//!
//! An MTA that writes no address at all, and lets parentheses in a HELO name pass, can be made to
//! show any address. A form of that sort needs a row of its own, with the place
//! [`AddressPlace::Nowhere`].

use std::net::IpAddr;

use super::segment::Segment;

/// The place where a form has the client's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AddressPlace {
    /// In brackets in a comment after the HELO name: `from HELO (NAME [ADDRESS])`.
    Comment,
    /// As `Comment`, with the port: `from HELO ([ADDRESS:PORT])`. An IPv6 address cannot be told
    /// from its port, so only IPv4 addresses are read.
    CommentWithPort,
    /// In brackets outside comments: `from [ADDRESS] (helo=HELO)` or `from HELO [ADDRESS]`. If no
    /// such address is there, as `Comment`.
    OutsideComments,
    /// Without brackets as the last comment: `from NAME (HELO HELO) (ADDRESS)`. If the last comment
    /// is not an address, as `Comment`.
    LastComment,
    /// The form has no address.
    Nowhere,
}

impl AddressPlace {
    /// The address in this place of the text before `by`.
    pub(super) fn address(self, segments: &[Segment<'_>]) -> Option<IpAddr> {
        match self {
            AddressPlace::Comment => in_comment(segments),
            AddressPlace::CommentWithPort => in_comment(segments).filter(IpAddr::is_ipv4),
            AddressPlace::OutsideComments => {
                let mut outside = segments.iter().filter(|segment| segment.is_outside());
                match outside.find_map(|segment| segment.literals().next()) {
                    Some(first) => agreed(first, everywhere(segments)),
                    None => in_comment(segments),
                }
            }
            AddressPlace::LastComment => {
                match segments.last().filter(|last| last.is_last()).and_then(Segment::bare_address) {
                    Some(last) => agreed(last, except_helo(segments)),
                    None => in_comment(segments),
                }
            }
            AddressPlace::Nowhere => None,
        }
    }
}

/// The address in brackets in a comment. If a comment repeats the HELO name, the address stands in
/// the last comment, and what the HELO name says is ignored.
fn in_comment(segments: &[Segment<'_>]) -> Option<IpAddr> {
    let repeats_helo = segments.iter().any(Segment::repeats_helo);
    let address = segments
        .iter()
        .filter(|segment| segment.is_in_outer_comment() && (!repeats_helo || segment.is_last()))
        .filter(|segment| !segment.repeats_helo() && !segment.has_exim_facts())
        .find_map(|segment| segment.literals().next())?;
    agreed(address, except_helo(segments))
}

/// The address, if all others are equal to it.
fn agreed(address: IpAddr, mut others: impl Iterator<Item = IpAddr>) -> Option<IpAddr> {
    others.all(|other| other == address).then_some(address)
}

/// All addresses but those in the client's HELO name.
///
/// The HELO name stands in the comments that repeat it. If there is no such comment, it stands
/// before the first comment.
fn except_helo(segments: &[Segment<'_>]) -> impl Iterator<Item = IpAddr> {
    let is_repeated = segments.iter().any(|segment| segment.repeats_helo() || segment.has_exim_facts());
    let others = segments.iter().skip(usize::from(!is_repeated)).filter(|segment| !segment.repeats_helo());
    others.flat_map(Segment::literals).chain(bare(segments))
}

/// All addresses in brackets, and all comments that consist of an address without brackets.
fn everywhere(segments: &[Segment<'_>]) -> impl Iterator<Item = IpAddr> {
    segments.iter().flat_map(Segment::literals).chain(bare(segments))
}

/// All comments that consist of an address without brackets.
fn bare(segments: &[Segment<'_>]) -> impl Iterator<Item = IpAddr> {
    segments.iter().filter_map(Segment::bare_address)
}
