//! The connection to the server of a second store: commands of many questions on their way at once,
//! each question with its deadline, and a pause after trouble that doubles.

use std::collections::VecDeque;
use std::io;
use std::rc::Rc;

use tokio::net::TcpStream;
use tokio::time::{sleep, sleep_until, timeout};

use super::resp::{Reply, put_command, take_reply};
use super::{Fleet, Waiting, add};
use crate::limits::{
    FLEET_CONNECT_WAIT, FLEET_INPUT_MAX, FLEET_LATE_MAX, FLEET_OUTPUT_MAX, FLEET_PAUSE_MAX,
    FLEET_PAUSE_MIN, FLEET_PENDING_MAX, FLEET_WAIT, READ_BYTES,
};
use crate::logging::log;
use crate::worker::Worker;

/// Talks to the server until the second store is closed.
pub(crate) async fn run(worker: Rc<Worker>, fleet: Rc<Fleet>) {
    let shown = fleet.address.shown();
    let mut pause = FLEET_PAUSE_MIN;
    let mut said = false;
    while !fleet.is_closed.get() {
        let error = match timeout(FLEET_CONNECT_WAIT, connect(&fleet)).await {
            Ok(Ok(stream)) => {
                log!(Notice, "cache", "{shown} is in use as second level of the cache");
                said = false;
                fleet.is_up.set(true);
                let mut session = Session::new(&worker, &fleet, stream);
                let error = session.serve().await;
                fleet.is_up.set(false);
                if session.was_of_use {
                    pause = FLEET_PAUSE_MIN;
                }
                session.release_all();
                error
            }
            Ok(Err(error)) => error,
            Err(_) => io::ErrorKind::TimedOut.into(),
        };
        if fleet.is_closed.get() {
            break;
        }
        add(&fleet.counters.failed, 1);
        if !std::mem::replace(&mut said, true) {
            log!(
                Warning,
                "cache",
                "{shown}: {error}; service goes on without a second level of the cache"
            );
        }
        tokio::select! {
            () = sleep(pause) => {}
            // It is being closed.
            () = fleet.work.notified() => {}
        }
        pause = (pause * 2).min(FLEET_PAUSE_MAX);
    }
    worker.turn("end of the second level", |_, _| ());
}

/// Connects and says who we are.
async fn connect(fleet: &Fleet) -> io::Result<TcpStream> {
    let address = &fleet.address;
    let stream = TcpStream::connect((address.host.as_str(), address.port)).await?;
    stream.set_nodelay(true)?;
    let mut out = Vec::new();
    let mut commands = 0;
    if let Some(password) = &address.password {
        match &address.user {
            Some(user) => {
                put_command(&mut out, &[b"AUTH", user.as_bytes(), password.as_bytes()]);
            }
            None => put_command(&mut out, &[b"AUTH", password.as_bytes()]),
        }
        commands += 1;
    }
    put_command(&mut out, &[b"SELECT", address.database.to_string().as_bytes()]);
    commands += 1;
    let mut sent = 0;
    let mut input = Vec::new();
    while commands > 0 {
        if let Some(rest) = out.get(sent..).filter(|rest| !rest.is_empty()) {
            stream.writable().await?;
            match stream.try_write(rest) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            continue;
        }
        stream.readable().await?;
        match stream.try_read_buf(&mut input) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
            _ => {}
        }
        let mut rest = &input[..];
        while let Some(reply) = take_reply(&mut rest).map_err(|_| not_a_server())? {
            match reply {
                Reply::Done => commands -= 1,
                Reply::Error(text) => return Err(io::Error::other(text)),
                Reply::Values(_) => return Err(not_a_server()),
            }
        }
        let taken = input.len() - rest.len();
        input.drain(..taken);
        if input.len() > FLEET_INPUT_MAX {
            return Err(not_a_server());
        }
    }
    Ok(stream)
}

fn not_a_server() -> io::Error {
    io::Error::other("what answers there does not speak Redis' protocol")
}

/// What the next reply is for.
enum Expected {
    /// A question; nothing if it has not waited for it.
    Question(Option<Waiting>),
    /// An entry that was told.
    Written,
}

/// One connection.
struct Session<'a> {
    worker: &'a Rc<Worker>,
    fleet: &'a Rc<Fleet>,
    stream: TcpStream,
    out: Vec<u8>,
    input: Vec<u8>,
    expected: VecDeque<Expected>,
    /// Questions in a row that were answered too late.
    late: u32,
    /// Something was answered in time.
    was_of_use: bool,
}

impl<'a> Session<'a> {
    fn new(worker: &'a Rc<Worker>, fleet: &'a Rc<Fleet>, stream: TcpStream) -> Session<'a> {
        Session {
            worker,
            fleet,
            stream,
            out: Vec::new(),
            input: Vec::new(),
            expected: VecDeque::new(),
            late: 0,
            was_of_use: false,
        }
    }

    /// Serves until something is wrong with it; what that is.
    async fn serve(&mut self) -> io::Error {
        loop {
            self.fill();
            if let Err(error) = self.write() {
                return error;
            }
            if self.fleet.is_closed.get() {
                return io::ErrorKind::NotConnected.into();
            }
            let deadline = self.first_deadline();
            let due = async {
                match deadline {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                ready = self.stream.readable() => {
                    if let Err(error) = ready.and_then(|()| self.read()) {
                        return error;
                    }
                }
                ready = self.stream.writable(), if !self.out.is_empty() => {
                    if let Err(error) = ready {
                        return error;
                    }
                }
                () = self.fleet.work.notified() => {}
                () = due => {
                    self.release_late();
                    if self.late > FLEET_LATE_MAX {
                        return io::ErrorKind::TimedOut.into();
                    }
                }
            }
        }
    }

    /// Composes commands, questions first.
    fn fill(&mut self) {
        while self.out.len() < FLEET_OUTPUT_MAX && self.expected.len() < FLEET_PENDING_MAX {
            if let Some(question) = self.fleet.questions.borrow_mut().pop_front() {
                let words: Vec<&[u8]> =
                    [&b"MGET"[..]].into_iter().chain(question.keys.iter().map(|k| &**k)).collect();
                put_command(&mut self.out, &words);
                self.expected.push_back(Expected::Question(Some(question)));
            } else if let Some(write) = self.fleet.writes.borrow_mut().pop_front() {
                let seconds = write.seconds.to_string();
                let words: [&[u8]; 5] =
                    [b"SET", &write.key, &write.value, b"EX", seconds.as_bytes()];
                put_command(&mut self.out, &words);
                self.expected.push_back(Expected::Written);
            } else {
                return;
            }
        }
    }

    fn write(&mut self) -> io::Result<()> {
        while !self.out.is_empty() {
            match self.stream.try_write(&self.out) {
                Ok(count) => drop(self.out.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads what has come and answers the questions that waited for it.
    fn read(&mut self) -> io::Result<()> {
        let before = self.input.len();
        if before > FLEET_INPUT_MAX {
            return Err(not_a_server());
        }
        self.input.reserve(READ_BYTES);
        match self.stream.try_read_buf(&mut self.input) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
        let input = std::mem::take(&mut self.input);
        let mut rest = &input[..];
        let mut answered: Vec<(Waiting, Vec<Option<&[u8]>>)> = Vec::new();
        let mut result = Ok(());
        let counters = &self.fleet.counters;
        loop {
            let reply = match take_reply(&mut rest) {
                Ok(Some(reply)) => reply,
                Ok(None) => break,
                Err(_) => {
                    result = Err(not_a_server());
                    break;
                }
            };
            match (self.expected.pop_front(), reply) {
                (Some(Expected::Written), Reply::Done) => add(&counters.written, 1),
                (Some(Expected::Question(waiting)), Reply::Values(values)) => {
                    self.late = 0;
                    self.was_of_use = true;
                    answered.extend(waiting.map(|waiting| (waiting, values)));
                }
                (Some(Expected::Question(waiting)), Reply::Error(_)) => {
                    add(&counters.failed, 1);
                    answered.extend(waiting.map(|waiting| (waiting, Vec::new())));
                }
                (Some(Expected::Written), Reply::Error(_)) => add(&counters.failed, 1),
                (other, _) => {
                    if let Some(Expected::Question(Some(waiting))) = other {
                        answered.push((waiting, Vec::new()));
                    }
                    result = Err(not_a_server());
                    break;
                }
            }
        }
        self.answer(answered);
        let taken = input.len() - rest.len();
        self.input = input;
        self.input.drain(..taken);
        result
    }

    /// Takes over what was found, and then answers the questions in the ordinary way.
    fn answer(&self, answered: Vec<(Waiting, Vec<Option<&[u8]>>)>) {
        if answered.is_empty() {
            return;
        }
        let fleet = self.fleet;
        fleet.waiting.set(fleet.waiting.get().saturating_sub(answered.len()));
        for (waiting, values) in answered {
            self.worker.turn("answer of the second level", |core, now| {
                for (key, value) in waiting.keys.iter().zip(values) {
                    let Some(value) = value else { continue };
                    let taken = core.import_from_fleet(now, key, value);
                    let counters = &fleet.counters;
                    add(if taken { &counters.found } else { &counters.refused }, 1);
                }
                core.handle_request(now, waiting.client, &waiting.wire);
            });
        }
    }

    /// When the first of those who wait has waited long enough.
    fn first_deadline(&self) -> Option<tokio::time::Instant> {
        let sent = self.expected.iter().find_map(|expected| match expected {
            Expected::Question(Some(waiting)) => Some(waiting.since),
            _ => None,
        });
        let since = sent.or_else(|| self.fleet.questions.borrow().front().map(|q| q.since));
        since.map(|since| self.worker.clock.instant(since + FLEET_WAIT))
    }

    /// Answers the questions that have waited long enough.
    fn release_late(&mut self) {
        let now = self.worker.now().mono;
        let is_late = |waiting: &Waiting| now.since(waiting.since) >= FLEET_WAIT;
        let mut late = Vec::new();
        for expected in &mut self.expected {
            if let Expected::Question(waiting) = expected
                && let Some(waiting) = waiting.take_if(|waiting| is_late(waiting))
            {
                late.push((waiting, Vec::new()));
            }
        }
        while let Some(waiting) = self.fleet.questions.borrow_mut().pop_front_if(|w| is_late(w)) {
            late.push((waiting, Vec::new()));
        }
        add(&self.fleet.counters.late, late.len());
        self.late = self.late.saturating_add(u32::try_from(late.len()).unwrap_or(u32::MAX));
        self.answer(late);
    }

    /// Answers all questions that wait, and forgets what was to be told.
    fn release_all(&mut self) {
        let sent = self.expected.drain(..).filter_map(|expected| match expected {
            Expected::Question(waiting) => waiting,
            Expected::Written => None,
        });
        let mut all: Vec<(Waiting, Vec<Option<&[u8]>>)> =
            sent.map(|waiting| (waiting, Vec::new())).collect();
        all.extend(self.fleet.questions.borrow_mut().drain(..).map(|w| (w, Vec::new())));
        let forgotten = self.fleet.writes.borrow_mut().drain(..).count();
        add(&self.fleet.counters.dropped, forgotten);
        self.answer(all);
    }
}
