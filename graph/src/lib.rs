//! The quantum graph: dense model, native file, .qg exchange and pictures; knows neither how it was built nor who runs it.
