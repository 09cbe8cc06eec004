//! Framing, splitting, pipelining, continuation and bounds.

use super::{COMMANDS_PER_TURN, INPUT_BYTES_MAX, Outcome, Session, SessionState};

/// Replies with the command in brackets; a chunk with more `(` than `)` is incomplete.
fn echo(command: &[u8], may_continue: bool) -> Outcome {
    let count = |wanted| command.iter().filter(|byte| **byte == wanted).count();
    if may_continue && count(b'(') > count(b')') {
        return Outcome::Incomplete;
    }
    Outcome::Good([b"[", command, b"]"].concat())
}

#[track_caller]
fn check(session: &mut Session, input: &[u8], expected: &[u8]) {
    let mut out = Vec::new();
    session.handle_input(input, &mut out, &mut echo);
    assert_eq!(out.escape_ascii().to_string(), expected.escape_ascii().to_string());
}

#[test]
fn text_has_prompts() {
    let mut session = Session::new(false);
    assert_eq!(session.greeting(), b"> ");
    check(&mut session, b"a\n", b"[a]\n> ");
    check(&mut session, b"b\nc\r\n", b"[b]\n> [c]\n> ");
    check(&mut session, b"\n", b"[]\n> ");
}

#[test]
fn quiet_has_none() {
    let mut session = Session::new(true);
    assert_eq!(session.greeting(), b"");
    check(&mut session, b"a\nf(\n)\n", b"[a]\n[f(\n)]\n");
}

#[test]
fn binary_has_lengths() {
    let mut session = Session::new(false);
    check(&mut session, b"__bina", b"");
    check(&mut session, b"ry\na", b"");
    check(&mut session, b"b\n\n", b"\0\0\0\x04[ab]\0\0\0\x02[]");
    check(&mut session, b"f(\n", b"\0\0\0\x04[f(]");
    check(&mut session, b"__binary\n", b"");
}

#[test]
fn input_may_be_split_anywhere() {
    let all = b"one\ntwo\n__binary\nthree\n";
    let mut whole = Vec::new();
    Session::new(false).handle_input(all, &mut whole, &mut echo);
    for at in 0..all.len() {
        let mut session = Session::new(false);
        let mut out = Vec::new();
        session.handle_input(&all[..at], &mut out, &mut echo);
        session.handle_input(&all[at..], &mut out, &mut echo);
        assert_eq!(out, whole, "split at {at}");
    }
}

#[test]
fn an_open_chunk_is_continued() {
    let mut session = Session::new(false);
    check(&mut session, b"f(\n", b">> ");
    check(&mut session, b"1\n", b">> ");
    check(&mut session, b")\ng\n", b"[f(\n1\n)]\n> [g]\n> ");
    check(&mut session, b"f(\n)\n", b"[f(\n)]\n> ");
    check(&mut session, b"f(\n\n", b"[f(\n]\n> ");
}

#[test]
fn an_endless_line_ends_the_session() {
    let mut session = Session::new(false);
    let mut out = Vec::new();
    let piece = vec![b'x'; INPUT_BYTES_MAX / 4];
    for _ in 0..4 {
        assert_eq!(session.handle_input(&piece, &mut out, &mut echo), SessionState::Open);
    }
    assert_eq!(session.handle_input(&piece, &mut out, &mut echo), SessionState::Close);
    assert!(out.starts_with(b"a command may have at most 1 MiB"));
}

#[test]
fn an_endless_chunk_ends_the_session() {
    let mut session = Session::new(false);
    let mut out = Vec::new();
    let mut piece = vec![b'('; INPUT_BYTES_MAX / 2];
    piece.push(b'\n');
    assert_eq!(session.handle_input(&piece, &mut out, &mut echo), SessionState::Open);
    assert_eq!(session.handle_input(&piece, &mut out, &mut echo), SessionState::Close);
}

#[test]
fn a_long_pipeline_takes_several_turns() {
    let mut session = Session::new(false);
    let mut out = Vec::new();
    let input = b"a\n".repeat(COMMANDS_PER_TURN + 1);
    assert_eq!(session.handle_input(&input, &mut out, &mut echo), SessionState::Busy);
    assert_eq!(session.handle_input(b"", &mut out, &mut echo), SessionState::Open);
    assert_eq!(out, b"[a]\n> ".repeat(COMMANDS_PER_TURN + 1));
}

#[test]
fn a_large_reply_makes_the_next_command_wait() {
    let mut session = Session::new(true);
    let mut out = Vec::new();
    let mut large = |_: &[u8], _: bool| Outcome::Good(vec![b'x'; 2 * 1024 * 1024]);
    assert_eq!(session.handle_input(b"a\nb\n", &mut out, &mut large), SessionState::Busy);
    assert_eq!(out.len(), 2 * 1024 * 1024 + 1);
}

#[test]
fn frames_have_lengths_and_say_how_it_went() {
    let mut session = Session::new(false);
    let mut run = |command: &[u8], may_continue: bool| {
        assert!(!may_continue);
        match command {
            b"bad" => Outcome::Failed(b"no".to_vec()),
            _ => Outcome::Good(command.to_vec()),
        }
    };
    let input = b"__framed\n\0\0\0\x03a\nb\0\0\0\x03bad\0\0\0\0";
    let expected = b"\0\0\0\x04+a\nb\0\0\0\x03-no\0\0\0\x01+";
    for at in 0..input.len() {
        let mut session = Session::new(false);
        let mut out = Vec::new();
        session.handle_input(&input[..at], &mut out, &mut run);
        assert_eq!(session.handle_input(&input[at..], &mut out, &mut run), SessionState::Open);
        assert_eq!(out, expected, "split at {at}");
    }
    let mut out = Vec::new();
    let frames = b"\0\0\0\x01x".repeat(COMMANDS_PER_TURN + 1);
    session.handle_input(b"__framed\n", &mut out, &mut run);
    assert_eq!(session.handle_input(&frames, &mut out, &mut run), SessionState::Busy);
    assert_eq!(session.handle_input(b"", &mut out, &mut run), SessionState::Open);
    // A length that is too long is refused before anything of it has come.
    assert_eq!(session.handle_input(b"\x10\0\0\0", &mut out, &mut run), SessionState::Close);
}
