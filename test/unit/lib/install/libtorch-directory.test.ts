import { truncateSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { inspectLibTorch, mainLibraries } from "../../../../lib/install/libtorch-directory.js";
import { useTemporaryDirectory, writeFakeLibTorch, writeFiles } from "./fake-libtorch.js";

function failure(directory: string): { code: string; message: string } {
  try {
    inspectLibTorch(directory, "the test");
  } catch (error) {
    return error as { code: string; message: string };
  }
  throw new Error("the directory passed");
}

describe("inspectLibTorch", () => {
  const directory = useTemporaryDirectory();
  const library = (): string => join(directory(), "lib", mainLibraries()[0]!);

  for (const version of ["2.11.0", "2.14.1", "2.15.3"]) {
    it(`accepts libtorch ${version}`, () => {
      writeFakeLibTorch(directory(), { version, variant: "cu130" });
      expect(inspectLibTorch(directory(), "the test")).to.deep.equal({ directory: directory(), version,
        variant: "cu130" });
    });
  }

  for (const version of ["2.10.0", "2.9.1", "2.16.0", "3.0.0", "1.13.1"]) {
    it(`rejects libtorch ${version} and names the supported releases`, () => {
      writeFakeLibTorch(directory(), { version });
      const { code, message } = failure(directory());
      expect(code).to.equal("FILE_UNSUPPORTED");
      expect(message).to.include("2.11 to 2.15").and.to.include(`received ${version}`).and.to.include(directory());
    });
  }

  it("accepts the directory that contains torch", () => {
    writeFakeLibTorch(join(directory(), "torch"));
    expect(inspectLibTorch(directory(), "the test").directory).to.equal(join(directory(), "torch"));
  });

  it("reads the variant of a libtorch archive, which has no Python file", () => {
    writeFakeLibTorch(directory());
    rmSync(join(directory(), "version.py"));
    writeFiles(directory(), { "build-version": "2.14.1+cu128\n" });
    expect(inspectLibTorch(directory(), "the test").variant).to.equal("cu128");
  });

  it("reports a missing directory", () => {
    const { code, message } = failure(join(directory(), "absent"));
    expect(code).to.equal("FILE_NOT_FOUND");
    expect(message).to.include("no such directory").and.to.include("REVIEWKD_LIBTORCH");
  });

  it("reports a directory that contains something else", () => {
    expect(failure(directory()).code).to.equal("FILE_NOT_FOUND");
  });

  it("names the library and the header that are missing", () => {
    writeFakeLibTorch(directory());
    rmSync(library());
    rmSync(join(directory(), "include/ATen/ATen.h"));
    const { code, message } = failure(directory());
    expect(code).to.equal("FILE_CORRUPT");
    expect(message).to.include(mainLibraries()[0]!).and.to.include("include/ATen/ATen.h");
  });

  it("calls an empty library incomplete", () => {
    writeFakeLibTorch(directory());
    truncateSync(library(), 0);
    expect(failure(directory()).code).to.equal("FILE_CORRUPT");
  });

  if (process.platform === "linux") {
    it("detects a truncated library by the size in its header", () => {
      writeFakeLibTorch(directory());
      truncateSync(library(), 100);
      const { code, message } = failure(directory());
      expect(code).to.equal("FILE_CORRUPT");
      expect(message).to.match(/100 of \d+ bytes/);
    });

    it("detects a library that is something else", () => {
      writeFakeLibTorch(directory());
      writeFileSync(library(), "x".repeat(200));
      expect(failure(directory()).code).to.equal("FILE_CORRUPT");
    });

    it("rejects the ABI from before C++11", () => {
      writeFakeLibTorch(directory(), { oldAbi: true });
      const { code, message } = failure(directory());
      expect(code).to.equal("FILE_UNSUPPORTED");
      expect(message).to.include("C++11 ABI").and.to.include("REVIEWKD_LIBTORCH");
    });
  }
});
