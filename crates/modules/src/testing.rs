//! A resolver with a scripted world around it, and a process that only remembers: for the tests of
//! modules.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use dns::edns::{OptRecord, OptionCode};
use dns::message::Section;
use dns::rdata::text::parse_rdata_text;
use dns::{Class, Composer, Header, Message, Name, Rcode, Rtype};
use resolve::layer::stack::Place;
use resolve::{
    Action, Client, ClientProtocol, Mono, Now, Resolver, ResolverParts, Settings, UnixTime,
};

use crate::{Environment, Level, Manner, Module, Question, Refusal, Value};

/// A process that only remembers.
pub(crate) struct Process {
    pub(crate) now: Cell<Now>,
    pub(crate) settings: RefCell<Settings>,
    pub(crate) files: RefCell<BTreeMap<String, Vec<u8>>>,
    pub(crate) asked: RefCell<Vec<Question>>,
    pub(crate) log: RefCell<Vec<String>>,
    pub(crate) watchdog: Cell<Option<Duration>>,
    pub(crate) fed: Cell<u32>,
    pub(crate) aborted: Cell<bool>,
    pub(crate) cleared: Cell<bool>,
    forgot: Cell<bool>,
}

impl Environment for Process {
    fn now(&self) -> Now {
        self.now.get()
    }

    fn random(&self) -> u64 {
        7
    }

    fn read_file(&self, path: &str) -> Result<Vec<u8>, Refusal> {
        let files = self.files.borrow();
        files.get(path).cloned().ok_or_else(|| Refusal::new(format!("'{path}': no such file")))
    }

    fn with_settings(&self, read: &mut dyn FnMut(&Settings)) {
        read(&self.settings.borrow());
    }

    fn change_settings(&self, change: &mut dyn FnMut(&mut Settings)) {
        change(&mut self.settings.borrow_mut());
    }

    fn forget_answers(&self) {
        self.forgot.set(true);
    }

    fn ask_with(&self, question: Question, _manner: Manner) {
        self.asked.borrow_mut().push(question);
    }

    fn watchdog_timeout(&self) -> Option<Duration> {
        self.watchdog.get()
    }

    fn feed_watchdog(&self) {
        self.fed.set(self.fed.get() + 1);
    }

    fn abort(&self) {
        self.aborted.set(true);
    }

    fn clear_cache(&self) {
        self.cleared.set(true);
    }

    fn log(&self, group: &'static str, level: Level, text: &str) {
        self.log.borrow_mut().push(format!("{group} {level:?} {text}"));
    }
}

/// What a server says: an RCODE and records as in a zone file, `OWNER TTL TYPE RDATA`; those of
/// type SOA go to the authority section.
#[derive(Clone, Debug)]
pub(crate) struct Says {
    pub(crate) rcode: Rcode,
    pub(crate) records: Vec<String>,
    pub(crate) silent: bool,
}

impl Says {
    /// The same with all records at this name.
    pub(crate) fn owned(mut self, owner: &str) -> Says {
        for record in &mut self.records {
            let rest = record.split_once(' ').map_or("", |(_, rest)| rest);
            *record = format!("{owner} {rest}");
        }
        self
    }
}

/// An answer with these records.
pub(crate) fn says(records: &[&str]) -> Says {
    Says {
        rcode: Rcode::NOERROR,
        records: records.iter().map(|record| (*record).to_owned()).collect(),
        silent: false,
    }
}

/// No answer at all.
pub(crate) fn silence() -> Says {
    Says { silent: true, ..says(&[]) }
}

type Watch = Box<dyn Fn(&Name)>;
type Server = Box<dyn FnMut(&Name, Rtype) -> Says>;

/// A resolver whose root servers know everything.
pub(crate) struct World {
    pub(crate) resolver: Resolver,
    pub(crate) process: Process,
    server: Server,
    pub(crate) modules: Vec<(&'static str, Box<dyn Module>)>,
    /// Sees names as they reach the server.
    pub(crate) watch: Option<Watch>,
    /// Questions that reached the server, as `NAME TYPE`.
    pub(crate) upstream: Vec<String>,
    token: u64,
}

/// How long a server takes to answer.
const SERVER_TIME: Duration = Duration::from_millis(10);

impl World {
    pub(crate) fn new(server: impl FnMut(&Name, Rtype) -> Says + 'static) -> World {
        let settings = Settings {
            no_minimize: true,
            ipv6: false,
            root_hints: Arc::new(vec![(
                "root.".parse().unwrap(),
                vec!["198.51.100.1".parse().unwrap()],
            )]),
            ..Settings::default()
        };
        let parts = ResolverParts::in_memory(settings.clone(), [7; 32], 1 << 20).unwrap();
        let now = Now { mono: Mono(1), unix: UnixTime::from_seconds(1_000_000) };
        let mut world = World {
            resolver: Resolver::new(parts),
            process: Process {
                now: Cell::new(now),
                settings: RefCell::new(settings),
                files: RefCell::default(),
                asked: RefCell::default(),
                log: RefCell::default(),
                watchdog: Cell::new(None),
                fed: Cell::new(0),
                aborted: Cell::new(false),
                cleared: Cell::new(false),
                forgot: Cell::new(false),
            },
            server: Box::new(server),
            modules: Vec::new(),
            watch: None,
            upstream: Vec::new(),
            token: 0,
        };
        world.resolver.layers_mut().remove("refuse_nord");
        world
    }

    /// A world in which nobody answers.
    pub(crate) fn silent() -> World {
        World::new(|_, _| silence())
    }

    /// Loads a module at its home.
    pub(crate) fn load(&mut self, name: &'static str) {
        self.load_at(name, Place::Last);
    }

    pub(crate) fn load_at(&mut self, name: &'static str, place: Place<'_>) {
        let mut module = (crate::find(name).expect("a module").make)();
        if let Some(layer) = module.layer() {
            assert_eq!(layer.name(), name);
            self.resolver.layers_mut().insert(layer, place).unwrap();
        }
        module.start(&self.process).unwrap();
        self.modules.push((name, module));
        self.settle();
    }

    pub(crate) fn unload(&mut self, name: &str) {
        let at = self.modules.iter().position(|(known, _)| *known == name).unwrap();
        self.modules.remove(at).1.stop(&self.process);
        self.resolver.layers_mut().remove(name);
        self.settle();
    }

    /// Runs a command of a module.
    pub(crate) fn try_call(
        &mut self,
        module: &str,
        command: &str,
        arguments: &[Value],
    ) -> Result<Value, Refusal> {
        let (_, loaded) = self.modules.iter_mut().find(|(name, _)| *name == module).unwrap();
        let result = loaded.call(&self.process, command, arguments);
        self.settle();
        result
    }

    #[track_caller]
    pub(crate) fn call(&mut self, module: &str, command: &str, arguments: &[Value]) -> Value {
        self.try_call(module, command, arguments).unwrap()
    }

    pub(crate) fn get(&mut self, module: &str, property: &str) -> Option<Value> {
        let (_, loaded) = self.modules.iter_mut().find(|(name, _)| *name == module).unwrap();
        loaded.get(&self.process, property)
    }

    pub(crate) fn set(&mut self, module: &str, property: &str, value: Value) {
        let (_, loaded) = self.modules.iter_mut().find(|(name, _)| *name == module).unwrap();
        loaded.set(&self.process, property, &value).unwrap().unwrap();
        self.settle();
    }

    fn settle(&mut self) {
        let settings = self.process.settings.borrow().clone();
        if settings != *self.resolver.settings() {
            self.resolver.configure(self.process.now.get(), settings);
        }
        if self.process.forgot.take() {
            self.resolver.forget_answers();
        }
    }

    /// Lets time pass; modules are woken at the end of it.
    pub(crate) fn pass(&mut self, time: Duration) {
        let now = self.process.now.get();
        let ms = time.as_millis() as u64;
        self.process.now.set(Now { mono: now.mono + time, unix: UnixTime(now.unix.0 + ms) });
        for (_, module) in &mut self.modules {
            if module.deadline().is_some_and(|due| due <= self.process.now.get().mono) {
                module.handle_deadline(&self.process);
            }
        }
        self.settle();
    }

    /// Answers what modules have asked so far, from the resolver.
    pub(crate) fn answer_modules(&mut self, module: &str) {
        for question in self.process.asked.take() {
            let mut wire = Vec::new();
            let mut header = Header::default();
            header.set_rd(true);
            let mut composer = Composer::new(&mut wire, header, 512);
            composer.question(&question.name, question.rtype, Class::IN).unwrap();
            composer.finish(None);
            let answer = self.exchange(&wire, ClientProtocol::Internal);
            let (_, loaded) = self.modules.iter_mut().find(|(name, _)| *name == module).unwrap();
            loaded.handle_answer(&self.process, question.number, answer.as_deref());
        }
        self.settle();
    }

    /// Asks over UDP with EDNS, and runs until the answer is there.
    pub(crate) fn ask(&mut self, name: &str, rtype: &str) -> Response {
        self.ask_with(name, rtype, |_| {}, |_| {})
    }

    pub(crate) fn ask_with(
        &mut self,
        name: &str,
        rtype: &str,
        header: impl FnOnce(&mut Header),
        opt: impl FnOnce(&mut OptRecord),
    ) -> Response {
        let wire = query(name, rtype, header, opt);
        let began = self.process.now.get().mono;
        let wire = self.exchange(&wire, ClientProtocol::Udp).expect("a response");
        Response { wire, after: self.process.now.get().mono.since(began) }
    }

    /// A query over some protocol; `None`: dropped.
    pub(crate) fn exchange(&mut self, wire: &[u8], protocol: ClientProtocol) -> Option<Vec<u8>> {
        self.token += 1;
        let nobody: SocketAddr = "192.0.2.99:5300".parse().unwrap();
        let client = Client { token: self.token, peer: nobody, local: nobody, protocol };
        let mut out = Vec::new();
        if self.resolver.answer_cached(self.process.now.get(), &client, wire, &mut out) {
            return Some(out);
        }
        self.resolver.handle_request(self.process.now.get(), client, wire);
        loop {
            let mut replies = Vec::new();
            while let Some(action) = self.resolver.poll_action() {
                match action {
                    Action::Respond { client, wire } if client.token == self.token => {
                        self.resolver.end_turn(self.process.now.get());
                        return Some(wire);
                    }
                    Action::Drop { client } if client.token == self.token => return None,
                    Action::Exchange { id, wire, .. } => replies.push((id, self.serve(&wire))),
                    Action::Respond { .. }
                    | Action::Drop { .. }
                    | Action::Mirror { .. }
                    | Action::Cancel { .. } => {}
                }
            }
            let now = self.process.now.get();
            if replies.iter().any(|(_, reply)| reply.is_some()) {
                self.pass(SERVER_TIME);
                for (id, reply) in replies {
                    if let Some(reply) = reply {
                        let now = self.process.now.get();
                        self.resolver.handle_reply(now, id, Ok(&reply));
                    }
                }
            } else {
                let (at, _) = self.resolver.poll_deadline().expect("something to wait for");
                self.pass(at.since(now.mono));
                self.resolver.handle_deadline(self.process.now.get());
            }
        }
    }

    fn serve(&mut self, wire: &[u8]) -> Option<Vec<u8>> {
        let message = Message::parse(wire).unwrap();
        let question = message.question().unwrap();
        if let Some(watch) = &self.watch {
            watch(&question.name);
        }
        let name = question.name.to_lowercase();
        self.upstream.push(format!("{name} {}", question.rtype));
        let says = (self.server)(&name, question.rtype);
        if says.silent {
            return None;
        }
        let mut header = Header { id: message.header().id, ..Header::default() };
        header.set_qr(true);
        header.set_aa(true);
        header.set_rcode_low(says.rcode);
        let mut out = Vec::new();
        let mut composer = Composer::new(&mut out, header, 4096);
        composer.question(&question.name, question.rtype, Class::IN).unwrap();
        for section in [Section::Answer, Section::Authority] {
            for record in &says.records {
                let words: Vec<&str> = record.splitn(4, ' ').collect();
                let rtype: Rtype = words[2].parse().unwrap();
                if (rtype == Rtype::SOA) != (section == Section::Authority) {
                    continue;
                }
                let owner: Name = words[0].parse().unwrap();
                let ttl = words[1].parse().unwrap();
                let rdata = words[3].as_bytes();
                let rdata = parse_rdata_text(rtype, Class::IN, rdata, &Name::root()).unwrap();
                composer
                    .records(section, &owner, rtype, Class::IN, ttl, [&rdata[..]].into_iter())
                    .unwrap();
            }
        }
        composer.finish(Some(&OptRecord::new(1232, true)));
        Some(out)
    }
}

/// A query with EDNS.
pub(crate) fn query(
    name: &str,
    rtype: &str,
    change_header: impl FnOnce(&mut Header),
    change_opt: impl FnOnce(&mut OptRecord),
) -> Vec<u8> {
    let mut wire = Vec::new();
    let mut header = Header { id: 77, ..Header::default() };
    header.set_rd(true);
    change_header(&mut header);
    let mut composer = Composer::new(&mut wire, header, 512);
    composer.question(&name.parse().unwrap(), rtype.parse().unwrap(), Class::IN).unwrap();
    let mut opt = OptRecord::new(1232, false);
    change_opt(&mut opt);
    composer.finish(Some(&opt));
    wire
}

/// What a client got.
pub(crate) struct Response {
    pub(crate) wire: Vec<u8>,
    pub(crate) after: Duration,
}

impl Response {
    pub(crate) fn message(&self) -> Message<'_> {
        Message::parse(&self.wire).unwrap()
    }

    /// The data of an option of the response.
    pub(crate) fn option(&self, code: OptionCode) -> Option<Vec<u8>> {
        self.message().edns()?.option(code).map(<[u8]>::to_vec)
    }

    /// The RCODE and the records of a section, without TTLs.
    pub(crate) fn section(&self, section: Section) -> Vec<String> {
        let message = self.message();
        let records = message.section(section).map(|record| {
            let mut text = format!("{} {} ", record.owner(), record.rtype());
            dns::rdata::text::fmt_rdata(record.rtype(), &record.rdata(), &mut text).unwrap();
            text
        });
        records.collect()
    }

    /// `RCODE` and the answer, one record a line.
    pub(crate) fn shown(&self) -> String {
        let mut lines = vec![self.message().rcode().to_string()];
        lines.extend(self.section(Section::Answer));
        lines.join("\n")
    }

    /// TTL of the first record of the answer.
    pub(crate) fn ttl(&self) -> u32 {
        self.message().answer().next().expect("an answer").ttl()
    }

    /// The codes of extended errors.
    pub(crate) fn errors(&self) -> Vec<u16> {
        let message = self.message();
        let edns = message.edns().expect("EDNS");
        edns.extended_errors().map(|(code, _)| code.0).collect()
    }
}
