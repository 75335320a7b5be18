/** The device that tests of fused operations run on: a GPU where `npm run test:gpu` asks for it. */
export const TEST_DEVICE = process.env["REVIEWKD_TEST_DEVICE"] ?? "cpu";
