//! Every bound of the daemon, in one place, with its reason.

use std::time::Duration;

/// Datagrams taken and given with one system call. More gains nothing: at 32 the call itself is
/// three per cent of the work.
pub(crate) const BATCH: usize = 32;

/// Batches taken from one socket before other sources get their turn.
pub(crate) const BATCHES_PER_TURN: usize = 16;

/// Longest datagram taken from a client, in octets. Queries have a hundred; what is cut off at
/// this is dropped.
pub(crate) const DATAGRAM_BYTES_MAX: usize = 4096;

/// Longest datagram taken from an upstream, in octets: the most that UDP carries.
pub(crate) const REPLY_BYTES_MAX: usize = 65_535;

/// Wanted size of the kernel's buffers of a listening UDP socket, in octets: some ten thousand
/// queries that came while the worker was busy elsewhere. The kernel may give less.
pub(crate) const SOCKET_BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// Connections that the kernel has accepted and the worker has not.
pub(crate) const BACKLOG: i32 = 1024;

/// Client connections accepted in one go, before other sources get their turn; and so the most
/// that can be open beyond their number while those that gave way are still being closed.
pub(crate) const ACCEPTS_PER_TURN: usize = 16;

/// Octets read from a stream with one system call.
pub(crate) const READ_BYTES: usize = 64 * 1024;

/// Client connections of one worker.
pub(crate) const CLIENT_STREAMS_MAX: usize = 10_000;

/// Connections that a client (one IPv4 address, one IPv6 /56) may keep when there is no room for
/// another client's.
pub(crate) const CLIENT_STREAMS_PER_PEER: usize = 64;

/// Memory of all client connections' buffers together, in octets. When it is used up, the
/// connections that hold more than [`CLIENT_BUFFER_SMALL`] are closed as they grow.
pub(crate) const CLIENT_BUFFERS_MAX: usize = 48 * 1024 * 1024;

/// What a connection may hold in any case, in octets.
pub(crate) const CLIENT_BUFFER_SMALL: usize = 16 * 1024;

/// Descriptors that are not given to sockets of exchanges and clients: listeners, the store, log,
/// console, files that Lua opens.
pub(crate) const DESCRIPTORS_RESERVED: usize = 32;

/// Fewer descriptors than this deserve a warning: each question under way needs one.
pub(crate) const DESCRIPTORS_WANTED: u64 = 524_288;

/// Tries at a free random port before there is "none". With half of all ports taken, all of them
/// fail once in sixty thousand times.
pub(crate) const PORT_ATTEMPTS: usize = 16;

/// The lowest port that questions leave from: below, binding is a privilege.
pub(crate) const PORT_MIN: u16 = 1024;

/// Events taken from the upstream sockets in one turn.
pub(crate) const UPSTREAM_EVENTS: usize = 64;

/// Looks at an upstream's socket in the course of other work, before it is watched.
pub(crate) const UPSTREAM_LOOKS: u8 = 2;
/// For each reply that was there already, so many further exchanges are looked at: a look in vain costs
/// a sixth of what a reply that is there saves.
pub(crate) const UPSTREAM_LOOK_GAIN: u8 = 4;
/// The most exchanges that are looked at in vain before all are watched at once again.
pub(crate) const UPSTREAM_LOOK_CREDIT_MAX: u8 = 64;
/// One of so many exchanges is looked at although there was nothing the last times: upstreams may have
/// come nearer.
pub(crate) const UPSTREAM_LOOK_EVERY: u8 = 64;

/// Datagrams read from one upstream socket in one turn: a flood of forged replies to one port
/// does not stop the others.
pub(crate) const REPLIES_PER_SOCKET: usize = 8;

/// Connections to upstreams, idle ones included.
pub(crate) const UPSTREAM_STREAMS_MAX: usize = 512;

/// Clients' questions that wait for the second level of the cache. Beyond that they are answered without.
pub(crate) const FLEET_QUESTIONS_MAX: usize = 1024;

/// Entries held back for the second level while it takes no more.
pub(crate) const FLEET_WRITES_HELD_MAX: usize = 4096;

/// How long a question waits for the second level: some round trips within a site, and less than a
/// question to the world takes.
pub(crate) const FLEET_WAIT: Duration = Duration::from_millis(20);

/// Fewest bytes of a file with the secret of the fleet.
pub(crate) const FLEET_SECRET_BYTES_MIN: usize = 16;

/// How long a connection to it may take.
pub(crate) const FLEET_CONNECT_WAIT: Duration = Duration::from_secs(1);

/// Questions in a row that it answers too late before it counts as out of use.
pub(crate) const FLEET_LATE_MAX: u32 = 16;

/// After trouble it is left alone for this, twice as long each time.
pub(crate) const FLEET_PAUSE_MIN: Duration = Duration::from_secs(1);

/// The longest such pause.
pub(crate) const FLEET_PAUSE_MAX: Duration = Duration::from_secs(30);

/// Octets of commands that wait to be sent.
pub(crate) const FLEET_OUTPUT_MAX: usize = 256 * 1024;

/// Octets of an answer of it that has not come altogether: some of the longest values.
pub(crate) const FLEET_INPUT_MAX: usize = 1024 * 1024;

/// Commands on their way.
pub(crate) const FLEET_PENDING_MAX: usize = 4096;

/// Values in one answer: there are fewer keys in any of our commands.
pub(crate) const FLEET_ARRAY_MAX: usize = 16;

/// Longest value taken, in octets: the longest entry with its tag.
pub(crate) const FLEET_VALUE_BYTES_MAX: usize = 96 * 1024;

/// Console connections.
pub(crate) const CONTROL_STREAMS_MAX: usize = 64;

/// At the end, how often it is looked whether queries wait for their answers.
pub(crate) const DRAIN_LOOK: Duration = Duration::from_millis(10);

/// Such looks, at most: two seconds, after which most clients have asked somebody else.
pub(crate) const DRAIN_LOOKS_MAX: usize = 200;

/// At the end, threads that read files get so long to finish; what they find out is of no use any more.
pub(crate) const THREADS_END_TIME: Duration = Duration::from_millis(100);

/// Times in a row that a worker which ended soon after its start is started again at once: as often as a
/// question that ends workers takes to be condemned.
pub(crate) const RESTARTS_AT_ONCE: u32 = CONDEMNED_AFTER as u32;

/// After that it is started again after this, twice as long each time; one that had served for a while
/// at once.
pub(crate) const RESTART_DELAY_MIN: Duration = Duration::from_secs(1);

/// The longest such pause.
pub(crate) const RESTART_DELAY_MAX: Duration = Duration::from_secs(32);

/// Workers that a question may end before it is refused.
pub(crate) const CONDEMNED_AFTER: u64 = 3;

/// Questions that are suspected of having ended workers. There should be none.
pub(crate) const SUSPECTS_MAX: usize = 64;

/// For how long they are, in seconds since the last time: a bad file may be mended, an attack over.
pub(crate) const SUSPECT_SECONDS_MAX: u64 = 24 * 3600;

/// Processes on one run directory for which it is known what they are working on.
pub(crate) const PLACES_MAX: usize = 512;

/// A cache that could not be opened is tried again after so many seconds, twice as many each time.
pub(crate) const CACHE_RETRY_SECONDS_MIN: u32 = 1;

/// The most of them.
pub(crate) const CACHE_RETRY_SECONDS_MAX: u32 = 64;

/// Memory for what is learnt while the cache cannot be opened, in octets: what is asked often.
pub(crate) const CACHE_BYTES_IN_MEMORY: u64 = 32 * 1024 * 1024;

/// How long the other workers may take to end before they are killed.
pub(crate) const STOP_WAIT: Duration = Duration::from_secs(10);

/// A worker that ends with an error before this could not start; later, it is started again.
pub(crate) const STARTED_AFTER: Duration = Duration::from_secs(5);

/// A new configuration that is ready waits so long for being taken over by all processes together.
pub(crate) const PREPARED_WAIT: Duration = Duration::from_secs(30);

/// How long a new configuration may take for the question it is tried with.
pub(crate) const PROBE_WAIT: Duration = Duration::from_secs(2);

/// How long a configuration that was replaced may take for what it has begun: longer than any request
/// may live.
pub(crate) const RETIRE_WAIT: Duration = Duration::from_secs(30);

/// How often it is looked whether that is over.
pub(crate) const RETIRE_LOOK: Duration = Duration::from_millis(50);

/// Memory for what is learnt while no cache is open, in octets.
pub(crate) const CACHE_BYTES_UNTIL_OPENED: u64 = 1024 * 1024;

/// Connections over HTTP at a time, all clients together: each may hold some windows of 64 KiB.
pub(crate) const DOH_CONNECTIONS_MAX: usize = 1024;

/// Queries under way on one connection over HTTP (SETTINGS_MAX_CONCURRENT_STREAMS, RFC 9113 §6.5.2
/// recommends no fewer).
pub(crate) const DOH_QUERIES_MAX: u32 = 100;

/// Octets of the headers of one request over HTTP; the longest query in base64url fits.
pub(crate) const DOH_HEADERS_MAX: u32 = 96 * 1024;

/// Time for the body of a request over HTTP: a message fits into a few packets.
pub(crate) const DOH_BODY_TIME: Duration = Duration::from_secs(5);

/// Octets of a body that is too long which are read and thrown away, so that the client hears why.
pub(crate) const DOH_DISCARDED_MAX: usize = 1 << 20;

/// Seconds that a failure told over HTTP may be kept: as long as the resolver itself remembers it at
/// least (RFC 9520 §3.2).
pub(crate) const DOH_SERVFAIL_AGE: u32 = 5;
