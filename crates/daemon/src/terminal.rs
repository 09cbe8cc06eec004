//! The console of a program that somebody has started on a terminal. The prompt waits in a thread of
//! its own; commands come from there to the loop, and answers go back.

use std::io::Write;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::thread;

use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};
use tokio::sync::{mpsc, oneshot};

use crate::logging::log;
use crate::prompt::{self, Backend};
use crate::service::Service;

/// A command on its way to the loop.
struct Command {
    text: String,
    answer: oneshot::Sender<Result<String, String>>,
}

/// The prompt's side.
struct Loop(mpsc::Sender<Command>);

impl Backend for Loop {
    fn run(&mut self, command: &str) -> Option<Result<String, String>> {
        let (answer, answered) = oneshot::channel();
        self.0.blocking_send(Command { text: command.to_owned(), answer }).ok()?;
        answered.blocking_recv().ok()
    }

    fn interrupt(&mut self) {
        let _ended = self.run("quit()");
    }
}

/// The terminal as it was found, put back at the end: the prompt may be in the middle of a line.
pub(crate) struct Found(Option<Termios>);

impl Found {
    pub(crate) fn now() -> Found {
        Found(tcgetattr(std::io::stdin().as_fd()).ok())
    }
}

impl Drop for Found {
    fn drop(&mut self) {
        if let Some(found) = &self.0 {
            let _gone = tcsetattr(std::io::stdin().as_fd(), SetArg::TCSADRAIN, found);
        }
    }
}

/// Runs commands that are typed, until the end of input; the service goes on after that.
pub(crate) async fn serve(service: Rc<Service>) {
    let _nobody = writeln!(std::io::stdout(), "Interactive mode:");
    let (sender, mut commands) = mpsc::channel(1);
    let started = thread::Builder::new().name("prompt".to_owned()).spawn(move || {
        prompt::converse(Loop(sender)).unwrap_or_else(|error| {
            log!(Warning, "system", "no more commands are read: {error}");
        });
    });
    if let Err(error) = started {
        log!(Warning, "system", "no commands are read: {error}");
    }
    while let Some(Command { text, answer }) = commands.recv().await {
        let Some(program) = service.current() else { return };
        let done = program.run_command(text.as_bytes());
        let shown = |text: Vec<u8>| String::from_utf8_lossy(&text).into_owned();
        // The prompt may have ended meanwhile.
        let _heard = answer.send(done.map(shown).map_err(shown));
    }
}
