// The Electron of the tests, and whether it can open a window here.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { BuildError } from "../../../scripts/support/errors.js";
import { electronProgram, inspectElectron, type Electron } from "../../../scripts/electron/install.js";

/** Finds an Electron, or the reason why its tests have to be skipped; one that is there and is broken fails them. */
export async function findElectron(): Promise<Electron | { readonly missing: string }> {
  const program = electronProgram();
  if (!existsSync(program) && !process.env["REVIEWKD_ELECTRON"])
    return { missing: "no Electron found (npm run electron:fetch, or name its program by REVIEWKD_ELECTRON)" };
  if (process.platform === "linux" && spawnSync("Xvfb", ["-help"]).error !== undefined)
    return { missing: "no display for Electron (apt-get install xvfb)" };
  return inspectElectron(program).catch((error: unknown) => {
    if (error instanceof BuildError && error.code === "LIBRARY_NOT_FOUND") return { missing: error.message };
    throw error;
  });
}

/**
 * Options of every Electron here: root may not use Chromium's sandbox, no attempts are needed to find a GPU, and of
 * Chromium's log only fatal errors matter, not services of a desktop that are missing.
 */
export const ELECTRON_OPTIONS = ["--no-sandbox", "--disable-gpu", "--log-level=3"];
