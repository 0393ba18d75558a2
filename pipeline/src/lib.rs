//! Pipeline graphs: tasks, connections and dataset type resolution; knows no repositories, graphs of quanta or processes.
