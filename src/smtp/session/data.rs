//! Receiver for the octets between DATA and the final dot, with dot unstuffing (RFC 5321 §4.5.2).
//!
//! It replaces the receiver of the `smtp-proto` crate, which keeps a doubled dot at the very
//! beginning of a message and cannot truncate a message while it reads.

use std::sync::LazyLock;

use memchr::memmem::Finder;

/// The end of a line and a dot that begins the next line.
static DOT_LINE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\r\n."));

/// The state of the receiver between two reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum DataState {
    /// After CR LF, or at the beginning of the message.
    #[default]
    LineStart,
    /// After a dot at the beginning of a line.
    Dot,
    /// After a dot and a CR at the beginning of a line.
    DotCr,
    /// Within a line.
    Line,
    /// After a CR within a line.
    Cr,
}

impl DataState {
    /// Appends `octets` to `message`, unstuffed, up to the end of the message. Returns the number
    /// of octets consumed and whether the end was found. Only CR LF dot CR LF ends a message, and
    /// only CR LF ends a line.
    pub(super) fn read(&mut self, octets: &[u8], message: &mut Vec<u8>) -> (usize, bool) {
        let mut at = 0;
        while let Some(&octet) = octets.get(at) {
            // Few lines begin with a dot. Everything up to the next one is copied at once.
            if *self == DataState::Line || *self == DataState::LineStart && octet != b'.' {
                let rest = &octets[at..];
                let Some(found) = DOT_LINE.find(rest) else {
                    message.extend_from_slice(rest);
                    *self = match rest {
                        [.., b'\r', b'\n'] => DataState::LineStart,
                        [.., b'\r'] => DataState::Cr,
                        _ => DataState::Line,
                    };
                    break;
                };
                at += found + b"\r\n".len();
                message.extend_from_slice(&rest[..found + b"\r\n".len()]);
                *self = DataState::LineStart;
                continue;
            }
            at += 1;
            *self = match (*self, octet) {
                (DataState::LineStart, b'.') => {
                    *self = DataState::Dot;
                    continue;
                }
                (DataState::Dot, b'\r') => {
                    *self = DataState::DotCr;
                    continue;
                }
                (DataState::DotCr, b'\n') => {
                    *self = DataState::LineStart;
                    return (at, true);
                }
                (DataState::DotCr, _) => {
                    // The dot was stuffed by the client; the CR belongs to the message.
                    message.push(b'\r');
                    if octet == b'\r' { DataState::Cr } else { DataState::Line }
                }
                (DataState::Cr, b'\n') => DataState::LineStart,
                (_, b'\r') => DataState::Cr,
                _ => DataState::Line,
            };
            message.push(octet);
        }
        (octets.len(), false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_are_unstuffed_and_only_the_true_end_ends() {
        let cases: [(&[u8], &[u8]); 8] = [
            (b".\r\n", b""),
            (b"..one\r\n.\r\n", b".one\r\n"),
            (b".two\r\n.\r\n", b"two\r\n"),
            (b"a\r\n..\r\n.\r\n", b"a\r\n.\r\n"),
            (b"a\n.\nb\r\n.\r\n", b"a\n.\nb\r\n"),
            (b"a\r.\r\n.\r\n", b"a\r.\r\n"),
            (b".\rx\r\n.\r\n", b"\rx\r\n"),
            (b".\r\r\n.\r\n", b"\r\r\n"),
        ];
        for (octets, want) in cases {
            for size in 1..=octets.len() {
                let (mut data, mut message, mut ended) = (DataState::default(), Vec::new(), false);
                for piece in octets.chunks(size) {
                    let (read, end) = data.read(piece, &mut message);
                    ended |= end;
                    assert!(end || read == piece.len());
                }
                assert!(ended, "{octets:?}");
                assert_eq!(message, want, "{octets:?} in pieces of {size}");
            }
        }
        let (read, ended) = DataState::default().read(b"x\r\n.\r\nQUIT\r\n", &mut Vec::new());
        assert_eq!((read, ended), (6, true));
    }

    #[test]
    fn it_is_all_one_in_what_pieces_a_message_comes() {
        const OCTETS: [u8; 5] = [b'\r', b'\n', b'.', b'a', 0xff];
        const LENGTH: u32 = 6;
        let read = |octets: &[u8], cuts: u32| {
            let (mut data, mut message, mut at) = (DataState::default(), Vec::new(), 0);
            for end in (1..=octets.len()).filter(|&end| end == octets.len() || cuts & 1 << end != 0) {
                let (count, ended) = data.read(&octets[at..end], &mut message);
                if ended {
                    return (message, Some(at + count), data);
                }
                at = end;
            }
            (message, None, data)
        };
        for number in 0..OCTETS.len().pow(LENGTH) {
            let octets: Vec<u8> =
                (0..LENGTH).map(|at| OCTETS[number / OCTETS.len().pow(at) % OCTETS.len()]).collect();
            let singly = read(&octets, u32::MAX);
            for cuts in (0..1 << LENGTH).step_by(2) {
                assert_eq!(read(&octets, cuts), singly, "{octets:?} cut at {cuts:b}");
            }
        }
    }
}
