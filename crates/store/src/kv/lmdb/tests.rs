//! What happens to a store whose files are bad, foreign, cut off, removed or locked. Other
//! processes are played by locks on files that this process opens a second time; the real ones
//! are in `tests/kv_processes.rs`.

use std::fs::{self, File};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use heed::EnvOpenOptions;
use heed::types::Bytes;

use super::files::{DATA_NAME, LOCK_NAME};
use super::header::{self, HEADER_KEY, Secret};
use std::ops::ControlFlow;

use super::*;

const MIB: u64 = 1 << 20;

fn options(directory: &Path) -> OpenOptions {
    OpenOptions { path: directory.to_owned(), bytes: 2 * MIB, seed: [5; 16] }
}

fn fill(kv: &mut LmdbKv, entries: u32) {
    for n in 0..entries {
        kv.put(&key(n), &value(n)).unwrap();
    }
    kv.flush().unwrap();
}

fn key(n: u32) -> Vec<u8> {
    format!("key {n:06}").into_bytes()
}

/// Most are short, some need pages of their own.
fn value(n: u32) -> Vec<u8> {
    let len = if n.is_multiple_of(50) { 2_000 + n as usize * 7 } else { 20 + n as usize % 100 };
    (0..len).map(|i| (i as u32 * 7 + n) as u8).collect()
}

/// Asserts that the store can be used as if nothing had been.
#[track_caller]
fn assert_usable(kv: &mut LmdbKv) {
    kv.put(b"usable", b"yes").unwrap();
    kv.flush().unwrap();
    assert_eq!(kv.get(b"usable"), Some(&b"yes"[..]));
    kv.remove(b"usable").unwrap();
    kv.flush().unwrap();
    assert_eq!(kv.get(b"usable"), None);
    kv.end_turn().unwrap();
    assert!(kv.is_intact());
}

fn recreated(notices: &[Notice]) -> Option<Distrust> {
    notices.iter().find_map(|notice| match notice {
        Notice::Recreated { why, .. } => Some(*why),
        _ => None,
    })
}

#[test]
fn entries_outlive_the_process() {
    let directory = tempfile::tempdir().unwrap();
    let mut kv = new(&options(directory.path())).unwrap();
    fill(&mut kv, 500);
    kv.put(b"last words", b"kept").unwrap();
    drop(kv);
    let mut kv = new(&options(directory.path())).unwrap();
    for n in 0..500 {
        assert_eq!(kv.get(&key(n)), Some(&value(n)[..]));
    }
    assert_eq!(kv.get(b"last words"), Some(&b"kept"[..]));
    assert_eq!(kv.take_notices(), []);
    let mut names: Vec<_> =
        fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, [DATA_NAME, LOCK_NAME, shared::SHARED_NAME]);
}

#[test]
fn the_map_is_fenced_in_and_stays_so_when_it_grows() {
    let directory = tempfile::tempdir().unwrap();
    let mut kv = new(&options(directory.path())).unwrap();
    // Other tests of this process may have taken the place on one side.
    let fences = |kv: &LmdbKv| kv.base().environment.as_ref().unwrap().fences.count();
    assert!(fences(&kv) > 1);
    kv.grow(8 * MIB).unwrap();
    assert!(fences(&kv) > 0);
    assert_usable(&mut kv);
}

/// From the first splits of pages on that is a copy of a page, too.
#[test]
fn lmdb_has_its_memory_from_the_arena_and_gives_all_of_it_back() {
    let directory = tempfile::tempdir().unwrap();
    let before = arena::HELD.get();
    for entries in [1, 1, 3_000] {
        let mut kv = new(&options(directory.path())).unwrap();
        let opened = arena::HELD.get();
        assert!(opened >= before + 8, "{opened} and {before}");
        fill(&mut kv, entries);
        kv.end_turn().unwrap();
        assert_eq!(arena::HELD.get() > opened, entries > 1);
        drop(kv);
        assert_eq!(arena::HELD.get(), before);
    }
}

#[test]
fn a_missing_directory_is_made_and_an_impossible_one_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let below = directory.path().join("cache");
    assert_usable(&mut new(&options(&below)).unwrap());
    let file = directory.path().join("file");
    fs::write(&file, "x").unwrap();
    let error = new(&options(&file.join("cache"))).err().unwrap().to_string();
    assert!(error.starts_with("cannot make directory ") && error.contains("/file/cache: "));
}

#[test]
fn a_directory_is_open_once_in_a_process() {
    let directory = tempfile::tempdir().unwrap();
    let mut kv = new(&options(directory.path())).unwrap();
    let again = new(&options(directory.path()));
    assert!(matches!(again, Err(StoreError::AlreadyOpen { .. })));
    assert_usable(&mut kv);
    drop(kv);
    assert_usable(&mut new(&options(directory.path())).unwrap());
}

#[test]
fn a_larger_file_keeps_its_size() {
    let directory = tempfile::tempdir().unwrap();
    drop(new(&OpenOptions { bytes: 4 * MIB, ..options(directory.path()) }).unwrap());
    let mut kv = new(&options(directory.path())).unwrap();
    assert_eq!(kv.usage().bytes_max, 4 * MIB);
    assert_eq!(kv.take_notices(), [Notice::SizeKept { asked: 2 * MIB, kept: 4 * MIB }]);
    drop(kv);
    let mut kv = new(&OpenOptions { bytes: 8 * MIB, ..options(directory.path()) }).unwrap();
    assert_eq!((kv.usage().bytes_max, kv.take_notices()), (8 * MIB, vec![]));
}

#[test]
fn space_is_reserved_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let kv = new(&options(directory.path())).unwrap();
    use std::os::unix::fs::MetadataExt as _;
    let metadata = fs::metadata(directory.path().join(DATA_NAME)).unwrap();
    assert_eq!(metadata.len(), 2 * MIB);
    assert!(metadata.blocks() * 512 >= 2 * MIB);
    drop(kv);
}

#[test]
fn files_that_are_no_database_are_made_anew() {
    let garbage: Vec<u8> =
        (0..300_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for content in [&b""[..], b"text\n", &[0; 8_192], &[0; 100_000], &garbage] {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(DATA_NAME), content).unwrap();
        fs::write(directory.path().join(LOCK_NAME), content).unwrap();
        let mut kv = new(&options(directory.path())).unwrap();
        assert!(recreated(&kv.take_notices()).is_some(), "{} bytes", content.len());
        assert_usable(&mut kv);
    }
}

#[test]
fn a_file_cut_off_while_nobody_used_it_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let mut kv = new(&options(directory.path())).unwrap();
    fill(&mut kv, 1_000);
    let used = kv.usage().bytes;
    drop(kv);
    let data = fs::read(directory.path().join(DATA_NAME)).unwrap();
    for len in [0, 1, 4_095, 4_096, 8_191, 8_192, 20_000, used - 4_096, used - 1] {
        fs::write(directory.path().join(DATA_NAME), &data[..len as usize]).unwrap();
        let mut kv = new(&options(directory.path())).unwrap();
        assert_eq!(recreated(&kv.take_notices()), Some(Distrust::Truncated), "{len} bytes");
        assert_usable(&mut kv);
    }
    // What was reserved but never used can be missing.
    fs::write(directory.path().join(DATA_NAME), &data[..used as usize + 100 * 4_096]).unwrap();
    let mut kv = new(&options(directory.path())).unwrap();
    assert_eq!(recreated(&kv.take_notices()), None);
    assert_eq!(kv.get(&key(999)), Some(&value(999)[..]));
}

#[test]
fn a_file_cut_off_in_the_middle_of_a_turn_does_no_harm() {
    for len in [0, 1, 4_096, 8_192, 12_288, 100_000, MIB] {
        let directory = tempfile::tempdir().unwrap();
        let mut kv = new(&options(directory.path())).unwrap();
        fill(&mut kv, 1_000);
        assert!(kv.get(&key(500)).is_some());
        let file = File::options().write(true).open(directory.path().join(DATA_NAME)).unwrap();
        file.set_len(len).unwrap();
        for n in 0..1_000 {
            if let Some(found) = kv.get(&key(n)) {
                assert_eq!(found, value(n));
            }
        }
        assert!(!kv.is_intact() || len == MIB, "{len} bytes");
        kv.put(b"in the same turn", b"kept").unwrap();
        kv.end_turn().unwrap();
        assert_eq!(kv.get(b"in the same turn"), Some(&b"kept"[..]), "{len} bytes");
        assert_eq!(recreated(&kv.take_notices()), Some(Distrust::Truncated), "{len} bytes");
        assert_usable(&mut kv);
    }
}

#[test]
fn a_lock_file_cut_off_while_open_does_no_harm() {
    let directory = tempfile::tempdir().unwrap();
    let mut kv = new(&options(directory.path())).unwrap();
    fill(&mut kv, 100);
    // Truncating by path: opening and closing the file here would drop LMDB's locks on it.
    let path = std::ffi::CString::new(
        directory.path().join(LOCK_NAME).into_os_string().into_encoded_bytes(),
    );
    // SAFETY: the path is a string that ends with a zero.
    assert_eq!(unsafe { libc::truncate(path.unwrap().as_ptr(), 0) }, 0);
    kv.get(&key(1));
    kv.end_turn().unwrap();
    assert_usable(&mut kv);
    assert_eq!(recreated(&kv.take_notices()), Some(Distrust::Truncated));
}

#[test]
fn files_removed_while_open_are_made_anew() {
    let directory = tempfile::tempdir().unwrap();
    let mut kv = new(&options(directory.path())).unwrap();
    fill(&mut kv, 100);
    fs::remove_file(directory.path().join(DATA_NAME)).unwrap();
    fs::remove_file(directory.path().join(LOCK_NAME)).unwrap();
    assert_eq!(kv.get(&key(1)), None);
    kv.put(b"key", b"value").unwrap();
    kv.end_turn().unwrap();
    assert_eq!(kv.get(b"key"), Some(&b"value"[..]));
    assert!(matches!(kv.take_notices()[..], [Notice::Removed { .. }]));
    assert!(directory.path().join(DATA_NAME).exists());
    assert_usable(&mut kv);
}

#[test]
fn a_directory_removed_while_open_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let below = directory.path().join("cache");
    let mut kv = new(&options(&below)).unwrap();
    fs::remove_dir_all(&below).unwrap();
    fs::write(&below, "in the way").unwrap();
    kv.put(b"key", b"value").unwrap();
    assert!(matches!(kv.end_turn(), Err(StoreError::Io { .. })));
    assert_eq!((kv.get(b"key"), kv.counters().lost.get()), (None, 1));
    kv.put(b"key", b"value").unwrap();
    assert!(matches!(kv.end_turn(), Err(StoreError::Closed)));
    kv.maintain();
    assert_eq!(kv.usage(), Usage::default());
    fs::remove_file(&below).unwrap();
    kv.maintain();
    assert_usable(&mut kv);
}

#[test]
fn a_lock_file_removed_while_open_is_noticed_by_maintenance() {
    let directory = tempfile::tempdir().unwrap();
    let mut kv = new(&options(directory.path())).unwrap();
    fill(&mut kv, 100);
    fs::remove_file(directory.path().join(LOCK_NAME)).unwrap();
    kv.maintain();
    kv.end_turn().unwrap();
    assert_eq!(recreated(&kv.take_notices()), Some(Distrust::LockGone));
    assert_usable(&mut kv);
    // While nobody uses the data, a missing lock file means nothing.
    fill(&mut kv, 100);
    drop(kv);
    fs::remove_file(directory.path().join(LOCK_NAME)).unwrap();
    let mut kv = new(&options(directory.path())).unwrap();
    assert_eq!(kv.get(&key(99)), Some(&value(99)[..]));
    assert_eq!(kv.take_notices(), []);
}

#[test]
fn a_changed_byte_of_an_entry_is_a_miss() {
    let directory = tempfile::tempdir().unwrap();
    let mut kv = new(&options(directory.path())).unwrap();
    kv.put(b"the key", b"a value that can be found in the file").unwrap();
    kv.put(b"zzz", b"untouched").unwrap();
    kv.flush().unwrap();
    let path = directory.path().join(DATA_NAME);
    let data = fs::read(&path).unwrap();
    let text = b"can be found";
    let at = data.windows(text.len()).rposition(|window| window == text).unwrap();
    let file = File::options().write(true).open(&path).unwrap();
    file.write_all_at(b"C", at as u64).unwrap();
    assert_eq!(kv.get(b"the key"), None);
    assert_eq!(kv.get_less_or_equal(b"the key!"), None);
    assert_eq!(kv.counters().tag_mismatch.get(), 2);
    let mut seen = vec![];
    kv.scan_prefix(b"", None, 9, &mut |key, value| {
        seen.push((key.to_vec(), value.len()));
        ControlFlow::Continue(())
    });
    assert_eq!(seen, [(b"the key".to_vec(), 0), (b"zzz".to_vec(), 9)]);
    kv.put(b"the key", b"new").unwrap();
    kv.flush().unwrap();
    assert_eq!(kv.get(b"the key"), Some(&b"new"[..]));
}

/// Writes a database as another program would.
fn foreign(directory: &Path, key: &[u8]) {
    let mut options = EnvOpenOptions::new();
    options.map_size(MIB as usize);
    // SAFETY: nobody else uses the directory.
    let env = unsafe { options.open(directory) }.unwrap();
    let transaction = env.write_txn().unwrap();
    env.create_databases_and_commit(transaction, |opener, transaction| {
        let database = opener.create_database::<Bytes, Bytes>(transaction, None)?;
        database.put(transaction, key, b"\x07\0")?;
        Ok::<_, heed::Error>(heed::CommitOrAbort::<_, ()>::Commit(()))
    })
    .unwrap();
    env.prepare_for_closing().wait();
}

#[test]
fn a_database_of_another_program_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    foreign(directory.path(), b"something precious");
    let before = fs::read(directory.path().join(DATA_NAME)).unwrap();
    let error = new(&options(directory.path())).err().unwrap();
    assert!(matches!(error, StoreError::Foreign { .. }), "{error}");
    assert_eq!(fs::read(directory.path().join(DATA_NAME)).unwrap(), before);
}

#[test]
fn a_cache_of_knot_resolver_is_replaced_unless_it_is_in_use() {
    let directory = tempfile::tempdir().unwrap();
    foreign(directory.path(), b"VERS");
    let lock =
        File::options().read(true).write(true).open(directory.path().join(LOCK_NAME)).unwrap();
    let mut range = libc::flock {
        l_type: libc::F_RDLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 1,
        l_pid: 0,
    };
    // SAFETY: the descriptor is open and the struct is what the command takes.
    assert_eq!(unsafe { libc::fcntl(lock.as_raw_fd(), libc::F_OFD_SETLK, &raw mut range) }, 0);
    let error = new(&options(directory.path())).err().unwrap();
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
    drop(lock);
    let mut kv = new(&options(directory.path())).unwrap();
    assert_eq!(recreated(&kv.take_notices()), Some(Distrust::Foreign));
    assert_usable(&mut kv);
}

/// Makes the files those of a version to come.
fn turn_into_version(directory: &Path, version: u32) {
    let mut kv = new(&options(directory)).unwrap();
    fill(&mut kv, 10);
    drop(kv);
    let header = header::compose(&Secret::new(&[5; 16], 1));
    let path = directory.join(DATA_NAME);
    let data = fs::read(&path).unwrap();
    let file = File::options().write(true).open(path).unwrap();
    for (at, window) in data.windows(header.len()).enumerate() {
        if window == header {
            file.write_all_at(&version.to_le_bytes(), at as u64 + 8).unwrap();
        }
    }
}

#[test]
fn another_version_is_replaced_unless_it_is_in_use() {
    let directory = tempfile::tempdir().unwrap();
    turn_into_version(directory.path(), FORMAT_VERSION + 1);
    let user = File::open(directory.path().join(DATA_NAME)).unwrap();
    user.lock_shared().unwrap();
    let before = fs::read(directory.path().join(DATA_NAME)).unwrap();
    match new(&options(directory.path())).err().unwrap() {
        error @ StoreError::OtherFormat { found, ours, .. } => {
            assert_eq!((found, ours), (FORMAT_VERSION + 1, FORMAT_VERSION));
            assert!(error.to_string().contains("another version of this program uses the cache"));
        }
        error => panic!("{error}"),
    }
    assert_eq!(fs::read(directory.path().join(DATA_NAME)).unwrap(), before);
    drop(user);
    let mut kv = new(&options(directory.path())).unwrap();
    let why = Some(Distrust::OtherFormat(FORMAT_VERSION + 1));
    assert_eq!(recreated(&kv.take_notices()), why);
    assert_usable(&mut kv);
}

#[test]
fn writes_wait_while_another_process_writes() {
    let directory = tempfile::tempdir().unwrap();
    let mut kv = new(&options(directory.path())).unwrap();
    let other = files::DataFile::open(directory.path()).unwrap().unwrap();
    let lock = other.lock_for_writing(false).unwrap();
    assert!(lock.is_some());
    kv.put(b"key", b"value").unwrap();
    for _ in 0..3 {
        kv.end_turn().unwrap();
        assert_eq!(kv.get(b"key"), Some(&b"value"[..]));
        assert_eq!(kv.usage().entries, 0);
    }
    assert_eq!(kv.counters().busy.get(), 3);
    let mut refused = 0;
    for n in 0..2_000 {
        refused += u64::from(matches!(kv.put(&key(n), b"v"), Err(StoreError::Busy)));
    }
    assert!(refused > 1_000 && kv.counters().lost.get() == refused);
    drop(lock);
    kv.end_turn().unwrap();
    assert_eq!(kv.usage().entries, 2_001 - refused);
    assert_usable(&mut kv);
}

#[test]
fn opening_anew_waits_for_another_turn_while_another_process_opens() {
    let directory = tempfile::tempdir().unwrap();
    let mut kv = new(&options(directory.path())).unwrap();
    let lock = DirectoryLock::acquire(directory.path(), true).unwrap();
    fs::remove_file(directory.path().join(DATA_NAME)).unwrap();
    kv.put(b"key", b"value").unwrap();
    for _ in 0..3 {
        kv.end_turn().unwrap();
        assert_eq!(kv.get(b"key"), Some(&b"value"[..]));
    }
    drop(lock);
    kv.end_turn().unwrap();
    assert_eq!((kv.usage().entries, kv.counters().lost.get()), (1, 0));
}

#[test]
fn everything_found_by_a_plain_reader_is_the_header_and_the_entries() {
    let directory = tempfile::tempdir().unwrap();
    let mut kv = new(&options(directory.path())).unwrap();
    fill(&mut kv, 300);
    drop(kv);
    // SAFETY: nobody else uses the directory.
    let env = unsafe { EnvOpenOptions::new().open(directory.path()) }.unwrap();
    let transaction = env.read_txn().unwrap();
    let database = env
        .open_databases_and_commit(transaction, |opener, transaction| {
            opener
                .open_database::<Bytes, Bytes>(transaction, None)
                .map(heed::CommitOrAbort::<_, ()>::Commit)
        })
        .unwrap()
        .commit()
        .flatten()
        .unwrap();
    let transaction = env.read_txn().unwrap();
    let all: Vec<_> = database.iter(&transaction).unwrap().map(Result::unwrap).collect();
    assert_eq!(all.len(), 301);
    assert_eq!(all[300].0, HEADER_KEY);
    let Some(header::Header::Ours(secret)) = header::parse(all[300].1) else { panic!("no header") };
    for (n, (found, stored)) in all[..300].iter().enumerate() {
        assert_eq!(*found, key(n as u32));
        assert_eq!(secret.verify(found, stored), Some(&value(n as u32)[..]));
    }
}
