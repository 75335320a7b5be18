/**
 * Required where several processes run test files: with a thread each, libtorch leaves the other processors to the
 * others. Tests that are about threads say how many.
 */
process.env["OMP_NUM_THREADS"] ??= "1";
// Threads that wait for each other would keep a processor busy that another process needs.
// @env OMP_WAIT_POLICY tests: Whether waiting threads occupy a processor (`active`) or sleep (`passive`); OpenMP itself
// reads it everywhere. Default: `passive` where several processes run test files.
process.env["OMP_WAIT_POLICY"] ??= "passive";
