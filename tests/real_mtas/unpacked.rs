//! Mail servers that cannot be installed beside Postfix. `tests/run` unpacks their packages into folders.
//! A server runs in a root of its own: this machine's, with the packages and the test's files on top.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The folder with a folder for each unpacked server.
const UNPACKED: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/mail-servers");
/// The user ids of the servers' accounts begin here.
const FIRST_ACCOUNT: usize = 61_000;
/// Makes the root in the mount namespace that `ip netns exec` has made, and enters it. $1 is the folder
/// of the server, $2 the folder of its packages, $3 the name of its host, $4 what to run inside. The top layer is in memory,
/// because the layers of an overlay must not contain each other.
const ENTER: &str = r#"
mount -t tmpfs layer "$1/layer"
mkdir "$1/layer/top" "$1/layer/work"
cp -a "$2/." "$1/files/." "$1/layer/top"
cp /etc/resolv.conf "$1/layer/top/etc"
mount -t overlay root -o "lowerdir=/,upperdir=$1/layer/top,workdir=$1/layer/work" "$1/root"
mount --rbind /dev "$1/root/dev"
mount -t proc proc "$1/root/proc"
mount -t tmpfs run "$1/root/run"
mount --bind "$1/log" "$1/root/var/log"
PATH=/usr/sbin:/usr/bin exec unshare --uts chroot "$1/root" sh -ec "hostname $3
$4"
"#;

/// A mail server, as its packages make it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Software {
    /// The name of its folder.
    pub(crate) name: &'static str,
    /// A file of its packages.
    pub(crate) program: &'static str,
    /// The accounts that its packages make, with groups of the same names.
    pub(crate) accounts: &'static [&'static str],
    /// The commands that start it. The last one replaces the shell, and stays in the foreground.
    pub(crate) start: &'static str,
}

/// A running server, which is stopped when the value is dropped.
pub(crate) struct Unpacked {
    child: Child,
    folder: PathBuf,
}

impl Software {
    fn packages(self) -> PathBuf {
        Path::new(UNPACKED).join(self.name)
    }

    /// The file without which it cannot run.
    pub(crate) fn needed(self) -> PathBuf {
        self.packages().join(self.program)
    }

    /// Starts the server in a namespace, on a host of this full name. `files` are files in its root, by their
    /// paths without the first slash.
    pub(crate) fn start(
        self,
        namespace: &str,
        name: &str,
        folder: &Path,
        files: &[(&str, String)],
    ) -> Unpacked {
        for directory in ["layer", "root", "log", "files/etc"] {
            fs::create_dir_all(folder.join(directory)).unwrap();
        }
        // Every account may write logs.
        fs::set_permissions(folder.join("log"), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        let (users, groups) = self.accounts();
        let hosts = format!("127.0.0.1 localhost\n127.0.1.1 {name}\n");
        let own = [("etc/passwd", users), ("etc/group", groups), ("etc/hosts", hosts)];
        for (path, contents) in own.iter().chain(files) {
            let path = folder.join("files").join(path);
            fs::create_dir_all(path.parent().expect("a file in a folder")).unwrap();
            fs::write(path, contents).unwrap();
        }
        let log = fs::File::create(folder.join("log/console")).unwrap();
        let child = Command::new("ip")
            .args(["netns", "exec", namespace, "sh", "-ec", ENTER, "sh"])
            .args([folder, &self.packages()])
            .args([name, self.start])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("ip starts");
        Unpacked { child, folder: folder.to_owned() }
    }

    /// The account files of this machine with the server's accounts.
    fn accounts(self) -> (String, String) {
        let mut users = fs::read_to_string("/etc/passwd").unwrap();
        let mut groups = fs::read_to_string("/etc/group").unwrap();
        for (nth, name) in self.accounts.iter().enumerate() {
            let id = FIRST_ACCOUNT + nth;
            users.push_str(&format!("{name}:x:{id}:{id}::/nonexistent:/usr/sbin/nologin\n"));
            groups.push_str(&format!("{name}:x:{id}:\n"));
        }
        (users, groups)
    }
}

impl Unpacked {
    /// All logs.
    pub(crate) fn log(&self) -> String {
        let files = fs::read_dir(self.folder.join("log")).unwrap().flatten();
        files.map(|file| fs::read_to_string(file.path()).unwrap_or_default()).collect()
    }
}

impl Drop for Unpacked {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
