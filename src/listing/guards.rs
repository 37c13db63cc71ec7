//! The `[guards]` table of a zone's file: limits on the changes within one hour.

use serde::{Deserialize, Serialize};

use crate::complaint::Complaints;

/// Limits on new and ended listings within one hour.
///
/// New listings beyond the limit of the zone are held until the operator releases them. New listings
/// beyond the share of their site are held, and are let in later. Ended listings are never held;
/// beyond the limit an alarm is raised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuardLimits {
    /// The number of additions per hour that is always allowed.
    #[serde(alias = "additions_floor")]
    pub additions_per_hour: u64,
    /// The number of additions per hour that is allowed in a large list, in thousandths of the
    /// number of entries at the beginning of the hour. The larger of the two limits applies.
    #[serde(alias = "additions_thousandths")]
    pub additions_per_hour_thousandths: u64,
    /// The part of these additions that one site may use, in thousandths. With 1000, which holds if
    /// the file does not name it, sites have no share.
    #[serde(default = "whole")]
    pub additions_per_site_thousandths: u64,
    /// The number of ended listings per hour that never raises an alarm.
    #[serde(alias = "endings_floor")]
    pub endings_per_hour: u64,
    /// The number of ended listings per hour that raises no alarm in a large list, in thousandths
    /// of the number of entries at the beginning of the hour. The larger of the two limits applies.
    #[serde(alias = "endings_thousandths")]
    pub endings_per_hour_thousandths: u64,
}

/// The greatest part of a zone's additions that the share of a site may be in a newly adopted file,
/// in thousandths.
const SITE_THOUSANDTHS_MAX: u64 = 500;

/// The whole, in thousandths.
fn whole() -> u64 {
    1_000
}

impl GuardLimits {
    /// Checks the values. Problems are added to `complaints`.
    pub fn check(&self, complaints: &mut Complaints) {
        complaints.require(
            self.additions_per_hour >= 1,
            "guards.additions_per_hour",
            "0 would hold every listing of a new list",
            "write 1 or more",
        );
        complaints.require(
            self.additions_per_hour_thousandths <= 1_000 && self.endings_per_hour_thousandths <= 1_000,
            "guards.additions_per_hour_thousandths",
            "a limit above the whole list has no effect",
            "write 1000 or less, here and in guards.endings_per_hour_thousandths",
        );
    }

    /// Checks what only a newly adopted file must satisfy. Problems are added to `complaints`.
    pub fn check_new(&self, complaints: &mut Complaints) {
        let share = self.additions_per_site_thousandths;
        complaints.require(
            (1..=SITE_THOUSANDTHS_MAX).contains(&share),
            "guards.additions_per_site_thousandths",
            format!(
                "{share} thousandths: one site could use up the additions of an hour, or could add nothing"
            ),
            format!("write a number from 1 to {SITE_THOUSANDTHS_MAX}, such as 50"),
        );
    }

    /// The maximum number of additions within an hour that began with `size` entries.
    pub fn additions_max(&self, size: u64) -> u64 {
        self.additions_per_hour.max(size.saturating_mul(self.additions_per_hour_thousandths) / 1_000)
    }

    /// The maximum number of additions of one site within an hour that began with `size` entries, at
    /// least one. `None` if sites have no share.
    pub fn site_additions_max(&self, size: u64) -> Option<u64> {
        let thousandths = self.additions_per_site_thousandths;
        let share = self.additions_max(size).saturating_mul(thousandths) / whole();
        (thousandths < whole()).then_some(share.max(1))
    }

    /// The number of ended listings at which an hour that began with `size` entries raises an
    /// alarm.
    pub fn endings_alarm(&self, size: u64) -> u64 {
        self.endings_per_hour.max(size.saturating_mul(self.endings_per_hour_thousandths) / 1_000) + 1
    }
}
