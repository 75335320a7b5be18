import { truncateSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { inspectLibTorch, mainLibraries } from "../../../scripts/libtorch/inspect.mjs";
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
      expect(inspectLibTorch(directory(), "the test")).to.deep.equal({ directory: directory(), version, variant: "cu130" });
    });
  }

  for (const version of ["2.10.0", "2.9.1", "2.16.0", "3.0.0", "1.13.1"]) {
    it(`refuses libtorch ${version} and says which releases it takes`, () => {
      writeFakeLibTorch(directory(), { version });
      const { code, message } = failure(directory());
      expect(code).to.equal("LIBTORCH_UNSUPPORTED_VERSION");
      expect(message).to.include("2.11 to 2.15").and.to.include(`got ${version}`).and.to.include(directory());
    });
  }

  it("takes the directory that holds torch for torch itself", () => {
    writeFakeLibTorch(join(directory(), "torch"));
    expect(inspectLibTorch(directory(), "the test").directory).to.equal(join(directory(), "torch"));
  });

  it("reads the variant of a libtorch archive, which has no Python file", () => {
    writeFakeLibTorch(directory());
    rmSync(join(directory(), "version.py"));
    writeFiles(directory(), { "build-version": "2.14.1+cu128\n" });
    expect(inspectLibTorch(directory(), "the test").variant).to.equal("cu128");
  });

  it("says that a directory does not exist", () => {
    const { code, message } = failure(join(directory(), "absent"));
    expect(code).to.equal("LIBTORCH_NOT_FOUND");
    expect(message).to.include("no such directory").and.to.include("REVIEWKD_LIBTORCH");
  });

  it("says that a directory holds something else", () => {
    expect(failure(directory()).code).to.equal("LIBTORCH_NOT_FOUND");
  });

  it("names the library and the header that are missing", () => {
    writeFakeLibTorch(directory());
    rmSync(library());
    rmSync(join(directory(), "include/ATen/ATen.h"));
    const { code, message } = failure(directory());
    expect(code).to.equal("LIBTORCH_INCOMPLETE");
    expect(message).to.include(mainLibraries()[0]!).and.to.include("include/ATen/ATen.h");
  });

  it("calls an empty library incomplete", () => {
    writeFakeLibTorch(directory());
    truncateSync(library(), 0);
    expect(failure(directory()).code).to.equal("LIBTORCH_INCOMPLETE");
  });

  if (process.platform === "linux") {
    it("notices a library that was cut off, by the size that its header tells", () => {
      writeFakeLibTorch(directory());
      truncateSync(library(), 100);
      const { code, message } = failure(directory());
      expect(code).to.equal("LIBTORCH_INCOMPLETE");
      expect(message).to.match(/100 of \d+ bytes/);
    });

    it("notices a library that is something else", () => {
      writeFakeLibTorch(directory());
      writeFileSync(library(), "x".repeat(200));
      expect(failure(directory()).code).to.equal("LIBTORCH_INCOMPLETE");
    });

    it("refuses the ABI from before C++11", () => {
      writeFakeLibTorch(directory(), { oldAbi: true });
      const { code, message } = failure(directory());
      expect(code).to.equal("LIBTORCH_WRONG_ABI");
      expect(message).to.include("C++11 ABI").and.to.include("REVIEWKD_LIBTORCH");
    });
  }
});
