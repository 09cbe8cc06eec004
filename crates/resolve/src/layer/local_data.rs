//! Names that are answered here and never leak upstream: the special-use names.
