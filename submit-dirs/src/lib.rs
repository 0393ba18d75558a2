//! The submit directory: its layout, its status and its reports; knows no SQL.
