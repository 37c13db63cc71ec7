//! Faults in a file that the operator wrote, each with its remedy.

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// The file and the key, such as `zones/backscatter.toml: soa.refresh`.
    pub key: String,
    /// What is wrong.
    pub problem: String,
    /// What the operator should write instead.
    pub remedy: String,
}

impl std::fmt::Display for Complaint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}; {}", self.key, self.problem, self.remedy)
    }
}

/// Collects the faults of one file, so that the operator sees all of them at once.
#[derive(Debug)]
pub struct Complaints {
    place: String,
    found: Vec<Complaint>,
}

impl Complaints {
    /// An empty collection of faults in `place`, which is usually the name of a file.
    pub fn about(place: impl Into<String>) -> Self {
        Complaints { place: place.into(), found: Vec::new() }
    }

    /// Adds a fault at `key`; an empty key stands for the whole file.
    pub fn add(&mut self, key: &str, problem: impl Into<String>, remedy: impl Into<String>) {
        let key = if key.is_empty() { self.place.clone() } else { format!("{}: {key}", self.place) };
        self.found.push(Complaint { key, problem: problem.into(), remedy: remedy.into() });
    }

    /// Adds a fault at `key` unless `holds` is true.
    pub fn require(&mut self, holds: bool, key: &str, problem: impl Into<String>, remedy: impl Into<String>) {
        if !holds {
            self.add(key, problem, remedy);
        }
    }

    /// Returns `value` if no fault was found.
    ///
    /// # Errors
    ///
    /// Returns the faults if there are any.
    pub fn or<T>(self, value: T) -> Result<T, Vec<Complaint>> {
        if self.found.is_empty() { Ok(value) } else { Err(self.found) }
    }

    /// The faults that were found.
    pub fn into_vec(self) -> Vec<Complaint> {
        self.found
    }
}
