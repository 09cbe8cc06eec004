//! Files: replaced as a whole or not at all.

use std::os::unix::fs::PermissionsExt;

use super::*;

const DS: &str =
    ". DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\n";

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_file_is_replaced_and_nothing_is_left_beside_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("root.keys");
    check_writable(&path).unwrap();
    assert!(names(directory.path()).is_empty());
    write(&path, "; nothing\n").unwrap();
    assert!(read(&path).unwrap_err().to_string().ends_with("root.keys' (empty TA set)"));
    write(&path, DS).unwrap();
    assert_eq!(names(directory.path()), ["root.keys"]);
    assert_eq!(read(&path).unwrap().keys.len(), 1);
}

#[test]
fn what_cannot_be_written_leaves_the_old_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("root.keys");
    write(&path, DS).unwrap();
    // A directory in the way of the new file makes writing fail, also for root.
    fs::create_dir(beside(&path)).unwrap();
    assert!(write(&path, "other").is_err());
    assert_eq!(fs::read_to_string(&path).unwrap(), DS);
    let refusal = check_writable(&path).unwrap_err().to_string();
    assert!(refusal.starts_with("write access needed to keyfile dir '"), "{refusal}");
}

#[test]
fn a_file_that_is_no_file_of_keys_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("root.keys");
    let refusal = |path: &Path| read(path).unwrap_err().to_string();
    assert!(refusal(&path).contains("(No such file or directory"));
    fs::write(&path, vec![b';'; ANCHOR_FILE_BYTES_MAX as usize + 1]).unwrap();
    assert!(refusal(&path).ends_with("(too large for a file of keys)"));
    fs::write(&path, [0xff, 0xfe]).unwrap();
    assert!(refusal(&path).contains("UTF-8"));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o111, 0);
}
