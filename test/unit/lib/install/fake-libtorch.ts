// Small directories, wheels and Pythons that stand in for the real ones in tests of the build scripts.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { mainLibraries } from "../../../../lib/install/libtorch-directory.js";

const CXX11_CHECK = "_ZN3c106detail14torchCheckFailEPKcS2_jRKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE";
const OLD_CHECK = "_ZN3c106detail14torchCheckFailEPKcS2_jRKSs";

/** Gives each test of the enclosing suite a temporary directory of its own. */
export function useTemporaryDirectory(): () => string {
  let directory = "";
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "reviewkd-build-"));
  });
  afterEach(() => {
    rmSync(directory, { recursive: true, force: true });
  });
  return () => directory;
}

/** An ELF header whose table of sections ends the file, followed by some text. */
export function fakeLibrary(text = ""): Buffer {
  const header = Buffer.alloc(64);
  header.writeUInt32BE(0x7f454c46, 0);
  const body = Buffer.from(text);
  header.writeBigUInt64LE(BigInt(64 + body.length), 40);
  header.writeUInt16LE(64, 58);
  header.writeUInt16LE(1, 60);
  return Buffer.concat([header, body, Buffer.alloc(64)]);
}

export interface FakeOptions {
  version?: string;
  variant?: string;
  oldAbi?: boolean;
}

/** The files of a libtorch that passes inspection, by their path inside it. */
export function fakeLibTorchFiles(
  { version = "2.14.1", variant = "cpu", oldAbi = false }: FakeOptions = {},
): Record<string, Buffer> {
  const [major, minor, patch] = version.split(".");
  const header =
    `#define TORCH_VERSION_MAJOR ${major}\n#define TORCH_VERSION_MINOR ${minor}\n#define TORCH_VERSION_PATCH ${patch}\n`;
  return {
    ...Object.fromEntries(
      mainLibraries().map((name) => [`lib/${name}`, fakeLibrary(oldAbi ? OLD_CHECK : CXX11_CHECK)]),
    ),
    "include/torch/csrc/api/include/torch/version.h": Buffer.from(header),
    "include/torch/csrc/api/include/torch/nn.h": Buffer.from("#pragma once\n"),
    "include/ATen/ATen.h": Buffer.from("#pragma once\n"),
    "include/c10/core/Device.h": Buffer.from("#pragma once\n"),
    "version.py": Buffer.from(`__version__ = '${version}+${variant}'\n`),
  };
}

/** Writes files below `directory`. */
export function writeFiles(directory: string, files: Record<string, Buffer | string>): void {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), content);
  }
}

/** Writes a libtorch that passes inspection. */
export function writeFakeLibTorch(directory: string, options?: FakeOptions): void {
  writeFiles(directory, fakeLibTorchFiles(options));
}

/** Writes an executable script named python3 and gives a PATH on which it is the only program. */
export function fakePython(directory: string, script: string): string {
  const bin = join(directory, "bin");
  writeFiles(bin, { python3: `#!/bin/sh\n${script}\n` });
  chmodSync(join(bin, "python3"), 0o755);
  return bin;
}

/** A PATH whose python3 is the machine's own, except that it says that there is no torch. */
export function pathWithoutTorch(directory: string): string {
  const real = execFileSync("python3", ["-c", "import sys; print(sys.executable)"], { encoding: "utf8" }).trim();
  const bin = fakePython(directory, `case "$*" in *find_spec*) echo; exit 0;; esac\nexec "${real}" "$@"`);
  return [bin, process.env["PATH"]].join(delimiter);
}

export interface Wheel {
  path: string;
  sha256: string;
}

const ZIP = `
import base64, json, sys, zipfile
path, files = json.load(sys.stdin)
with zipfile.ZipFile(path, "w") as archive:
    for name, content in files.items():
        archive.writestr(name, base64.b64decode(content))
`;

/**
 * Writes a wheel of `distribution` (`name-version`) with a RECORD; `tamper` changes contents after the RECORD was made.
 */
export function writeWheel(
  directory: string,
  distribution: string,
  files: Record<string, Buffer>,
  tamper: Record<string, Buffer> = {},
): Wheel {
  const info = `${distribution}.dist-info`;
  const [name = "", version = ""] = distribution.split("-");
  const all: Record<string, Buffer> = {
    ...files,
    [`${info}/METADATA`]: Buffer.from(`Metadata-Version: 2.1\nName: ${name}\nVersion: ${version}\n`),
    [`${info}/WHEEL`]: Buffer.from("Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: false\nTag: py3-none-any\n"),
  };
  const rows = Object.entries(all).map(([file, content]) =>
    `${file},sha256=${createHash("sha256").update(content).digest("base64url")},${content.length}`
  );
  // PyTorch's wheels end lines as RFC 4180 has it, NVIDIA's as Unix does.
  const end = distribution.startsWith("torch-") ? "\r\n" : "\n";
  all[`${info}/RECORD`] = Buffer.from([...rows, `${info}/RECORD,,`, ""].join(end));
  const path = join(directory, `${distribution}-py3-none-any.whl`);
  mkdirSync(directory, { recursive: true });
  const contents = Object.entries({ ...all, ...tamper }).map(([file, content]) => [file, content.toString("base64")]);
  execFileSync("python3", ["-c", ZIP], { input: JSON.stringify([path, Object.fromEntries(contents)]) });
  return { path, sha256: createHash("sha256").update(readFileSync(path)).digest("hex") };
}
