/** The device for tests of fused operations: a GPU if `npm run test:gpu` requests it. */
export const TEST_DEVICE = process.env["REVIEWKD_TEST_DEVICE"] ?? "cpu";
