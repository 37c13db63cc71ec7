//! Reads decimal numbers, in the strict form that lists use.

/// Reads a decimal number that consists of digits only.
pub(super) fn number(text: &[u8]) -> Option<u32> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| digits)?.parse().ok()
}

/// Reads one to four decimal octets separated by dots. Returns the octets and their number.
pub(super) fn dotted(text: &[u8]) -> Option<([u8; 4], usize)> {
    let (mut octets, mut count, mut number, mut digits) = ([0u8; 4], 0, 0u16, 0);
    for octet in text {
        match octet {
            b'0'..=b'9' => {
                number = number * 10 + u16::from(octet - b'0');
                digits += 1;
                if number > 255 || digits > 3 {
                    return None;
                }
            }
            b'.' if digits > 0 && count < 3 => {
                octets[count] = number as u8;
                (count, number, digits) = (count + 1, 0, 0);
            }
            _ => return None,
        }
    }
    if digits == 0 {
        return None;
    }
    octets[count] = number as u8;
    Some((octets, count + 1))
}
