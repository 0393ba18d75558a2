//! Graph and journal in, personal registry out; knows nothing of execution.
