import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { expect } from "chai";
import { electronProgram, ensureElectron, inspectElectron } from "../../../scripts/electron/install.js";
import { BuildError } from "../../../scripts/support/errors.js";
import { failureOf } from "../../support/errors.js";

async function buildErrorOf(code: string, action: () => Promise<unknown>): Promise<string> {
  const error = await action().then(() => undefined, (reason: unknown) => reason);
  if (!(error instanceof BuildError)) throw new Error(`expected a BuildError, received ${String(error)}`);
  expect(error.code).to.equal(code);
  return error.message;
}

describe("the Electron of tests", () => {
  let directory: string;
  before(function () {
    if (process.platform !== "linux" || process.arch !== "x64") this.skip();
  });
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "reviewkd-electron-install-"));
  });
  afterEach(() => {
    rmSync(directory, { recursive: true, force: true });
  });

  function programThat(what: string, name = "program"): string {
    const path = join(directory, name);
    writeFileSync(path, `#!/bin/sh\n${what}\n`);
    chmodSync(path, 0o755);
    return path;
  }

  it("is the one that REVIEWKD_ELECTRON names, or that of the cache", () => {
    expect(electronProgram({ REVIEWKD_ELECTRON: "/opt/electron" })).to.equal("/opt/electron");
    expect(electronProgram({ REVIEWKD_CACHE: directory, REVIEWKD_ELECTRON: "" })).to.match(
      /\/electron\/[\d.]+-linux-x64\/electron$/,
    ).and.include(directory);
  });

  it("reports its version and that of its Node, and its output if it does not run", async () => {
    const program = programThat(`echo '{ "electron": "40.1.0", "node": "24.2.0" }'`);
    expect(await inspectElectron(program)).to.deep.equal({ program, version: "40.1.0", node: "24.2.0" });
    const broken = programThat("echo no display; exit 3", "broken");
    expect(await buildErrorOf("ELECTRON_BROKEN", () => inspectElectron(broken))).to.include("received no display").and
      .include("npm run electron:fetch");
    // Any other program that runs, such as Node.
    expect(await buildErrorOf("ELECTRON_BROKEN", () => inspectElectron(process.execPath))).to.include(process.execPath);
  });

  it("names libraries that the system lacks, and the command that installs them", async () => {
    const library = join(directory, "libabsent.so");
    const program = join(directory, "program");
    execFileSync("g++", ["-shared", "-x", "c++", "-o", library, "-"], { input: "int f() { return 0; }" });
    execFileSync("g++", ["-x", "c++", "-o", program, "-", "-x", "none", library], {
      input: "int f(); int main() { return f(); }",
    });
    rmSync(library);
    expect(await buildErrorOf("LIBRARY_NOT_FOUND", () => inspectElectron(program))).to.include("libabsent.so").and
      .include("apt-get install libgtk-3-0");
  });

  it("says what its download needs", async () => {
    const empty = join(directory, "bin");
    mkdirSync(empty);
    const context = { env: { ...process.env, REVIEWKD_CACHE: directory, PATH: empty }, progress: () => undefined };
    const before = process.env["PATH"];
    try {
      process.env["PATH"] = empty;
      expect(await buildErrorOf("TOOL_MISSING", () => ensureElectron(context))).to.include("squashfs-tools");
      process.env["PATH"] = `${empty}${delimiter}${directory}`;
      programThat("exit 0", "unsquashfs");
      const { message } = await failureOf("DEPENDENCY_MISSING", () => ensureElectron(context));
      expect(message).to.include("pip for downloading Electron").and.include("REVIEWKD_ELECTRON").and.not.include(
        "libtorch",
      );
    } finally {
      process.env["PATH"] = before;
    }
  });
});
