//! Private database servers, for the demo, the tests and the benchmarks: started from what is
//! installed, on a free port, in a folder of their own, and stopped when they are dropped.
