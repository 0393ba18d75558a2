//! The quantum-backed butler over one graph, and the journal; knows no databases and no scheduling.
