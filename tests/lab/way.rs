//! What stands between this machine and GitHub, on this machine: an authority that signs certificates, and a proxy.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// An authority that nobody believes unless told to, and a server of 127.0.0.1 that it vouches for.
pub struct Authority {
    /// The file with its certificate.
    pub certificate: PathBuf,
    /// How the server shows itself.
    pub server: Arc<ServerConfig>,
}

impl Authority {
    /// One made in `folder`; `None` where there is no `openssl`.
    pub fn make(folder: &Path) -> Option<Self> {
        let script = "set -e
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=authority \
                -keyout ca.key -out ca.pem
            openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=server \
                -keyout server.key -out server.csr
            printf 'subjectAltName=IP:127.0.0.1\\nbasicConstraints=CA:FALSE\\n' > server.ext
            openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile server.ext \
                -out server.pem";
        std::fs::create_dir_all(folder).expect("the folder is ours");
        let made = Command::new("sh").args(["-c", script]).current_dir(folder).stdin(Stdio::null()).output();
        if !made.is_ok_and(|made| made.status.success()) {
            return None;
        }
        let certificate = CertificateDer::from_pem_file(folder.join("server.pem")).expect("it was made");
        let key = PrivateKeyDer::from_pem_file(folder.join("server.key")).expect("it was made");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has them")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("they belong together");
        Some(Self { certificate: folder.join("ca.pem"), server: Arc::new(server) })
    }
}

/// A proxy that opens tunnels, and remembers who asked for one.
pub struct Proxy {
    /// Where it listens, as `127.0.0.1:4001`.
    pub place: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// One that refuses everybody who does not give these words as `Proxy-Authorization`, where there are any.
    pub fn start(wanted: Option<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let place = listener.local_addr().expect("it listens").to_string();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let remembered = Arc::clone(&asked);
        // It ends with the process: a few threads that wait.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let remembered = Arc::clone(&remembered);
                std::thread::spawn(move || tunnel(stream, wanted, &remembered));
            }
        });
        Self { place, asked }
    }

    /// What it was asked since the last time, a head each.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().expect("no tunnel panics"))
    }
}

fn tunnel(mut client: TcpStream, wanted: Option<&str>, asked: &Mutex<Vec<String>>) {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && head.len() < 10_000 {
        if client.read(&mut byte).unwrap_or(0) == 0 {
            return;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    asked.lock().expect("no tunnel panics").push(head.clone());
    if wanted.is_some_and(|wanted| !head.contains(wanted)) {
        let _ = client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n");
        return;
    }
    let target = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()).unwrap_or_default();
    let Ok(mut server) = TcpStream::connect(target) else { return };
    let _ = client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n");
    let (Ok(mut from), Ok(mut to)) = (client.try_clone(), server.try_clone()) else { return };
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Write);
    });
    let _ = std::io::copy(&mut server, &mut client);
    let _ = client.shutdown(std::net::Shutdown::Both);
}
