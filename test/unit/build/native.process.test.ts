import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect } from "chai";
import { useTemporaryDirectory, writeFakeLibTorch, writeFiles } from "../lib/install/fake-libtorch.js";

// A project of its own, so that the real one's build directory is left alone.
describe("build.ts --native", function () {
  this.slow(10_000);
  const root = useTemporaryDirectory();
  const build = (path: string | undefined,
    parameters: string[] = ["--native"]): { status: number | null; stderr: string } =>
    spawnSync(process.execPath, ["--import", "tsx", join(root(), "scripts/build.ts"), ...parameters], {
      encoding: "utf8",
      env: { PATH: path, HOME: root(), REVIEWKD_LIBTORCH: join(root(), "libtorch") },
    });

  beforeEach(() => {
    for (const name of ["lib", "scripts"]) cpSync(name, join(root(), name), { recursive: true });
    cpSync("package.json", join(root(), "package.json"));
    symlinkSync(resolve("node_modules"), join(root(), "node_modules"), "junction");
    writeFakeLibTorch(join(root(), "libtorch"));
  });

  it("reports a missing CMake, and how to install it", () => {
    mkdirSync(join(root(), "bin"));
    const { status, stderr } = build(join(root(), "bin"));
    expect(status).to.equal(1);
    expect(stderr).to.match(/^CMAKE_NOT_FOUND: invalid PATH: expected CMake 3\.22 or later.*apt-get install cmake/m);
  });

  it("reports that a dependency is not installed", () => {
    rmSync(join(root(), "node_modules"));
    mkdirSync(join(root(), "node_modules"));
    for (const name of readdirSync("node_modules").filter((other) => other !== "cmake-js"))
      symlinkSync(resolve("node_modules", name), join(root(), "node_modules", name), "junction");
    writeFiles(join(root(), "bin"), { cmake: "#!/bin/sh\necho cmake version 3.22\n" });
    chmodSync(join(root(), "bin/cmake"), 0o755);
    const { status, stderr } = build(join(root(), "bin"));
    expect(status).to.equal(1);
    expect(stderr).to.match(/^DEPENDENCIES_MISSING: .*Run `npm ci`/m);
  });

  it("shows the error of CMake when it cannot configure", () => {
    writeFiles(root(), {
      "CMakeLists.txt":
        'cmake_minimum_required(VERSION 3.22)\nproject(broken NONE)\nmessage(FATAL_ERROR "no such luck")\n',
    });
    const { status, stderr } = build(process.env["PATH"]);
    expect(status).to.equal(1);
    expect(stderr).to.include("CONFIGURE_FAILED").and.to.include("no such luck");
    expect(stderr).not.to.match(/^ +at .*scripts/m);
  });

  it("shows the error of the compiler and fails with it", () => {
    writeFiles(root(), {
      "CMakeLists.txt":
        "cmake_minimum_required(VERSION 3.22)\nproject(broken CXX)\nadd_library(broken OBJECT broken.cpp)\n",
      "broken.cpp": "int f() { return undeclared; }\n",
    });
    const { status, stderr } = build(process.env["PATH"]);
    expect(status).to.equal(1);
    expect(stderr).to.include("undeclared").and.to.match(/^COMPILE_FAILED: /m);

    writeFiles(root(), { "broken.cpp": "int f() { return 1; }\n" });
    const fixed = build(process.env["PATH"]);
    expect(fixed.status, fixed.stderr).to.equal(0);
    expect(fixed.stderr).not.to.include("configuring");
  });

  it("rejects unknown arguments", () => {
    const { status, stderr } = build(process.env["PATH"], ["--all"]);
    expect(status).to.equal(1);
    expect(stderr).to.equal(
      "USAGE: invalid arguments: expected --ts, --native, --testing, --tests or none, received --all. Without arguments, --ts and --native are built.\n",
    );
  });
});
