//! One benchmark for each claim, each against the real middleware or a physical floor in the same run.
