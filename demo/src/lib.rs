//! A small made-up release and tasks that work on its pixels; knows every stage only as a library user does.
