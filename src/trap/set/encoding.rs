//! The form in which a set of traps is stored, and what makes two sets equal.

use std::sync::Arc;

use minicbor::data::Type;
use minicbor::encode::Write;
use minicbor::{Decode, Decoder, Encode, Encoder};

use super::TrapSet;
use crate::trap::{Trap, TrapKey};

/// Encodes as a map from key to trap. When there are claims, as an array of that map and a list of
/// pairs.
impl<C> Encode<C> for TrapSet {
    fn encode<W: Write>(
        &self,
        e: &mut Encoder<W>,
        ctx: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        if !self.claims.is_empty() {
            e.array(2)?;
        }
        e.map(self.len() as u64)?;
        for (key, trap) in self.iter() {
            key.encode(e, ctx)?;
            trap.encode(e, ctx)?;
        }
        if !self.claims.is_empty() {
            self.claims().encode(e, ctx)?;
        }
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for TrapSet {
    fn decode(d: &mut Decoder<'b>, ctx: &mut C) -> Result<Self, minicbor::decode::Error> {
        let mut traps = TrapSet::default();
        let with_claims = d.datatype()? == Type::Array;
        if with_claims {
            d.array()?;
        }
        let entries = d.map()?.ok_or_else(|| minicbor::decode::Error::message("a map without a length"))?;
        for _ in 0..entries {
            let key = TrapKey::decode(d, ctx)?;
            traps.insert(key, Trap::decode(d, ctx)?);
        }
        if with_claims {
            for (key, trap) in Vec::<(TrapKey, Trap)>::decode(d, ctx)? {
                let row = traps.row(&trap);
                Arc::make_mut(&mut traps.claims).insert((key, row.donor), row);
                traps.donors.count(row);
            }
        }
        Ok(traps)
    }
}

impl PartialEq for TrapSet {
    /// Compares without regard to the order in which donors were added.
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter()) && self.claims() == other.claims()
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
