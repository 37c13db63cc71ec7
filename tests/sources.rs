//! Reads the source files: what is code in them, and which file uses which.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

/// How many re-exports lead at most to the file that defines an item.
const REEXPORTS_MAX: usize = 8;

/// A source file.
pub(crate) struct Source {
    /// The path below `src`.
    pub(crate) path: PathBuf,
    /// The text without the unit tests.
    pub(crate) text: String,
}

impl Source {
    /// The name of the module in `src` that the file is part of.
    pub(crate) fn module(&self) -> &str {
        self.path.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs")
    }

    /// Whether a file's text declares the file as a module, without which the compiler never reads it.
    pub(crate) fn is_declared_by(&self, parent: &Source) -> bool {
        let path = self.module_path();
        let Some((name, above)) = path.split_last() else { return false };
        parent.module_path() == above
            && tokens(&parent.text).windows(3).any(|of| of[0] == "mod" && of[1] == name && of[2] == ";")
    }

    /// The path of the file's own module, such as `["classify", "formats", "exim"]`.
    fn module_path(&self) -> Vec<String> {
        let path = self.path.with_extension("");
        let names = path.iter().map(|name| name.to_str().unwrap().to_owned());
        names.filter(|name| name != "mod" && name != "lib").collect()
    }
}

/// All files below `src`.
pub(crate) fn sources() -> Vec<Source> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    files(&src, "rs", &mut paths);
    let sources = paths.into_iter().map(|path| {
        let text = fs::read_to_string(&path).unwrap();
        let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_owned();
        Source { path: path.strip_prefix(&src).unwrap().to_owned(), text }
    });
    sources.collect()
}

/// Finds the files below a folder whose names have an extension, in the order of their names.
pub(crate) fn files(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            files(&path, extension, found);
        } else if path.extension().is_some_and(|of| of == extension) {
            found.push(path);
        }
    }
}

/// The words and signs of a file's code: names, numbers, `::`, and single signs. Comments, strings
/// and characters are left out.
pub(crate) fn tokens(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let hashes = rest.trim_start_matches(['b', 'r']).bytes().take_while(|b| *b == b'#').count();
        let raw = rest
            .strip_prefix("br")
            .or(rest.strip_prefix('r'))
            .and_then(|raw| raw[hashes..].strip_prefix('"'));
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(raw) = raw.filter(|_| rest.starts_with(['b', 'r'])) {
            let end = format!("\"{}", "#".repeat(hashes));
            rest.len() - raw.len() + raw.find(&end).unwrap_or(raw.len()) + end.len()
        } else if first == '"' {
            quoted(&rest[1..], '"') + 1
        } else if first == '\'' && is_character(rest) {
            quoted(&rest[1..], '\'') + 1
        } else if first == '\'' {
            // A lifetime.
            1 + rest[1..].find(|c| !is_word(c)).unwrap_or(rest.len() - 1)
        } else if is_word(first) {
            let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            found.push(&rest[..length]);
            length
        } else if rest.starts_with("::") {
            found.push("::");
            2
        } else {
            if !first.is_whitespace() {
                found.push(&rest[..first.len_utf8()]);
            }
            first.len_utf8()
        };
        rest = &rest[length.min(rest.len())..];
    }
    found
}

/// Whether a quote begins a character, and not a lifetime.
fn is_character(text: &str) -> bool {
    let mut chars = text.chars().skip(1);
    chars.next() == Some('\\') || chars.next() == Some('\'')
}

/// The length of a quoted text after its first quote, with the last quote.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    let end = text.char_indices().find(|(_, c)| {
        let ends = !escaped && *c == quote;
        escaped = !escaped && *c == '\\';
        ends
    });
    end.map_or(text.len(), |(at, c)| at + c.len_utf8())
}

/// A `use` of one item or module.
struct Import {
    /// The path as written.
    path: Vec<String>,
    /// The name in the importing file; `*` for all names.
    name: String,
    /// Whether it has a visibility, as in `pub use`.
    is_public: bool,
}

/// What one file names of others.
struct FileNames {
    imports: Vec<Import>,
    /// Paths in the code that begin with `crate`, `self`, `super` or the name of a child module.
    paths: Vec<Vec<String>>,
    /// The names in the code outside of imports that may stand for an imported item.
    names: BTreeSet<String>,
}

/// Reads the tree of a `use` from `at` on. Returns the place of the sign that ends it.
fn read_tree(
    tokens: &[&str],
    mut at: usize,
    stem: &[String],
    is_public: bool,
    found: &mut Vec<Import>,
) -> usize {
    let mut path = stem.to_vec();
    let mut alias = None;
    loop {
        match tokens[at] {
            "{" => {
                loop {
                    at = read_tree(tokens, at + 1, &path, is_public, found);
                    if tokens[at] == "}" {
                        break;
                    }
                }
                return at + 1;
            }
            "," | "}" | ";" => break,
            "::" => {}
            "as" => {
                at += 1;
                alias = Some(tokens[at].to_owned());
            }
            word => path.push(word.to_owned()),
        }
        at += 1;
    }
    if path.len() > stem.len() {
        if path.last().is_some_and(|last| last == "self") && path.len() > 1 {
            path.pop();
        }
        let name = alias.or_else(|| path.last().cloned()).unwrap();
        if name == "*" {
            path.pop();
        }
        found.push(Import { path, name, is_public });
    }
    at
}

fn read_names(text: &str) -> FileNames {
    let tokens = tokens(text);
    let mut names = FileNames { imports: Vec::new(), paths: Vec::new(), names: BTreeSet::new() };
    let mut at = 0;
    while at < tokens.len() {
        let next = tokens.get(at + 1).copied().unwrap_or_default();
        let before = if at == 0 { "" } else { tokens[at - 1] };
        let is_name = tokens[at].starts_with(|c: char| c.is_alphabetic() || c == '_');
        if tokens[at] == "use" && next != "<" {
            let is_public = matches!(before, "pub" | ")");
            at = read_tree(&tokens, at + 1, &[], is_public, &mut names.imports);
        } else if before == "in" && at > 2 && tokens[at - 3] == "pub" {
            // `pub(in path)` names no item.
            at += 2;
        } else if is_name && !matches!(before, "::" | "." | "fn" | "mod") {
            let mut path = vec![tokens[at].to_owned()];
            while tokens.get(at + 1) == Some(&"::") && tokens.get(at + 2).is_some_and(|word| *word != "<") {
                at += 2;
                path.push(tokens[at].to_owned());
            }
            let is_called = matches!(tokens.get(at + 1), Some(&("(" | "!")));
            let is_item = path[0].starts_with(|c: char| c.is_uppercase());
            if path.len() > 1 || is_called || is_item {
                names.names.insert(path[0].clone());
            }
            if path.len() > 1 {
                names.paths.push(path);
            }
        }
        at += 1;
    }
    names
}

/// Which file uses which, within each module of `src`.
pub(crate) struct FileUses {
    /// What each file uses of another one, by the two files' module paths.
    uses: BTreeMap<Vec<String>, BTreeMap<Vec<String>, BTreeSet<String>>>,
    files: BTreeMap<Vec<String>, PathBuf>,
}

impl FileUses {
    /// Reads the uses of all files.
    pub(crate) fn read(sources: &[Source]) -> Self {
        let names: BTreeMap<Vec<String>, FileNames> =
            sources.iter().map(|source| (source.module_path(), read_names(&source.text))).collect();
        let mut uses: BTreeMap<_, BTreeMap<Vec<String>, BTreeSet<String>>> = BTreeMap::new();
        for (module, of_file) in &names {
            let mut used: Vec<&[String]> = Vec::new();
            for import in &of_file.imports {
                let below = defining(&names, module, &import.path, 0)
                    .is_some_and(|(file, _)| file.len() > module.len() && file.starts_with(module));
                // A re-export of a child's item is a use only if the file itself also names the item.
                if !(import.is_public && below) || of_file.names.contains(&import.name) {
                    used.push(&import.path);
                }
            }
            used.extend(of_file.paths.iter().map(Vec::as_slice));
            for path in used {
                let Some((file, item)) = defining(&names, module, path, 0) else { continue };
                if file != *module && file.first() == module.first() {
                    uses.entry(module.clone()).or_default().entry(file).or_default().extend(item);
                }
            }
        }
        let files = sources.iter().map(|source| (source.module_path(), source.path.clone())).collect();
        FileUses { uses, files }
    }

    /// The circles of files, each told in words. A circle that has all files of a shorter one is left
    /// out.
    pub(crate) fn circles(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (user, used) in &self.uses {
            found.extend(used.keys().filter_map(|file| self.way(file, user)));
        }
        found.sort_by_key(Vec::len);
        let mut kept: Vec<Vec<Vec<String>>> = Vec::new();
        for circle in found {
            if !kept.iter().any(|shorter| shorter.iter().all(|file| circle.contains(file))) {
                kept.push(circle);
            }
        }
        kept.iter().map(|circle| self.told(circle)).collect()
    }

    /// The shortest way along uses from one file to another, with both ends.
    fn way(&self, from: &Vec<String>, to: &Vec<String>) -> Option<Vec<Vec<String>>> {
        let mut before: BTreeMap<&Vec<String>, Option<&Vec<String>>> = BTreeMap::from([(from, None)]);
        let mut waiting = VecDeque::from([from]);
        while let Some(file) = waiting.pop_front() {
            if file == to {
                let back = std::iter::successors(Some(file), |file| before.get(file).copied().flatten());
                let mut way: Vec<Vec<String>> = back.cloned().collect();
                way.reverse();
                return Some(way);
            }
            for next in self.uses.get(file).into_iter().flat_map(BTreeMap::keys) {
                before.entry(next).or_insert_with(|| {
                    waiting.push_back(next);
                    Some(file)
                });
            }
        }
        None
    }

    fn told(&self, circle: &[Vec<String>]) -> String {
        let next = circle.iter().cycle().skip(1);
        let steps: Vec<String> = circle
            .iter()
            .zip(next)
            .map(|(user, file)| {
                let what: Vec<&str> = self.uses[user][file].iter().map(String::as_str).collect();
                let what = if what.is_empty() { "the file".to_owned() } else { what.join(", ") };
                format!("{} uses {} ({what})", self.name(user), self.name(file))
            })
            .collect();
        steps.join(", and ")
    }

    fn name(&self, file: &[String]) -> String {
        self.files.get(file).map_or_else(|| file.join("::"), |path| format!("src/{}", path.display()))
    }
}

/// The module path of the file that defines what a path names, and the item, unless the path names
/// the whole file. `None` for other crates.
fn defining(
    names: &BTreeMap<Vec<String>, FileNames>,
    module: &[String],
    path: &[String],
    reexports: usize,
) -> Option<(Vec<String>, Option<String>)> {
    let mut at = module.to_vec();
    for (nth, word) in path.iter().enumerate() {
        match word.as_str() {
            "crate" => at.clear(),
            "super" => {
                at.pop();
            }
            "self" => {}
            word => {
                let child = [&at[..], &[word.to_owned()]].concat();
                if names.contains_key(&child) {
                    at = child;
                    continue;
                }
                let is_named = |import: &&Import| import.name == word && import.path != path;
                let import = names.get(&at).and_then(|file| file.imports.iter().find(is_named));
                return match import {
                    Some(import) if reexports < REEXPORTS_MAX => {
                        let path = [&import.path[..], &path[nth + 1..]].concat();
                        defining(names, &at, &path, reexports + 1)
                    }
                    // A path that begins with the name of another crate, or of an item of the file.
                    _ if nth == 0 => None,
                    _ => Some((at, Some(word.to_owned()))),
                };
            }
        }
    }
    Some((at, None))
}
