// Machines other than the one that runs the tests.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { MachineInfo } from "../../../../lib/install/machine-info.js";

/** A typical machine with the given differences. */
export function machine(differences: Partial<MachineInfo> = {}): MachineInfo {
  return {
    platform: "linux-x64",
    libc: { family: "glibc", version: "2.36" },
    instructionSets: ["sse4_1", "avx", "avx2"],
    nvidiaDriver: null,
    identity: "test",
    ...differences,
  };
}

/** The directory of a main package without a platform package, created for each test. */
export function useInstalledPackage(): () => string {
  let project = "";
  const main = (): string => join(project, "node_modules", "reviewkd");
  beforeEach(() => {
    project = mkdtempSync(join(tmpdir(), "reviewkd-native-"));
    mkdirSync(main(), { recursive: true });
    writeFileSync(join(main(), "package.json"), JSON.stringify({ name: "reviewkd", version: "1.2.3" }));
  });
  afterEach(() => {
    rmSync(project, { recursive: true, force: true });
  });
  return main;
}
