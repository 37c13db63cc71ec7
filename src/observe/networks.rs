//! The table of autonomous systems: which one announces an address. The operator supplies the
//! table.

use std::net::IpAddr;
use std::path::Path;

use ipnet::IpNet;

/// Maximum number of networks in the table. The whole Internet has about two million.
const NETWORKS_MAX: usize = 4_000_000;

/// Networks that do not overlap, each with its autonomous system number.
#[derive(Debug, Default)]
pub struct Networks(Vec<(IpNet, u32)>);

/// Why the table can't be read.
#[derive(Debug, thiserror::Error)]
pub enum NetworksError {
    /// The file can't be read.
    #[error("{0}")]
    File(#[from] std::io::Error),
    /// A line is malformed.
    #[error("line {line}: {text:?} is not a network and a number, such as 192.0.2.0/24,64496")]
    Line { line: usize, text: String },
    /// The table has too many networks.
    #[error("more than {NETWORKS_MAX} networks")]
    Size,
}

impl Networks {
    /// Reads a table of `network,number` lines, such as MaxMind's GeoLite2-ASN-Blocks files.
    /// Further fields and a heading in the first line are ignored.
    ///
    /// # Errors
    /// When the file can't be read, a line is malformed, or there are too many networks.
    pub fn read(path: &Path) -> Result<Self, NetworksError> {
        Networks::parse(&std::fs::read_to_string(path)?)
    }

    fn parse(text: &str) -> Result<Self, NetworksError> {
        let mut networks = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let mut fields = line.split(',');
            let network = fields.next().and_then(|field| field.trim().parse::<IpNet>().ok());
            let number = fields.next().and_then(|field| field.trim().trim_start_matches("AS").parse().ok());
            match (network, number) {
                (Some(network), Some(number)) => networks.push((network.trunc(), number)),
                _ if at == 0 || line.trim().is_empty() || line.starts_with('#') => {}
                _ => return Err(NetworksError::Line { line: at + 1, text: line.to_owned() }),
            }
            if networks.len() > NETWORKS_MAX {
                return Err(NetworksError::Size);
            }
        }
        networks.sort_by_key(|(network, _)| (network.network(), network.prefix_len()));
        Ok(Networks(networks))
    }

    /// The number of the autonomous system that announces an address.
    pub fn number(&self, address: IpAddr) -> Option<u32> {
        let behind = self.0.partition_point(|(network, _)| network.network() <= address);
        let (network, number) = self.0.get(behind.checked_sub(1)?)?;
        network.contains(&address).then_some(*number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_tells_the_system_of_an_address() {
        let text = "network,autonomous_system_number,autonomous_system_organization\n\
            9.9.9.0/24,19281,\"Quad9, Zurich\"\n1.1.1.0/24,AS13335\n2a01:4f8::/32,24940\n";
        let networks = Networks::parse(text).unwrap();
        for (address, number) in [
            ("9.9.9.9", Some(19_281)),
            ("1.1.1.1", Some(13_335)),
            ("2a01:4f8::1", Some(24_940)),
            ("9.9.8.255", None),
            ("9.9.10.0", None),
            ("::1", None),
        ] {
            assert_eq!(networks.number(address.parse().unwrap()), number, "{address}");
        }
        let error = Networks::parse("1.1.1.0/24,1\nnonsense\n").unwrap_err().to_string();
        assert!(error.starts_with("line 2"), "{error}");
    }
}
