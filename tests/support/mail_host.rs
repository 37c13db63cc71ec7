//! Mail servers on loopback that say what a test tells them to say.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// The longest time that a server waits for its client.
const CLIENT_LIMIT: Duration = Duration::from_secs(20);

/// A server that counts its clients and keeps what they said.
#[derive(Clone)]
pub(crate) struct MailHost {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
    clients: Arc<Mutex<Vec<IpAddr>>>,
    now: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

/// A connection to a client, in clear text or in TLS.
pub(crate) trait Connection: Read + Write {}

impl<T: Read + Write> Connection for T {}

impl MailHost {
    /// Serves every client on an address by a function, in a thread of its own. The threads end with the
    /// test's process.
    pub(crate) fn serving(at: &str, serve: impl Fn(TcpStream, &MailHost) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(at).unwrap();
        let host = MailHost {
            address: listener.local_addr().unwrap(),
            heard: Arc::default(),
            clients: Arc::default(),
            now: Arc::default(),
            most: Arc::default(),
        };
        let (serve, made) = (Arc::new(serve), host.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (serve, host) = (Arc::clone(&serve), made.clone());
                std::thread::spawn(move || {
                    stream.set_read_timeout(Some(CLIENT_LIMIT)).unwrap();
                    stream.set_write_timeout(Some(CLIENT_LIMIT)).unwrap();
                    host.clients.lock().unwrap().push(stream.peer_addr().unwrap().ip());
                    let now = host.now.fetch_add(1, Ordering::SeqCst) + 1;
                    host.most.fetch_max(now, Ordering::SeqCst);
                    serve(stream, &host);
                    host.now.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        host
    }

    /// Greets, and answers each line by a function. An empty answer closes the connection.
    pub(crate) fn answering(at: &str, answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        MailHost::serving(at, move |stream, host| {
            let _ = host.converse(stream, Some("220 mx.relay.example ESMTP\r\n"), &answer);
        })
    }

    /// Talks until the client leaves, the answer is empty, or it is the answer to STARTTLS. Returns the
    /// connection.
    pub(crate) fn converse<S: Connection>(
        &self,
        stream: S,
        greeting: Option<&str>,
        answer: &(impl Fn(&str) -> String + ?Sized),
    ) -> std::io::Result<Option<S>> {
        let mut stream = BufReader::with_capacity(1_024, stream);
        stream.get_mut().write_all(greeting.unwrap_or_default().as_bytes())?;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line)? == 0 {
                return Ok(None);
            }
            let line = line.trim_end().to_owned();
            self.heard.lock().unwrap().push(line.clone());
            let reply = answer(&line);
            if reply.is_empty() {
                return Ok(None);
            }
            stream.get_mut().write_all(reply.as_bytes())?;
            stream.get_mut().flush()?;
            if line == "STARTTLS" && reply.starts_with("220") {
                return Ok(Some(stream.into_inner()));
            }
        }
    }

    /// All lines that clients said.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    /// The addresses of all clients.
    pub(crate) fn clients(&self) -> Vec<IpAddr> {
        self.clients.lock().unwrap().clone()
    }

    /// How many clients there are now.
    pub(crate) fn open(&self) -> usize {
        self.now.load(Ordering::SeqCst)
    }

    /// The most clients at one time.
    pub(crate) fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }
}

/// A server that takes postmaster, and answers about other recipients with one reply.
pub(crate) fn about_others(reply: &str) -> impl Fn(&str) -> String + Send + Sync + 'static {
    let reply = reply.to_owned();
    move |line| match line.split([' ', ':']).next().unwrap_or_default() {
        "EHLO" => "250-mx.relay.example\r\n250 SIZE 1000\r\n".to_owned(),
        "QUIT" => "221 bye\r\n".to_owned(),
        "RCPT" if !line.contains("<postmaster@") => format!("{reply}\r\n"),
        _ => "250 ok\r\n".to_owned(),
    }
}

/// Begins TLS with a certificate that nobody signed.
pub(crate) fn secured(stream: TcpStream) -> StreamOwned<ServerConnection, TcpStream> {
    let made = rcgen::generate_simple_self_signed(["mx.relay.example".to_owned()]).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    StreamOwned::new(ServerConnection::new(Arc::new(config)).unwrap(), stream)
}
