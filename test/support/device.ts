/** The device for tests of fused operations: a GPU if `npm run test:gpu` requests it. */
// @env REVIEWKD_TEST_DEVICE tests: The device of the tests of fused operations, `cuda` for `npm run test:gpu`.
// Default: `cpu`.
export const TEST_DEVICE = process.env["REVIEWKD_TEST_DEVICE"] ?? "cpu";
