/**
 * Required where test files run on two processes: with a thread each, libtorch leaves the other processor to the other
 * process. Tests that are about threads say how many.
 */
// @env OMP_NUM_THREADS tests: Threads of one operation in tests; libtorch itself reads it everywhere. Default: `1`
// where test files run on two processes.
process.env["OMP_NUM_THREADS"] ??= "1";
