//! The only room with the outside world in it: sockets, the clock, signals, files, processes.
