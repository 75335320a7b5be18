/** Programs in C++ that test themselves. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { run } from "../../lib/install/process.js";

/** Compiles sources of the checkout without a warning, and runs the program. It has to end with 0; gives what it prints. */
export async function runCpp(sources: readonly string[], options: readonly string[] = []): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), "reviewkd-program-"));
  try {
    const program = join(directory, "program");
    const compiled = await run(process.env["CXX"] ?? "c++", ["-std=c++20", "-O1", "-Wall", "-Wextra", "-Werror", "-I", "native", ...sources, "-o", program, ...options]);
    expect(compiled.status, compiled.output).to.equal(0);
    const { status, stdout, output } = await run(program, []);
    expect(status, output).to.equal(0);
    return stdout;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
