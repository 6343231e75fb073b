//! The metrics listener: `GET /metrics`, `/healthz`, `/readyz` over HTTP/1.1, read-only.
//!
//! Nothing can be changed through it, so it needs no authentication; connections, header size and time are bounded, so
//! that a slow or hostile client costs little. Not for: control (issue 5 gives that a Unix socket).

use super::Metrics;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// Connections at once. For a further one the oldest is closed: who sends its request at once is answered at once, so it is
/// a slow client's.
pub const CONNECTIONS_MAX: usize = 32;
/// Time for a client to send its request.
const HEADER_TIME: Duration = Duration::from_secs(1);
/// Time for a whole connection, which carries one request.
const CONNECTION_TIME: Duration = Duration::from_secs(15);
/// The engine is taken for stuck after this time without a beat.
pub const BEAT_MAX: Duration = Duration::from_secs(10);

/// Why the listener could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} for metrics: {source}")]
pub struct BindError {
    /// The address.
    pub address: SocketAddr,
    /// Why.
    #[source]
    pub source: std::io::Error,
}

impl BindError {
    /// What the operator can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self.source.kind() {
            std::io::ErrorKind::AddrInUse => "another program, perhaps another agentmon, has this port: set metrics.listen",
            std::io::ErrorKind::AddrNotAvailable => "this host has no such address: set metrics.listen",
            std::io::ErrorKind::PermissionDenied => "ports below 1024 need privileges: set metrics.listen",
            _ => "set metrics.listen, or metrics.enabled = false",
        }
    }
}

/// Whether agentmon is well, as seen by the threads that do its work.
#[derive(Debug)]
pub struct Health {
    started: Instant,
    beat_ms: AtomicU64,
    ready: AtomicBool,
}

impl Default for Health {
    fn default() -> Self {
        Self { started: Instant::now(), beat_ms: AtomicU64::new(0), ready: AtomicBool::new(false) }
    }
}

impl Health {
    /// The engine's loop went round: call it at least once a second, also when idle.
    pub fn beat(&self) {
        self.beat_ms.store(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Says whether the programs are attached and the rules loaded.
    pub fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Relaxed);
    }

    fn since_beat(&self) -> Duration {
        self.started.elapsed().saturating_sub(Duration::from_millis(self.beat_ms.load(Ordering::Relaxed)))
    }
}

/// Opens the listener. Needs no runtime, so that a port in use is known before anything is started.
///
/// # Errors
/// [`BindError`].
pub fn bind(address: SocketAddr) -> Result<std::net::TcpListener, BindError> {
    let failed = |source| BindError { address, source };
    let listener = std::net::TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

/// Answers until it is dropped. `listener` is one of [`bind`].
///
/// # Errors
/// When the runtime cannot take the listener.
pub async fn serve(listener: std::net::TcpListener, metrics: Arc<Metrics>, health: Arc<Health>) -> std::io::Result<Infallible> {
    let listener = TcpListener::from_std(listener)?;
    let mut served: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, mostly: a moment later there may be some.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let (metrics, health) = (Arc::clone(&metrics), Arc::clone(&health));
        served.retain(|connection| !connection.is_finished());
        if served.len() >= CONNECTIONS_MAX
            && let Some(oldest) = served.pop_front()
        {
            oldest.abort();
        }
        let answered = tokio::spawn(async move {
            // A client that breaks off or takes too long is its own loss.
            let _ = tokio::time::timeout(CONNECTION_TIME, connection(stream, &metrics, &health)).await;
        });
        served.push_back(answered.abort_handle());
        // Before others are accepted: a request that is there already is answered now.
        tokio::task::yield_now().await;
    }
}

async fn connection(stream: TcpStream, metrics: &Metrics, health: &Health) -> Result<(), hyper::Error> {
    let answer = service_fn(|request: Request<Incoming>| async move { Ok::<_, Infallible>(answer(&request, metrics, health)) });
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADER_TIME).max_buf_size(16 << 10).keep_alive(false);
    http.serve_connection(TokioIo::new(stream), answer).await
}

fn answer<B>(request: &Request<B>, metrics: &Metrics, health: &Health) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "this listener is read-only\n");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match request.uri().path() {
        "/metrics" => match metrics.text() {
            Ok(text) => plain(StatusCode::OK, text),
            Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        },
        "/healthz" if health.since_beat() <= BEAT_MAX => plain(StatusCode::OK, "ok\n"),
        "/healthz" => plain(StatusCode::SERVICE_UNAVAILABLE, "the engine's loop stands still\n"),
        "/readyz" if health.ready.load(Ordering::Relaxed) => plain(StatusCode::OK, "ok\n"),
        "/readyz" => plain(StatusCode::SERVICE_UNAVAILABLE, "the programs are not attached\n"),
        _ => plain(StatusCode::NOT_FOUND, "there are /metrics, /healthz and /readyz\n"),
    }
}

fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("{request} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    fn run(test: impl AsyncFnOnce(SocketAddr, Arc<Health>)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
            let address = listener.local_addr().unwrap();
            let health = Arc::new(Health::default());
            let server = tokio::spawn(serve(listener, Arc::new(Metrics::new("1.2.3").unwrap()), Arc::clone(&health)));
            test(address, health).await;
            server.abort();
        });
    }

    #[test]
    fn it_answers_three_paths_and_changes_nothing() {
        run(async |address, health| {
            let metrics = ask(address, "GET /metrics?x=1").await;
            assert!(metrics.starts_with("HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{metrics}");
            assert!(metrics.contains("\nagentmon_build_info{version=\"1.2.3\"} 1\n"), "{metrics}");
            assert!(metrics.contains("\nprocess_resident_memory_bytes "), "{metrics}");
            assert!(ask(address, "GET /healthz").await.starts_with("HTTP/1.1 200"));
            assert!(ask(address, "GET /readyz").await.starts_with("HTTP/1.1 503"));
            health.set_ready(true);
            health.beat();
            assert!(ask(address, "GET /readyz").await.starts_with("HTTP/1.1 200"));
            assert!(ask(address, "GET /kill").await.starts_with("HTTP/1.1 404"));
            for method in ["POST", "DELETE", "PUT"] {
                assert!(ask(address, &format!("{method} /metrics")).await.starts_with("HTTP/1.1 405"));
            }
        });
    }

    #[test]
    fn silent_clients_do_not_keep_others_out() {
        run(async |address, _| {
            let mut silent = Vec::new();
            // Too many to be waited for in turn: each batch would have its time.
            let last = async {
                for _ in 0..12 * CONNECTIONS_MAX {
                    let mut client = TcpStream::connect(address).await.unwrap();
                    client.write_all(b"GET /heal").await.unwrap();
                    silent.push(client);
                }
                ask(address, "GET /healthz").await
            };
            let answer = tokio::time::timeout(Duration::from_secs(5), last).await;
            assert!(answer.expect("an answer").starts_with("HTTP/1.1"));
            let closed = tokio::time::timeout(Duration::from_secs(5), silent[0].read(&mut [0])).await;
            assert!(!matches!(closed.unwrap(), Ok(1..)), "the oldest had to go");
        });
    }

    #[test]
    fn a_port_in_use_is_named_with_a_hint() {
        let first = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = first.local_addr().unwrap();
        let error = bind(address).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot listen on {address} for metrics: Address already in use (os error 98)"));
        assert!(error.hint().contains("another agentmon"));
    }
}
