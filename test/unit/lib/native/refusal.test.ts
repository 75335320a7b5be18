import { expect } from "chai";
import { diagnoseRefusal, diagnoseRequirements, isOlder } from "../../../../lib/native/refusal.js";
import { machine, useInstalledPackage } from "./machines.js";

describe("isOlder", () => {
  it("compares versions by their numbers", () => {
    expect([["2.9", "2.28"], ["2.28", "2.28.1"], ["1.9", "2"]].map(([a, b]) => isOlder(a!, b!))).to.deep.equal([true, true, true]);
    expect([["2.28", "2.28"], ["2.31", "2.28"], ["3", "2.99"]].map(([a, b]) => isOlder(a!, b!))).to.deep.equal([false, false, false]);
  });
});

describe("diagnoseRequirements", () => {
  const main = useInstalledPackage();
  const found = (reviewkd: object) => ({
    directory: "/packages/linux-x64", manifest: { name: "@reviewkd/linux-x64", version: "1.2.3", libc: ["glibc"], reviewkd: { libtorch: "2.14.1", instructionSets: [], ...reviewkd } },
  });

  it("has nothing to say where all fits", () => {
    expect(diagnoseRequirements(main(), found({ glibc: "2.36", instructionSets: ["sse4_1"] }), machine())).to.equal(undefined);
  });

  it("names both versions of glibc", () => {
    const old = machine({ libc: { family: "glibc", version: "2.31" } });
    expect(diagnoseRequirements(main(), found({ glibc: "2.35" }), old)?.reason).to.equal("expected glibc 2.35 or later, got 2.31");
  });

  it("names the instructions that a processor lacks", () => {
    const old = machine({ instructionSets: [] });
    expect(diagnoseRequirements(main(), found({ instructionSets: ["sse4_1"] }), old)?.reason).to.equal("expected a processor with SSE4.1, got one without");
  });

  it("lets a processor pass of which the kernel tells nothing", () => {
    expect(diagnoseRequirements(main(), found({ instructionSets: ["sse4_1"] }), machine({ instructionSets: null }))).to.equal(undefined);
  });
});

describe("diagnoseRefusal", () => {
  const refusal = (message: string, options: { signal?: NodeJS.Signals; rebuild?: boolean; instructionSets?: string[] } = {}) =>
    diagnoseRefusal("/packages/linux-x64/reviewkd.node", { message, signal: options.signal ?? null },
      machine(options.instructionSets === undefined ? {} : { instructionSets: options.instructionSets }), options.rebuild ?? false);

  it("takes an illegal instruction on a processor without AVX2 for what it is", () => {
    const { reason, fix } = refusal("", { signal: "SIGILL", instructionSets: ["sse4_1", "avx"] });
    expect(reason).to.equal("expected a processor with AVX2, got one without");
    expect(fix).to.include("Intel since 2013").and.include("-cpu host");
  });

  it("does not blame a processor that has AVX2", () => {
    expect(refusal("", { signal: "SIGILL" }).reason).to.include("instruction that this processor does not have (SIGILL)");
  });

  it("tells a disk without the right to run code", () => {
    const { reason, fix } = refusal("libtorch_cpu.so: failed to map segment from shared object: Operation not permitted");
    expect(reason).to.include("refuses to run code from /packages/linux-x64").and.include("noexec");
    expect(fix).to.include("without noexec");
  });

  it("tells a system without libstdc++", () => {
    const { reason, fix } = refusal("libstdc++.so.6: cannot open shared object file: No such file or directory");
    expect(reason).to.equal("this system has no libstdc++.so.6");
    expect(fix).to.include("apt-get install libstdc++6");
  });

  it("tells a library for another processor", () => {
    expect(refusal("reviewkd.node: wrong ELF class: ELFCLASS32").reason).to.include("it is for another processor than linux-x64");
  });

  it("tells what Windows says of libraries, and the command that its shells know", () => {
    const onWindows = (message: string): ReturnType<typeof diagnoseRefusal> =>
      diagnoseRefusal("C:/packages/win32-x64/reviewkd.node", { message, signal: null }, machine({ platform: "win32-x64", libc: null }), false);
    const missing = onWindows("The specified module could not be found.\r\n\\\\?\\C:\\packages\\win32-x64\\reviewkd.node");
    expect(missing.reason).to.include("a library that it loads is missing beside it, in C:/packages/win32-x64");
    expect(missing.fix).to.equal("npm ci");
    expect(onWindows("The specified procedure could not be found.").reason).to.include("built with another libtorch");
    expect(onWindows("reviewkd.node is not a valid Win32 application.").reason).to.include("for another processor than win32-x64");
  });

  it("asks for a build in a checkout, and for an installation elsewhere", () => {
    expect(refusal("file too short", { rebuild: true }).fix).to.equal("npm run build");
    expect(refusal("file too short").fix).to.match(/&& npm install$/);
  });

  it("passes on what it does not know", () => {
    expect(refusal("something new").reason).to.equal("something new");
  });
});
