//! From the command line to a running worker, and from there to the exit status.

use std::os::fd::RawFd;
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;

use anyhow::{Context, Result, anyhow, bail};
use clap::Parser;
use clap::error::ErrorKind;
use lua::host::{Host, Network, QueryId, Reload, without_number};
use lua::{CONFIGURATION_ANEW, CONFIGURATION_FIRST, Interpreter, InterpreterError, QueryCallbacks};
use nix::unistd::{AccessFlags, access};
use resolve::layer::stack::Place;
use resolve::{Client, Settings};
use tokio::runtime::{Builder, LocalOptions};
use tokio::task::{spawn_local, yield_now};
use tokio::time::sleep;

use crate::cli::{ConfigChoice, Options, VERSION_LINE};
use crate::clock::Clock;
use crate::host::{DaemonHost, serve_again, serve_inherited};
use crate::limits::{DRAIN_LOOK, DRAIN_LOOKS_MAX, THREADS_END_TIME};
use crate::listeners::Place as Endpoint;
use crate::logging::{self, Level, log};
use crate::os::suspects::Suspects;
use crate::program::Program;
use crate::service::{Service, Setup};
use crate::signals::{FinalSignals, HangUp};
use crate::supervisor::{self, Role};
use crate::systemd::{self, Manager};
use crate::terminal::{self, Found};
use crate::token::Token;
use crate::watches::Watches;
use crate::worker::{Worker, WorkerParts};
use crate::{console, control, descriptors, endpoint, os};

/// The file that is run without `-c`, if it is there.
const DEFAULT_CONFIG: &str = "config";
/// With this in the environment there are no default endpoints and no control socket.
const NO_LISTEN: &str = "KRESD_NO_LISTEN";
/// Exit status of a command line that cannot be read.
const STATUS_USAGE: u8 = 2;
/// Exit status of a program that could not start.
const STATUS_FAILED: u8 = 1;

/// The program `kresd`.
pub fn run() -> ExitCode {
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(error) => {
            let _nobody = error.print();
            let asked = matches!(error.kind(), ErrorKind::DisplayHelp);
            return ExitCode::from(if asked { 0 } else { STATUS_USAGE });
        }
    };
    if options.version {
        use std::io::Write;
        let _nobody = writeln!(std::io::stdout(), "{VERSION_LINE}");
        return ExitCode::SUCCESS;
    }
    if options.verbose {
        logging::set_level(Level::Debug);
    }
    log_panics();
    match start(&options) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            log!(Crit, "system", "{}", words(&error));
            ExitCode::from(STATUS_FAILED)
        }
    }
}

/// What went wrong and why, each reason once: some errors name what they come from themselves.
pub(crate) fn words(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = without_number(&cause.to_string());
        if !text.is_empty() && !text.ends_with(&cause) {
            text.push_str(": ");
        }
        if !text.ends_with(&cause) {
            text.push_str(&cause);
        }
    }
    if text.ends_with("Too many open files") {
        text.push_str("; raise the limit of open files (LimitNOFILE= of the unit, 'ulimit -n')");
    }
    text
}

/// Panics are bugs; their place goes to the log like everything else.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let trace = std::backtrace::Backtrace::capture();
        log!(Crit, "system", "bug, please report: {panic}\n{trace}");
    }));
}

fn start(options: &Options) -> Result<u8> {
    let workers = options.workers().map_err(|text| anyhow!(text))?;
    enter_run_directory(&options.rundir)?;
    check_configs(options)?;
    let sockets = inherited(options)?;
    if workers > 1 && !sockets.is_empty() {
        bail!("sockets that are passed to the program go to one worker: use -f 1, or no sockets");
    }
    let descriptors = descriptors::raise_limit();
    let (mut suspects, mut manager) = (None, Manager::Outside);
    if workers > 1 && !options.check {
        match supervisor::run(workers)? {
            Role::Parent(status) => return Ok(status),
            Role::Worker { suspects: shared, roster } => {
                suspects = Some(shared);
                manager = Manager::Parent(roster);
            }
        }
    } else if !options.check {
        suspects = supervisor::alone();
    }
    let interactive = options.is_interactive() && sockets.is_empty();
    if interactive && !console::input_is_usable() {
        bail!(
            "standard input is neither a terminal nor a pipe; use '-n' to run without reading \
             commands from it"
        );
    }
    // Nothing of the runtime existed before this line: see the fork above.
    // Tasks stay on this thread, and waking one wakes no other: a `LocalSet` would look at all that
    // this function waits for whenever a query comes in.
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
        .context("event loop")?;
    let group = Group { workers, suspects, manager };
    let done = runtime.block_on(work(options, group, sockets, descriptors, interactive));
    // Threads that still read a zone or a list have nobody any more to tell of it.
    runtime.shutdown_timeout(THREADS_END_TIME);
    if let Some(suspects) = suspects {
        suspects.leave();
    }
    done?;
    Ok(0)
}

/// Changes to the run directory, which has to be one that files can be made in.
fn enter_run_directory(path: &Path) -> Result<()> {
    let usable = std::env::set_current_dir(path)
        .and_then(|()| Ok(access(".", AccessFlags::R_OK | AccessFlags::W_OK | AccessFlags::X_OK)?));
    usable.map_err(|error| {
        anyhow!(
            "rundir '{}': {}; it holds the cache and the control sockets, so give a directory \
             that exists and that this user can write to",
            path.display(),
            plain(&error)
        )
    })
}

/// The words of the system without the number of the error.
fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

/// A file that is not there is told before anything is opened.
fn check_configs(options: &Options) -> Result<()> {
    let ConfigChoice::Files(paths) = options.config() else { return Ok(()) };
    for path in paths {
        if let Err(error) = std::fs::File::open(&path) {
            let directory = std::env::current_dir().unwrap_or_default();
            bail!(
                "config '{}' (workdir '{}'): {}",
                path.display(),
                directory.display(),
                plain(&error)
            );
        }
    }
    Ok(())
}

/// The sockets of `-S` and of the service manager, each with its kind.
fn inherited(options: &Options) -> Result<Vec<(RawFd, String)>> {
    let mut sockets = Vec::new();
    for text in &options.descriptors {
        let (number, kind) = text.split_once(':').unwrap_or((text, "dns"));
        let number = number.parse().ok().filter(|number| *number >= 0);
        let number = number.ok_or_else(|| {
            anyhow!("incorrect value passed to '-S/--fd': {text}; it takes FD or FD:KIND")
        })?;
        sockets.push((number, kind.to_owned()));
    }
    for (number, name) in systemd::inherited_sockets() {
        let kind = match name.as_str() {
            "" | "unknown" => "dns".to_owned(),
            name => name.to_owned(),
        };
        sockets.push((number, kind));
    }
    Ok(sockets)
}

/// The group that a worker belongs to.
struct Group {
    workers: u32,
    /// Where it tells what it is working on, if there is a parent to look there.
    suspects: Option<Suspects>,
    /// Who wants to know how it is doing.
    manager: Manager,
}

/// Runs a worker until it is told to end.
async fn work(
    options: &Options,
    group: Group,
    sockets: Vec<(RawFd, String)>,
    descriptors: u64,
    interactive: bool,
) -> Result<()> {
    let mut signals = FinalSignals::new().context("signals")?;
    let _found = interactive.then(Found::now);
    let mut hang_up = HangUp::new(!interactive && !options.check).context("signals")?;
    let service = Rc::new(Service::new(Setup {
        options: options.clone(),
        workers: group.workers,
        suspects: group.suspects,
        manager: group.manager,
        descriptors,
        clock: Clock::start(),
        directory: std::env::current_dir().context("run directory")?,
        counters: Rc::default(),
        quitting: Rc::default(),
    }));
    if options.no_io {
        os::sandbox::forbid_io().context("--no-io: this system cannot shut a process in")?;
    }
    if !options.check {
        make_control_directory(options)?;
    }
    let program = build(&service, None, sockets).await?;
    if options.check {
        return Ok(());
    }
    let ended = program.is_quitting();
    service.begin(program);
    if interactive {
        match console::is_on_terminal() && !options.quiet {
            true => spawn_local(terminal::serve(service.clone())),
            false => spawn_local(console::interact(service.clone())),
        };
    }
    group.manager.ready();

    if !ended {
        wait_for_end(&service, &mut signals, &mut hang_up).await;
    }
    group.manager.stopping();
    drain(&service, &mut signals).await;
    service.end();
    Ok(())
}

/// Leaves the group of those that share the addresses without losing a query: what has come is
/// answered, as far as that takes no longer than a stop may. Another signal ends it at once.
async fn drain(service: &Rc<Service>, signals: &mut FinalSignals) {
    let Some(program) = service.current() else { return };
    let worker = program.worker();
    worker.listeners.shut_all();
    let done = async {
        // What is in the sockets is taken in a turn of the loop; whoever asked for the end has it.
        for _ in 0..DRAIN_LOOKS_MAX {
            worker.streams.wake_all();
            sleep(DRAIN_LOOK).await;
            if !worker.owes_answers() {
                return;
            }
        }
    };
    tokio::select! {
        () = done => {}
        () = signals.wait() => {}
    }
}

/// Waits until the end is asked for; does what other signals ask for meanwhile.
async fn wait_for_end(service: &Rc<Service>, signals: &mut FinalSignals, hang_up: &mut HangUp) {
    loop {
        tokio::select! {
            () = signals.wait() => return,
            () = service.setup.quitting.notified() => return,
            () = hang_up.wait() => {
                if let Err(error) = service.reload(Reload::Now) {
                    log!(Err, "system", "SIGHUP: {error}");
                    // Whoever sent it may wait for the end of it.
                    service.setup.manager.reloaded(Some("a new configuration was not read"));
                }
            }
        }
    }
}

/// Loads the configuration. What comes of it can resolve, and serves nobody yet. `beside`: the program
/// that serves meanwhile, whose sockets and store are used where they are the same.
pub(crate) async fn build(
    service: &Rc<Service>,
    beside: Option<&Rc<Program>>,
    sockets: Vec<(RawFd, String)>,
) -> Result<Rc<Program>> {
    let setup = &service.setup;
    let options = &setup.options;
    let worker = Rc::new(
        Worker::new(WorkerParts {
            clock: setup.clock,
            settings: Settings { trace: options.verbose, ..Settings::default() },
            seed: os::random_seed().context("random numbers of the system")?,
            descriptors: setup.descriptors,
            counters: setup.counters.clone(),
            quitting: setup.quitting.clone(),
            manager: setup.manager,
        })
        .context("event loop")?,
    );
    if let Some(suspects) = setup.suspects {
        worker.change_resolver(move |core| core.set_suspects(Box::new(suspects)));
    }
    let watches = Rc::new(Watches::new().context("event loop")?);
    let host = Rc::new(DaemonHost::new(worker.clone(), watches, service, beside.cloned()));
    let built = load(&host, options, beside, sockets).await;
    if built.is_err() {
        worker.listeners.close_all();
        worker.set_fleet(None);
        // What it holds leads back to the worker.
        worker.change_resolver(|core| {
            core.layers_mut().remove(QueryCallbacks::NAME);
        });
    }
    built
}

async fn load(
    host: &Rc<DaemonHost>,
    options: &Options,
    beside: Option<&Rc<Program>>,
    sockets: Vec<(RawFd, String)>,
) -> Result<Rc<Program>> {
    open_from_command_line(host, options, sockets)?;
    if let Some(beside) = beside {
        serve_again(host, beside)?;
    }
    // The interpreter's errors may hold Lua values, which do not leave the thread; their text may.
    let interpreter = Interpreter::new(host.clone() as Rc<dyn Host>).map_err(text)?;
    let bound = if beside.is_some() { CONFIGURATION_ANEW } else { CONFIGURATION_FIRST };
    let bounded = interpreter.bound_configuration(bound).map_err(text);
    let configured = match bounded {
        Ok(()) => configure(host, &interpreter, options).await,
        failed => failed,
    };
    if let Err(error) = configured {
        interpreter.shutdown();
        return Err(error);
    }
    let program = Rc::new(Program::new(host.clone(), interpreter));
    host.set_program(&program);
    host.worker.apply();
    Ok(program)
}

/// The words of an error of the interpreter.
fn text(error: InterpreterError) -> anyhow::Error {
    anyhow!("{error}")
}

/// The query of the configuration that a request from inside is for.
fn query_of(client: &Client) -> Option<QueryId> {
    match Token::from(client.token) {
        Token::Internal(number) => Some(QueryId(number.into())),
        _ => None,
    }
}

/// Opens what `-a`, `-t`, `-S` and the service manager say.
fn open_from_command_line(
    host: &Rc<DaemonHost>,
    options: &Options,
    sockets: Vec<(RawFd, String)>,
) -> Result<()> {
    for (descriptor, kind) in sockets {
        serve_inherited(host, descriptor, &kind)?;
    }
    let plain = options.addresses.iter().map(|text| (text, "dns", 53));
    let encrypted = options.tls.iter().map(|text| (text, "tls", 853));
    for (text, kind, port) in plain.chain(encrypted) {
        let address = endpoint::parse(text, port).ok_or_else(|| {
            anyhow!("bind to '{text}': Invalid argument; write ADDRESS or ADDRESS@PORT")
        })?;
        host.listen(&lua::host::Listen {
            address: lua::host::ListenAddress::Ip(address),
            kind: kind.to_owned(),
            freebind: false,
            nic_queue: None,
        })?;
        host.worker.listeners.set_given();
    }
    Ok(())
}

/// Are there to be no default endpoints and no control socket?
fn is_silent(options: &Options) -> bool {
    options.is_silent || std::env::var_os(NO_LISTEN).is_some()
}

/// Makes the directory of control sockets, which configurations expect.
fn make_control_directory(options: &Options) -> Result<()> {
    if is_silent(options) {
        return Ok(());
    }
    let directory = control::DIRECTORY;
    control::make_directory()
        .with_context(|| format!("directory '{directory}' for control sockets"))
}

/// Opens the control socket of this process, unless the configuration has done so.
fn open_control(host: &Rc<DaemonHost>, options: &Options) -> Result<()> {
    if is_silent(options) {
        return Ok(());
    }
    let path = Path::new(control::DIRECTORY).join(std::process::id().to_string());
    let is_open = host.worker.listeners.list().into_iter().any(|endpoint| match endpoint.place {
        Endpoint::Unix(open) => {
            open.canonicalize().ok() == path.canonicalize().ok() && path.exists()
        }
        Endpoint::Udp(_) | Endpoint::Tcp(_) => false,
    });
    if is_open { Ok(()) } else { Ok(host.listen_control(&path)?) }
}

/// Runs the configuration and opens what it expects to find closed. Clients of the program that
/// serves meanwhile get their turn in between.
async fn configure(
    host: &Rc<DaemonHost>,
    interpreter: &Interpreter,
    options: &Options,
) -> Result<()> {
    yield_now().await;
    add_callbacks(host, interpreter)?;
    let files = match options.config() {
        ConfigChoice::Nothing => None,
        ConfigChoice::Files(files) => Some(files),
        ConfigChoice::Automatic if Path::new(DEFAULT_CONFIG).exists() => {
            Some(vec![DEFAULT_CONFIG.into()])
        }
        ConfigChoice::Automatic => Some(Vec::new()),
    };
    if let Some(files) = files {
        interpreter.load_defaults().map_err(text)?;
        for file in files {
            yield_now().await;
            interpreter.run_config(&file).map_err(text)?;
        }
        yield_now().await;
        interpreter.finish_config().map_err(text)?;
    } else {
        interpreter.start_counting().map_err(text)?;
    }
    if options.check {
        return Ok(());
    }
    // After the configuration, which expects to see its own endpoints only.
    open_control(host, options)?;
    Ok(())
}

/// Has queries that Lua starts call back. Before the configuration, which may start some.
fn add_callbacks(host: &Rc<DaemonHost>, interpreter: &Interpreter) -> Result<()> {
    let callbacks = interpreter.query_callbacks(query_of).map_err(text)?;
    host.worker.turn("callbacks of queries", |core, _| {
        let first = core.layers_mut().names().next().map(str::to_owned);
        let place = first.as_deref().map_or(Place::Last, Place::Before);
        core.layers_mut().insert(Box::new(callbacks), place)
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io;

    use lua::host::HostError;

    use super::*;

    #[test]
    fn each_reason_is_told_once() {
        let source = io::Error::from_raw_os_error(libc::EACCES);
        let error = HostError::System { action: "open the door".to_owned(), source };
        let error = anyhow::Error::from(error).context("at home");
        assert_eq!(words(&error), "at home: open the door: Permission denied");
    }
}
