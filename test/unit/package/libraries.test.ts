import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { copyLibraries } from "../../../scripts/package/libraries.js";
import { machO, pe } from "./small-libraries.js";

describe("copyLibraries", () => {
  let directory: string;
  let lib: string;
  let runtime: string;
  let out: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "reviewkd-libraries-"));
    [lib, runtime, out] = ["lib", "runtime", "out"].map((name) => join(directory, name)) as [string, string, string];
    for (const folder of [lib, runtime, out]) mkdirSync(folder);
  });
  afterEach(() => {
    rmSync(directory, { recursive: true, force: true });
  });

  const copy = (platform: string): Promise<string[]> =>
    copyLibraries(platform, [join(out, "reviewkd.node")], [lib, runtime, join(directory, "none")], out,
      () => undefined);
  const failure = (copying: Promise<unknown>): Promise<unknown> =>
    copying.then(() => undefined, (error: unknown) => error);

  it("copies on Windows the libraries that are loaded, also indirectly, and neither the system's own nor unused ones", async () => {
    writeFileSync(join(out, "reviewkd.node"),
      pe({ needed: ["torch_cpu.dll", "c10.dll", "KERNEL32.dll", "MSVCP140.dll"], delayed: ["NODE.EXE"] }));
    writeFileSync(join(lib, "torch_cpu.dll"),
      pe({ needed: ["libiomp5md.dll", "uv.dll", "c10.dll", "api-ms-win-crt-heap-l1-1-0.dll"] }));
    writeFileSync(join(lib, "c10.dll"), pe({ needed: ["dbghelp.dll", "VCRUNTIME140.dll"] }));
    for (const name of ["libiomp5md.dll", "uv.dll", "libiompstubs5md.dll", "shm.dll"])
      writeFileSync(join(lib, name), pe({ needed: ["USER32.dll"] }));
    // Spelled as in Visual Studio.
    for (const name of ["msvcp140.dll", "vcruntime140.dll", "concrt140.dll"])
      writeFileSync(join(runtime, name), pe({ needed: ["KERNEL32.dll"] }));
    const copied = await copy("win32");
    expect(copied).to.deep.equal(["MSVCP140.dll", "VCRUNTIME140.dll", "c10.dll", "libiomp5md.dll", "torch_cpu.dll",
      "uv.dll"]);
    expect(readdirSync(out).sort()).to.deep.equal([...copied, "reviewkd.node"].sort());
    expect(readFileSync(join(out, "uv.dll"))).to.deep.equal(readFileSync(join(lib, "uv.dll")));
  });

  it("copies on macOS libraries of the same directory, named by @rpath or @loader_path", async () => {
    writeFileSync(join(out, "reviewkd.node"),
      machO({ needed: ["@rpath/libtorch_cpu.dylib", "/usr/lib/libSystem.B.dylib"], runPath: ["@loader_path"] }));
    writeFileSync(join(lib, "libtorch_cpu.dylib"),
      machO({ needed: ["@loader_path/libc10.dylib", "/System/Library/Frameworks/Metal.framework/Versions/A/Metal"] }));
    writeFileSync(join(lib, "libc10.dylib"), machO({ needed: ["/usr/lib/libc++.1.dylib"] }));
    writeFileSync(join(lib, "libshm.dylib"), machO({}));
    expect(await copy("darwin")).to.deep.equal(["libc10.dylib", "libtorch_cpu.dylib"]);
  });

  it("names a missing library, and the source of Microsoft's runtimes", async () => {
    writeFileSync(join(out, "reviewkd.node"), pe({ needed: ["new.dll"] }));
    expect(await failure(copy("win32"))).to.have.property("code", "LIBRARY_NOT_FOUND");
    writeFileSync(join(out, "reviewkd.node"), pe({ needed: ["VCRUNTIME140_THREADS.dll"] }));
    expect(await failure(copy("win32"))).to.have.property("message").that.matches(
      /^cannot find VCRUNTIME140_THREADS\.dll for reviewkd\.node in .*VCToolsRedistDir/,
    );
  });

  it("refuses a module that does not search its own directory", async () => {
    writeFileSync(join(out, "reviewkd.node"), machO({ needed: ["@rpath/libc10.dylib"], runPath: ["/opt/lib"] }));
    expect(await failure(copy("darwin"))).to.have.property("code", "LIBRARY_NOT_FOUND");
  });
});
