//! A receiver on this machine that answers with bytes, whatever it is asked.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

pub struct Receiver {
    port: u16,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    answer: Vec<u8>,
    /// Sent again and again after the answer, with a pause after each.
    again: Option<(Vec<u8>, Duration)>,
    /// Says nothing at all.
    is_silent: bool,
    connections: AtomicUsize,
    sent: AtomicUsize,
    heard: Mutex<Vec<String>>,
    ended: Notify,
}

impl Receiver {
    /// Answers with these bytes and closes the connection.
    pub async fn start(answer: Vec<u8>) -> Self {
        Self::with(Shared { answer, ..Shared::default() }).await
    }

    /// Answers with these bytes, and then with others without an end.
    pub async fn repeat(answer: Vec<u8>, again: Vec<u8>, pause: Duration) -> Self {
        Self::with(Shared { answer, again: Some((again, pause)), ..Shared::default() }).await
    }

    /// Takes the request and says nothing.
    pub async fn silent() -> Self {
        Self::with(Shared { is_silent: true, ..Shared::default() }).await
    }

    async fn with(shared: Shared) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let shared = Arc::new(shared);
        let serving = shared.clone();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                serving.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serving.clone().serve(stream));
            }
        });
        Self { port, shared, task }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// The requests, whole, in their order.
    pub fn heard(&self) -> Vec<String> {
        self.shared.heard.lock().expect("nobody panics").clone()
    }

    /// Waits until the other side has gone; answers how many bytes were sent.
    pub async fn ended(&self) -> usize {
        self.shared.ended.notified().await;
        self.shared.sent.load(Ordering::SeqCst)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    async fn serve(self: Arc<Self>, mut stream: TcpStream) {
        let Some(request) = read_request(&mut stream).await else { return };
        self.heard.lock().expect("nobody panics").push(request);
        if self.is_silent {
            // Until the other side goes.
            let _ = stream.read(&mut [0]).await;
        } else {
            let _ = self.answer(&mut stream).await;
        }
        self.ended.notify_one();
    }

    async fn answer(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        stream.write_all(&self.answer).await?;
        let Some((again, pause)) = &self.again else { return stream.shutdown().await };
        loop {
            stream.write_all(again).await?;
            self.sent.fetch_add(again.len(), Ordering::SeqCst);
            if !pause.is_zero() {
                tokio::time::sleep(*pause).await;
            }
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&bytes);
        if bytes.first() == Some(&0x16) {
            // A greeting of TLS is all that it says until it is answered.
            return Some(String::new());
        }
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.map_or(0, |length| length.parse().expect("a number"));
        if body.len() >= length {
            return Some(text.into_owned());
        }
    }
}
