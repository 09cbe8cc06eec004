//! Exports the program's symbols, so that C modules of Lua find the Lua C API in it.

fn main() {
    println!("cargo:rustc-link-arg-bins=-rdynamic");
    println!("cargo:rerun-if-changed=build.rs");
}
