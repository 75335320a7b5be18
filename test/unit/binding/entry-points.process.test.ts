// The exports of the two addons: of the published one, nothing but those that lib calls.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { run } from "../../../lib/install/process.js";
import { addon } from "../../../lib/native.js";
import { TESTING_NAMES, testingAddon } from "../../support/testing-addon.js";

/** The exports of the published addon, from a process that loads no other. */
async function publishedNames(): Promise<string[]> {
  const { status, stdout, output } = await run(process.execPath, ["--import", "tsx", "--input-type=module", "--eval",
    'import { addon } from "./lib/native.ts"; console.log(JSON.stringify(Object.keys(addon())));']);
  expect(status, output).to.equal(0);
  return (JSON.parse(stdout) as string[]).sort();
}

/** The functions of the addon that lib calls. */
function calledNames(): string[] {
  const files = readdirSync("lib", { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".ts") && !name.startsWith("install")
  );
  const calls = files.flatMap((name) =>
    [...readFileSync(join("lib", name), "utf8").matchAll(/\b(?:addon\(\)\s*|module)\.(\w+)\(/g)].map(([, called]) =>
      called!
    )
  );
  return [...new Set(calls)].sort();
}

describe("the entry points", () => {
  it("of the published addon are those that lib calls", async () => {
    const names = await publishedNames();
    expect(names).to.deep.equal(calledNames());
    expect(names).to.not.include.members(TESTING_NAMES);
  });

  it("of the tests' addon are those and single operations", async () => {
    expect(testingAddon()).to.equal(addon());
    expect(Object.keys(addon()).sort()).to.deep.equal([...await publishedNames(), ...TESTING_NAMES].sort());
  });
});
