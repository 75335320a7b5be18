// The name of a test file decides which command runs it: CONTRIBUTING.md has the list.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import ts from "typescript";

const SUFFIXES = ["process", "long", "serial"];
/**
 * Modules by which a test starts processes or threads. Those that it reaches through others are found when it runs:
 * test/support/no-processes.ts.
 */
const STARTERS = /^node:(child_process|cluster|worker_threads)$|\/support\/process\.mjs$/;

const filesBelow = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: "utf8" }).map((name) => join(folder, name).replaceAll("\\", "/"))
    .filter((name) => name.endsWith(".test.ts") && !name.includes("/node_modules/"));

const suffixOf = (file: string): string | undefined => /\.([a-z-]+)\.test\.ts$/.exec(file)?.[1];

function importsOf(file: string): string[] {
  return ts.preProcessFile(readFileSync(file, "utf8"), true, true).importedFiles.map(({ fileName }) => fileName);
}

describe("test files", () => {
  it("are imported as programs import, never required: tsx has a second instance of each module for require()", () => {
    expect((process.features as { readonly require_module?: boolean }).require_module).to.equal(false);
  });
});

describe("the names of test files", () => {
  const fast = filesBelow("test/unit").filter((file) => suffixOf(file) === undefined);

  it("have a known suffix or none", () => {
    const unknown = [...filesBelow("test"), ...filesBelow("examples/browser/test"),
      ...filesBelow("examples/electron/test")].filter((file) => !SUFFIXES.includes(suffixOf(file) ?? SUFFIXES[0]!));
    expect(unknown).to.deep.equal([]);
  });

  it("say which unit tests start processes", () => {
    expect(fast).to.have.length.above(50);
    const starting = fast.flatMap((file) =>
      importsOf(file).filter((name) => STARTERS.test(name)).map((name) =>
        `${file} imports ${name}: rename it to *.process.test.ts`
      )
    );
    expect(starting).to.deep.equal([]);
  });

  it("leave the machine to a serial test alone", () => {
    expect(filesBelow("test/unit").filter((file) => suffixOf(file) === "serial")).to.deep.equal([]);
  });
});
