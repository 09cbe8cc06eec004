//! Compiles the prelude, `src/lua/*.lua`, to LuaJIT's bytecode, so that a start has not to do it.
//!
//! The bytecode keeps names and lines for tracebacks. It is made by the very LuaJIT that will read it.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

use mlua::Lua;

const FOLDER: &str = "src/lua";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={FOLDER}");
    println!("cargo::rerun-if-changed=build.rs");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    let lua = Lua::new();
    for entry in fs::read_dir(FOLDER)? {
        let path = entry?.path();
        let (Some(stem), true) = (path.file_stem(), path.extension().is_some_and(|e| e == "lua"))
        else {
            continue;
        };
        let name = stem.to_string_lossy();
        let chunk = lua.load(fs::read(&path)?).set_name(format!("=kres/{name}.lua"));
        let bytecode = chunk.into_function()?.dump(false);
        fs::write(out.join(format!("{name}.bytecode")), bytecode)?;
    }
    Ok(())
}
