//! The values of entries: defaults, base templates and variables.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use super::numbers::dotted;
use crate::zone::{ListReason, ReasonRef, TXT_OCTETS_MAX};

/// The variables that a list does not define, as they are written in its texts.
const UNTOLD: [&[u8]; 10] = [b"$0", b"$1", b"$2", b"$3", b"$4", b"$5", b"$6", b"$7", b"$8", b"$9"];

/// The values that the entries of a list refer to.
#[derive(Default)]
pub(super) struct ListValues {
    /// Whether all entries have the same value.
    trivial: bool,
    default: DefaultValue,
    /// Whether a default was given.
    default_given: bool,
    /// The reference to the default value, if it is already among the reasons.
    default_reference: Option<ReasonRef>,
    known: HashMap<RawValue, ReasonRef>,
    /// The values in the order of their places.
    raw: Vec<RawValue>,
    /// The first definition of each variable.
    variables: [Option<Vec<u8>>; 10],
    /// The first base template.
    base: Option<Vec<u8>>,
}

/// The A value and the TXT text that a line gives. A line may leave each of them to the default.
#[derive(Default)]
pub(super) struct GivenValue<'l> {
    value: Option<Ipv4Addr>,
    text: GivenText<'l>,
}

#[derive(Default)]
enum GivenText<'l> {
    #[default]
    Default,
    Nothing,
    Text(&'l [u8]),
}

/// A value before its variables are replaced. Variables may be defined after their first use.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct RawValue {
    value: Ipv4Addr,
    text: Option<Vec<u8>>,
}

/// The default value of entries.
struct DefaultValue {
    value: Ipv4Addr,
    /// The text as it is written, with its variables.
    text: Option<Vec<u8>>,
}

impl Default for DefaultValue {
    fn default() -> Self {
        DefaultValue { value: Ipv4Addr::new(127, 0, 0, 2), text: None }
    }
}

impl ListValues {
    /// The values of a list; of a trivial one, whose entries all have the same value, if `trivial`.
    pub(super) fn new(trivial: bool) -> Self {
        ListValues { trivial, ..ListValues::default() }
    }

    /// Starts another file. The default is reset, except that a trivial set has one default for all
    /// its files.
    pub(super) fn file(&mut self) {
        if !self.trivial {
            self.default = DefaultValue::default();
            self.default_reference = None;
        }
    }

    /// Reads the line that gives the default of the entries behind it.
    ///
    /// # Errors
    /// When the line's A value cannot be read.
    pub(super) fn set_default(&mut self, line: &[u8]) -> Result<(), &'static str> {
        // A trivial set has one value: the first default.
        if self.trivial && self.default_given {
            return Ok(());
        }
        let given = GivenValue::read(line)?;
        let standard = DefaultValue::default();
        let text = match given.text {
            GivenText::Default | GivenText::Nothing => None,
            GivenText::Text(text) => Some(text.to_vec()),
        };
        self.default = DefaultValue { value: given.value.unwrap_or(standard.value), text };
        (self.default_given, self.default_reference) = (true, None);
        Ok(())
    }

    /// Sets a variable, if it has no definition yet.
    pub(super) fn define(&mut self, digit: u8, text: &[u8]) {
        self.variables[usize::from(digit - b'0')].get_or_insert_with(|| text.to_vec());
    }

    /// Sets the base template, if there is none yet. An empty one is ignored.
    pub(super) fn set_base(&mut self, text: &[u8]) {
        if !text.is_empty() {
            self.base.get_or_insert_with(|| text.to_vec());
        }
    }

    /// Whether there is no place for a further value.
    pub(super) fn is_full(&self) -> bool {
        self.raw.len() >= ReasonRef::MAX
    }

    /// The reference to the value of an entry.
    pub(super) fn reference(&mut self, given: &GivenValue<'_>) -> ReasonRef {
        if self.trivial {
            if self.raw.is_empty() {
                self.raw.push(RawValue { value: self.default.value, text: None });
            }
            return ReasonRef::reason(0);
        }
        let plain = matches!(given, GivenValue { value: None, text: GivenText::Default });
        if let (true, Some(known)) = (plain, self.default_reference) {
            return known;
        }
        let reference = *self.known.entry(self.raw(given)).or_insert_with_key(|raw| {
            self.raw.push(raw.clone());
            ReasonRef::reason(self.raw.len() - 1)
        });
        if plain {
            self.default_reference = Some(reference);
        }
        reference
    }

    /// The values with their variables replaced, in the order of their references.
    pub(super) fn reasons(mut self) -> Vec<ListReason> {
        if self.trivial
            && let Some(only) = self.raw.first_mut()
        {
            // The default of a trivial set applies to all entries, wherever it stands.
            *only = RawValue { value: self.default.value, text: self.default.text.clone() };
        }
        std::mem::take(&mut self.raw).into_iter().map(|raw| self.reason(raw)).collect()
    }

    fn raw(&self, given: &GivenValue<'_>) -> RawValue {
        let text = match given.text {
            GivenText::Nothing => None,
            GivenText::Text(text) => Some(text.to_vec()),
            GivenText::Default => self.default.text.clone(),
        };
        RawValue { value: given.value.unwrap_or(self.default.value), text }
    }

    /// Applies the base template and the variables to a value. The base template also applies to
    /// entries without a text. `$` and `$$` remain as placeholders for the answer.
    fn reason(&self, RawValue { value, text }: RawValue) -> ListReason {
        let text = match (&self.base, text.as_deref()) {
            (_, Some([b'=', own @ ..])) => Some(own.to_vec()),
            (Some(base), own) => Some(in_base(base, own.unwrap_or_default())),
            (None, own) => own.map(<[u8]>::to_vec),
        };
        let text = text.map(|text| {
            let mut whole = replace(&text, &|name| {
                let nth = usize::from(name.checked_sub(b'0').filter(|nth| *nth < 10)?);
                // An undefined variable stays as it is written.
                Some(self.variables[nth].as_deref().unwrap_or(UNTOLD[nth]))
            });
            // The rest would not fit into a TXT record.
            whole.truncate(2 * TXT_OCTETS_MAX);
            whole.into()
        });
        ListReason { value, text }
    }
}

impl<'l> GivenValue<'l> {
    /// Reads a value: `:A value:text`, `:A value`, or a text alone.
    ///
    /// # Errors
    /// When the A value cannot be read.
    pub(super) fn read(text: &'l [u8]) -> Result<Self, &'static str> {
        let Some(rest) = text.strip_prefix(b":") else {
            return Ok(GivenValue { value: None, text: GivenText::Text(text) });
        };
        let colon = rest.iter().position(|octet| *octet == b':');
        let (value, behind) = rest.split_at(colon.unwrap_or(rest.len()));
        let given = match behind.strip_prefix(b":").map(<[u8]>::trim_ascii_start) {
            None => GivenText::Default,
            Some([]) => GivenText::Nothing,
            Some(text) => GivenText::Text(text),
        };
        let (octets, count) = dotted(value.trim_ascii()).ok_or("the A value is invalid")?;
        let value = match (octets, count) {
            ([0, ..], 1) => return Err("0 is not a valid A value"),
            ([last, ..], 1) => Ipv4Addr::new(127, 0, 0, last),
            // The last number is always the last octet.
            ([first, last, ..], 2) => Ipv4Addr::new(first, 0, 0, last),
            ([first, second, last, _], 3) => Ipv4Addr::new(first, second, 0, last),
            (octets, _) => Ipv4Addr::from(octets),
        };
        if value.is_unspecified() {
            return Err("0.0.0.0 is not a valid A value");
        }
        Ok(GivenValue { value: Some(value), text: given })
    }
}

/// Replaces `$` and the octet behind it by the variable of that name, if there is one. A dollar
/// sign in the variable's value becomes `$$`.
fn replace<'r>(text: &[u8], value: &dyn Fn(u8) -> Option<&'r [u8]>) -> Vec<u8> {
    let (mut out, mut at) = (Vec::with_capacity(text.len()), 0);
    while at < text.len() {
        match text[at..] {
            [b'$', b'$', ..] => {
                out.extend(b"$$");
                at += 2;
            }
            [b'$', name, ..] if value(name).is_some() => {
                for octet in value(name).unwrap_or_default() {
                    out.extend(if *octet == b'$' { &b"$$"[..] } else { std::slice::from_ref(octet) });
                }
                at += 2;
            }
            [octet, ..] => {
                out.push(octet);
                at += 1;
            }
            [] => break,
        }
    }
    out
}

/// A base template with `$=` replaced by the entry's text, or by its address if the text is empty.
fn in_base(base: &[u8], own: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(base.len() + own.len());
    let mut parts = base.split(|octet| *octet == b'$');
    out.extend(parts.next().unwrap_or_default());
    let mut escaped = false;
    for part in parts {
        match part {
            [b'=', rest @ ..] if !escaped => {
                if own.is_empty() {
                    out.push(b'$');
                }
                for octet in own {
                    out.extend(if *octet == b'$' { &b"$$"[..] } else { std::slice::from_ref(octet) });
                }
                out.extend(rest);
            }
            part => {
                out.push(b'$');
                out.extend(part);
            }
        }
        escaped = part.is_empty() && !escaped;
    }
    out
}
