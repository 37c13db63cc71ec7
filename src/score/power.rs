//! Powers of one half as fixed-point numbers, from a table. Unlike floating-point powers, they are
//! the same on every machine.

/// floor(2^32 * 2^(-i/64)).
const TABLE: [u64; 64] = [
    4_294_967_296,
    4_248_701_964,
    4_202_935_003,
    4_157_661_043,
    4_112_874_773,
    4_068_570_940,
    4_024_744_347,
    3_981_389_854,
    3_938_502_375,
    3_896_076_880,
    3_854_108_391,
    3_812_591_986,
    3_771_522_796,
    3_730_896_002,
    3_690_706_839,
    3_650_950_594,
    3_611_622_602,
    3_572_718_251,
    3_534_232_977,
    3_496_162_266,
    3_458_501_653,
    3_421_246_718,
    3_384_393_094,
    3_347_936_456,
    3_311_872_529,
    3_276_197_082,
    3_240_905_930,
    3_205_994_934,
    3_171_459_999,
    3_137_297_074,
    3_103_502_151,
    3_070_071_267,
    3_037_000_499,
    3_004_285_970,
    2_971_923_841,
    2_939_910_317,
    2_908_241_642,
    2_876_914_101,
    2_845_924_020,
    2_815_267_764,
    2_784_941_737,
    2_754_942_382,
    2_725_266_179,
    2_695_909_647,
    2_666_869_344,
    2_638_141_863,
    2_609_723_833,
    2_581_611_923,
    2_553_802_833,
    2_526_293_303,
    2_499_080_104,
    2_472_160_047,
    2_445_529_971,
    2_419_186_755,
    2_393_127_307,
    2_367_348_571,
    2_341_847_523,
    2_316_621_173,
    2_291_666_560,
    2_266_980_758,
    2_242_560_871,
    2_218_404_035,
    2_194_507_416,
    2_170_868_211,
];

/// 2^(-age / half-life) in units of 2^-32. The age is rounded down to a 64th of the half-life. A
/// half-life of zero counts as one hour.
pub fn decay(age_hours: u32, half_life_hours: u32) -> u64 {
    let steps = u64::from(age_hours) * 64 / u64::from(half_life_hours.max(1));
    let (halvings, step) = (steps / 64, steps % 64);
    if halvings >= 32 { 0 } else { TABLE[step as usize] >> halvings }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: u64 = 1 << 32;

    #[test]
    fn the_table_is_the_powers_it_says() {
        assert_eq!(TABLE[0], ONE);
        assert_eq!(TABLE[32], (ONE as u128 * ONE as u128 / 2).isqrt() as u64, "2^(-1/2)");
        for i in 0..32 {
            let square = (u128::from(TABLE[i]) * u128::from(TABLE[i])) >> 32;
            let doubled = u128::from(TABLE[2 * i]);
            assert!(square.abs_diff(doubled) <= 2, "{i}: {square} {doubled}");
        }
        assert!(TABLE.is_sorted_by(|a, b| a > b));
    }

    #[test]
    fn a_weight_halves_with_each_half_life() {
        assert_eq!(decay(0, 168), ONE);
        assert_eq!(decay(168, 168), ONE / 2);
        assert_eq!(decay(4 * 168, 168), ONE / 16);
        assert_eq!(decay(u32::MAX, 1), 0);
        assert_eq!(decay(84, 168), TABLE[32]);
        assert_eq!(decay(1, 0), ONE / 2, "a half-life of zero counts as one hour");
    }
}
