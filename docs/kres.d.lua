---@meta kres
-- Made of the running program; do not edit.

---show this help
function help() end

---end the process
function quit() end

---get or set the name of this machine
function hostname(fqdn) end

---version of the program
function package_version() end

---give up privileges and run as this user
function user(name, group) end

---get or set the level of log messages
function log_level(level) end

---get or set where log messages go
function log_target(target) end

---get or set the groups that are logged at every level
function log_groups(groups) end

---log at level debug (deprecated, use log_level)
function verbose(value) end

---get or set a query flag for all requests
function option(name, value) end

---get or set how strictly glue is judged
function mode(value) end

---get or set the rotation of records within RRsets
function reorder_RR(value) end

---resolve a name, then call finish
function resolve(name, type, class, options, finish, init) end

---name in wire format
function todname(name) end

---JSON text of a value
function tojson(value) end

---value of a JSON text
function fromjson(text) end

---run a command on every instance and collect the results
function map(command, format) end

---a value as text, as the console shows it
function table_print(value) end

---@type number
kB = 1024

---@type number
MB = 1048576

---@type number
GB = 1073741824

---@type number
sec = 1000

---@type number
second = 1000

---@type number
min = 60000

---@type number
minute = 60000

---@type number
hour = 3600000

---@type number
day = 86400000

---@class net
net = {}

---detach the BPF program
function net.bpf_clear() end

---attach a loaded BPF program to UDP sockets
function net.bpf_set(fd) end

---get or set the advertised EDNS payload sizes
function net.bufsize(downstream, upstream) end

---close endpoints on an address; returns whether there were any
function net.close(address, port) end

---get or set the HTTP headers kept for policies
function net.doh_headers(names) end

---the machine's interfaces and their addresses
function net.interfaces() end

---list of open endpoints
function net.list() end

---listen on addresses (a string, a list or an interface)
function net.listen(addresses, port, kind, freebind) end

---get or set the source address of IPv4 queries, nil = any
function net.outgoing_v4(address) end

---get or set the source address of IPv6 queries, nil = any
function net.outgoing_v6(address) end

---get or set the networks whose PROXYv2 headers are believed
function net.proxy_allowed(networks) end

function net.register_endpoint_kind(kind, callback) end

---get or set the idle time of client connections
function net.tcp_in_idle(ms) end

---get or set the outstanding queries per client connection
function net.tcp_pipeline(limit) end

---get or set the certificate and key of the TLS server
function net.tls(cert_file, key_file) end

---get or set how an upstream is authenticated over TLS
function net.tls_client(address, hostname, ca_file, pin_sha256, insecure) end

---forget how an upstream is authenticated over TLS
function net.tls_client_clear(address) end

---get or set how long a TLS handshake may take
function net.tls_handshake_timeout(ms) end

---get or set the padding of encrypted answers
function net.tls_padding(value) end

function net.tls_server(...) end

---set the secret of TLS session tickets, at least 32 octets
function net.tls_sticket_secret(secret) end

---set the secret of TLS session tickets from a file
function net.tls_sticket_secret_file(path) end

---@class cache
cache = {}

---known kinds of storage, true for the default
function cache.backends() end

---the last moment that was kept, by both clocks; with true, keep this one
function cache.checkpoint(value) end

function cache.clear(name, exact_name, rr_type, chunk_size, callback, prev_state) end

---remove everything
function cache.clear_everything() end

---close the cache
function cache.close() end

---number of entries
function cache.count() end

---size of the file system that holds the cache
function cache.fssize() end

---what is known about a name: types, ranks, seconds left
function cache.get(name) end

---get or set the largest TTL
function cache.max_ttl(seconds) end

---get or set the smallest TTL
function cache.min_ttl(seconds) end

---get or set how long a silent server is left alone
function cache.ns_tout(ms) end

---open or re-open the cache
function cache.open(max_size, storage) end

---counters of low-level operations
function cache.stats() end

function cache.zone_import(path) end

---@class modules
modules = {}

---loaded modules in order
function modules.list() end

function modules.load(spec) end

function modules.unload(name) end

---@class worker
worker = {}

function worker.coroutine(fn) end

function worker.coroutines(most) end

---@type number
worker.count = nil

function worker.info() end

---@type number
worker.pid = nil

---read the configuration anew and take it over if it is good
function worker.reload() end

function worker.resolve(qname, qtype, qclass, options, finish, init) end

function worker.resolve_pkt(pkt, options, finish, init) end

function worker.sleep(timeout) end

---counters of this process
function worker.stats() end

---@type table
worker.vars = nil

---@class event
event = {}

---call a function once, later; returns the id of the event
function event.after(ms, callback) end

---end an event; returns whether it existed
function event.cancel(id) end

---call a function at once and then again and again; returns the id of the event
function event.recurrent(ms, callback) end

---move an event; returns whether it exists
function event.reschedule(id, ms) end

---call a function whenever a file descriptor is readable; returns the id of the event
function event.socket(fd, callback) end

---@class trust_anchors
trust_anchors = {}

---add a static DS or DNSKEY record
function trust_anchors.add(rr_string) end

---load trust anchors from a file and, unless read-only, keep it up to date
function trust_anchors.add_file(keyfile, readonly) end

function trust_anchors.config() end

---@type table
trust_anchors.key_state = nil

---remove the trust anchors of a zone; returns whether there were any
function trust_anchors.remove(zonename) end

---replace the negative trust anchors
function trust_anchors.set_insecure(names) end

---the configured trust anchors as text
function trust_anchors.summary(zonename) end

---@class policy
policy = {}

function policy.ANSWER(rtable, nodata) end

function policy.COMBINE(list) end

function policy.DEBUG_ALWAYS(state, req) end

function policy.DEBUG_CACHE_MISS(state, req) end

function policy.DEBUG_IF(test) end

function policy.DENY(state, req) end

function policy.DENY_MSG(msg, extended_error) end

function policy.DROP(state, req) end

function policy.FLAGS(opts_set, opts_clear) end

function policy.FORWARD(target) end

function policy.IPTRACE(state, req) end

function policy.MIRROR(target) end

function policy.NO_ANSWER(state, req) end

function policy.PASS(state, req) end

function policy.QTRACE(state, req) end

function policy.REFUSE(state, req) end

function policy.REQTRACE(state, req) end

function policy.REROUTE(tbl) end

function policy.STUB(target) end

function policy.TC(state, req) end

function policy.TLS_FORWARD(targets) end

---add a rule; returns a table with its id
function policy.add(rule, postrule) end

function policy.all(action) end

---remove a rule; returns whether it existed
function policy.del(id) end

function policy.domains(action, dname_list) end

function policy.evaluate(rules, req, query, state) end

function policy.pattern(action, pattern) end

---@type table
policy.postrules = nil

function policy.rpz(action, path, watch) end

---@type table
policy.rules = nil

function policy.slice(slice_func, ...) end

function policy.slice_randomize_psl(seed) end

---@type table
policy.special_names = nil

function policy.suffix(action, zone_list) end

function policy.suffix_common(action, suffix_list, common_suffix) end

function policy.todnames(names) end

---@class view
view = {}

function view.addr(_, subnet, rule, dst) end

---@type table
view.dst = nil

---@type table
view.key = nil

function view.rule_dst(action, subnet) end

function view.rule_src(action, subnet) end

---@type table
view.src = nil

function view.tsig(_, key, rule) end

---@class kres
kres = {}

---@type number
kres.CONSUME = nil

---@type number
kres.DONE = nil

---@type number
kres.FAIL = nil

---@type number
kres.PRODUCE = nil

---@type number
kres.YIELD = nil

---@type table
kres.class = nil

function kres.context() end

---text of a name in wire format
function kres.dname2str(wire) end

function kres.dname2wire(name) end

---@type table
kres.extended_error = nil

function kres.lru(capacity, value_type) end

function kres.mk_qflags(names) end

---@type table
kres.opcode = nil

---@type function
kres.packet = nil

---rdata in wire format of lines like 'A 192.0.2.1'
function kres.parse_rdata(lines) end

function kres.pkt_t(value) end

---@type table
kres.rank = nil

---@type table
kres.rcode = nil

function kres.request_t(value) end

function kres.rr2str(rr) end

---@type function
kres.rrset = nil

---@type table
kres.section = nil

function kres.sockaddr_t(address) end

---name in wire format, nil if it is no name
function kres.str2dname(text) end

---octets of an address, nil if it is none
function kres.str2ip(text) end

---@type table
kres.tostring = nil

---@type table
kres.type = nil

---@class kres.cache
---@field stats any
local cache = {}

function cache:commit() end

function cache:insert(set, signatures, rank) end

---@class kres.context
---@field cache any
local context = {}

---@class kres.pkt
---@field max_size any
---@field size any
---@field wire any
local pkt = {}

function pkt:aa(value) end

function pkt:ad(value) end

function pkt:ancount() end

function pkt:arcount() end

function pkt:begin(section) end

function pkt:cd(value) end

function pkt:clear_payload() end

function pkt:dobit() end

function pkt:get(section, i) end

function pkt:has_edns() end

function pkt:has_wire() end

function pkt:id(value) end

function pkt:nscount() end

function pkt:opcode(value) end

function pkt:parse() end

function pkt:put(owner, ttl, rclass, rtype, rdata) end

function pkt:put_rr(set) end

function pkt:qclass() end

function pkt:qdcount() end

function pkt:qname() end

function pkt:qr(value) end

function pkt:qtype() end

function pkt:question(qname, qclass, qtype) end

function pkt:ra(value) end

function pkt:rcode(value) end

function pkt:rd(value) end

function pkt:recycle() end

function pkt:remaining_bytes() end

function pkt:resize(size) end

function pkt:rrsets(section) end

function pkt:section(section) end

function pkt:tc(value) end

function pkt:tostring() end

function pkt:towire() end

---@class kres.query
---@field flags any
---@field id any
---@field parent any
---@field zone_cut any
local query = {}

function query:name() end

function query:write(packet) end

---@class kres.request
---@field add_selected any
---@field answ_selected any
---@field answer any
---@field auth_selected any
---@field current_query any
---@field options any
---@field qsource any
---@field rank any
---@field rplan any
---@field state any
---@field uid any
local request = {}

function request:all_from_cache() end

function request:apply(description) end

function request:current() end

function request:ensure_answer() end

function request:ensure_edns() end

function request:first_resolved() end

function request:initial() end

function request:last() end

function request:push(name, rtype, class, flags, _) end

function request:resolved() end

function request:selected_tostring() end

function request:set_extended_error(code, text) end

function request:vars() end

---@class kres.rrset
---@field _owner any
---@field _ttl any
---@field rclass any
---@field rrs any
---@field type any
local rrset = {}

function rrset:add_rdata(rdata, length) end

function rrset:class(value) end

function rrset:get(i) end

function rrset:is_covered_by(other) end

function rrset:merge_rdata(other) end

function rrset:owner() end

function rrset:rdata(i) end

function rrset:rdcount() end

function rrset:tostring(i) end

function rrset:ttl() end

function rrset:txt_dump() end

function rrset:txt_fields(i) end

function rrset:type_covered(i) end

function rrset:wire_size() end
