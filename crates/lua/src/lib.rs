//! The configuration language. Turns Lua into calls on the `Host`, and hooks into Lua.
