//! Layers and rules written in Lua, in the real program and with real servers behind it. Knot
//! Resolver 5.6 runs the same code (`KRESD=/path cargo test -p daemon e2e_lua`).

use crate::e2e::check_answers;
use crate::process::{Running, eventually};

/// A module whose table this code returns, loaded. Nobody but the test asks questions, since some of
/// the modules count them.
fn module(code: &str) -> String {
    format!(
        "trust_anchors.remove('.')\n\
         for _, name in ipairs({{ 'priming', 'detect_time_skew', 'ta_signal_query', 'ta_update' }}) do\n\
         pcall(modules.unload, name)\n\
         end\n\
         package.preload['kres_modules.own'] = function ()\n{code}\nend\n\
         modules.load('own')\n"
    )
}

#[test]
fn a_layer_answers_and_refuses() {
    check_answers(
        &module(
            "return { layer = { begin = function (state, req)
                local qry = req:current()
                if qry.stype == kres.type.HINFO then return kres.FAIL end
                if kres.dname2str(qry:name()) ~= 'made.plain.com.' then return state end
                local answer = req:ensure_answer()
                if answer == nil then return nil end
                answer:rcode(kres.rcode.NOERROR)
                answer:begin(kres.section.ANSWER)
                answer:put(qry.sname, 900, answer:qclass(), kres.type.A, '\\10\\1\\2\\3')
                return kres.DONE
            end } }",
        ),
        &[
            ("made.plain.com A", "NOERROR\nmade.plain.com. A 10.1.2.3"),
            ("plain.com A", "NOERROR\nplain.com. A 192.0.2.1"),
            ("plain.com A", "NOERROR\nplain.com. A 192.0.2.1"),
            ("plain.com HINFO", "SERVFAIL"),
        ],
    );
}

#[test]
fn a_layer_changes_the_answer_at_the_end() {
    check_answers(
        &module(
            "return { layer = { answer_finalize = function (state, req)
                local answer = req.answer
                if answer:rcode() ~= kres.rcode.NXDOMAIN then return state end
                answer:clear_payload()
                answer:rcode(kres.rcode.REFUSED)
                return state
            end } }",
        ),
        &[
            ("gone.plain.com A", "REFUSED"),
            ("gone.plain.com A", "REFUSED"),
            ("plain.com A", "NOERROR\nplain.com. A 192.0.2.1"),
        ],
    );
}

#[test]
fn an_error_in_a_layer_costs_one_answer() {
    check_answers(
        &module(
            "return { layer = { begin = function (state, req)
                if req:current().stype == kres.type.HINFO then error('boom') end
            end } }",
        ),
        &[("plain.com HINFO", "SERVFAIL"), ("plain.com A", "NOERROR\nplain.com. A 192.0.2.1")],
    );
}

#[test]
fn a_layer_works_on_the_program() {
    check_answers(
        &module(
            "local count = 0
            return { layer = { begin = function (state, req)
                -- The module is gone by then if all is well.
                if count >= 4 then return kres.FAIL end
            end, finish = function (state, req)
                count = count + 1
                if count == 1 then
                    cache.clear()
                    cache.max_ttl(1000)
                    event.after(0, function () done = true end)
                    policy.add(policy.all(policy.FLAGS('NO_CACHE')))
                    resolve('www.plain.com', kres.type.A, kres.class.IN, 0, function (pkt, req)
                        assert(pkt:rcode() == kres.rcode.NOERROR)
                        resolved = kres.dname2str(req:resolved():name())
                    end)
                elseif count == 4 then
                    assert(cache.max_ttl() == 1000 and done and resolved == 'www.plain.com.')
                    modules.unload('own')
                end
            end } }",
        ),
        &[
            ("plain.com A", "NOERROR\nplain.com. A 192.0.2.1"),
            ("mail.plain.com AAAA", "NOERROR"),
            ("plain.com A", "NOERROR\nplain.com. A 192.0.2.1"),
            ("gone.plain.com A", "NXDOMAIN"),
            ("plain.com A", "NOERROR\nplain.com. A 192.0.2.1"),
        ],
    );
}

#[test]
fn queries_that_the_configuration_starts_call_back() {
    let running = Running::start(
        "trust_anchors.remove('.')
         local ffi = require('ffi')
         local said = {}
         resolve {
             name = 'localhost.', type = kres.type.A,
             init = function () said[#said + 1] = 'init' end,
             finish = function (packet)
                 said[#said + 1] = 'finish ' .. packet:rcode()
                 log_error(ffi.C.LOG_GRP_SYSTEM, 'said: %s', table.concat(said, ', '))
             end,
         }",
    );
    eventually("both callbacks", || running.log().contains("said: init, finish 0").then_some(()));
}
