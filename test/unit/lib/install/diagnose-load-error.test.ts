import { expect } from "chai";
import { diagnoseLoadError, diagnoseRequirements, isOlder } from "../../../../lib/install/diagnose-load-error.js";
import { machine, useInstalledPackage } from "./machines.js";

describe("isOlder", () => {
  it("compares versions by their numbers", () => {
    expect([["2.9", "2.28"], ["2.28", "2.28.1"], ["1.9", "2"]].map(([a, b]) => isOlder(a!, b!))).to.deep.equal([true,
      true, true]);
    expect([["2.28", "2.28"], ["2.31", "2.28"], ["3", "2.99"]].map(([a, b]) => isOlder(a!, b!))).to.deep.equal([false,
      false, false]);
  });
});

describe("diagnoseRequirements", () => {
  const main = useInstalledPackage();
  const found = (reviewkd: object) => ({
    directory: "/packages/linux-x64",
    manifest: { name: "@reviewkd/linux-x64", version: "1.2.3", libc: ["glibc"],
      reviewkd: { libtorch: "2.14.1", instructionSets: [], ...reviewkd } },
  });

  it("finds nothing if all requirements are met", () => {
    expect(diagnoseRequirements(main(), found({ glibc: "2.36", instructionSets: ["sse4_1"] }), machine())).to.equal(
      undefined,
    );
  });

  it("names both versions of glibc", () => {
    const old = machine({ libc: { family: "glibc", version: "2.31" } });
    expect(diagnoseRequirements(main(), found({ glibc: "2.35" }), old)?.reason).to.equal(
      "invalid glibc: expected 2.35 or later, received 2.31",
    );
  });

  it("names the instructions that a processor lacks", () => {
    const old = machine({ instructionSets: [] });
    expect(diagnoseRequirements(main(), found({ instructionSets: ["sse4_1"] }), old)?.reason).to.equal(
      "invalid processor: expected SSE4.1, received one without",
    );
  });

  it("accepts a processor whose instruction sets the kernel does not report", () => {
    expect(diagnoseRequirements(main(), found({ instructionSets: ["sse4_1"] }), machine({ instructionSets: null }))).to
      .equal(undefined);
  });
});

describe("diagnoseLoadError", () => {
  const diagnose = (message: string,
    options: { signal?: NodeJS.Signals; rebuild?: boolean; instructionSets?: string[] } = {}) =>
    diagnoseLoadError("/packages/linux-x64/reviewkd.node", { message, signal: options.signal ?? null },
      machine(options.instructionSets === undefined ? {} : { instructionSets: options.instructionSets }),
      options.rebuild ?? false);

  it("explains an illegal instruction on a processor without AVX2", () => {
    const { reason, fix } = diagnose("", { signal: "SIGILL", instructionSets: ["sse4_1", "avx"] });
    expect(reason).to.equal("invalid processor: expected AVX2, received one without");
    expect(fix).to.include("Intel since 2013").and.include("-cpu host");
  });

  it("does not blame a processor that has AVX2", () => {
    expect(diagnose("", { signal: "SIGILL" }).reason).to.include(
      "instruction that this processor does not have (SIGILL)",
    );
  });

  it("explains a disk that is mounted with noexec", () => {
    const { reason, fix } = diagnose(
      "libtorch_cpu.so: failed to map segment from shared object: Operation not permitted",
    );
    expect(reason).to.include("does not run code from /packages/linux-x64").and.include("noexec");
    expect(fix).to.include("without noexec");
  });

  it("explains a system without libstdc++", () => {
    const { reason, fix } = diagnose("libstdc++.so.6: cannot open shared object file: No such file or directory");
    expect(reason).to.equal("this system has no libstdc++.so.6");
    expect(fix).to.include("apt-get install libstdc++6");
  });

  it("explains a library for another processor", () => {
    expect(diagnose("reviewkd.node: wrong ELF class: ELFCLASS32").reason).to.include(
      "it is for another processor than linux-x64",
    );
  });

  it("explains Windows' messages, with a command that both of its shells understand", () => {
    const onWindows = (message: string): ReturnType<typeof diagnoseLoadError> =>
      diagnoseLoadError("C:/packages/win32-x64/reviewkd.node", { message, signal: null },
        machine({ platform: "win32-x64", libc: null }), false);
    const missing = onWindows(
      "The specified module could not be found.\r\n\\\\?\\C:\\packages\\win32-x64\\reviewkd.node",
    );
    expect(missing.reason).to.include("a library that it loads is missing in C:/packages/win32-x64");
    expect(missing.fix).to.equal("npm ci");
    expect(onWindows("The specified procedure could not be found.").reason).to.include("built with another libtorch");
    expect(onWindows("reviewkd.node is not a valid Win32 application.").reason).to.include(
      "for another processor than win32-x64",
    );
  });

  it("explains a runtime that may not load native code", () => {
    expect(diagnose("Cannot load native addon because loading addons is disabled.")).to.deep.equal({
      reason: "this program may not load native code (Cannot load native addon because loading addons is disabled.)",
      fix: "start Node without `--no-addons`, and with `--allow-addons` where it runs with `--permission`",
    });
    expect(diagnose('Requires ffi access to "a.node", run again with the --allow-ffi flag').fix).to.equal(
      "start Deno with `--allow-ffi`",
    );
    expect(diagnose("process.dlopen is not a function").reason).to.match(/^this runtime loads no native code/);
  });

  it("suggests a build in a checkout, and an installation elsewhere", () => {
    expect(diagnose("file too short", { rebuild: true }).fix).to.equal("npm run build");
    expect(diagnose("file too short").fix).to.match(/&& npm install$/);
  });

  it("passes on an unknown message", () => {
    expect(diagnose("something new").reason).to.equal("something new");
  });
});
