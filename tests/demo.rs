//! Tests `backscatterd demo`, the first command of the README.

use std::process::Command;

use crate::support::PROGRAM;

#[test]
fn the_demo_lists_those_who_bounce_and_spares_who_is_well_run() {
    let output = Command::new(PROGRAM).args(["demo", "--once"]).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    let verdicts: Vec<&str> = told.split("\n== ").skip(1).collect();
    assert_eq!(verdicts.len(), 4, "{told}");
    for verdict in verdicts {
        let well_run = verdict.contains("well run");
        assert_eq!(verdict.contains("NXDOMAIN"), well_run, "{verdict}");
        assert_eq!(verdict.contains(".  A    127.0.0.34"), !well_run, "{verdict}");
        assert_eq!(verdict.contains("completed the case"), !well_run, "{verdict}");
        assert!(
            verdict.contains("$ dig @127.0.0.1 -p ") && verdict.contains("http://127.0.0.1:"),
            "{verdict}"
        );
    }
}
