//! What is wrong with something an operator wrote, and what would be right.

/// One fault: where it is, what is wrong, what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// The file and the key, such as `zones/example.toml: soa.refresh`.
    pub key: String,
    pub problem: String,
    pub remedy: String,
}

impl std::fmt::Display for Complaint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}; {}", self.key, self.problem, self.remedy)
    }
}

/// Gathers complaints under a common place, so that all of them are told at once.
#[derive(Debug)]
pub struct Complaints {
    place: String,
    found: Vec<Complaint>,
}

impl Complaints {
    pub fn about(place: impl Into<String>) -> Self {
        Complaints { place: place.into(), found: Vec::new() }
    }

    pub fn add(&mut self, key: &str, problem: impl Into<String>, remedy: impl Into<String>) {
        let key = if key.is_empty() { self.place.clone() } else { format!("{}: {key}", self.place) };
        self.found.push(Complaint { key, problem: problem.into(), remedy: remedy.into() });
    }

    /// Complains unless `true`.
    pub fn require(&mut self, holds: bool, key: &str, problem: impl Into<String>, remedy: impl Into<String>) {
        if !holds {
            self.add(key, problem, remedy);
        }
    }

    /// The value, unless something was wrong.
    pub fn or<T>(self, value: T) -> Result<T, Vec<Complaint>> {
        if self.found.is_empty() { Ok(value) } else { Err(self.found) }
    }

    pub fn into_vec(self) -> Vec<Complaint> {
        self.found
    }
}
