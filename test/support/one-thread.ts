/**
 * Required where test files run on two processes: with a thread each, libtorch leaves the other processor to the other
 * process. Tests that are about threads say how many.
 */
process.env["OMP_NUM_THREADS"] ??= "1";
