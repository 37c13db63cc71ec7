//! The form in which a set of traps is stored, and what makes two sets equal.

use std::sync::Arc;

use minicbor::data::Type;
use minicbor::encode::Write;
use minicbor::{Decode, Decoder, Encode, Encoder};

use super::TrapSet;
use crate::trap::{KnownMail, Trap, TrapKey};

/// Encodes as a map from key to trap. When there are claims, as an array of that map and a list of
/// pairs. When something is known of the mail of domains, the array has a map of that as third item.
impl<C> Encode<C> for TrapSet {
    fn encode<W: Write>(
        &self,
        e: &mut Encoder<W>,
        ctx: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        let (with_claims, with_mail) = (!self.claims.is_empty(), self.mail.len() > 0);
        if with_claims || with_mail {
            e.array(2 + u64::from(with_mail))?;
        }
        e.map(self.len() as u64)?;
        for (key, trap) in self.iter() {
            key.encode(e, ctx)?;
            trap.encode(e, ctx)?;
        }
        if with_claims || with_mail {
            self.claims().encode(e, ctx)?;
        }
        if with_mail {
            e.map(self.mail.len() as u64)?;
            for (domain, known) in self.mail.iter() {
                domain.encode(e, ctx)?;
                known.encode(e, ctx)?;
            }
        }
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for TrapSet {
    fn decode(d: &mut Decoder<'b>, ctx: &mut C) -> Result<Self, minicbor::decode::Error> {
        let mut traps = TrapSet::default();
        let without_length = || minicbor::decode::Error::message("a map or an array without a length");
        let items = match d.datatype()? {
            Type::Array => d.array()?.ok_or_else(without_length)?,
            _ => 1,
        };
        let entries = d.map()?.ok_or_else(without_length)?;
        for _ in 0..entries {
            let key = TrapKey::decode(d, ctx)?;
            traps.insert(key, Trap::decode(d, ctx)?);
        }
        if items > 1 {
            for (key, trap) in Vec::<(TrapKey, Trap)>::decode(d, ctx)? {
                let row = traps.row(&trap);
                Arc::make_mut(&mut traps.claims).insert((key, row.donor), row);
                traps.donors.count(row);
            }
        }
        if items > 2 {
            for _ in 0..d.map()?.ok_or_else(without_length)? {
                let domain = TrapKey::decode(d, ctx)?;
                traps.mail.insert(domain, KnownMail::decode(d, ctx)?);
            }
        }
        Ok(traps)
    }
}

impl PartialEq for TrapSet {
    /// Compares without regard to the order in which donors were added.
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len()
            && self.iter().eq(other.iter())
            && self.claims() == other.claims()
            && self.mail.iter().eq(other.mail.iter())
    }
}

impl Eq for TrapSet {}

impl TrapSet {
    /// The claims in an order that does not depend on the order in which donors were added.
    fn claims(&self) -> Vec<(TrapKey, Trap)> {
        let mut claims: Vec<_> = self.claims.iter().map(|((key, _), row)| (*key, self.trap(row))).collect();
        claims.sort_by(|one, two| (one.0, &one.1.donor).cmp(&(two.0, &two.1.donor)));
        claims
    }
}
