import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { readMachO } from "../../../scripts/package/mach-o.js";
import { readPe } from "../../../scripts/package/pe.js";
import { machO, pe } from "./small-libraries.js";

describe("a library's own tables", () => {
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), "reviewkd-tables-"));
  });
  after(() => {
    rmSync(directory, { recursive: true, force: true });
  });

  function file(name: string, bytes: Buffer): string {
    writeFileSync(join(directory, name), bytes);
    return join(directory, name);
  }

  /** The thrown error: a damaged file is reported, and is not read beyond its end. */
  const failure = (reading: Promise<unknown>): Promise<unknown> =>
    reading.then(() => undefined, (error: unknown) => error);

  it("list on Windows its immediate and delayed libraries, its exports and its code", async () => {
    const path = file("a.dll",
      pe({ needed: ["torch_cpu.dll", "KERNEL32.dll"], delayed: ["NODE.EXE"],
        exports: ["__kmpc_fork_call", "omp_get_thread_num"], code: Buffer.from([0xc3]) }));
    expect(await readPe(path)).to.deep.include({ needed: ["torch_cpu.dll", "KERNEL32.dll"], delayed: ["NODE.EXE"],
      exports: ["__kmpc_fork_call", "omp_get_thread_num"] });
    expect((await readPe(path)).code).to.deep.equal([{ offset: 0x200, size: 1 }]);
  });

  it("may be empty on Windows", async () => {
    expect(await readPe(file("b.dll", pe({})))).to.deep.include({ needed: [], delayed: [], exports: [] });
  });

  it("list on macOS its libraries, its run path and its version", async () => {
    const path = file("a.dylib",
      machO({ needed: ["@rpath/libtorch_cpu.dylib", "/usr/lib/libc++.1.dylib"], runPath: ["@loader_path"],
        macos: [14, 2] }));
    expect(await readMachO(path)).to.deep.equal({ needed: ["@rpath/libtorch_cpu.dylib", "/usr/lib/libc++.1.dylib"],
      runPath: ["@loader_path"], macos: "14.2" });
  });

  it("are reported as damaged in a file of another kind, or a truncated one", async () => {
    const whole = pe({ needed: ["a.dll"], exports: ["f"] });
    for (const bytes of [Buffer.from("text"), Buffer.alloc(64), whole.subarray(0, 0x90),
      whole.subarray(0, whole.length - 60), machO({})]) {
      expect(await failure(readPe(file("c.dll", bytes)))).to.have.property("code", "LIBRARY_DAMAGED");
    }
    for (const bytes of [Buffer.from("text"), pe({}), machO({ needed: ["a.dylib"] }).subarray(0, 40)]) {
      expect(await failure(readMachO(file("c.dylib", bytes)))).to.have.property("code", "LIBRARY_DAMAGED");
    }
  });
});
