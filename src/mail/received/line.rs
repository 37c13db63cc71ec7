//! Splits a Received field at its `by` clauses (RFC 5321 §4.4).

/// Longest field that is read, in octets.
///
/// A client chooses its HELO name freely, so a longer field may have been cut before the part that
/// the receiving host wrote. An EHLO command has at most 512 octets (RFC 5321 §4.5.3.1.4), and real
/// fields have fewer than 1,000.
const LINE_OCTETS_MAX: usize = 2_000;
/// Largest number of words `by` in one field. MTAs write one.
const BY_WORDS_MAX: usize = 4;

/// The two sides of a word `by`.
pub(super) struct BySplit<'l> {
    /// The text between `from` and this word. The client chooses parts of it: the HELO name and the
    /// reverse name. It is empty if the field does not begin with `from`.
    pub(super) from: &'l str,
    /// The text after this word, in lower case, up to the date.
    pub(super) by: &'l str,
    /// The position of the text after this word.
    at: usize,
    /// The word stands in a comment.
    in_comment: bool,
}

/// A Received field, divided at every word that may begin the `by` clause.
pub(super) struct ReceivedLine<'l> {
    line: &'l str,
    splits: Vec<BySplit<'l>>,
}

impl<'l> ReceivedLine<'l> {
    /// Divides a field. `folded` is `line` in lower case. A field that is too long, or has too many
    /// words `by`, is not divided.
    pub(super) fn new(line: &'l str, folded: &'l str) -> Self {
        let splits = if line.len() > LINE_OCTETS_MAX { Vec::new() } else { splits(line, folded) };
        let splits = if splits.len() > BY_WORDS_MAX { Vec::new() } else { splits };
        ReceivedLine { line, splits }
    }

    /// The text from `from` to the last word `by`, or the whole field if it has no such word. It is
    /// empty if the field does not begin with `from`.
    pub(super) fn from(&self) -> &'l str {
        match self.splits.last() {
            Some(split) => split.from,
            None => {
                self.line.get(..5).filter(|word| word.eq_ignore_ascii_case("from ")).map_or("", |_| self.line)
            }
        }
    }

    /// Every place where the `by` clause may begin.
    pub(super) fn splits(&self) -> &[BySplit<'l>] {
        &self.splits
    }

    /// The receiving host's name in lower case, if the field has one `by` clause.
    pub(super) fn host(&self) -> Option<String> {
        let mut clauses = self.splits.iter().filter(|split| !split.in_comment);
        let split = clauses.next().filter(|_| clauses.next().is_none())?;
        let host = self.line[split.at..].split_ascii_whitespace().next()?;
        let host = host.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_ascii_lowercase();
        (!host.is_empty()).then_some(host)
    }

    /// The text that the receiving host wrote: all after the word `by`, if there is one such word.
    pub(super) fn written_by_host(&self) -> Option<&'l str> {
        let [split] = self.splits.as_slice() else { return None };
        Some(&self.line[split.at..])
    }
}

fn splits<'l>(line: &'l str, folded: &'l str) -> Vec<BySplit<'l>> {
    let mut words = words(folded).peekable();
    let begin = words.next_if(|&(_, word)| word == "from").map(|(at, word)| at + word.len());
    if begin.is_some() {
        // The client chooses the word after "from", which may be "by".
        words.next();
    }
    let mut depth = 0;
    let mut found = Vec::new();
    for (at, word) in words {
        if word == "by" {
            let after = at + word.len();
            let from = begin.and_then(|begin| line.get(begin..at)).unwrap_or_default();
            let by = folded[after..].split(';').next().unwrap_or_default().trim();
            found.push(BySplit { from, by, at: after, in_comment: depth > 0 });
        }
        depth = depth_after(depth, word);
    }
    found
}

/// The depth of nested comments after a text that begins at a depth.
fn depth_after(depth: usize, text: &str) -> usize {
    text.bytes().fold(depth, |depth, octet| match octet {
        b'(' => depth + 1,
        b')' => depth.saturating_sub(1),
        _ => depth,
    })
}

/// The words of a text with their positions.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let start = text.as_ptr() as usize;
    text.split_ascii_whitespace().map(move |word| (word.as_ptr() as usize - start, word))
}
