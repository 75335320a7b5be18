// The addon of tests and benchmarks: the published one with entry points for single operations and for the rates of
// kernels. Import this before the first use of the package.
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { packageRoot } from "../../dist/install/layout.js";
import { checkoutAddonPath, loadAddon } from "../../dist/install/load.js";
import { getMachineInfo } from "../../dist/install/machine-info.js";
import { addon, findAddonWith } from "../../dist/native.js";

const path = join(dirname(checkoutAddonPath()), "reviewkd-testing.node");

findAddonWith(() => {
  if (!existsSync(path))
    throw new Error(`invalid build: expected ${path}, received none. Run \`npm run build:tests\`.`);
  return loadAddon({ root: packageRoot(), machine: getMachineInfo(), env: process.env, checkoutAddon: path });
});

/** Timings of a copy and of the kernels of a device; empty if it has none. */
export function kernelRates(/** @type {object} */ options) {
  return addon().kernelRates(options);
}
