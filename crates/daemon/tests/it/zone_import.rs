//! Zone files into the cache of a program that goes on with its other work meanwhile.

use crate::process::{Running, eventually};

/// A zone of so many names, which no anchor stands for.
const ZONE: &str = "
    local function zone(path, names, last)
        local file = assert(io.open(path, 'w'))
        file:write('test. 3600 SOA ns.test. host.test. 1 2 3 4 5\\ntest. 3600 NS ns.test.\\n')
        for i = 1, names do
            file:write('n', i, '.test. 3600 A 192.0.2.', i % 256, '\\n')
        end
        file:write(last or '')
        file:close()
    end
    local ffi = require('ffi')
    local function say(...)
        log_error(ffi.C.LOG_GRP_SYSTEM, 'said: ' .. string.rep('%s ', select('#', ...)), ...)
    end
    local function import(path, cb)
        return ffi.C.zi_zone_import { zone_file = path, downgrade = true, cb = cb, cb_param = path }
    end
    trust_anchors.remove('.')
    cache.size = 50 * MB
";

fn check_said(configuration: &str, words: &str) {
    let running = Running::start(&format!("{ZONE}{configuration}"));
    eventually(words, || {
        let log = running.log();
        assert!(!log.contains("FAILED"), "{log}");
        log.contains(words).then_some(())
    });
}

#[test]
fn a_large_zone_comes_into_the_cache_a_little_at_a_time() {
    check_said(
        "zone('big.zone', 20000)
         local turns, begun = 0, nil
         event.recurrent(1, function () turns = turns + 1 end)
         event.after(10, function ()
             begun = import('big.zone', function (state, path)
                 say(begun, state, path, cache.count() > 20000, turns > 10 or 'FAILED ' .. turns)
             end)
         end)",
        "said: 0 0 big.zone true true",
    );
}

#[test]
fn what_is_found_wrong_later_is_told_later() {
    check_said(
        "zone('bad.zone', 5000, 'x.test. A 192.0.2.256\\n')
         event.after(10, function ()
             local begun
             begun = import('bad.zone', function (state, path)
                 say(begun, state, path, cache.count())
             end)
         end)",
        "said: 0 -1 bad.zone 0",
    );
}

#[test]
fn so_many_at_the_same_time_and_no_more() {
    check_said(
        "zone('big.zone', 5000)
         event.after(10, function ()
             local begun, ended = 0, 0
             for i = 1, 20 do
                 local answer = import('big.zone', function (state)
                     ended = ended + 1
                     if ended == begun then say(begun, state) end
                 end)
                 if answer == 0 then begun = begun + 1 end
             end
         end)",
        "said: 8 0",
    );
}

#[test]
fn what_is_wrong_at_first_sight_is_told_at_once() {
    check_said(
        "zone('short.zone', 5, 'x.test. A 192.0.2.256\\n')
         event.after(10, function ()
             os.execute('mkfifo pipe')
             say(import('short.zone'), import('gone.zone'), import('pipe'),
                 pcall(cache.zone_import, 'gone.zone'))
         end)",
        "said: -1 -1 -1 false",
    );
}
