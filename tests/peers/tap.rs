//! The sound of one party: a UDP socket that says a tone and hears what comes, in real time.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use baton_signaling::Time;
use baton_tests::codec::Codec;
use baton_tests::dice::Dice;
use baton_tests::sound::{Ear, Mouth};
use baton_tests::tone::{Heard, Tone};

/// A party's mouth and ear.
pub(crate) struct Tap {
    pub(crate) name: &'static str,
    pub(crate) tone: Tone,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    begun: Instant,
    stop: AtomicBool,
    quiet: AtomicBool,
    /// Where to speak to; silent until it is known.
    remote: Mutex<Option<SocketAddr>>,
    ear: Mutex<Ear>,
}

impl Shared {
    fn now(&self) -> Time {
        Time::from_micros(self.begun.elapsed().as_micros() as u64)
    }
}

impl Tap {
    /// A tap that hears from the start and speaks once it knows whereto. All taps of a bench count time from `begun`.
    pub(crate) fn new(name: &'static str, address: SocketAddr, tone: Tone, begun: Instant) -> Self {
        let socket = UdpSocket::bind(address).unwrap_or_else(|e| panic!("{name}: {address}: {e}"));
        let mut ear = Ear::default();
        ear.expect(&[(0, Codec::Pcmu), (8, Codec::Pcma)], &[101]);
        let shared = Arc::new(Shared {
            begun,
            stop: AtomicBool::new(false),
            quiet: AtomicBool::new(false),
            remote: Mutex::new(None),
            ear: Mutex::new(ear),
        });
        let in_thread = shared.clone();
        let thread = std::thread::spawn(move || speak_and_hear(&socket, tone, &in_thread));
        Self { name, tone, address, shared, thread: Some(thread) }
    }

    /// Speaks to this address from now on.
    pub(crate) fn speak_to(&self, remote: SocketAddr) {
        *self.shared.remote.lock().expect("the tap lives") = Some(remote);
    }

    /// Says silence from now on, or its tone.
    pub(crate) fn quiet(&self, quiet: bool) {
        self.shared.quiet.store(quiet, Ordering::Relaxed);
    }

    /// Says nothing more at all.
    pub(crate) fn fall_silent(&self) {
        *self.shared.remote.lock().expect("the tap lives") = None;
    }

    /// The present, as the ear counts it.
    pub(crate) fn now(&self) -> Time {
        self.shared.now()
    }

    /// Whom it heard in the 300 ms before now.
    pub(crate) fn heard(&self) -> Heard {
        let now = self.now();
        self.shared.ear.lock().expect("the tap lives").heard(now - Duration::from_millis(300), now)
    }

    /// Something about what it heard.
    pub(crate) fn ear<T>(&self, ask: impl FnOnce(&Ear) -> T) -> T {
        ask(&self.shared.ear.lock().expect("the tap lives"))
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It ends within its read timeout; a panic in it has been printed.
            _ = thread.join();
        }
    }
}

fn speak_and_hear(socket: &UdpSocket, tone: Tone, shared: &Shared) {
    let mut mouth = Mouth::new(tone, &mut Dice::new(u64::from(tone.0), 7));
    let mut buffer = [0; 2048];
    socket.set_read_timeout(Some(Duration::from_millis(2))).expect("a timeout can be set");
    while !shared.stop.load(Ordering::Relaxed) {
        let remote = *shared.remote.lock().expect("nobody panics with it");
        match remote {
            Some(_) => mouth.open(shared.now(), Codec::Pcmu, 0, 20),
            None => mouth.shut(),
        }
        mouth.quiet = shared.quiet.load(Ordering::Relaxed);
        if let (Some(remote), Some(packet)) = (remote, mouth.poll(shared.now())) {
            _ = socket.send_to(&packet, remote);
        }
        // An error is the end of the timeout, or ICMP for a port that has been closed.
        if let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let now = shared.now();
            shared.ear.lock().expect("nobody panics with it").handle(now, from, &buffer[..length]);
        }
    }
}
