//! Scheduling quanta and running them; knows no databases and no release.
