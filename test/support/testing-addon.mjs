// mocha loads a test file by require(), or by import() if it can't, and tsx has an instance of every module for each
// way. Required by mocha next to testing-addon.ts, this has the second instance of lib load the tests' addon as well.
import "./testing-addon.ts";
