// Machines that tests do not run on.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Machine } from "../../../../lib/native/machine.js";

/** A usual machine, but for what is said of it. */
export function machine(differences: Partial<Machine> = {}): Machine {
  return {
    platform: "linux-x64", libc: { family: "glibc", version: "2.36" }, instructionSets: ["sse4_1", "avx", "avx2"], nvidiaDriver: null, identity: "test", ...differences,
  };
}

/** The directory of a main package, installed alone, anew for each test. */
export function useInstalledPackage(): () => string {
  let project = "";
  const main = (): string => join(project, "node_modules", "reviewkd");
  beforeEach(() => {
    project = mkdtempSync(join(tmpdir(), "reviewkd-native-"));
    mkdirSync(main(), { recursive: true });
    writeFileSync(join(main(), "package.json"), JSON.stringify({ name: "reviewkd", version: "1.2.3" }));
  });
  afterEach(() => { rmSync(project, { recursive: true, force: true }); });
  return main;
}
