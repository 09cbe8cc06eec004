//! The console on a terminal: editing, completion, continuation, history.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use nix::pty::openpty;

use crate::e2e::program;
use crate::process::{Running, eventually, free_address};

/// A program on a terminal.
struct Typed {
    child: Child,
    keys: File,
    output: Receiver<Vec<u8>>,
    seen: String,
}

impl Typed {
    fn start(command: &mut Command, home: &Path) -> Typed {
        let terminal = openpty(None, None).unwrap();
        let side = || Stdio::from(OwnedFd::try_clone(&terminal.slave).unwrap());
        let child = command
            .env("TERM", "xterm")
            .env("XDG_STATE_HOME", home)
            .stdin(side())
            .stdout(side())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let keys = File::from(terminal.master);
        let mut screen = keys.try_clone().unwrap();
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = screen.read(&mut bytes) {
                if sender.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Typed { child, keys, output, seen: String::new() }
    }

    /// Types keys, then waits for words on the screen that have not been there.
    #[track_caller]
    fn type_and_see(&mut self, keys: &str, words: &str) {
        self.seen.clear();
        self.keys.write_all(keys.as_bytes()).unwrap();
        let mut all = String::new();
        eventually(&format!("'{words}' after {keys:?}"), || {
            while let Ok(bytes) = self.output.try_recv() {
                all.push_str(&String::from_utf8_lossy(&bytes));
            }
            all.contains(words).then_some(())
        });
        self.seen = all;
    }
}

impl Drop for Typed {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

#[test]
fn the_console_edits_completes_continues_and_remembers() {
    let directory = tempfile::tempdir().unwrap();
    let address = format!("127.0.0.1@{}", free_address().port());
    let mut command = Command::new(program());
    command.args(["-a", &address, "-c", "/dev/null"]).current_dir(directory.path());
    let mut typed = Typed::start(&mut command, directory.path());
    let id = typed.child.id().to_string();
    typed.type_and_see("", "> ");
    // The tab key completes, and an arrow with a correction edits.
    typed.type_and_see("worker.pi\t\r", &format!("\n{id}\r\n"));
    typed.type_and_see("21 * 3\x1b[D\x1b[C\x7f2\r", "\n42\r\n");
    // Names that the operator has made are known, too.
    typed.type_and_see("my_own_table = { answer = 4711 }\r", "> ");
    typed.type_and_see("my_own\t.ans\t\r", "\n4711\r\n");
    // A chunk goes on until it is complete.
    typed.type_and_see("for i = 1, 3 do\rsum = (sum or 0) + i\rend\r", "> ");
    typed.type_and_see("sum\r", "\n6\r\n");
    // Up: the line before.
    typed.type_and_see("\x1b[A\r", "\n6\r\n");
    let history = std::fs::read_to_string(directory.path().join("kres/history")).unwrap();
    assert!(history.contains("worker.pid\n") && history.contains("21 * 2\n"), "{history}");
    assert!(history.contains("for i = 1, 3 do\\nsum"), "{history}");
    typed.keys.write_all(b"quit()\r").unwrap();
    let status = eventually("the end", || typed.child.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
}

#[test]
fn kresctl_without_a_command_is_a_prompt() {
    let running = Running::start("");
    let mut command = Command::new(env!("CARGO_BIN_EXE_kresctl"));
    command.arg("-r").arg(running.directory.path());
    let mut typed = Typed::start(&mut command, running.directory.path());
    typed.type_and_see("", "> ");
    typed.type_and_see("worker.pi\t\r", &format!("\n{}\r\n", running.id()));
    typed.type_and_see("net.lisen()\r", "did you mean 'listen'?");
    typed.keys.write_all(b"\x04").unwrap();
    let status = eventually("the end", || typed.child.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
    running.check_alive();
}
