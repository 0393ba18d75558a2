//! Whole-program tests and the kit that drives the real middleware.
